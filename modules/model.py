"""The classifiers: one function a preset, each from `[batch, 784]` to logits `[batch, 10]`."""

from collections.abc import Callable

import tf_keras as keras

from modules import features


def mlp() -> keras.Model:
    """Upstream's MNIST model: two hidden layers of 64 with dropout, 55,050 parameters.

    Expect .9155 accuracy and a float32 TFLite file of 222 kB after ten passes over 8,000 images.
    """
    return keras.Sequential(
        [
            _input(),
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
    return keras.Sequential(
        [
            _input(),
            keras.layers.Reshape((features.HEIGHT, features.WIDTH, 1)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(features.CLASSES),
        ]
    )


def _input() -> keras.layers.InputLayer:
    return keras.layers.InputLayer(
        input_shape=(features.PIXELS,), name=features.transformed(features.IMAGE)
    )


PRESETS: dict[str, Callable[[], keras.Model]] = {"mlp": mlp, "cnn": cnn}
