"""Metrics that TFMA loads by module name."""

from typing import Any

import tensorflow as tf
import tf_keras as keras


@keras.utils.register_keras_serializable("modules")
class ExpectedCalibrationError(keras.metrics.Metric):
    """How far the confidence of the predicted class is from its accuracy, 0 to 1.

    Confidences are put into equal bins; the result is the mean of |accuracy - confidence| over
    the bins, weighted by the examples in each (Guo et al., "On Calibration of Modern Neural
    Networks", 2017). Predictions are logits `[batch, classes]`, labels integers `[batch]`.
    """

    def __init__(
        self, bins: int = 10, name: str = "expected_calibration_error", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.bins = bins
        self.count = self.add_weight("count", shape=(bins,), initializer="zeros")
        self.correct = self.add_weight("correct", shape=(bins,), initializer="zeros")
        self.confidence = self.add_weight("confidence", shape=(bins,), initializer="zeros")

    def update_state(
        self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> None:
        """Adds a batch to the bins."""
        probabilities = tf.nn.softmax(tf.cast(y_pred, tf.float32))
        confidence = tf.reduce_max(probabilities, axis=-1)
        predicted = tf.argmax(probabilities, axis=-1)
        label = tf.cast(tf.reshape(y_true, tf.shape(predicted)), predicted.dtype)
        weight = (
            tf.ones_like(confidence)
            if sample_weight is None
            else tf.reshape(tf.cast(sample_weight, tf.float32), tf.shape(confidence))
        )
        index = tf.clip_by_value(tf.cast(confidence * self.bins, tf.int32), 0, self.bins - 1)
        one_hot = tf.one_hot(index, self.bins) * weight[:, tf.newaxis]
        hit = tf.cast(tf.equal(label, predicted), tf.float32)
        self.count.assign_add(tf.reduce_sum(one_hot, axis=0))
        self.correct.assign_add(tf.reduce_sum(one_hot * hit[:, tf.newaxis], axis=0))
        self.confidence.assign_add(tf.reduce_sum(one_hot * confidence[:, tf.newaxis], axis=0))

    def result(self) -> tf.Tensor:
        """The error over everything seen so far, a scalar."""
        gaps = tf.abs(self.correct - self.confidence)
        return tf.math.divide_no_nan(tf.reduce_sum(gaps), tf.reduce_sum(self.count))

    def reset_state(self) -> None:
        """Empties the bins; the base class only resets scalars."""
        for bins in (self.count, self.correct, self.confidence):
            bins.assign(tf.zeros_like(bins))

    def get_config(self) -> dict[str, Any]:
        """What TFMA needs to build the metric again."""
        return {**super().get_config(), "bins": self.bins}
