"""MNIST's IDX files on disk."""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from pipelines.data import idx
from pipelines.errors import DataError
from tests.unit.idx_files import idx_bytes, write_idx
from tests.unit.mnist_examples import Examples, read_part

IMAGES = np.arange(4 * 784, dtype=np.uint32).astype(np.uint8).reshape(4, 28, 28)
LABELS = np.array([3, 1, 4, 9], np.uint8)


def load(directory: Path) -> dict[str, Examples]:
    """Every pair of a directory, by name."""
    pairs, _ = idx.pair(directory.iterdir())
    return {name: read_part(idx.load(*pair)) for name, pair in pairs.items()}


def parse(content: bytes, dimensions: int) -> NDArray[np.uint8]:
    return idx.parse(io.BytesIO(content), dimensions, "here")


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=3, max_dims=3, max_side=5)))
def test_parse_gives_back_what_was_written(array) -> None:
    parsed = parse(idx_bytes(array), 3)
    assert parsed.shape == array.shape
    assert (parsed == array).all()


@given(st.integers(0, len(idx_bytes(IMAGES)) - 1))
def test_parse_refuses_every_truncation(length: int) -> None:
    with pytest.raises(DataError, match=r"here is (damaged|not an IDX file)"):
        parse(idx_bytes(IMAGES)[:length], 3)


@pytest.mark.parametrize(
    "magic", [[0, 0, 8, 1], [0, 0, 9, 3], [1, 0, 8, 3], [0, 1, 8, 3], [0x1F, 0x8B, 8, 0]]
)
def test_parse_refuses_another_kind_of_file(magic: list[int]) -> None:
    content = bytes(magic) + idx_bytes(IMAGES)[4:]
    with pytest.raises(DataError, match="not an IDX file of unsigned bytes in 3 dimensions"):
        parse(content, 3)


def test_parse_refuses_more_than_the_header_says() -> None:
    with pytest.raises(DataError, match="here is damaged: more instead of 4 bytes"):
        parse(idx_bytes(LABELS) + b"\0", 1)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_load(tmp_path: Path, suffix: str) -> None:
    for prefix, count in (("t10k", 3), ("train", 4)):
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte{suffix}", IMAGES[:count])
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte{suffix}", LABELS[:count])
    loaded = load(tmp_path)
    assert list(loaded) == ["t10k", "train"]
    assert loaded["train"].labels.tolist() == [3, 1, 4, 9]
    assert loaded["t10k"].labels.tolist() == [3, 1, 4]
    expected = IMAGES.reshape(4, 784) / 255 - 0.5
    np.testing.assert_allclose(loaded["train"].images, expected, atol=1e-6)


def test_compressed_and_plain_files_hold_the_same_examples(tmp_path: Path) -> None:
    for directory, suffix in (("plain", ""), ("gz", ".gz")):
        write_idx(tmp_path / directory / f"t10k-images-idx3-ubyte{suffix}", IMAGES)
        write_idx(tmp_path / directory / f"t10k-labels-idx1-ubyte{suffix}", LABELS)
    plain, compressed = (load(tmp_path / name)["t10k"] for name in ("plain", "gz"))
    assert plain.fingerprint() == compressed.fingerprint()


def test_one_prefix_alone_is_enough(tmp_path: Path) -> None:
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", IMAGES)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", LABELS)
    assert list(load(tmp_path)) == ["t10k"]


def test_missing_labels(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images-idx3-ubyte", IMAGES)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte has no train-labels-idx1-ubyte"):
        load(tmp_path)


def test_mismatched_counts(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images-idx3-ubyte", IMAGES)
    write_idx(tmp_path / "train-labels-idx1-ubyte", LABELS[:3])
    with pytest.raises(DataError, match="4 images and 3 labels"):
        load(tmp_path)


def test_images_of_another_size(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images-idx3-ubyte", IMAGES[:, :27, :27])
    write_idx(tmp_path / "train-labels-idx1-ubyte", LABELS)
    with pytest.raises(DataError, match="images of 27x27 pixels, and 28x28"):
        load(tmp_path)


def test_a_header_that_promises_more_than_there_is_memory() -> None:
    content = struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**32 - 1] * 3)
    with pytest.raises(DataError, match=r"here is damaged: 5 bytes instead of 79,228,\d+"):
        parse(content + bytes(5), 3)


