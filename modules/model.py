"""The models: one function a preset, each from a task's transformed features to its outputs.

A model takes one tensor `[batch, size]` per feature, named as Transform names it, and returns
`[batch, head.outputs]`: logits of the classes, or one number, which `modules.heads.add_scale`
scales to the labels.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from modules import mobilenet_v3, presets
from modules.contract import ContractError
from modules.task import Feature, Picture, Task, transformed

_SMALLEST_SIDE = 7
"""Pixels below which the preset `cnn` shrinks a picture no more."""

_MOST_FILTERS = 64

_MOST_JOINED = 5
"""Tensors that XNNPACK joins at a time, measured with TensorFlow 2.16 and 2.21."""


def build(task: Task, preset: str, mobilenet_options: Mapping[str, Any]) -> keras.Model:
    """The task's own model, or else the preset.

    Args:
      task: What the model learns.
      preset: A key of `PRESETS`.
      mobilenet_options: Of the preset `mobilenet`; see `pipelines.settings.MobileNet`.

    Raises:
      ContractError: The preset does not take the features, or the task's model does not fit it.
    """
    if task.model:
        return _build_own(task)
    if preset == "mobilenet":
        return mobilenet(task, **mobilenet_options)
    return PRESETS[preset](task)


def mlp(task: Task) -> keras.Model:
    """Upstream's MNIST model for any features: two hidden layers of 64 with dropout.

    For MNIST it has 55,050 parameters: expect .9155 accuracy and a float32 TFLite file of 222 kB
    after ten passes over 8,000 images.
    """
    inputs = _inputs(task)
    outputs = join(inputs)
    for layer in (
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(task.head.outputs),
    ):
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def cnn(task: Task) -> keras.Model:
    """A small mobile CNN for one picture: stages of convolution and pooling, down to 7 pixels.

    For MNIST it has two stages and 20,490 parameters: expect .9625 accuracy and a float32 TFLite
    file of 85 kB after ten passes over 8,000 images. A picture of 48x48 has three stages (28,194
    parameters in colour for two classes), and one of 96x96 has four.

    Raises:
      ContractError: The task has other features.
    """
    feature, picture = _only_picture(task, "cnn")
    flat = _input(feature)
    height, width = picture.height, picture.width
    # The layer Reshape computes its shape as it runs, and XNNPACK takes no part of such a model.
    # A constant shape leaves the batch free.
    outputs = tf.reshape(flat, [-1, height, width, picture.channels])
    filters = 16
    while True:
        outputs = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(outputs)
        filters = min(2 * filters, _MOST_FILTERS)
        # Of a long picture, only the long side shrinks further.
        pool = tuple(2 if side > _SMALLEST_SIDE else 1 for side in (height, width))
        if pool != (1, 1):
            outputs = keras.layers.MaxPooling2D(pool)(outputs)
        height, width = height // pool[0], width // pool[1]
        if max(height, width) <= _SMALLEST_SIDE:
            break
    for layer in (
        keras.layers.Flatten(),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(task.head.outputs),
    ):
        outputs = layer(outputs)
    return keras.Model(flat, outputs)


def mobilenet(task: Task, alpha: float = 1.0, weights: str = "") -> keras.Model:
    """MobileNetV3-Small for one picture; see `modules.mobilenet_v3`.

    With `alpha` 1 it has 940,274 parameters for two classes, and TFLite files of 3.7 MB (float32)
    and 1.2 MB (int8); with 0.75, 584,026 parameters. From random weights it told 48x48 patches of
    two photos apart without an error after 200 steps of 40, at 0.3 s a step on two busy cores.
    XNNPACK takes all of the float32 model, and of the int8 one all but its HARD_SWISH.

    Raises:
      ContractError: The task has other features, or the file holds other weights.
    """
    feature, picture = _only_picture(task, "mobilenet")
    flat = _input(feature)
    return keras.Model(flat, mobilenet_v3.outputs(flat, picture, task.head.outputs, alpha, weights))


PRESETS: dict[str, Callable[[Task], keras.Model]] = {
    "mlp": mlp,
    "cnn": cnn,
    "mobilenet": mobilenet,
}


def _input(feature: Feature) -> tf.Tensor:
    return keras.Input(shape=(feature.size,), name=transformed(feature.name))


def _inputs(task: Task) -> list[tf.Tensor]:
    return [_input(feature) for feature in task.features]


def join(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Concatenate tensors `[batch, size]` in order, by operators that XNNPACK takes.

    `keras.layers.Concatenate` makes one operator, which a phone's delegate leaves to a slower
    kernel if it has more than five inputs.
    """
    while len(tensors) > 1:
        groups = [tensors[i : i + _MOST_JOINED] for i in range(0, len(tensors), _MOST_JOINED)]
        tensors = [keras.layers.Concatenate()(g) if len(g) > 1 else g[0] for g in groups]
    return tensors[0]


def _only_picture(task: Task, preset: str) -> tuple[Feature, Picture]:
    if misfit := presets.find_misfit(task, preset):
        raise ContractError(misfit)
    (feature,) = task.features
    assert feature.picture
    return feature, feature.picture


def _build_own(task: Task) -> keras.Model:
    """The model of the task's function, after a check that it fits the task."""
    module, _, name = task.model.rpartition(".")
    function = getattr(importlib.import_module(module), name, None)
    if not callable(function):
        raise ContractError(
            f"the task {task.name!r} has the model {task.model}, and there is no function {name!r} "
            f"in {module}: define it"
        )
    built = function(task)
    wanted = sorted(transformed(feature.name) for feature in task.features)
    found = sorted(getattr(built, "input_names", None) or [])
    if found != wanted:
        raise ContractError(
            f"the model of {task.model} has the inputs {', '.join(found) or 'none'}, and "
            f"the task {task.name!r} has {', '.join(wanted)}: give it one keras.Input per feature, "
            "of that name"
        )
    shape = tuple(built.output_shape)
    if shape != (None, task.head.outputs):
        raise ContractError(
            f"the model of {task.model} returns {shape}, and the {task.head.kind} of the task "
            f"{task.name!r} takes (None, {task.head.outputs}): change its last layer"
        )
    return built
