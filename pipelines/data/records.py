"""TFRecord files of `tf.Example`s with the two features of `modules.features`."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from modules import features
from pipelines.data.examples import Examples, checked
from pipelines.errors import DataError, OutputError

_GZIP_MAGIC = b"\x1f\x8b"
_BATCH = 1024
_FRAMING = 16
"""Bytes that a TFRecord adds to a record: its length, and a checksum of each."""
_SPEC = {
    features.IMAGE: tf.io.RaggedFeature(tf.float32),
    features.LABEL: tf.io.RaggedFeature(tf.int64),
}


def find(directory: Path) -> list[Path]:
    """The files that may be TFRecords: by name, else everything that is not hidden."""
    files = sorted(
        f for f in directory.iterdir() if f.is_file() and not f.name.startswith((".", "_"))
    )
    return [f for f in files if "tfrecord" in f.name.lower()] or [
        f for f in files if f.suffix in {"", ".gz"} or "-of-" in f.name
    ]


def read(files: list[Path]) -> Examples:
    """Reads and checks every example.

    Raises:
      DataError: Names the file, the example and what is wrong with it.
    """
    parts = [_read_file(file) for file in files]
    return Examples(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def write(examples: Examples, file: Path) -> None:
    """Writes gzip-compressed TFRecords.

    Raises:
      OutputError: The disk is full, for one.
    """
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    try:
        with tf.io.TFRecordWriter(str(file), options) as writer:
            for image, label in zip(examples.images, examples.labels, strict=True):
                example = tf.train.Example()
                example.features.feature[features.IMAGE].float_list.value.extend(image.tolist())
                example.features.feature[features.LABEL].int64_list.value.append(int(label))
                # A map has no order of its own, and a dataset is named by its bytes.
                writer.write(example.SerializeToString(deterministic=True))
    except tf.errors.OpError as error:
        raise OutputError(f"cannot write {file}: {error.message}") from error


def _read_file(file: Path) -> Examples:
    truncated = f"{file} is truncated or not a TFRecord file"
    try:
        compression, size = _content(file)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(truncated) from None
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    images, labels, seen, read = [], [], 0, 0
    try:
        for batch in tf.data.TFRecordDataset(str(file), compression).batch(_BATCH):
            parsed = tf.io.parse_example(batch, _SPEC)
            images.append(
                _rows(parsed[features.IMAGE], features.PIXELS, file, features.IMAGE, seen)
            )
            labels.append(_rows(parsed[features.LABEL], 1, file, features.LABEL, seen))
            seen += len(batch)
            read += int(tf.reduce_sum(tf.strings.length(batch))) + len(batch) * _FRAMING
    except tf.errors.DataLossError:
        raise DataError(truncated) from None
    except tf.errors.InvalidArgumentError as error:
        raise DataError(
            f"{file} does not hold tf.Examples with {features.IMAGE} (floats) and {features.LABEL} "
            f"(integers) after example {seen}: {error.message.splitlines()[0]}"
        ) from None
    # TensorFlow takes a file that ends within the head of a record for a shorter one.
    if read != size:
        raise DataError(truncated)
    if not images:
        raise DataError(f"{file} holds no examples")
    return checked(np.concatenate(images), np.concatenate(labels)[:, 0], str(file))


def _content(file: Path) -> tuple[str, int]:
    """The compression of a file as TensorFlow calls it, and the size of its content."""
    with file.open("rb") as stream:
        if stream.read(2) != _GZIP_MAGIC:
            return "", file.stat().st_size
    size = 0
    with gzip.open(file) as content:
        while chunk := content.read(1 << 20):
            size += len(chunk)
    return "GZIP", size


def _rows(
    ragged: tf.RaggedTensor, width: int, file: Path, feature: str, offset: int
) -> NDArray[np.generic]:
    """A dense `[n, width]`; an example with another number of values is named."""
    lengths = ragged.row_lengths().numpy()
    bad = np.flatnonzero(lengths != width)
    if bad.size:
        length = lengths[bad[0]]
        what = (
            f"has {length} values in {feature}, and {width} are needed"
            if length
            else (f"has no {feature}")
        )
        hint = ": resize the images to 28x28" if length and width == features.PIXELS else ""
        raise DataError(f"example {offset + bad[0]} of {file} {what}{hint}")
    rows: NDArray[np.generic] = ragged.flat_values.numpy().reshape(-1, width)
    return rows
