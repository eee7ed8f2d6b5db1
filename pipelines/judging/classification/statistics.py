"""Paired comparison of two classifiers on the same examples."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Z95 = 1.959963984540054


@dataclasses.dataclass(frozen=True)
class Paired:
    """How one classifier differs from a baseline.

    Attributes:
      accuracy_delta: Its accuracy minus the baseline's.
      ci95: 95 % interval of that difference.
      agreement: Part of the examples for which both predict the same class.
      mcnemar_p: Exact two-sided p-value that both are equally accurate.
    """

    accuracy_delta: float
    ci95: tuple[float, float]
    agreement: float
    mcnemar_p: float


def compare(labels: NDArray[Any], baseline: NDArray[Any], other: NDArray[Any]) -> Paired:
    """Compares predicted classes, all `[n]`.

    The interval is Bonett and Price's adjusted Wald interval for paired proportions ("Adjusted
    Wald Confidence Interval for a Difference of Binomial Proportions Based on Paired Data", 2012):
    unlike the plain one it does not shrink to nothing where the two never differ.
    """
    from scipy.stats import binomtest

    baseline_only = int(np.sum((baseline == labels) & (other != labels)))
    other_only = int(np.sum((baseline != labels) & (other == labels)))
    n = len(labels)
    gain, loss = (other_only + 1) / (n + 2), (baseline_only + 1) / (n + 2)
    half = _Z95 * math.sqrt((gain + loss - (gain - loss) ** 2) / (n + 2))
    discordant = baseline_only + other_only
    return Paired(
        accuracy_delta=(other_only - baseline_only) / n,
        ci95=(max(-1.0, gain - loss - half), min(1.0, gain - loss + half)),
        agreement=float(np.mean(baseline == other)),
        mcnemar_p=float(binomtest(other_only, discordant).pvalue) if discordant else 1.0,
    )
