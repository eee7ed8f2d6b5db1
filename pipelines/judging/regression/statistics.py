"""Paired comparison of two regressions on the same examples."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Paired:
    """How one regression differs from a baseline; all in the label's unit.

    Attributes:
      error_delta: Its mean absolute error minus the baseline's.
      ci95: 95 % interval of that difference.
      mean_difference: Mean of its prediction minus the baseline's.
      largest_difference: Largest distance of two predictions for one example.
    """

    error_delta: float
    ci95: tuple[float, float]
    mean_difference: float
    largest_difference: float


def compare(labels: NDArray[Any], baseline: NDArray[Any], other: NDArray[Any]) -> Paired:
    """Compares predicted numbers, all `[n]`.

    The interval is that of a paired t-test on the absolute errors. One example has no spread, so
    that nothing bounds its interval.
    """
    from scipy.stats import t

    labels, baseline, other = (values.astype(np.float64) for values in (labels, baseline, other))
    deltas = np.abs(other - labels) - np.abs(baseline - labels)
    n, mean = len(deltas), float(deltas.mean())
    half = math.inf
    if n > 1:
        half = float(t.ppf(0.975, n - 1) * deltas.std(ddof=1) / math.sqrt(n))
    difference = other - baseline
    return Paired(
        error_delta=mean,
        ci95=(mean - half, mean + half),
        mean_difference=float(difference.mean()),
        largest_difference=float(np.abs(difference).max()),
    )


def find_largest_differences(
    baseline: NDArray[Any], other: NDArray[Any], count: int
) -> NDArray[np.int64]:
    """Places of the examples whose predictions differ most, the largest difference first.

    A prediction that is no number differs most of all; equal predictions are left out.
    """
    distances = np.abs(other.astype(np.float64) - baseline)
    distances[np.isnan(distances)] = np.inf
    order = np.argsort(-distances, kind="stable")[:count]
    differing: NDArray[np.int64] = order[distances[order] > 0]
    return differing


def sample(labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Places of at most `count` examples, at even steps of their rank by label."""
    order: NDArray[np.int64] = np.argsort(labels, kind="stable")
    steps = np.linspace(0, len(order) - 1, min(count, len(order)))
    return order[steps.round().astype(np.int64)]
