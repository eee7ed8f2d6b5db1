"""What the Evaluator takes for granted and does not check, for a model of either kind."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modules.task import Classification, Task

_STEPS = 256
"""Steps of an int8 softmax from 0 to 1."""

_SUM_TOLERANCE = 0.01
"""How far a row of probabilities in floating point may be from 1."""


class ContractError(ValueError):
    """A model that cannot be trained or exported for its task, or would be evaluated wrongly."""


def check_outputs(task: Task, outputs: NDArray[np.floating[Any]]) -> None:
    """Refuses outputs that the task's metrics would misread.

    The accuracy of probabilities is that of logits, but loss and calibration error are not: the
    metrics apply a softmax to what a softmax has made.

    Args:
      task: What the model predicts.
      outputs: Of the model, for some examples.

    Raises:
      ContractError: Their shape is not `[n, head.outputs]`, or they are probabilities.
    """
    count = task.head.outputs
    is_classification = isinstance(task.head, Classification)
    if outputs.ndim != 2 or outputs.shape[1] != count:
        what = "a logit for each class" if is_classification else "one number"
        shape = ", ".join(["n", *map(str, outputs.shape[1:])])
        raise ContractError(
            f"the model returns [{shape}] for n examples, and the task {task.name!r} takes "
            f"[n, {count}], {what}: change the model's last layer"
        )
    if is_classification and _are_probabilities(outputs):
        raise ContractError(
            "the model returns probabilities, and the Evaluator wants logits: remove the softmax "
            "at the end of the model"
        )


def _are_probabilities(outputs: NDArray[np.floating[Any]]) -> bool:
    """Whether every value is in [0, 1] and every row sums to 1, as far as rounding lets it."""
    if not np.all((outputs >= 0) & (outputs <= 1)):
        return False
    sums = outputs.sum(axis=1, dtype=np.float64)
    scaled = outputs * _STEPS
    # Rounding moves each value by half a step at most; where there are more classes than steps, a
    # row may lose all it has.
    quantized = bool(np.all(scaled == np.round(scaled))) and bool(sums.any())
    tolerance = (outputs.shape[1] / 2 + 1) / _STEPS if quantized else _SUM_TOLERANCE
    return bool(np.all(np.abs(sums - 1) <= tolerance))
