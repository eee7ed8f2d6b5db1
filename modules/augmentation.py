"""Small changes of pictures in training, other ones at each step, the same for the same seed."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from modules.task import Picture, Task, transformed

Batch = tuple[dict[str, tf.Tensor], tf.Tensor]
"""Transformed features by name, and labels."""


@dataclasses.dataclass(frozen=True)
class Augment:
    """What may happen to a picture; see `pipelines.settings.Augment`.

    Attributes:
      flip: Whether half of the pictures are mirrored, left to right.
      shift: The largest move, as a part of the height and of the width.
      brightness: The largest change of all pixels, as a part of their range.
    """

    flip: bool = False
    shift: float = 0
    brightness: float = 0

    @property
    def is_on(self) -> bool:
        """Whether anything changes."""
        return bool(self.flip or self.shift or self.brightness)


def make(task: Task, augment: Augment, seed: int) -> Callable[[tf.Tensor, Batch], Batch]:
    """A function that changes the pictures of a batch.

    Args:
      task: Its features with a picture are changed.
      augment: How.
      seed: Of the changes.

    Returns:
      A function of the training step, an int64 scalar, and its batch.
    """
    pictures = {transformed(f.name): f.picture for f in task.features if f.picture}

    def change(step: tf.Tensor, batch: Batch) -> Batch:
        features, labels = batch
        changed = {
            name: _change(features[name], picture, augment, tf.stack([seed + index, step]))
            for index, (name, picture) in enumerate(pictures.items())
        }
        return {**features, **changed}, labels

    return change


def _change(flat: tf.Tensor, picture: Picture, augment: Augment, seed: tf.Tensor) -> tf.Tensor:
    """Change each picture of `[batch, size]` in its own way."""
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 4), num=4)
    height, width = picture.height, picture.width
    pixels = tf.reshape(flat, [-1, height, width, picture.channels])
    count = tf.shape(pixels)[0]
    if augment.flip:
        mirrored = tf.random.stateless_uniform([count, 1, 1, 1], seeds[0]) < 0.5
        pixels = tf.where(mirrored, tf.reverse(pixels, axis=[2]), pixels)
    if augment.shift:
        rows = _moved(height, augment.shift, count, seeds[1])
        pixels = tf.gather(pixels, rows, axis=1, batch_dims=1)
        columns = tf.repeat(_moved(width, augment.shift, count, seeds[2])[:, None], height, axis=1)
        pixels = tf.gather(pixels, columns, axis=2, batch_dims=2)
    if augment.brightness:
        change = tf.random.stateless_uniform(
            [count, 1, 1, 1], seeds[3], -augment.brightness, augment.brightness
        )
        pixels = tf.clip_by_value(pixels + change, -0.5, 0.5)
    return tf.reshape(pixels, [-1, picture.size])


def _moved(length: int, part: float, count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Where each row or column comes from, `[count, length]`; those at the border are repeated."""
    most = int(part * length)
    move = tf.random.stateless_uniform([count, 1], seed, -most, most + 1, dtype=tf.int32)
    return tf.clip_by_value(tf.range(length)[tf.newaxis] + move, 0, length - 1)
