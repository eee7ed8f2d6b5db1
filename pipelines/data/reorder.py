"""Puts examples that a reader gives in its own order into another one, through a scratch file."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modules.task import Task
from pipelines.data.source import Batch

_BATCH = 1024
_BATCH_BYTES = 8 << 20


def reorder(
    task: Task, batches: Iterable[Batch], positions: NDArray[np.int64], directory: Path
) -> Iterator[Batch]:
    """Yield the same examples in another order.

    Args:
      task: What the examples are for.
      batches: All examples, as they come.
      positions: Where each example belongs, from 0, each place once.
      directory: Holds a file of `task.example_bytes` an example meanwhile.

    Raises:
      OSError: The file cannot be written.
    """
    row = _row_type(task)
    written = 0
    with tempfile.TemporaryFile(dir=directory) as scratch:
        for batch in batches:
            rows = np.empty(len(batch), row)
            for feature in task.features:
                rows[feature.name] = batch.features[feature.name]
            rows[task.label] = batch.labels
            places = positions[written : written + len(batch)] * row.itemsize
            for place, content in zip(places.tolist(), rows, strict=True):
                os.pwrite(scratch.fileno(), content.tobytes(), place)
            written += len(batch)
        size = min(_BATCH, max(1, _BATCH_BYTES // row.itemsize))
        while len(rows := np.fromfile(scratch, row, size)):
            values = {f.name: np.ascontiguousarray(rows[f.name]) for f in task.features}
            yield Batch(values, rows[task.label].copy())


def _row_type(task: Task) -> np.dtype[Any]:
    features = [(f.name, np.dtype(f.dtype), (f.size,)) for f in task.features]
    return np.dtype([*features, (task.label, np.dtype(task.head.label_dtype))])
