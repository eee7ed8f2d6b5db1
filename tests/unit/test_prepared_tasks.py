"""Datasets of any task: which one is chosen, shards, files that are taken over, and memory."""

import importlib
import json
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from modules import mnist
from modules.task import Classification, Feature, Regression, Task
from pipelines import settings
from pipelines.data import dataset, prepare, shards, sources
from pipelines.data.dataset import Dataset
from pipelines.data.source import Batch, Source
from pipelines.errors import DataError
from tests.unit import mnist_examples
from tests.unit.idx_files import write_idx
from tests.unit.mnist_examples import Examples

CAR_MODULE = """
from modules.task import Feature, Regression, Task

TASK = Task(
    "car", (Feature("wheels", (2,)), Feature("doors", (1,), "int64")), "price", Regression("EUR"),
    model="{name}.build",
)
WITHOUT_DOORS = Task("car", (Feature("wheels", (2,)),), "price", Regression("EUR"))
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's with tasks; its name is this test's own."""
    name = f"my_{tmp_path.parent.name}_{tmp_path.name}".replace("-", "_")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / f"{name}.py").write_text(CAR_MODULE.replace("{name}", name))
    monkeypatch.syspath_prepend(tmp_path / "code")
    return name


def write_cars(file: Path, count: int, **more: list[Any]) -> None:
    import tensorflow as tf

    file.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for number in range(count):
            values = {"wheels": [number / 2, 1.0], "doors": [number], "price": [number * 1.5]}
            example = tf.train.Example()
            for name, value in {**values, **more}.items():
                feature = example.features.feature[name]
                if isinstance(value[0], float):
                    feature.float_list.value.extend(value)
                else:
                    feature.int64_list.value.extend(value)
            writer.write(example.SerializeToString(deterministic=True))


def make(source: Path | str, directory: Path, task: str = "auto", **choice: Any) -> Dataset:
    """The dataset that `prepare` makes, which is whole."""
    made, _ = prepare.prepare(*ask(source, task, **choice), directory)
    assert made.find_fault() == ""
    assert dataset.load(directory) == made
    return made


def ask(source: Path | str, task: str, **choice: Any) -> tuple[settings.Data, settings.Task]:
    data = settings.Data(source=str(source), eval_fraction=0.25)
    return data, settings.Task(name=task, **choice)


def refusal(source: Path | str, task: str, tmp_path: Path) -> str:
    with pytest.raises(DataError) as caught:
        make(source, tmp_path / "refused", task)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "refused").exists()
    return str(caught.value)


def write_mnist(source: Path, examples: Examples, compression: str = "GZIP") -> Path:
    for name, part in (("train", examples[:30]), ("test", examples[30:])):
        (source / name).mkdir(parents=True)
        mnist_examples.write(part, source / name / "a.tfrecord", compression)
    return source


def test_records_of_a_named_task(tmp_path: Path, module: str) -> None:
    write_cars(tmp_path / "cars" / "a.tfrecord", 40)
    data, choice = ask(tmp_path / "cars", f"{module}.TASK")
    made, note = prepare.prepare(data, choice, tmp_path / "set")
    assert note == f"{tmp_path}/cars (task car: 2 features, a number)"
    manifest = made.manifest
    assert manifest.task.name == "car"
    assert manifest.task.model == "", "the code is not of the data"
    assert [manifest.count(split) for split in ("train", "eval")] == [30, 10]
    assert manifest.examples["train"].class_balance == {}
    assert prepare.prepare(data, choice, tmp_path / "set")[1] == f"{note}, unchanged"


