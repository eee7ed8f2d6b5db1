"""What Transform does to an example, in training and in serving alike."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from modules.task import Task, transformed

_SMALLEST_DEVIATION = float(np.finfo(np.float32).tiny)
"""float32 has no reciprocal of a smaller one."""


def preprocessing_fn(
    inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]
) -> dict[str, tf.Tensor]:
    """Scales pictures to [-0.5, 0.5] and standardizes numbers; the label passes through.

    The exported models do it by additions, subtractions and multiplications by constants.

    Args:
      inputs: The features and the label of a task by name, `[batch, size]` each.
      custom_config: Holds the task as `task`, as `Task.to_dict` gives it.

    Returns:
      The same tensors under their transformed names, shapes unchanged. Features are float32.
    """
    task = Task.from_dict(custom_config["task"])
    values = {f.name: tf.cast(inputs[f.name], tf.float32) for f in task.features}
    outputs = {
        transformed(f.name): _scale(values[f.name], -0.5, 0.5) for f in task.features if f.picture
    }
    numbers = {f.name: values[f.name] for f in task.features if not f.picture}
    outputs |= {transformed(name): standard for name, standard in _standardize(numbers).items()}
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


def _standardize(features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Give each column the mean 0 and the standard deviation 1; a constant column becomes 0.

    It gives what `tft.scale_to_z_score(elementwise=True)` gives, in a subtraction and a
    multiplication, for the reason that `_scale` has. The subtraction comes first: near the mean it
    is exact, while the product of a large value has lost its last digits already.

    Args:
      features: `[batch, size]` by name.
    """
    if not features:
        return {}
    # All columns share two analyzers, as each costs seconds; the exported graph holds only their
    # results. In float64, the columns of a large table are as exact as those of a small one, and
    # the variance of a constant column is exactly 0.
    columns = tf.cast(tf.concat(list(features.values()), axis=1), tf.float64)
    mean = tf.cast(tft.mean(columns, reduce_instance_dims=False), tf.float32)
    deviation = tf.sqrt(tft.var(columns, reduce_instance_dims=False))
    varies = deviation > _SMALLEST_DEVIATION
    reciprocal = tf.where(varies, 1 / tf.where(varies, deviation, 1), 0)
    factor = tf.cast(reciprocal, tf.float32)
    sizes = [values.shape[1] for values in features.values()]
    return {
        name: (values - center) * scale
        for (name, values), center, scale in zip(
            features.items(), tf.split(mean, sizes), tf.split(factor, sizes), strict=True
        )
    }
