"""MobileNetV3-Small (Howard et al., "Searching for MobileNetV3", 2019) at the size of a picture."""

import os

import tensorflow as tf
import tf_keras as keras

from modules.contract import ContractError
from modules.task import Picture

_LEAST_SIDE = 96
"""Pixels. Below 32 Keras does not build the network, and its last maps have 1/32 of the side."""

_MOMENTUM = 0.9
"""Momentum of the moving averages, which serving takes in place of a batch's own. Keras' 0.999 is
for many thousands of steps: after 200, they are still those of the start, and accuracy is
chance."""


def outputs(flat: tf.Tensor, picture: Picture, count: int, alpha: float, weights: str) -> tf.Tensor:
    """The network's `count` outputs for pictures `[batch, size]` in [-0.5, 0.5].

    Args:
      flat: Transformed pictures.
      picture: Their shape. A smaller one than 96 pixels is enlarged by a whole number; grey
        becomes three equal channels.
      count: Of outputs.
      alpha: Width of the network.
      weights: File of weights as Keras' `save_weights` writes it, with or without the layers for
        ImageNet's classes; empty: random weights.

    Raises:
      ContractError: The file cannot be read, or holds weights of another network.
    """
    height, width = picture.height, picture.width
    pixels = tf.reshape(flat, [-1, height, width, picture.channels])
    factor = -(-_LEAST_SIDE // min(height, width))
    if factor > 1:
        height, width = factor * height, factor * width
        pixels = tf.image.resize(pixels, [height, width])
    if picture.channels == 1:
        pixels = tf.concat([pixels] * 3, axis=-1)
    # The network was trained on [-1, 1].
    pixels = pixels * 2.0
    network = _network((height, width, 3), alpha)
    if weights:
        _load(network, alpha, weights)
    features = network(pixels)
    features = keras.layers.Dropout(0.2)(features)
    return keras.layers.Dense(count)(features)


def _network(shape: tuple[int, int, int], alpha: float) -> keras.Model:
    network = keras.applications.MobileNetV3Small(
        input_shape=shape,
        alpha=alpha,
        include_top=False,
        pooling="avg",
        weights=None,
        include_preprocessing=False,
    )
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = _MOMENTUM
    return network


def _load(network: keras.Model, alpha: float, file: str) -> None:
    """Read the weights, from a file with or without the layers for ImageNet's classes."""
    if not os.path.isfile(file):
        raise ContractError(f"training.mobilenet.weights is {file!r}, and there is no such file")
    try:
        network.load_weights(file)
        return
    except (OSError, ValueError):
        pass  # perhaps it holds more layers
    whole = keras.applications.MobileNetV3Small(
        input_shape=network.input_shape[1:], alpha=alpha, weights=None
    )
    try:
        whole.load_weights(file)
    except (OSError, ValueError) as error:
        raise ContractError(
            f"training.mobilenet.weights is {file!r}, and it holds no weights of MobileNetV3-Small "
            f"for alpha={alpha:g} as Keras saves them: take the file for this alpha"
        ) from error
    # The layers for the classes are the last ones.
    network.set_weights(whole.get_weights()[: len(network.weights)])
