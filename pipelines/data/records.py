"""TFRecord files of `tf.Example`s with the two features of `modules.features`."""

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from modules import features
from pipelines import files as files_module
from pipelines.data import formats
from pipelines.data.examples import Examples, checked
from pipelines.errors import DataError, OutputError

_BATCH = 1024
_FRAMING = 16
"""Bytes that a TFRecord adds to a record: its length, and a checksum of each."""
_SPEC = {
    features.IMAGE: tf.io.RaggedFeature(tf.float32),
    features.LABEL: tf.io.RaggedFeature(tf.int64),
}


def read(files: Sequence[Path], where: str) -> Examples:
    """Reads and checks every example. A file may be empty, as a shard of few examples is.

    Args:
      files: TFRecords, compressed or not.
      where: The directory that they are of, for messages.

    Raises:
      DataError: Names the file, the example and what is wrong with it; or there are no examples.
    """
    parts = [part for file in files if (part := _read_file(file))]
    if not parts:
        raise DataError(f"{where} holds no examples")
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


def _read_file(file: Path) -> Examples | None:
    truncated = f"{file} is truncated or not a TFRecord file"
    try:
        compression, size = _measure(file)
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
        return None
    return checked(np.concatenate(images), np.concatenate(labels)[:, 0], str(file))


def _measure(file: Path) -> tuple[str, int]:
    """The compression of a file as TensorFlow calls it, and the size of its content.

    Raises:
      OSError, EOFError, zlib.error: It cannot be read, or ends too early.
    """
    with file.open("rb") as stream:
        compression = formats.compression(stream.read(1024))
    if compression == "GZIP":
        with gzip.open(file) as content:
            return compression, sum(map(len, iter(lambda: content.read(1 << 20), b"")))
    if compression == "ZLIB":
        stream_end = zlib.decompressobj()
        size = sum(len(stream_end.decompress(block)) for block in files_module.read_blocks(file))
        if not stream_end.eof:
            raise EOFError
        return compression, size
    return compression, file.stat().st_size


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
