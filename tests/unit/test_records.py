"""TFRecord files of examples, whole and damaged."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modules import mnist
from modules.task import Classification, Feature, Regression, Task
from pipelines.data import records, shards
from pipelines.data.manifest import shard_names
from pipelines.errors import DataError
from tests.unit import mnist_examples
from tests.unit.mnist_examples import Examples, read_part

BLANK = [0.0] * 784


def example(**values: list[Any]) -> bytes:
    """A serialized example; ints become int64, floats float and bytes bytes."""
    built = tf.train.Example()
    for name, value in values.items():
        feature = built.features.feature[name]
        if isinstance(value[0], bytes):
            feature.bytes_list.value.extend(value)
        elif isinstance(value[0], int):
            feature.int64_list.value.extend(value)
        else:
            feature.float_list.value.extend(value)
    return built.SerializeToString()


def good(label: int = 3) -> bytes:
    return example(image_floats=BLANK, image_class=[label])


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(*serialized: bytes, name: str = "data.tfrecord", compression: str = "") -> Path:
        file = tmp_path / name
        with tf.io.TFRecordWriter(str(file), compression) as writer:
            for one in serialized:
                writer.write(one)
        return file

    return write


def open_part(*files: Path, task: Task = mnist.TASK) -> records.Records:
    return records.Records("here", task, files)


def read(*files: Path) -> Examples:
    return read_part(open_part(*files))


def refusal(*files: Path, task: Task = mnist.TASK) -> str:
    """What the reader says, whether it reads the files or copies them."""
    part = open_part(*files, task=task)
    with pytest.raises(DataError) as caught:
        list(part.read(np.arange(len(part.labels))))
    message = str(caught.value)
    if all(map(records._is_gzip, files)):
        (files[0].parent / "copy").mkdir(exist_ok=True)
        with pytest.raises(DataError, match=re.escape(message)):
            part.copy(files[0].parent / "copy")
    assert any(str(file) in message for file in files)
    assert "\n" not in message
    return message


def write_split(examples: Examples, directory: Path) -> Path:
    directory.mkdir()
    shards.write(mnist.TASK, [examples.batch], directory, len(examples))
    return directory / "data.tfrecord.gz"


def test_round_trip_is_exact(tmp_path: Path, few: Examples) -> None:
    file = write_split(few, tmp_path / "train")
    assert file.read_bytes()[:2] == b"\x1f\x8b"
    found = read(file)
    assert (found.images == few.images).all()
    assert (found.labels == few.labels).all()
    assert mnist_examples.read(file).fingerprint() == few.fingerprint()


def test_bytes_are_those_of_earlier_releases(tmp_path: Path, few: Examples) -> None:
    """Which built a `tf.train.Example` of each example; a dataset is named by its bytes."""
    file = write_split(few, tmp_path / "train")
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    with tf.io.TFRecordWriter(str(tmp_path / "expected"), options) as writer:
        for image, label in zip(few.images, few.labels, strict=True):
            built = tf.train.Example()
            built.features.feature["image_floats"].float_list.value.extend(image.tolist())
            built.features.feature["image_class"].int64_list.value.append(int(label))
            writer.write(built.SerializeToString(deterministic=True))
    assert file.read_bytes() == (tmp_path / "expected").read_bytes()


def test_compression_is_seen_by_content(tmp_path: Path, few: Examples) -> None:
    compressed = tmp_path / "compressed"
    mnist_examples.write(few, compressed)
    plain = tmp_path / "plain.gz"
    plain.write_bytes(gzip.decompress(compressed.read_bytes()))
    found = {read(file).fingerprint() for file in (compressed, plain)}
    assert found == {few.fingerprint()}


def test_several_streams_in_a_file_are_read_as_tensorflow_reads_them(write) -> None:
    file = write(good(1), good(2), compression="GZIP")
    file.write_bytes(file.read_bytes() * 3)
    assert read(file).labels.tolist() == [1, 2] * 3
    assert len(list(tf.data.TFRecordDataset(str(file), "GZIP"))) == 6
    file.write_bytes(file.read_bytes() + bytes(100))  # which gzip takes, and TensorFlow does not
    assert "is truncated or not a TFRecord file" in refusal(file)


def test_several_files_in_order(write) -> None:
    first = write(good(1), good(2), name="a")
    second = write(good(3), name="b", compression="GZIP")
    assert read(first, second).labels.tolist() == [1, 2, 3]
    assert read(second, first).labels.tolist() == [3, 1, 2]


def test_some_examples_in_the_order_of_the_files(write) -> None:
    files = [write(*[good(i) for i in range(5)], name=name) for name in "ab"]
    part = open_part(*files)
    assert not part.follows_order
    chosen = list(part.read(np.array([9, 0, 3, 4])))
    assert np.concatenate([batch.labels for batch in chosen]).tolist() == [0, 3, 4, 4]


def test_other_features_are_passed_over(write) -> None:
    extra = example(image_floats=BLANK, image_class=[7], author=[b"me"], weight=[0.5])
    assert read(write(extra)).labels.tolist() == [7]


def test_more_examples_than_one_batch(write) -> None:
    count = records._BATCH + 3
    file = write(*[good(i % 10) for i in range(count)])
    assert read(file).labels.tolist() == [i % 10 for i in range(count)]


def test_batches_of_large_examples_are_small(write) -> None:
    large = Task("large", (Feature("x", (1 << 19,)),), "y", Classification(("a", "b")))
    file = write(*[example(x=[0.5] * (1 << 19), y=[0]) for _ in range(9)])
    part = open_part(file, task=large)
    sizes = [len(batch) for batch in part.read(np.arange(9))]
    assert sizes == [4, 4, 1], "8 MB each"


def test_a_file_that_grows_while_it_is_read_is_an_error(write) -> None:
    file = write(good(1))
    part = open_part(file)
    indices = np.arange(len(part.labels))
    write(good(1), good(2))
    with pytest.raises(DataError, match="here changed while it was read: try again"):
        list(part.read(indices))


@pytest.mark.parametrize(
    ("serialized", "reason"),
    [
        (example(image_class=[3]), "example 2 of .* has no image_floats"),
        (example(image_floats=BLANK), "example 2 of .* has no image_class"),
        (example(image_floats=[0.0] * 729, image_class=[3]), r"729 values .* 784 .*task: my_task"),
        (example(image_floats=[0.0] * 785, image_class=[3]), r"785 values .* 784"),
        (example(image_floats=BLANK, image_class=[3, 4]), "2 values in image_class, and 1"),
        (example(image_floats=BLANK, image_class=[10]), "example 2 of .* the label 10"),
        (example(image_floats=BLANK, image_class=[-1]), "example 2 of .* the label -1"),
        (example(image_floats=[np.nan, *BLANK[1:]], image_class=[3]), "not numbers"),
        (example(image_floats=[1.0, *BLANK[1:]], image_class=[3]), r"from 0 to 1, .*0\.5\]"),
        (example(image_floats=[255.0, *BLANK[1:]], image_class=[3]), r"from 0 to 255, .*0\.5\]"),
        (
            example(image_floats=BLANK, image_class=[3.0]),
            "example 2 of .* has floats in image_class, and integers are needed: write the",
        ),
        (example(image_floats=BLANK, image_class=[b"3"]), "example 2 .* texts in image_class"),
        (example(image_floats=[0] * 784, image_class=[3]), "2 .* integers in image_floats, and fl"),
        (example(image_floats=[b"png"], image_class=[3]), "2 of .* has texts in image_floats"),
        (b"not an example", "does not hold tf.Examples: record 2 is something else"),
    ],
)
@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_bad_example(write, serialized: bytes, reason: str, compression: str) -> None:
    file = write(good(), good(), serialized, good(), compression=compression)
    assert re.search(reason, refusal(file))


def test_bad_example_is_counted_over_batches(write) -> None:
    number = records._BATCH + 5
    bad = example(image_floats=[0.0], image_class=[3])
    file = write(*[good()] * number, bad, compression="GZIP")
    assert f"example {number} of" in refusal(file)


def test_bad_file_among_good_ones_is_the_one_named(write) -> None:
    first = write(good(), name="a", compression="GZIP")
    second = write(good(11), name="b", compression="GZIP")
    assert str(second) in refusal(first, second)


@pytest.mark.parametrize("keep", [12, 100, -1, -5])
def test_truncated_file(write, keep: int) -> None:
    file = write(good(), good())
    file.write_bytes(file.read_bytes()[:keep])
    assert "is truncated or not a TFRecord file" in refusal(file)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_truncated_compressed_file(tmp_path: Path, few: Examples, keep: float) -> None:
    file = tmp_path / "data.tfrecord.gz"
    mnist_examples.write(few, file)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    assert "is truncated or not a TFRecord file" in refusal(file)


@pytest.mark.parametrize("start", [b"", b"\x1f\x8b"])
def test_random_bytes(tmp_path: Path, start: bytes) -> None:
    file = tmp_path / "data.tfrecord"
    file.write_bytes(start + np.random.default_rng(0).bytes(5000))
    assert "is truncated or not a TFRecord file" in refusal(file)


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_damaged_byte(write, compression: str) -> None:
    file = write(*[good(i % 10) for i in range(20)], compression=compression)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(bytes(content))
    assert "is truncated or not a TFRecord file" in refusal(file)


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_empty_shards_are_fine_where_others_hold_examples(write, compression: str) -> None:
    empty = write(name="a", compression=compression)
    assert len(open_part(empty).labels) == 0
    full = write(good(4), name="b")
    assert read(empty, full).labels.tolist() == [4]


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_every_compression(write, compression: str) -> None:
    count = 200
    file = write(*[good(i % 10) for i in range(count)], name="a", compression=compression)
    assert read(file).labels.tolist() == [i % 10 for i in range(count)]
    file.write_bytes(file.read_bytes()[:-5])
    assert "is truncated or not a TFRecord file" in refusal(file)


@pytest.mark.parametrize("size", [1, 2, 11])
def test_file_too_short_for_a_record(tmp_path: Path, size: int) -> None:
    file = tmp_path / "data.tfrecord"
    file.write_bytes(good()[:size])
    refusal(file)


def copy(part: records.Records, directory: Path) -> dict[str, bytes] | None:
    """The files that were copied, by name."""
    directory.mkdir()
    tally = part.copy(directory)
    found = {file.name: file.read_bytes() for file in directory.iterdir()}
    if tally is None:
        assert found == {}
        return None
    assert tally.describe().sha256 == read_part(part).fingerprint()
    return found


def test_files_of_the_task_are_copied_as_they_are(tmp_path: Path, write) -> None:
    files = [
        write(*[good(label) for label in labels], name=name, compression="GZIP")
        for name, labels in (("b", [1, 2]), ("empty", []), ("a", [3, 4, 5]))
    ]
    (tmp_path / "nothing").write_bytes(b"")
    part = open_part(*files, tmp_path / "nothing")
    expected = dict(
        zip(shard_names(2), (files[0].read_bytes(), files[2].read_bytes()), strict=True)
    )
    assert copy(part, tmp_path / "copies") == expected
    assert list(copy(open_part(files[0]), tmp_path / "one") or ()) == ["data.tfrecord.gz"]


@pytest.mark.parametrize("compression", ["", "ZLIB"])
def test_files_that_are_not_compressed_with_gzip_are_not_copied(
    tmp_path: Path, write, compression: str
) -> None:
    first = write(good(3), name="a", compression="GZIP")
    second = write(good(3), name="b", compression=compression)
    assert copy(open_part(first, second), tmp_path / "copies") is None


def test_files_with_other_features_are_not_copied(tmp_path: Path, write) -> None:
    """They would reach the schema and Transform."""
    extra = example(image_floats=BLANK, image_class=[7], author=[b"me"])
    file = write(*[good()] * records._BATCH, extra, compression="GZIP")
    assert copy(open_part(file), tmp_path / "copies") is None


def test_files_whose_examples_come_class_by_class_are_not_copied(tmp_path: Path, write) -> None:
    files = [write(*[good(i)] * 20, name=str(i), compression="GZIP") for i in range(3)]
    assert copy(open_part(*files), tmp_path / "copies") is None


CAR = Task(
    "car", (Feature("wheels", (2,)), Feature("doors", (1,), "int64")), "price", Regression("EUR")
)


def car(**changes: list[Any]) -> bytes:
    return example(**{"wheels": [0.5, 2.0], "doors": [-3], "price": [1e6], **changes})


def test_a_named_task_is_read(write) -> None:
    part = open_part(write(car(), car(doors=[4], price=[-0.5])), task=CAR)
    assert part.labels.tolist() == [1e6, -0.5]
    (batch,) = part.read(np.arange(2))
    assert {name: v.tolist() for name, v in batch.features.items()} == {
        "wheels": [[0.5, 2.0]] * 2,
        "doors": [[-3], [4]],
    }
    assert batch.labels.dtype == np.float32
    assert batch.features["doors"].dtype == np.int64


@pytest.mark.parametrize(
    ("serialized", "reason"),
    [
        (example(wheels=[0.5, 2.0], price=[1.0]), "example 1 of .* has no doors: "),
        (example(wheels=[0.5, 2.0], doors=[1]), "example 1 of .* has no price: "),
        (car(wheels=[1.0]), "example 1 of .* has 1 values in wheels, and 2 are needed: "),
        (car(wheels=[1, 2]), "example 1 of .* has integers in wheels, and floats are needed: "),
        (car(doors=[1.0]), "example 1 of .* has floats in doors, and integers are needed: "),
        (car(price=[1]), "example 1 of .* has integers in price, and floats are needed: "),
        (car(price=[float("nan")]), "example 1 of .* has a price that is not a number"),
        (car(wheels=[1.0, float("inf")]), "example 1 of .* has values in wheels that are not nu"),
    ],
)
def test_bad_example_of_a_named_task(write, serialized: bytes, reason: str) -> None:
    file = write(car(), serialized, car(), compression="GZIP")
    assert re.search(reason, refusal(file, task=CAR))


class Entry:
    def __init__(self, path: Path) -> None:
        self.path = path


def open_source(file: Path, wanted: Task | None) -> records.Source:
    return records.open_source("name", {"whole": [Entry(file)]}, {"whole": "here"}, wanted)


def test_features_of_an_unnamed_task_are_told(write) -> None:
    file = write(car(), compression="GZIP")
    with pytest.raises(DataError) as caught:
        open_source(file, None)
    assert str(caught.value) == (
        f"{file} holds tf.Examples with the features doors, price, wheels, which are not those of "
        "the task mnist: describe them in a module and name it with `task: my_task.TASK`"
    )
    assert open_source(file, CAR).task == CAR


def test_mnist_needs_no_name(write) -> None:
    assert open_source(write(good()), None).task == mnist.TASK
    # What has one of its features is taken for MNIST's, and the reader names what is wrong.
    assert open_source(write(example(image_class=[1])), None).task == mnist.TASK
    assert open_source(write(b"no example"), None).task == mnist.TASK
    assert open_source(write(), None).task == mnist.TASK
