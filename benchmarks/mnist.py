"""MNIST's images for the benchmarks: read from IDX files, written as TFRecords."""

import gzip
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from modules.mnist import TASK

DIRECTORY = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"
"""The 10,000 test images."""

_IMAGES_HEAD, _LABELS_HEAD = 16, 8
"""Bytes before the values in an IDX file of three dimensions, and of one."""

Pixels = NDArray[np.uint8]


def read(directory: Path) -> tuple[Pixels, Pixels]:
    """The test images `[10000, 28, 28]` and their labels `[10000]`.

    Raises:
      ClickException: They are not there.
    """
    files = [directory / f"t10k-{name}-ubyte.gz" for name in ("images-idx3", "labels-idx1")]
    try:
        images, labels = (gzip.decompress(file.read_bytes()) for file in files)
    except OSError as error:
        raise click.ClickException(
            f"cannot read {error.filename}: give the directory of MNIST's test images in IDX "
            "format with --data"
        ) from error
    side = TASK.features[0].picture
    assert side is not None
    pixels = np.frombuffer(images, np.uint8, offset=_IMAGES_HEAD)
    return (
        pixels.reshape(-1, side.height, side.width),
        np.frombuffer(labels, np.uint8, offset=_LABELS_HEAD),
    )


def encode(images: Pixels, labels: Pixels) -> list[bytes]:
    """Serialized `tf.Example`s of the MNIST task.

    Args:
      images: Pixels from 0 to 255, `[n, 28, 28]`.
      labels: `[n]`.
    """
    import pyarrow
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    def lists(values: NDArray[Any]) -> pyarrow.LargeListArray:
        flat = values.reshape(len(values), -1)
        offsets = np.arange(len(flat) + 1) * flat.shape[1]
        return pyarrow.LargeListArray.from_arrays(offsets, flat.reshape(-1))

    columns = {
        TASK.features[0].name: lists((images / 255 - 0.5).astype(np.float32)),
        TASK.label: lists(labels.astype(np.int64)),
    }
    batch = pyarrow.RecordBatch.from_arrays(list(columns.values()), list(columns))
    examples: list[bytes] = RecordBatchToExamplesEncoder().encode(batch)
    return examples
