"""What Transform does to an example, in training and in serving alike."""

import tensorflow as tf
import tensorflow_transform as tft

from modules import features


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Scales the image to [-0.5, 0.5] and passes the label through, as upstream's example does.

    Args:
      inputs: `image_floats` float32 `[batch, 784]` and `image_class` int64 `[batch, 1]`.

    Returns:
      The same two tensors under their transformed names, shapes unchanged.
    """
    return {
        features.transformed(features.IMAGE): _scale(inputs[features.IMAGE], -0.5, 0.5),
        # Not transformed: the Evaluator compares predictions with the raw label.
        features.transformed(features.LABEL): inputs[features.LABEL],
    }


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
