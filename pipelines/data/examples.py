"""The checks that the examples of every source go through, their digest and their split."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modules.task import Classification, Feature, Task
from pipelines.data.manifest import Split
from pipelines.data.source import Batch
from pipelines.errors import DataError

_TOLERANCE = 1e-3

Indices = NDArray[np.int64]


class Tally:
    """What a manifest says of a split, computed batch by batch.

    The digest is SHA-256 over the features in the order of examples, little-endian and those of an
    example side by side, then over all labels. It does not depend on the files that hold them.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._digest = hashlib.sha256()
        self._labels: list[NDArray[Any]] = []
        self._first: list[NDArray[Any]] | None = None
        self.is_constant = True
        """Whether all examples have the same features."""

    def __len__(self) -> int:
        return sum(map(len, self._labels))

    def add(self, batch: Batch) -> None:
        """Count examples that were checked."""
        if not len(batch):
            return
        values = [_little_endian(batch.features[f.name], f.dtype) for f in self._task.features]
        if len(values) == 1:
            self._digest.update(values[0].data)
        else:
            rows = [value.view(np.uint8).reshape(len(batch), -1) for value in values]
            self._digest.update(np.ascontiguousarray(np.concatenate(rows, axis=1)).data)
        self._labels.append(np.array(batch.labels))
        if self._first is None:
            self._first = [value[0].copy() for value in values]
        self.is_constant = self.is_constant and all(
            bool((value == first).all()) for value, first in zip(values, self._first, strict=True)
        )

    def count(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Add batches on their way."""
        for batch in batches:
            self.add(batch)
            yield batch

    @property
    def labels(self) -> NDArray[Any]:
        """The labels of all examples, `[n]`."""
        return np.concatenate(self._labels) if self._labels else np.empty(0, np.int64)

    def describe(self) -> Split:
        """The manifest's entry of the split."""
        digest = self._digest.copy()
        labels = self.labels
        digest.update(_little_endian(labels, self._task.head.label_dtype).data)
        return Split(
            count=len(labels),
            class_balance=_count_classes(self._task, labels),
            sha256=digest.hexdigest(),
        )


def check(task: Task, batch: Batch, where: str, numbers: NDArray[Any]) -> None:
    """Check that each example is one of the task.

    Args:
      task: What the examples are for.
      batch: The examples.
      where: The file or directory, for messages.
      numbers: Those of the examples in it, likewise.

    Raises:
      DataError: Another number of values, a value that is not finite, a pixel out of range, or a
        label that is no class.
    """
    for feature in task.features:
        _check_feature(feature, batch.features[feature.name], where, numbers)
    check_labels(task, batch.labels, where, numbers)


def check_labels(task: Task, labels: NDArray[Any], where: str, numbers: NDArray[Any]) -> None:
    """Check labels alone; see `check`.

    Raises:
      DataError: A label that is no class, or not finite.
    """
    if not isinstance(task.head, Classification):
        bad = np.flatnonzero(~np.isfinite(labels))
        if bad.size:
            raise DataError(
                f"example {numbers[bad[0]]} of {where} has a {task.label} that is not a number "
                "(NaN or infinite): remove or mend it"
            )
        return
    classes = len(task.head.classes)
    bad = np.flatnonzero((labels < 0) | (labels >= classes))
    if bad.size:
        raise DataError(
            f"example {numbers[bad[0]]} of {where} has the label {labels[bad[0]]}, and "
            f"{task.label} must be 0 to {classes - 1}"
        )


def split(
    task: Task, labels: NDArray[Any], eval_fraction: float, name: str
) -> tuple[Indices, Indices]:
    """A reproducible split that keeps the balance of the classes.

    Args:
      task: What the labels are for.
      labels: `[n]`, as `check_labels` wants them.
      eval_fraction: Part kept for evaluation.
      name: What to call the source.

    Returns:
      The places of the examples for training, and of those for evaluation.

    Raises:
      DataError: Too few examples for both parts.
    """
    from sklearn.model_selection import train_test_split

    eval_count = round(len(labels) * eval_fraction)
    if eval_count < 1 or eval_count >= len(labels):
        raise DataError(
            f"{name} holds {len(labels)} examples, too few to train on some and judge on others"
        )
    train, evaluation = train_test_split(
        np.arange(len(labels)),
        test_size=eval_count,
        random_state=0,
        stratify=labels if _can_stratify(task, labels, eval_count) else None,
    )
    return train, evaluation


def choose_order(task: Task, labels: NDArray[Any]) -> Indices:
    """An order for the examples of a split: their own, unless it is that of the labels.

    Args:
      task: What the labels are for.
      labels: `[n]`, in the examples' own order.

    Returns:
      A reproducible permutation of the examples.
    """
    order = np.arange(len(labels))
    return order if are_mixed(task, labels) else np.random.RandomState(0).permutation(order)


def are_mixed(task: Task, labels: NDArray[Any]) -> bool:
    """Whether the first examples tell what the others are like.

    Training and its checks begin with some of the examples, which must not be of one class alone.

    Args:
      task: What the labels are for.
      labels: `[n]`, in the order of the examples.
    """
    before, after = labels[:-1], labels[1:]
    if not isinstance(task.head, Classification):
        rises, falls = np.count_nonzero(after > before), np.count_nonzero(after < before)
        return bool(4 * min(rises, falls) >= rises + falls)
    shares = np.unique(labels, return_counts=True)[1] / max(len(labels), 1)
    expected = (1 - np.square(shares).sum()) * len(before)
    return bool(2 * np.count_nonzero(after != before) >= expected)


def _can_stratify(task: Task, labels: NDArray[Any], eval_count: int) -> bool:
    """Stratifying needs two of each class and a place for each in both parts."""
    if not isinstance(task.head, Classification):
        return False
    counts = np.bincount(labels, minlength=len(task.head.classes))
    present = counts[counts > 0]
    return bool(present.min() >= 2 and min(eval_count, len(labels) - eval_count) >= len(present))


def _check_feature(
    feature: Feature, values: NDArray[Any], where: str, numbers: NDArray[Any]
) -> None:
    width = values.size // max(len(values), 1)
    if width != feature.size and len(values):
        raise DataError(
            f"example {numbers[0]} of {where} has {width} values in {feature.name}, and "
            f"{feature.size} are needed"
        )
    if feature.dtype != "float32":
        return
    # NaN and infinities make the minimum or the maximum one of them.
    low, high = values.min(axis=1), values.max(axis=1)
    bad = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
    if bad.size:
        what = "pixels" if feature.picture else f"values in {feature.name}"
        raise DataError(
            f"example {numbers[bad[0]]} of {where} has {what} that are not numbers (NaN or "
            "infinite): remove or mend it"
        )
    if feature.picture is None:
        return
    bad = np.flatnonzero((low < -0.5 - _TOLERANCE) | (high > 0.5 + _TOLERANCE))
    if bad.size:
        raise DataError(
            f"example {numbers[bad[0]]} of {where} has pixels from {low[bad[0]]:g} to "
            f"{high[bad[0]]:g}, and {feature.name} must lie in [-0.5, 0.5]: scale bytes with "
            "x / 255 - 0.5"
        )


def _little_endian(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    return np.ascontiguousarray(values, np.dtype(dtype).newbyteorder("<"))


def _count_classes(task: Task, labels: NDArray[Any]) -> dict[str, int]:
    if not isinstance(task.head, Classification):
        return {}
    classes = task.head.classes
    counts = np.bincount(labels.astype(np.int64), minlength=len(classes))
    return {name: int(count) for name, count in zip(classes, counts, strict=True)}
