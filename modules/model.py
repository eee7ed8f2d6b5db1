"""The classifiers: one function a preset, each from `[batch, 784]` to logits `[batch, 10]`."""

from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras

from modules import features


def mlp() -> keras.Model:
    """Upstream's MNIST model: two hidden layers of 64 with dropout, 55,050 parameters.

    Expect .9155 accuracy and a float32 TFLite file of 222 kB after ten passes over 8,000 images.
    """
    return keras.Sequential(
        [
            keras.layers.InputLayer(
                input_shape=(features.PIXELS,), name=features.transformed(features.IMAGE)
            ),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(features.CLASSES),
        ]
    )


def cnn() -> keras.Model:
    """A small mobile CNN, 20,490 parameters.

    Expect .9625 accuracy and a float32 TFLite file of 85 kB after ten passes over 8,000 images.
    """
    flat = keras.Input(shape=(features.PIXELS,), name=features.transformed(features.IMAGE))
    # The layer Reshape computes its shape as it runs, and XNNPACK takes no part of such a model.
    # A constant shape leaves the batch free.
    outputs = tf.reshape(flat, [-1, features.HEIGHT, features.WIDTH, 1])
    for layer in (
        keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(features.CLASSES),
    ):
        outputs = layer(outputs)
    return keras.Model(flat, outputs)


PRESETS: dict[str, Callable[[], keras.Model]] = {"mlp": mlp, "cnn": cnn}
