"""MNIST's examples as arrays, and TFRecords of them that TensorFlow writes and reads alone."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.data.source import Batch, Part

IMAGE, LABEL = "image_floats", "image_class"


@dataclasses.dataclass(frozen=True)
class Examples:
    """Images float32 `[n, 784]` and labels int64 `[n]`."""

    images: NDArray[Any]
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice) -> "Examples":
        return Examples(self.images[part], self.labels[part])

    @property
    def batch(self) -> Batch:
        return Batch({IMAGE: self.images}, self.labels)

    def fingerprint(self) -> str:
        """What a manifest says of a split that holds these."""
        pixels = self.images.astype("<f4").tobytes()
        return hashlib.sha256(pixels + self.labels.astype("<i8").tobytes()).hexdigest()

    def class_balance(self) -> dict[str, int]:
        counts = np.bincount(self.labels, minlength=10)
        return {str(label): int(count) for label, count in enumerate(counts)}


def read_part(part: Part) -> Examples:
    """All examples of a reader's part, in the order in which they come."""
    batches = list(part.read(np.arange(len(part.labels))))
    return Examples(
        np.concatenate([batch.features[IMAGE] for batch in batches]),
        np.concatenate([batch.labels for batch in batches]),
    )


def write(examples: Examples, file: Path, compression: str = "GZIP") -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(file), compression) as writer:
        for image, label in zip(examples.images, examples.labels, strict=True):
            example = tf.train.Example()
            example.features.feature[IMAGE].float_list.value.extend(image.tolist())
            example.features.feature[LABEL].int64_list.value.append(int(label))
            writer.write(example.SerializeToString(deterministic=True))


def read(*files: Path) -> Examples:
    import tensorflow as tf

    images, labels = [], []
    for file in files:
        for record in tf.data.TFRecordDataset(str(file), "GZIP"):
            example = tf.train.Example.FromString(record.numpy()).features.feature
            images.append(example[IMAGE].float_list.value)
            labels.append(example[LABEL].int64_list.value[0])
    return Examples(np.array(images, np.float32).reshape(-1, 784), np.array(labels, np.int64))