def test_a_changed_task_is_read_again(
    tmp_path: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cars(tmp_path / "cars" / "a.tfrecord", 40)
    first = make(tmp_path / "cars", tmp_path / "set", f"{module}.TASK")
    changed = importlib.import_module(module)
    monkeypatch.setattr(changed, "TASK", changed.WITHOUT_DOORS)
    second = make(tmp_path / "cars", tmp_path / "set", f"{module}.TASK")
    assert first.manifest.name != second.manifest.name
    assert [feature.name for feature in second.manifest.task.features] == ["wheels"]


def test_records_of_an_unnamed_task_are_refused(tmp_path: Path, module: str) -> None:
    write_cars(tmp_path / "cars" / "a.tfrecord", 4)
    line = refusal(tmp_path / "cars", "auto", tmp_path)
    assert "with the features doors, price, wheels, which are not those of the task mnist" in line
    assert "`task: my_task.TASK`" in line


def test_a_bad_example_of_a_named_task_names_file_example_and_feature(
    tmp_path: Path, module: str
) -> None:
    write_cars(tmp_path / "cars" / "a.tfrecord", 4, doors=[2, 3])
    line = refusal(tmp_path / "cars", f"{module}.TASK", tmp_path)
    assert line.startswith(f"example 0 of {tmp_path}/cars/a.tfrecord has 2 values in doors, and 1")


@pytest.mark.parametrize(
    ("task", "difference", "source"),
    [
        ("{module}.TASK", "its label is 'image_class', not 'price'", "digits"),
        ("{module}.TASK", "its label is 'image_class', not 'price'", "idx"),
        ("{module}.TASK", "its label is 'image_class', not 'price'", "dataset"),
        ("table", "it has pictures", "digits"),
        ("table", "it has pictures", "dataset"),
    ],
)
def test_a_source_of_another_task_than_the_named_one_is_refused(
    tmp_path: Path, module: str, task: str, difference: str, source: str
) -> None:
    place = "digits"
    if source == "dataset":
        place = str(make("digits", tmp_path / "made").directory)
    if source == "idx":
        place = str(tmp_path / "idx")
        write_idx(tmp_path / "idx" / "images-idx3-ubyte", np.zeros((20, 28, 28), np.uint8))
        write_idx(tmp_path / "idx" / "labels-idx1-ubyte", np.zeros(20, np.uint8))
    name = task.format(module=module)
    assert refusal(place, name, tmp_path) == (
        f"{place} is of another task than {name}: {difference}: give other data, or another task "
        "in the settings"
    )


def test_pictures_that_are_not_named_images_are_refused_as_such(
    tmp_path: Path, module: str
) -> None:
    write_cars(tmp_path / "cars" / "a.tfrecord", 40)
    made = make(tmp_path / "cars", tmp_path / "set", f"{module}.TASK")
    assert "is of another task than images: it has no pictures" in refusal(
        made.directory, "images", tmp_path
    )


def test_a_dataset_is_of_a_named_task_that_fits(tmp_path: Path, module: str) -> None:
    assert make("digits", tmp_path / "one", "mnist").manifest.task == mnist.TASK
    first = make(tmp_path / "one", tmp_path / "two", "mnist")
    assert first.manifest.task == mnist.TASK


def test_what_was_asked_holds_the_choice(tmp_path: Path) -> None:
    data, choice = ask("digits", "auto")
    other = settings.Task(images=settings.Images(height=32))
    assert sources.identify(data, choice) != sources.identify(data, other)
    json.dumps(sources.identify(data, other))
    prepare.prepare(data, choice, tmp_path / "set")
    _, note = prepare.prepare(data, other, tmp_path / "set")
    assert "unchanged" not in note


def test_examples_of_any_format_have_one_fingerprint(tmp_path: Path, few: Examples) -> None:
    pixels = np.round((few.images + 0.5) * 255).astype(np.uint8).reshape(-1, 28, 28)
    write_idx(tmp_path / "idx" / "images-idx3-ubyte", pixels)
    write_idx(tmp_path / "idx" / "labels-idx1-ubyte", few.labels.astype(np.uint8))
    exact = Examples(pixels.reshape(-1, 784).astype(np.float32) / 255 - 0.5, few.labels)
    for name, compression in (("gzip", "GZIP"), ("plain", "")):
        for file, part in (("a", slice(0, 13)), ("b", slice(13, 50))):
            (tmp_path / name).mkdir(exist_ok=True)
            mnist_examples.write(exact[part], tmp_path / name / file, compression)
    made = [make(tmp_path / name, tmp_path / f"{name}-set") for name in ("idx", "gzip", "plain")]
    assert len({one.manifest.fingerprint for one in made}) == 1
    assert len({one.manifest.name for one in made}) == 1


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of ten of MNIST's examples."""
    monkeypatch.setattr(shards, "_ONE_FILE", 10 * mnist.TASK.example_bytes)
    monkeypatch.setattr(shards, "_SHARD", 10 * mnist.TASK.example_bytes)


def read_shards(made: Dataset, split: str) -> list[Examples]:
    return [mnist_examples.read(made.directory / n) for n in made.manifest.split_files(split)]


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("order", ["by class", "in turn"])
def test_large_splits_are_shards_of_all_classes(tmp_path: Path, order: str) -> None:
    labels = np.arange(200) % 5 if order == "in turn" else np.sort(np.arange(200) % 5)
    images = np.zeros((200, 28, 28), np.uint8)
    images.reshape(200, 784)[:, 0] = np.arange(200)
    for prefix in ("train", "t10k"):
        write_idx(tmp_path / "idx" / f"{prefix}-images-idx3-ubyte", images)
        write_idx(tmp_path / "idx" / f"{prefix}-labels-idx1-ubyte", labels.astype(np.uint8))
    made = make(tmp_path / "idx", tmp_path / "set")
    found = read_shards(made, "train")
    assert [len(shard) for shard in found] == [10] * 20
    assert min(len(set(shard.labels.tolist())) for shard in found) >= 3
    pixels = sorted(round((x + 0.5) * 255) for shard in found for x in shard.images[:, 0].tolist())
    assert pixels == list(range(200))
    assert make(tmp_path / "idx", tmp_path / "other").manifest == made.manifest


def test_a_split_that_comes_class_by_class_is_mixed(tmp_path: Path) -> None:
    labels = np.sort(np.arange(200) % 5).astype(np.uint8)
    images = np.zeros((200, 28, 28), np.uint8)
    images[:, 0, 0] = labels.astype(int) * 50
    images[:, 0, 1] = np.arange(200)
    for prefix in ("train", "t10k"):
        write_idx(tmp_path / "idx" / f"{prefix}-images-idx3-ubyte", images)
        write_idx(tmp_path / "idx" / f"{prefix}-labels-idx1-ubyte", labels)
    made = make(tmp_path / "idx", tmp_path / "set")
    (found,) = read_shards(made, "eval")
    assert set(found.labels[:30].tolist()) == {0, 1, 2, 3, 4}
    assert np.round((found.images[:, 0] + 0.5) * 255).tolist() == (found.labels * 50).tolist()


def test_number_of_shards_does_not_change_the_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: Examples
) -> None:
    first = make("digits", tmp_path / "one")
    monkeypatch.setattr(shards, "_ONE_FILE", 1)
    monkeypatch.setattr(shards, "_SHARD", 1 << 20)
    second = make("digits", tmp_path / "several")
    assert len(second.manifest.split_files("train")) == 5
    assert second.manifest.examples == first.manifest.examples
    assert second.manifest.fingerprint == first.manifest.fingerprint
    assert second.manifest.name != first.manifest.name
    assert make(second.directory, tmp_path / "again").manifest == second.manifest


