"""Examples in memory and as a stream, from files as Transform writes them."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from modules import training
from modules.contract import ContractError
from modules.examples import Examples, Split, _allocate, _as_tensor
from modules.task import Task
from tests.unit import transforms
from tests.unit.transforms import Trainer


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A table of 160 examples to learn, in three files."""
    return transforms.trainer(tmp_path_factory.mktemp("table"), transforms.table(), shards=3)


@pytest.fixture
def split(trainer: Trainer) -> Split:
    return make_split(trainer, 10**6)


def make_split(trainer: Trainer, memory: int) -> Split:
    args = trainer.args()
    schema = tft.TFTransformOutput(trainer.graph).transformed_metadata.schema
    return Split(trainer.data.task, args.train_files, args.data_accessor, schema, memory)


def rows(features: Any, labels: Any) -> list[tuple[float, ...]]:
    """An example each, in an order of features."""
    columns = [np.asarray(features[name]) for name in sorted(features)]
    return [tuple(row) for row in np.column_stack([*columns, np.asarray(labels)]).tolist()]


def indexed(count: int) -> Examples:
    return Examples({"x_xf": tf.range(0, 10 * count, 10)}, tf.range(count))


def numbers(dataset: tf.data.Dataset, batches: int) -> list[list[int]]:
    found = []
    for features, labels in dataset.take(batches):
        assert (features["x_xf"].numpy() == 10 * labels.numpy()).all()
        found.append(labels.numpy().tolist())
    return found


def test_every_feature_is_read_with_its_label(trainer: Trainer, split: Split) -> None:
    examples = split.read(160)
    assert {name: v.shape.as_list() for name, v in examples.features.items()} == {
        "size_xf": [160, 1],
        "rates_xf": [160, 3],
        "year_xf": [160, 1],
    }
    expected = transforms.apply(tft.TFTransformOutput(trainer.graph), trainer.data.part(slice(160)))
    labels = expected.pop("price_xf")
    assert examples.labels.dtype == tf.int64
    assert sorted(rows(examples.features, examples.labels)) == sorted(rows(expected, labels))


def test_labels_come_in_the_order_of_the_examples(split: Split) -> None:
    labels = split.read(160).labels.numpy().tolist()
    assert split.read_labels(10**9).tolist() == labels
    assert split.read_labels(7).tolist() == labels[:7]


def test_reading_ends_with_what_is_wanted_or_there(split: Split) -> None:
    whole = split.read(1000)
    assert len(whole) == 160
    assert rows(whole.take(5).features, whole.take(5).labels) == rows(
        split.read(5).features, split.read(5).labels
    )


def test_tensors_share_the_memory_of_arrays() -> None:
    array = _allocate(1000, 37)
    tensor = _as_tensor(array[:900])
    array[3, 5] = 42
    assert tensor[3, 5].numpy() == 42


def test_the_rest_of_a_pass_follows_after_a_check() -> None:
    # 40 examples in batches of 10: after 3 steps one is within a pass over the data.
    whole = numbers(indexed(40).shuffled(10, seed=1, skip=0), 4)
    assert sorted(index for batch in whole for index in batch) == list(range(40))
    assert numbers(indexed(40).shuffled(10, seed=1, skip=3), 1) == whole[3:]


def test_every_pass_has_another_order() -> None:
    first, second = numbers(indexed(40).shuffled(40, seed=1, skip=0), 2)
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second


def stream(split: Split, seed: int, batches: int) -> list[tuple[float, ...]]:
    dataset = split.shuffled(16, seed).take(batches)
    return [row for features, labels in dataset for row in rows(features, labels)]


@pytest.mark.parametrize("memory", [10**6, 10_000])
def test_a_stream_has_every_example_once_in_a_pass(trainer: Trainer, memory: int) -> None:
    """The smaller memory shuffles 18 of the 160 examples at a time."""
    split = make_split(trainer, memory)
    found = stream(split, 1, 20)
    everything = Counter(rows(split.read(160).features, split.read(160).labels))
    assert Counter(found[:160]) == Counter(found[160:]) == everything
    assert found[:160] != found[160:]
    assert stream(split, 1, 20) == found
    assert stream(split, 2, 20) != found


def test_examples_that_do_not_fit_are_streamed(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest number that is held is that of the calibration."""
    held: list[int] = []
    real = Split.read
    monkeypatch.setattr(Split, "read", lambda s, count: held.append(count) or real(s, count))
    monkeypatch.setattr(training, "CALIBRATION_EXAMPLES", 20)
    monkeypatch.setattr(Split, "capacity", 50)
    streamed = [
        training.train(trainer.at(tmp_path).args(name, steps=155, learning_rate=0.003))
        for name in "ab"
    ]
    assert held == [20, 20] * 2  # validation takes two batches of 10
    weights = [trained.model.get_weights() for trained in streamed]
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))
    monkeypatch.setattr(Split, "capacity", 160)
    in_memory = training.train(trainer.at(tmp_path).args("c", steps=155, learning_rate=0.003))
    accuracies = []
    for trained in (streamed[0], in_memory):
        outputs = trained.predict(dict(trainer.data.features)).numpy()
        accuracies.append((outputs.argmax(axis=1) == trainer.data.labels).mean())
    assert min(accuracies) > 0.85
    assert abs(accuracies[0] - accuracies[1]) < 0.06


@pytest.mark.parametrize("capacity", [50, 5])
def test_validation_takes_what_it_needs(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, capacity: int
) -> None:
    split = make_split(trainer, 10**6)
    monkeypatch.setattr(Split, "capacity", capacity)
    found = [row for f, labels in training._validation(split, 12) for row in rows(f, labels)]
    assert found == rows(split.read(12).features, split.read(12).labels)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"size_xf": "gone"}, r"returns nothing as 'size_xf', .* takes float32 \[batch, 1\]"),
        ({"rates_xf": "whole"}, r"returns int64 \[3\] as 'rates_xf', .*float32 \[batch, 3\]"),
        ({"year_xf": "wide"}, r"returns float32 \[3\] as 'year_xf', .*float32 \[batch, 1\]"),
        ({"price_xf": "gone"}, r"does not return the label as 'price_xf'"),
    ],
)
def test_a_transform_that_does_not_fit_is_refused(change: Any, sentence: str) -> None:
    task: Task = transforms.table().task
    spec = {
        "size_xf": tf.io.FixedLenFeature([1], tf.float32),
        "rates_xf": tf.io.FixedLenFeature([3], tf.float32),
        "year_xf": tf.io.FixedLenFeature([1], tf.float32),
        "price_xf": tf.io.FixedLenFeature([1], tf.int64),
    }
    kinds = {
        "whole": tf.io.FixedLenFeature([3], tf.int64),
        "wide": tf.io.FixedLenFeature([3], tf.float32),
    }
    training._check_transform(task, spec)
    for name, kind in change.items():
        if kind == "gone":
            del spec[name]
        else:
            spec[name] = kinds[kind]
    with pytest.raises(ContractError, match=sentence):
        training._check_transform(task, spec)
