"""How an example is shown on the page: its picture, or its features' values."""

import base64
import io
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modules.task import Feature, Picture, Task
from pipelines.judging.examples import Examples
from pipelines.judging.numbers import format_value
from pipelines.judging.parts import Example

_LARGEST_SIDE = 96
"""Pixels: the page shows pictures no larger."""
_FEATURES, _VALUES = 40, 4
"""How many features of a table, and values of one feature, are shown."""


def render(task: Task, batches: Iterable[Examples], indexes: Collection[int]) -> dict[str, Example]:
    """Render some examples of a split.

    Args:
      task: What the examples hold.
      batches: The split from its beginning.
      indexes: Places among all examples.

    Returns:
      Each example by its place, as a text.
    """
    wanted = sorted(set(indexes))
    rendered: dict[str, Example] = {}
    start = 0
    for batch in batches:
        while len(rendered) < len(wanted) and wanted[len(rendered)] < start + len(batch):
            index = wanted[len(rendered)]
            rendered[str(index)] = _render(task, batch, index - start)
        if len(rendered) == len(wanted):
            break
        start += len(batch)
    return rendered


def _render(task: Task, batch: Examples, place: int) -> Example:
    feature = task.pictures
    if feature and feature.picture:
        return Example(image=_png(batch.features[feature.name][place], feature.picture), values={})
    return Example(
        image=None,
        values={
            feature.name: _text(feature, batch.features[feature.name][place])
            for feature in task.features[:_FEATURES]
        },
    )


def _text(feature: Feature, values: NDArray[Any]) -> str:
    shown = ", ".join(format_value(float(value)) for value in values.ravel()[:_VALUES])
    return shown if feature.size <= _VALUES else f"{shown}, … ({feature.size} values)"


def _png(values: NDArray[np.float32], picture: Picture) -> str:
    pixels = np.clip((values + 0.5) * 255, 0, 255).round().astype(np.uint8)
    shape = (picture.height, picture.width, picture.channels)
    image = Image.fromarray(pixels.reshape(shape[: 2 if picture.channels == 1 else 3]))
    image.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
