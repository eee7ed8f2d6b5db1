"""Transformed examples of one split: in memory, or as a shuffled stream from the files."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.trainer.fn_args_utils import DataAccessor
from tfx_bsl.tfxio import dataset_options

from modules.task import Task, transformed

_READ_BATCH = 1024
_ALIGNMENT = 64
"""Bytes: TensorFlow's operations want tensors that begin at a multiple of it."""
_RECORD_BYTES, _NAME_BYTES = 256, 64
"""What TensorFlow and a `tf.Example` add to a record, and to each feature in it."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """Transformed examples in memory.

    Attributes:
      features: float32 `[n, size]` by transformed name.
      labels: `[n]`, int64 for a classification, float32 for a regression.
    """

    features: Mapping[str, tf.Tensor]
    labels: tf.Tensor

    def __len__(self) -> int:
        return int(self.labels.shape[0])

    def take(self, count: int) -> "Examples":
        """A copy of the first `count` examples, or of all there are."""
        features = {name: values[:count] for name, values in self.features.items()}
        return Examples(features, self.labels[:count])

    def in_order(self) -> tf.data.Dataset:
        """All examples once, in large batches."""
        return tf.data.Dataset.from_tensor_slices((dict(self.features), self.labels)).batch(
            _READ_BATCH
        )

    def shuffled(self, batch_size: int, seed: int, skip: int) -> tf.data.Dataset:
        """Endless shuffled batches after the first `skip`; only indices are shuffled."""
        count = len(self)
        return (
            tf.data.Dataset.range(count)
            .shuffle(count, seed=seed)
            .repeat()
            .batch(batch_size)
            .skip(skip)
            .map(self._gather, num_parallel_calls=1)
        )

    def _gather(self, index: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        features = {name: tf.gather(values, index) for name, values in self.features.items()}
        return features, tf.gather(self.labels, index)


@dataclasses.dataclass(frozen=True)
class Split:
    """The files of one split of transformed examples.

    Attributes:
      task: What the examples are of.
      files: Patterns of their names.
      accessor: The Trainer's, which reads them.
      schema: Of the transformed examples.
      memory: Bytes that its examples may take.
    """

    task: Task
    files: Sequence[str]
    accessor: DataAccessor
    schema: schema_pb2.Schema
    memory: int

    @property
    def capacity(self) -> int:
        """How many examples fit into the memory."""
        return max(1, self.memory // self.task.example_bytes)

    def read_labels(self, most: int) -> NDArray[Any]:
        """The first labels, `most` at most; features are not parsed, so this also counts."""
        key = transformed(self.task.label)
        schema = schema_pb2.Schema(feature=[f for f in self.schema.feature if f.name == key])
        parts: list[NDArray[Any]] = []
        count = 0
        for _, labels in self._dataset(schema, batch_size=_READ_BATCH, num_epochs=1, shuffle=False):
            parts.append(labels.numpy().reshape(-1))
            count += len(parts[-1])
            if count >= most:
                break
        found: NDArray[Any] = np.concatenate([np.empty(0, self.task.head.label_dtype), *parts])
        return found[:most]

    def read(self, count: int) -> Examples:
        """The first `count` examples, or all there are, held in memory once."""
        sizes = {transformed(feature.name): feature.size for feature in self.task.features}
        arrays = {name: _allocate(count, size) for name, size in sizes.items()}
        labels = np.empty(count, self.task.head.label_dtype)
        filled = 0
        for features, batch_labels in self.in_order():
            end = min(filled + len(batch_labels), count)
            for name, array in arrays.items():
                array[filled:end] = features[name][: end - filled].numpy()
            labels[filled:end] = batch_labels[: end - filled].numpy()
            filled = end
            if filled == count:
                break
        features = {name: _as_tensor(array[:filled]) for name, array in arrays.items()}
        return Examples(features, tf.convert_to_tensor(labels[:filled]))

    def in_order(self) -> tf.data.Dataset:
        """All examples once, in large batches, as the files have them."""
        dataset = self._dataset(self.schema, batch_size=_READ_BATCH, num_epochs=1, shuffle=False)
        return dataset.map(self._select)

    def shuffled(self, batch_size: int, seed: int) -> tf.data.Dataset:
        """Endless batches: files in any order, side by side, and records shuffled within memory.

        The order is the same for the same seed, and another one in each pass. What is far apart in
        the files stays so: a model learns as well from a stream as from memory if the order of the
        examples says nothing about them.
        """
        record = (
            _RECORD_BYTES + _NAME_BYTES * (len(self.task.features) + 1) + self.task.example_bytes
        )
        dataset = self._dataset(
            self.schema,
            batch_size=batch_size,
            num_epochs=None,
            shuffle=True,
            shuffle_buffer_size=max(1, self.memory // record),
            shuffle_seed=seed,
        )
        return dataset.map(self._select)

    def _dataset(self, schema: schema_pb2.Schema, **options: Any) -> tf.data.Dataset:
        return self.accessor.tf_dataset_factory(
            self.files,
            dataset_options.TensorFlowDatasetOptions(
                label_key=transformed(self.task.label), **options
            ),
            schema,
        )

    def _select(
        self, features: Mapping[str, tf.Tensor], labels: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        names = [transformed(feature.name) for feature in self.task.features]
        return {name: features[name] for name in names}, tf.reshape(labels, [-1])


def _allocate(rows: int, columns: int) -> NDArray[np.float32]:
    """An array that `_as_tensor` can share."""
    size = rows * columns * np.dtype(np.float32).itemsize
    buffer = np.empty(size + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + size].view(np.float32).reshape(rows, columns)


def _as_tensor(array: NDArray[np.float32]) -> tf.Tensor:
    """A tensor in the memory of the array, which `tf.convert_to_tensor` would copy."""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
