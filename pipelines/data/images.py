"""Images in a folder for each class: any format, size and kind that Pillow reads."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from modules.task import Feature, Picture, Task
from pipelines import settings
from pipelines.data import classes, headers, image_task, pixels
from pipelines.data.headers import Header
from pipelines.data.source import Batch, Source
from pipelines.errors import DataError
from pipelines.walk import Entry

_BATCH = 1024
_BATCH_BYTES = 2**24
_GROUNDS = {pixels.BLACK: "black", pixels.WHITE: "white"}


def open_source(
    name: str,
    parts: Mapping[str, Sequence[Entry]],
    places: Mapping[str, str],
    choice: settings.Task,
    wanted: Task | None,
) -> Source:
    """Find the task of images and how to read them; of most, the header alone is read.

    Args:
      name: Of the source, a path.
      parts: Images by `TRAIN` and `EVAL`, or by `WHOLE`; the first part of a name is the class.
      places: What a message calls each part.
      choice: Which task, size and fit the settings ask for.
      wanted: The task that the user named, of one picture.

    Raises:
      DataError: A file is not an image, or the images do not fit the task.
    """
    with headers.large_allowed():
        found = {part: [headers.read(file) for file in files] for part, files in parts.items()}
        every = [image for images in found.values() for image in images]
        task, notes = image_task.choose(name, every, choice, wanted)
        picture = image_task.picture(task)
        # One ground for all parts, or a model would be judged on others than it learnt from.
        ground = _choose_ground(every, picture.channels)
    if ground is not None:
        notes.append(f"transparent images put on {_GROUNDS[ground]}")
    look = _Look(picture, choice.images.fit, pixels.BLACK if ground is None else ground)
    index = {label: number for number, label in enumerate(classes.of_task(task))}
    opened = {
        part: Images(
            places[part],
            files,
            np.asarray([index[classes.label(file)] for file in files], np.int64),
            task.features[0],
            look,
        )
        for part, files in parts.items()
    }
    return Source(name, task, opened, notes)


@dataclasses.dataclass(frozen=True)
class _Look:
    """What becomes of each image.

    Attributes:
      picture: Its size and channels.
      fit: See `pixels.resize`.
      ground: For transparent ones.
    """

    picture: Picture
    fit: Literal["stretch", "letterbox"]
    ground: int


@dataclasses.dataclass(frozen=True)
class Images:
    """A part of a source of images; a `source.Part`.

    Attributes:
      where: For messages.
      files: `n` of them.
      labels: int64 `[n]`, indexes of classes.
      feature: Of the task.
      look: What becomes of each image.
      follows_order: Files can be read in any order.
    """

    follows_order = True

    where: str
    files: Sequence[Entry]
    labels: NDArray[Any]
    feature: Feature
    look: _Look

    def read(self, indices: NDArray[Any]) -> Iterator[Batch]:
        """Decode images in the order of `indices`, in batches of up to 16 megabytes.

        Raises:
          DataError: One cannot be read, or its ink has the colour of the ground.
        """
        size = self.feature.size
        step = max(1, min(_BATCH, _BATCH_BYTES // (4 * size)))
        for start in range(0, len(indices), step):
            chosen = indices[start : start + step]
            rows = np.empty((len(chosen), size), np.float32)
            with headers.large_allowed():
                for row, index in zip(rows, chosen, strict=True):
                    row[:] = _decode(self.files[index], self.look).ravel()
            rows /= pixels.WHITE
            rows -= 0.5
            yield Batch({self.feature.name: rows}, self.labels[chosen])


def _decode(file: Entry, look: _Look) -> NDArray[np.uint8]:
    """The pixels of an image, `[height, width, channels]`."""
    picture = look.picture
    with headers.opened(file) as image:
        pixels.decode_smaller(image, max(picture.width, picture.height))
        ink, opacity = pixels.separate(image, picture.channels)
        seen = ink
        if opacity is not None:
            seen = pixels.put_on(look.ground, ink, opacity)
            if pixels.is_plain(seen) and not pixels.is_plain(opacity):
                raise DataError(
                    f"{file.path} has ink as {_GROUNDS[look.ground]} as the ground that most "
                    "transparent images need: save the images without transparency"
                )
        return pixels.resize(seen, picture.width, picture.height, look.fit)


def _choose_ground(images: Iterable[Header], channels: Literal[1, 3]) -> int | None:
    """The one ground for transparent images; None if none of those looked at is transparent."""
    light = opacity = 0
    is_needed = False
    for header in image_task.look_at(image for image in images if image.is_transparent):
        with headers.opened(header.file) as image:
            ink, transparent = pixels.separate(image, channels)
            if transparent is not None:
                is_needed = True
                more_light, more_opacity = pixels.weigh(ink, transparent)
                light, opacity = light + more_light, opacity + more_opacity
    return pixels.choose_ground(light, opacity) if is_needed else None
