"""What the Evaluator takes for granted and does not check, for a model of either kind."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SUM_TOLERANCE = 0.02
"""How far a row of quantized probabilities may be from 1: ten int8 values, half a step of 1/256
each."""


class ContractError(ValueError):
    """A model that the Evaluator would read wrongly."""


def check_logits(outputs: NDArray[np.floating[Any]]) -> None:
    """Refuses probabilities, `[n, classes]`, where the metrics take logits.

    Their accuracy is that of logits, but loss and calibration error are not: the metrics apply
    a softmax to what a softmax has made.

    Raises:
      ContractError: Every value is in [0, 1], and every row sums to 1.
    """
    in_range = np.all((outputs >= 0) & (outputs <= 1))
    if in_range and np.all(np.abs(outputs.sum(axis=1) - 1) <= _SUM_TOLERANCE):
        raise ContractError(
            "the model returns probabilities, and the Evaluator wants logits: remove the softmax "
            "at the end of the model"
        )
