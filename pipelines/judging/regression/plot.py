"""The plot of predictions against labels, as positions in a square drawing."""

import dataclasses
import math
from collections.abc import Sequence

from pipelines.judging.numbers import format_value

_TICKS = 5
"""About so many on an axis."""


@dataclasses.dataclass(frozen=True)
class Tick:
    """A mark on both axes: its place, 0 to 1, and its text."""

    place: float
    text: str


@dataclasses.dataclass(frozen=True)
class Plot:
    """A square drawing whose axes have the same range, so that right predictions are a diagonal.

    Attributes:
      points: Label and prediction of each example, 0 to 1 of the axes.
      ticks: Of both axes.
      left_out: How many predictions are no numbers.
    """

    points: list[tuple[float, float]]
    ticks: list[Tick]
    left_out: int


def lay_out(sample: Sequence[tuple[float, float]]) -> Plot:
    """Place labels and predictions.

    Args:
      sample: Label and prediction of each example.
    """
    shown = [point for point in sample if all(map(math.isfinite, point))]
    values = [value for point in shown for value in point]
    step = _step(min(values, default=0.0), max(values, default=0.0))
    first = math.floor(min(values, default=0.0) / step)
    last = max(math.ceil(max(values, default=0.0) / step), first + 1)

    def place(value: float) -> float:
        return round((value / step - first) / (last - first), 4)

    return Plot(
        points=[(place(label), place(prediction)) for label, prediction in shown],
        ticks=[
            Tick(place(multiple * step), format_value(multiple * step))
            for multiple in range(first, last + 1)
        ],
        left_out=len(sample) - len(shown),
    )


def _step(low: float, high: float) -> float:
    """The distance of two ticks: 1, 2 or 5 times a power of ten."""
    rough = (high - low) / _TICKS or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
