"""What Transform does to an example, in training and in serving alike."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from modules.task import Task, transformed


def preprocessing_fn(
    inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]
) -> dict[str, tf.Tensor]:
    """Scales pictures to [-0.5, 0.5] and standardizes numbers; the label passes through.

    The exported models hold the result as additions and multiplications by constants.

    Args:
      inputs: The features and the label of a task by name, `[batch, size]` each.
      custom_config: Holds the task as `task`, as `Task.to_dict` gives it.

    Returns:
      The same tensors under their transformed names, shapes unchanged. Features are float32.
    """
    task = Task.from_dict(custom_config["task"])
    outputs = {}
    for feature in task.features:
        values = tf.cast(inputs[feature.name], tf.float32)
        scaled = _scale(values, -0.5, 0.5) if feature.picture else _standardize(values)
        outputs[transformed(feature.name)] = scaled
    # Not transformed: the Evaluator compares predictions with the raw label.
    outputs[transformed(task.label)] = inputs[task.label]
    return outputs


def _scale(values: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Map the training split's minimum to `low` and its maximum to `high`.

    It gives what `tft.scale_by_min_max` gives, in a multiplication and an addition: the case of
    equal minimum and maximum is decided on two numbers that are constants in an exported model.
    `tft.scale_by_min_max` decides it on each value, which leaves LOGISTIC, ZEROS_LIKE, CAST and
    SELECT_V2 in a TFLite model. Where all values are equal, they map to `low` (TFT: a sigmoid).
    """
    minimum, maximum = tft.min(values), tft.max(values)
    extent = tf.where(maximum > minimum, maximum - minimum, 1.0)
    factor = (high - low) / extent
    return values * factor + (low - minimum * factor)


def _standardize(values: tf.Tensor) -> tf.Tensor:
    """Give each column the mean 0 and the standard deviation 1; a constant column becomes 0.

    It gives what `tft.scale_to_z_score(elementwise=True)` gives, in an addition and a
    multiplication, for the reason that `_scale` has. The addition comes first: near the mean it is
    exact, while the product of a large value has lost its last digits already.
    """
    mean, variance = (
        analyzer(values, reduce_instance_dims=False) for analyzer in (tft.mean, tft.var)
    )
    minimum, maximum = (
        analyzer(values, reduce_instance_dims=False) for analyzer in (tft.min, tft.max)
    )
    # Rounding can leave a variance above 0 where all values are equal.
    varies = (maximum > minimum) & (variance > 0)
    factor = tf.where(varies, tf.math.rsqrt(tf.where(varies, variance, 1.0)), 0.0)
    return (values + -mean) * factor