def test_labels_in_the_place_of_images(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images-idx3-ubyte", LABELS)
    write_idx(tmp_path / "train-labels-idx1-ubyte", LABELS)
    with pytest.raises(DataError, match="not an IDX file of unsigned bytes in 3 dimensions"):
        load(tmp_path)


COMPRESSED = gzip.compress(idx_bytes(IMAGES), mtime=0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        COMPRESSED[:1],
        COMPRESSED[:15],
        COMPRESSED[: len(COMPRESSED) // 2],
        COMPRESSED[:-4],
        COMPRESSED[:-8] + b"\0" * 8,
        b"<html>not here</html>",
    ],
)
def test_damaged_gzip_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(content)
    write_idx(tmp_path / "train-labels-idx1-ubyte", LABELS)
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    write_idx(tmp_path / "train-labels-idx1-ubyte", LABELS)
    with pytest.raises(DataError, match=r"cannot read .*train-images-idx3-ubyte"):
        load(tmp_path)


@pytest.mark.parametrize("images_name", ["train-images-idx3-ubyte.gz", "a"])
def test_compression_and_kind_are_told_by_content(tmp_path: Path, images_name: str) -> None:
    (tmp_path / images_name).write_bytes(idx_bytes(IMAGES))
    (tmp_path / "b").write_bytes(gzip.compress(idx_bytes(LABELS)))
    (loaded,) = load(tmp_path).values()
    assert loaded.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("images", "labels", "name"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz", "train"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte", "train"),
        ("train-images.idx3-ubyte", "train-labels-idx1-ubyte", "train"),
        ("Train_Images.idx", "Train_Labels.idx", "train"),
        ("t10k-images.idx3-ubyte.gz", "t10k-labels.idx1-ubyte.gz", "t10k"),
        ("test-images-idx3-ubyte", "test-labels-idx1-ubyte", "test"),
        (
            "emnist-mnist-train-images-idx3-ubyte",
            "emnist-mnist-train-labels-idx1-ubyte",
            "emnist-mnist-train",
        ),
        ("images-idx3-ubyte", "labels-idx1-ubyte", ""),
    ],
)
def test_usual_names(tmp_path: Path, images: str, labels: str, name: str) -> None:
    for prefix in ("", "another-"):
        write_idx(tmp_path / (prefix + images), IMAGES)
        write_idx(tmp_path / (prefix + labels), LABELS)
    pairs, duplicates = idx.pair(tmp_path.iterdir())
    assert pairs[name] == (tmp_path / images, tmp_path / labels)
    assert len(pairs) == 2
    assert duplicates == []


def test_labels_without_images(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-labels-idx1-ubyte", LABELS)
    with pytest.raises(DataError, match="has no train-images-idx3-ubyte"):
        idx.pair(tmp_path.iterdir())


def test_files_that_are_there_twice(tmp_path: Path) -> None:
    for suffix in ("", ".gz"):
        write_idx(tmp_path / f"train-images-idx3-ubyte{suffix}", IMAGES)
        write_idx(tmp_path / f"train-labels-idx1-ubyte{suffix}", LABELS)
    pairs, duplicates = idx.pair(tmp_path.iterdir())
    assert list(pairs) == ["train"]
    assert [file.suffix for file in duplicates] == [".gz", ".gz"]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("t10k", "eval"),
        ("test", "eval"),
        ("emnist-digits-test", "eval"),
        ("emnist-digits-train", "train"),
        ("validation", "eval"),
        ("mine", ""),
        ("", ""),
    ],
)
def test_split_of_a_name(name: str, split: str) -> None:
    assert idx.split_of(name) == split
