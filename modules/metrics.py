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


@keras.utils.register_keras_serializable("modules")
class R2(keras.metrics.Metric):
    """The part of the labels' variance that the predictions explain; 1 is perfect, 0 the mean.

    `tf_keras.metrics.R2Score` gives the same, but TFMA cannot merge it: its weights get their
    shapes from the first batch. Labels and predictions are numbers `[batch]` or `[batch, 1]`. The
    sums are float64, because float32 loses the variance of labels that are far from 0. Labels that
    are all the same have no variance: the result is 0, whatever is predicted.
    """

    def __init__(self, name: str = "r2", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.count, self.labels, self.squares, self.residuals = (
            self.add_weight(sums, shape=(), initializer="zeros", dtype=tf.float64)
            for sums in ("count", "labels", "squares", "residuals")
        )

    def update_state(
        self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> None:
        """Adds a batch to the sums."""
        label = tf.reshape(tf.cast(y_true, tf.float64), [-1])
        predicted = tf.reshape(tf.cast(y_pred, tf.float64), [-1])
        weight = (
            tf.ones_like(label)
            if sample_weight is None
            else tf.reshape(tf.cast(sample_weight, tf.float64), [-1])
        )
        self.count.assign_add(tf.reduce_sum(weight))
        self.labels.assign_add(tf.reduce_sum(weight * label))
        self.squares.assign_add(tf.reduce_sum(weight * label**2))
        self.residuals.assign_add(tf.reduce_sum(weight * (label - predicted) ** 2))

    def result(self) -> tf.Tensor:
        """The score over everything seen so far, a scalar; NaN if a prediction was."""
        variation = self.squares - tf.math.divide_no_nan(self.labels**2, self.count)
        # Rounding can leave a little where all labels are the same.
        varies = variation > 1e-12 * self.squares
        explained = 1 - self.residuals / tf.where(varies, variation, 1)
        return tf.cast(tf.where(varies, explained, 0), tf.float32)