@pytest.mark.parametrize(
    ("examples", "expected"),
    [(60_000, 1), (85_000, 1), (100_000, 5), (1_000_000, 47), (100_000_000, 128)],
)
def test_number_of_shards(examples: int, expected: int) -> None:
    assert shards.count_shards(mnist.TASK, examples) == expected


def test_records_that_fit_are_taken_over_as_they_are(
    tmp_path: Path, few: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_mnist(tmp_path / "source", few)
    (source / "train" / "b.tfrecord").write_bytes((source / "train" / "a.tfrecord").read_bytes())
    monkeypatch.setattr(shards, "write", None)
    made = make(source, tmp_path / "set")
    copies = [(made.directory / name).read_bytes() for name in made.manifest.split_files("train")]
    assert copies == [(source / "train" / "a.tfrecord").read_bytes()] * 2
    assert made.manifest.count("train") == 60
    for name in made.manifest.files:
        assert os.stat(made.directory / name).st_nlink == 1, "the user may change the source"


def test_records_that_must_be_written_anew_have_the_same_examples(
    tmp_path: Path, few: Examples
) -> None:
    first = make(write_mnist(tmp_path / "gzip", few), tmp_path / "one")
    second = make(write_mnist(tmp_path / "plain", few, ""), tmp_path / "two")
    assert second.manifest.examples == first.manifest.examples
    assert mnist_examples.read(second.directory / "train/data.tfrecord.gz").labels.tolist() == (
        few.labels[:30].tolist()
    )


def test_a_dataset_of_ours_is_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make("digits", tmp_path / "one")
    monkeypatch.setattr(sources, "find", None)
    second = make(tmp_path / "one", tmp_path / "two")
    assert second.manifest == first.manifest
    for name in first.manifest.files:
        assert (second.directory / name).samefile(first.directory / name)


def test_a_dataset_of_ours_is_said_as_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("digits", tmp_path / "one")
    monkeypatch.chdir(tmp_path)
    _, note = prepare.prepare(*ask("one", "auto"), tmp_path / "two")
    assert note == f"{tmp_path}/one (task mnist: 10 classes, 28x28 grey)"


def test_a_dataset_of_ours_is_copied_where_links_are_not_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make("digits", tmp_path / "one")

    def refuse(*arguments: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    second = make(tmp_path / "one", tmp_path / "two")
    assert second.manifest == first.manifest
    assert not (second.directory / "manifest.json").samefile(first.directory / "manifest.json")


def test_a_damaged_byte_in_a_dataset_of_ours_is_found(tmp_path: Path) -> None:
    made = make("digits", tmp_path / "one")
    file = made.directory / "train" / "data.tfrecord.gz"
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(bytes(content))
    line = refusal(tmp_path / "one", "auto", tmp_path)
    assert line.startswith(f"{file} has another content than manifest.json says: write the")


def test_a_refused_source_leaves_no_folders(tmp_path: Path, module: str) -> None:
    write_cars(tmp_path / "cars" / "a.tfrecord", 40, wheels=[1.0, float("nan")])
    with pytest.raises(DataError, match=r"example 0 of .* has values in wheels"):
        make(tmp_path / "cars", tmp_path / "a" / "b" / "set", f"{module}.TASK")
    assert not (tmp_path / "a").exists()


NUMBERS = Task("numbers", (Feature("x", (784,)),), "y", Classification(("even", "odd")))


class Endless:
    """Many examples that nobody holds."""

    where = "endless"
    follows_order = False

    def __init__(self, count: int) -> None:
        self.labels = np.arange(count) % 2

    def read(self, indices: NDArray[Any]) -> Iterator[Batch]:
        for chunk in np.array_split(np.sort(indices), len(indices) // 500):
            values = np.repeat(chunk[:, np.newaxis], 784, axis=1).astype(np.float32)
            yield Batch({"x": values}, self.labels[chunk])


def test_memory_does_not_grow_with_the_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peaks = {}
    make("digits", tmp_path / "warm")
    for count in (4_000, 24_000):
        source = Source("endless", NUMBERS, {"whole": Endless(count)})
        monkeypatch.setattr(sources, "find", lambda *_, source=source: source)
        tracemalloc.start()
        made = make("digits", tmp_path / str(count))
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert made.manifest.count("train") == count * 3 // 4
    assert peaks[24_000] - peaks[4_000] < 200 * 20_000, "held, an example takes 3,136 bytes"


def test_a_reader_that_gives_too_few_examples_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short(Endless):
        follows_order = True

        def read(self, indices: NDArray[Any]) -> Iterator[Batch]:
            return super().read(indices[:-1])

    source = Source("short", NUMBERS, {"whole": Short(2_000)})
    monkeypatch.setattr(sources, "find", lambda *_: source)
    assert refusal("digits", "auto", tmp_path) == "endless changed while it was read: try again"


def test_values_of_a_reader_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(Endless):
        def read(self, indices: NDArray[Any]) -> Iterator[Batch]:
            for batch in super().read(indices):
                batch.features["x"][batch.features["x"] == 1234] = np.inf
                yield batch

    source = Source("odd", NUMBERS, {"whole": Odd(2_000)})
    monkeypatch.setattr(sources, "find", lambda *_: source)
    assert "example 1234 of endless has values in x that are not numbers" in refusal(
        "digits", "auto", tmp_path
    )


def test_a_regression_is_split_without_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task("numbers", NUMBERS.features, "y", Regression("m"))
    part = Endless(2_000)
    part.labels = np.linspace(0, 1, 2_000, dtype=np.float32)
    source = Source("endless", task, {"whole": part}, ["predicts y, a number"])
    monkeypatch.setattr(sources, "find", lambda *_: source)
    made, note = prepare.prepare(*ask("digits", "auto"), tmp_path / "set")
    assert note == "endless (task numbers: 1 feature, a number; predicts y, a number)"
    assert made.manifest.count("eval") == 500
    part.labels = part.labels.copy()
    part.labels[7] = np.nan
    assert refusal("digits", "auto", tmp_path).startswith("example 7 of endless has a y that is no")
