"""How a confusion matrix is shown, whatever the number of classes."""

import dataclasses
from collections.abc import Sequence

LARGEST_MATRIX = 100
"""Classes of the largest matrix that is drawn: the page stays of a bounded size."""

_MOST_FREQUENT = 20
_WIDE_COLUMNS = 5
"""A phone has room for the names of so many classes side by side."""


@dataclasses.dataclass(frozen=True)
class Matrix:
    """A table.

    Attributes:
      rows: For each class, each count with the part of the row's examples that it is.
      names_width: Of the column with the classes, in rem.
      cell_width: Of the counts, at least, in rem.
      is_upright: Whether headings stand upright, as class names are wider than counts.
    """

    rows: list[list[tuple[int, float]]]
    names_width: float
    cell_width: float
    is_upright: bool


@dataclasses.dataclass(frozen=True)
class Confusion:
    """How many examples of one class are taken for another one."""

    actual: str
    predicted: str
    count: int


def lay_out(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> Matrix:
    """The matrix as a table; `counts` are `[actual][predicted]`."""
    longest = len(str(max((max(row) for row in counts), default=0)))
    cell_width = max(1.5, 0.38 * longest + 0.1)
    has_long_names = max(map(len, classes)) > max(3, longest)
    return Matrix(
        rows=[[(count, count / max(sum(row), 1)) for count in row] for row in counts],
        names_width=6 if has_long_names else cell_width,
        cell_width=cell_width,
        is_upright=has_long_names and len(classes) > _WIDE_COLUMNS,
    )


def find_most_frequent(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> list[Confusion]:
    """The most frequent confusions of two classes, at most 20."""
    found = [
        Confusion(classes[actual], classes[predicted], count)
        for actual, row in enumerate(counts)
        for predicted, count in enumerate(row)
        if count and actual != predicted
    ]
    return sorted(found, key=lambda confusion: -confusion.count)[:_MOST_FREQUENT]
