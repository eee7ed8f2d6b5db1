"""What a reader makes of a source: its task, and its examples batch by batch.

Readers know a format and nothing of files of ours; `pipelines.data.prepare` splits what they read,
checks it and writes it, and never holds all of it.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from modules.task import Task

WHOLE = "whole"
"""The part of a source that has no splits of its own."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some examples of a task.

    Attributes:
      features: `[n, size]` by name, of each feature's dtype.
      labels: `[n]`; int64 indexes of classes, or float32.
    """

    features: Mapping[str, NDArray[Any]]
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)


class Part(Protocol):
    """The examples of one split, or of a source without splits."""

    @property
    def where(self) -> str:
        """The file or directory, for messages."""

    @property
    def labels(self) -> NDArray[Any]:
        """The labels `[n]`, known before the features are read; see `Batch`."""

    @property
    def follows_order(self) -> bool:
        """Whether `read` follows the order of `indices`; else the examples keep their own."""

    def read(self, indices: NDArray[Any]) -> Iterator[Batch]:
        """Read the examples at these places among all, each once, in batches.

        Raises:
          DataError: Names the file, the example, what is wrong and how to mend it.
        """


@dataclasses.dataclass(frozen=True)
class Source:
    """What was found where the user said.

    Attributes:
      name: What to call it: `digits`, `mnist` or a path.
      task: What can be learnt from it.
      parts: By `manifest.TRAIN` and `manifest.EVAL`, or the one called `WHOLE`.
      notes: What the user should know of how it is read, a phrase each.
    """

    name: str
    task: Task
    parts: Mapping[str, Part]
    notes: Sequence[str] = ()
