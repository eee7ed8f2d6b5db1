"""Grey pictures of a byte a pixel, held in memory as the files hold them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modules.task import Task
from pipelines.data.source import Batch
from pipelines.errors import DataError

_BATCH = 1024


class BytePictures:
    """A `source.Part` of grey pictures.

    Args:
      where: The file, for messages.
      task: Has one feature, a grey picture.
      pixels: `[n, height, width]`, 0 (background) to 255.
      labels: `[n]`, integers.

    Raises:
      DataError: Pictures of another size than the task's.
    """

    follows_order = True

    def __init__(
        self, where: str, task: Task, pixels: NDArray[np.uint8], labels: NDArray[Any]
    ) -> None:
        (feature,) = task.features
        picture = feature.picture
        assert picture is not None
        if pixels.shape[1:] != (picture.height, picture.width):
            size = "x".join(map(str, pixels.shape[1:]))
            raise DataError(
                f"{where} holds images of {size} pixels, and {picture.height}x{picture.width} are "
                "needed: resize them"
            )
        self.where = where
        self.labels = np.asarray(labels, np.int64)
        self._name = feature.name
        self._pixels = pixels.reshape(len(pixels), picture.size)

    def read(self, indices: NDArray[Any]) -> Iterator[Batch]:
        """Read in the order of `indices`; see `source.Part`."""
        for start in range(0, len(indices), _BATCH):
            chosen = indices[start : start + _BATCH]
            pixels = self._pixels[chosen].astype(np.float32) / 255 - 0.5
            yield Batch({self._name: pixels}, self.labels[chosen])
