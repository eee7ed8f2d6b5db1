"""The files of a split: gzip-compressed TFRecords, one for small data and shards for large."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from modules.task import Task
from pipelines.data.encoding import encode
from pipelines.data.manifest import shard_names
from pipelines.data.source import Batch
from pipelines.errors import OutputError

_ONE_FILE = 256 << 20
"""Bytes of records up to which a split is one file: MNIST's training split has 190 MB, and a
dataset is named by its files."""
_SHARD = 64 << 20
_MOST = 128
"""Shards are written side by side, each through buffers of 0.8 MB."""


def count_shards(task: Task, examples: int) -> int:
    """The number of files for so many examples of a task."""
    size = examples * task.example_bytes
    return 1 if size <= _ONE_FILE else min(-(-size // _SHARD), _MOST)


def write(task: Task, batches: Iterable[Batch], directory: Path, examples: int) -> None:
    """Write the files of a split.

    Args:
      task: What the examples are for.
      batches: The examples.
      directory: The split's directory.
      examples: How many there will be.

    Raises:
      OutputError: The disk is full, for one.
    """
    count = count_shards(task, examples)
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    shards = _spread(count)
    try:
        with contextlib.ExitStack() as stack:
            writers = [
                stack.enter_context(tf.io.TFRecordWriter(str(directory / name), options))
                for name in shard_names(count)
            ]
            for batch in batches:
                for record in encode(task, batch):
                    writers[next(shards)].write(record)
    except tf.errors.OpError as error:
        raise OutputError(f"cannot write {directory}: {error.message}") from error


def _spread(count: int) -> Iterator[int]:
    """The shard of each example.

    Each shard gets one of any `count` examples in a row, but not always the same one: examples may
    be sorted by class, or have their classes in turn.
    """
    rng = np.random.RandomState(0)  # its stream is the same in every release of NumPy
    while True:
        yield from rng.permutation(count).tolist()
