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
        features.transformed(features.IMAGE): tft.scale_by_min_max(
            inputs[features.IMAGE], -0.5, 0.5
        ),
        # Not transformed: the Evaluator compares predictions with the raw label.
        features.transformed(features.LABEL): inputs[features.LABEL],
    }
