"""The examples of one split, batch by batch, as they were stored and parsed by the task."""

import dataclasses
import glob
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from modules.task import Task

_LARGEST_BATCH = 1024
_BATCH_BYTES = 64_000_000
"""Models hold several times this while they compute."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """Some examples of a task.

    Attributes:
      serialized: `tf.Example`s, `[n]`.
      features: `[n, *shape]` by name, of each feature's dtype.
      labels: `[n]`; int64 indexes of classes, or float32.
    """

    serialized: NDArray[np.object_]
    features: Mapping[str, NDArray[Any]]
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)


def read_batches(split_uri: str, task: Task) -> Iterator[Examples]:
    """Read the examples of one split of an `Examples` artifact, in the order of its files.

    Args:
      split_uri: Directory of gzip-compressed TFRecords.
      task: What the examples hold.
    """
    size = max(1, min(_LARGEST_BATCH, _BATCH_BYTES // task.example_bytes))
    for serialized in _records(split_uri).batch(size).as_numpy_iterator():
        yield _parse(serialized, task)


def read_first(split_uri: str, task: Task, count: int) -> Examples:
    """Read the first examples of one split, at most `count`; see `read_batches`."""
    return _parse(np.array(list(_records(split_uri).take(count).as_numpy_iterator()), object), task)


def _records(split_uri: str) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(sorted(glob.glob(os.path.join(split_uri, "*"))), "GZIP")


def _parse(serialized: NDArray[np.object_], task: Task) -> Examples:
    spec = {f.name: tf.io.FixedLenFeature(f.shape, f.dtype) for f in task.features}
    spec[task.label] = tf.io.FixedLenFeature([], task.head.label_dtype)
    parsed = {name: t.numpy() for name, t in tf.io.parse_example(serialized, spec).items()}
    return Examples(serialized, parsed, parsed.pop(task.label))
