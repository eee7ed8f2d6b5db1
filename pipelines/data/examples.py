"""Examples as arrays, and the checks that every source goes through."""

import dataclasses
import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modules import features
from pipelines.errors import DataError

_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class Examples:
    """Images float32 `[n, 784]` in [-0.5, 0.5] and labels int64 `[n]`, 0..9."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def fingerprint(self) -> str:
        """SHA-256 over pixels and labels: the same for any file format or compression."""
        digest = hashlib.sha256()
        digest.update(self.images.astype("<f4").tobytes())
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()

    def class_balance(self) -> dict[str, int]:
        """Examples per digit."""
        counts = np.bincount(self.labels, minlength=features.CLASSES)
        return {str(digit): int(count) for digit, count in enumerate(counts)}


@dataclasses.dataclass(frozen=True)
class Splits:
    """A source's examples, split for training and evaluation, and what to call the source."""

    train: Examples
    eval: Examples
    source: str


def checked(images: NDArray[Any], labels: NDArray[Any], where: str) -> Examples:
    """Examples that keep the contract of `modules.features`.

    Args:
      images: `[n, 784]`, any float type.
      labels: `[n]`, integers.
      where: A file or directory, for messages.

    Raises:
      DataError: No examples, pixels that are NaN or out of range, or a label outside 0..9.
    """
    if not len(labels):
        raise DataError(f"{where} holds no examples")
    images = np.asarray(images, np.float32)
    bad = np.flatnonzero(~np.isfinite(images).all(axis=1))
    if bad.size:
        raise DataError(
            f"example {bad[0]} of {where} has pixels that are not numbers (NaN or infinite): "
            "remove or mend it"
        )
    bad = np.flatnonzero(np.abs(images).max(axis=1) > 0.5 + _TOLERANCE)
    if bad.size:
        raise DataError(
            f"example {bad[0]} of {where} has pixels from {images[bad[0]].min():g} to "
            f"{images[bad[0]].max():g}, and {features.IMAGE} must lie in [-0.5, 0.5]: "
            "scale bytes with x / 255 - 0.5"
        )
    labels = np.asarray(labels, np.int64)
    bad = np.flatnonzero((labels < 0) | (labels >= features.CLASSES))
    if bad.size:
        raise DataError(
            f"example {bad[0]} of {where} has the label {labels[bad[0]]}, and "
            f"{features.LABEL} must be 0 to 9"
        )
    return Examples(images, labels)


def from_bytes(pixels: NDArray[np.uint8], labels: NDArray[Any], where: str) -> Examples:
    """Examples from 8-bit images `[n, 28, 28]`, 0 (background) to 255.

    Raises:
      DataError: As `checked`, or images of another size.
    """
    if pixels.shape[1:] != (features.HEIGHT, features.WIDTH):
        size = "x".join(map(str, pixels.shape[1:]))
        raise DataError(f"{where} holds images of {size} pixels, and 28x28 are needed: resize them")
    scaled = pixels.reshape(len(pixels), features.PIXELS).astype(np.float32) / 255 - 0.5
    return checked(scaled, labels, where)


def split(examples: Examples, eval_fraction: float, source: str) -> Splits:
    """A reproducible split that keeps the balance of the classes.

    Raises:
      DataError: Too few examples for both parts.
    """
    from sklearn.model_selection import train_test_split

    counts = np.bincount(examples.labels, minlength=features.CLASSES)
    eval_count = round(len(examples) * eval_fraction)
    if eval_count < 1 or eval_count >= len(examples):
        raise DataError(
            f"{source} holds {len(examples)} examples, too few to train on some and judge on others"
        )
    # Stratifying needs two of each class and a place for each in both parts.
    present = counts[counts > 0]
    small = present.min() < 2 or min(eval_count, len(examples) - eval_count) < len(present)
    train, evaluation = train_test_split(
        np.arange(len(examples)),
        test_size=eval_count,
        random_state=0,
        stratify=None if small else examples.labels,
    )
    return Splits(
        Examples(examples.images[train], examples.labels[train]),
        Examples(examples.images[evaluation], examples.labels[evaluation]),
        source,
    )
