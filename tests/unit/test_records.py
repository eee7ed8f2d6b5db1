"""TFRecord files of examples, whole and damaged."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modules import features
from pipelines.data import records
from pipelines.data.examples import Examples
from pipelines.errors import DataError

BLANK = [0.0] * features.PIXELS


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


def refusal(*files: Path) -> str:
    with pytest.raises(DataError) as caught:
        records.read(list(files), "here")
    message = str(caught.value)
    assert any(str(file) in message for file in files)
    assert "\n" not in message
    return message


def test_round_trip_is_exact(tmp_path: Path, few: Examples) -> None:
    file = tmp_path / "data.tfrecord.gz"
    records.write(few, file)
    assert file.read_bytes()[:2] == b"\x1f\x8b"
    read = records.read([file], "here")
    assert (read.images == few.images).all()
    assert (read.labels == few.labels).all()
    assert read.fingerprint() == few.fingerprint()


def test_writing_twice_gives_the_same_examples_in_the_format_of_tfx(
    tmp_path: Path, few: Examples
) -> None:
    file = tmp_path / "data.tfrecord.gz"
    records.write(few, file)
    raw = next(iter(tf.data.TFRecordDataset(str(file), "GZIP"))).numpy()
    parsed = tf.train.Example.FromString(raw)
    assert set(parsed.features.feature) == {"image_floats", "image_class"}
    assert len(parsed.features.feature["image_floats"].float_list.value) == 784
    assert list(parsed.features.feature["image_class"].int64_list.value) == [few.labels[0]]


def test_compression_is_seen_by_content(tmp_path: Path, few: Examples) -> None:
    compressed = tmp_path / "compressed"
    records.write(few, compressed)
    plain = tmp_path / "plain.gz"
    plain.write_bytes(gzip.decompress(compressed.read_bytes()))
    found = {records.read([file], "here").fingerprint() for file in (compressed, plain)}
    assert found == {few.fingerprint()}


def test_several_files_in_order(write) -> None:
    first = write(good(1), good(2), name="a")
    second = write(good(3), name="b", compression="GZIP")
    assert records.read([first, second], "here").labels.tolist() == [1, 2, 3]
    assert records.read([second, first], "here").labels.tolist() == [3, 1, 2]


def test_other_features_are_passed_over(write) -> None:
    extra = example(image_floats=BLANK, image_class=[7], author=[b"me"], weight=[0.5])
    assert records.read([write(extra)], "here").labels.tolist() == [7]


def test_more_examples_than_one_batch(write) -> None:
    count = records._BATCH + 3
    file = write(*[good(i % 10) for i in range(count)])
    assert records.read([file], "here").labels.tolist() == [i % 10 for i in range(count)]


@pytest.mark.parametrize(
    ("serialized", "reason"),
    [
        (example(image_class=[3]), "example 2 of .* has no image_floats"),
        (example(image_floats=BLANK), "example 2 of .* has no image_class"),
        (example(image_floats=[0.0] * 729, image_class=[3]), r"729 values .* 784 .* 28x28"),
        (example(image_floats=[0.0] * 785, image_class=[3]), r"785 values .* 784"),
        (example(image_floats=BLANK, image_class=[3, 4]), "2 values in image_class, and 1"),
        (example(image_floats=BLANK, image_class=[10]), "example 2 of .* the label 10"),
        (example(image_floats=BLANK, image_class=[-1]), "example 2 of .* the label -1"),
        (example(image_floats=[np.nan, *BLANK[1:]], image_class=[3]), "not numbers"),
        (example(image_floats=[1.0, *BLANK[1:]], image_class=[3]), r"from 0 to 1, .*0\.5\]"),
        (example(image_floats=[255.0, *BLANK[1:]], image_class=[3]), r"from 0 to 255, .*0\.5\]"),
        (example(image_floats=BLANK, image_class=[3.0]), "image_class .*integers"),
        (example(image_floats=BLANK, image_class=[b"3"]), "image_class .*integers"),
        (example(image_floats=[0] * 784, image_class=[3]), r"image_floats \(floats\)"),
        (example(image_floats=[b"png"], image_class=[3]), r"image_floats \(floats\)"),
        (b"not an example", "does not hold tf.Examples"),
    ],
)
@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_bad_example(write, serialized: bytes, reason: str, compression: str) -> None:
    file = write(good(), good(), serialized, good(), compression=compression)
    assert re.search(reason, refusal(file))


def test_bad_example_is_counted_over_batches(write) -> None:
    number = records._BATCH + 5
    file = write(*[good()] * number, example(image_floats=[0.0], image_class=[3]))
    assert f"example {number} of" in refusal(file)


def test_bad_file_among_good_ones_is_the_one_named(write) -> None:
    first = write(good(), name="a")
    second = write(good(11), name="b")
    assert str(second) in refusal(first, second)


@pytest.mark.parametrize("keep", [12, 100, -1, -5])
def test_truncated_file(write, keep: int) -> None:
    file = write(good(), good())
    file.write_bytes(file.read_bytes()[:keep])
    assert "is truncated or not a TFRecord file" in refusal(file)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_truncated_compressed_file(tmp_path: Path, few: Examples, keep: float) -> None:
    file = tmp_path / "data.tfrecord.gz"
    records.write(few, file)
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
    with pytest.raises(DataError, match=r"^here holds no examples$"):
        records.read([empty], "here")
    full = write(good(4), name="b")
    assert records.read([empty, full], "here").labels.tolist() == [4]


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_every_compression(write, compression: str) -> None:
    count = 200
    file = write(*[good(i % 10) for i in range(count)], name="a", compression=compression)
    assert records.read([file], "here").labels.tolist() == [i % 10 for i in range(count)]
    file.write_bytes(file.read_bytes()[:-5])
    assert "is truncated or not a TFRecord file" in refusal(file)


@pytest.mark.parametrize("size", [1, 2, 11])
def test_file_too_short_for_a_record(tmp_path: Path, size: int) -> None:
    file = tmp_path / "data.tfrecord"
    file.write_bytes(good()[:size])
    refusal(file)
