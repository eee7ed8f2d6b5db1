"""What training does for each head of a task: loss, metrics and the scale of the outputs."""

import dataclasses
from typing import Any

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray

from modules.task import Classification, Head


@dataclasses.dataclass(frozen=True)
class Objective:
    """What `keras.Model.compile` is given.

    Attributes:
      loss: Of the model's outputs.
      metrics: For TensorBoard.
      loss_weight: The loss is multiplied by it.
    """

    loss: keras.losses.Loss
    metrics: list[keras.metrics.Metric]
    loss_weight: float = 1.0


def objective(head: Head, labels: NDArray[Any]) -> Objective:
    """The loss and the metrics of a head.

    The loss of a regression is in units of the labels' variance. RMSprop divides gradients by their
    size plus a constant (1e-7), which would outweigh those of labels that vary little.

    Args:
      head: What is predicted.
      labels: `[n]`, of the training split.
    """
    if isinstance(head, Classification):
        return Objective(
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            [keras.metrics.SparseCategoricalAccuracy()],
        )
    _, deviation = _scale(labels)
    return Objective(
        keras.losses.MeanSquaredError(), [keras.metrics.MeanAbsoluteError()], deviation**-2
    )


def add_scale(model: keras.Model, head: Head, labels: NDArray[Any]) -> keras.Model:
    """Scale a model's outputs to the labels, so that training starts at the right scale.

    Args:
      model: From the transformed features to `[batch, head.outputs]`.
      head: What is predicted; logits need no scale.
      labels: `[n]`, of the training split.

    Returns:
      A model with the mean and the standard deviation of the labels in a last layer.
    """
    if isinstance(head, Classification):
        return model
    mean, deviation = _scale(labels)
    scaled = keras.layers.Rescaling(deviation, offset=mean, name="label_scale")(model.outputs[0])
    return keras.Model(model.inputs, scaled)


def _scale(labels: NDArray[Any]) -> tuple[float, float]:
    """Mean and standard deviation; 1 for labels that are all the same."""
    values = labels.astype(np.float64)
    constant = values.min() == values.max()
    return float(values.mean()), 1.0 if constant else float(values.std())
