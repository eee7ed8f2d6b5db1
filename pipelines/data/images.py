"""Images in folders named after their digit."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modules import features
from pipelines.data import formats, pixels
from pipelines.data.examples import Examples, from_bytes
from pipelines.errors import DataError
from pipelines.walk import Entry

LABELS = tuple(str(digit) for digit in range(features.CLASSES))
"""Names of folders."""

_SIZE = (features.WIDTH, features.HEIGHT)
_GROUNDS = {pixels.BLACK: "black", pixels.WHITE: "white"}


@dataclasses.dataclass(frozen=True)
class Images:
    """Images that were read, before transparent ones have a ground.

    Attributes:
      files: `n` of them.
      grey: `[n, 28, 28]`, see `pixels.to_grey`.
      opacity: Likewise; None where all are opaque.
    """

    files: Sequence[Entry]
    grey: NDArray[np.uint8]
    opacity: NDArray[np.uint8] | None

    def __len__(self) -> int:
        return len(self.files)


def label(file: Entry) -> str:
    """The folder that an image lies in, at any depth: the first part of its name."""
    folder, slash, _ = file.name.partition("/")
    return folder if slash else ""


def read(files: Sequence[Entry]) -> Images:
    """Read images of 28x28 pixels, grey, light ink on dark ground as MNIST's.

    Args:
      files: Named relative to the folder that holds those of the digits.

    Raises:
      DataError: A folder that is not a digit, or an image that cannot be read or has another size.
    """
    grey = np.empty((len(files), features.HEIGHT, features.WIDTH), np.uint8)
    opacity = None
    for index, file in enumerate(files):
        if label(file) not in LABELS:
            raise DataError(
                f"{file.path} lies in a folder called {label(file)!r}, which must be its label, "
                "0 to 9"
            )
        grey[index], transparent = _read(file)
        if transparent is not None:
            if opacity is None:
                opacity = np.full_like(grey, pixels.WHITE)
            opacity[index] = transparent
    return Images(files, grey, opacity)


def choose_ground(parts: Iterable[Images]) -> int | None:
    """The one ground for the transparent images of a source; None where there are none."""
    transparent = [
        (part.grey[chosen], part.opacity[chosen])
        for part in parts
        if part.opacity is not None
        for chosen in [part.opacity.min(axis=(1, 2)) < pixels.WHITE]
    ]
    if not transparent:
        return None
    grey, opacity = (np.concatenate(planes) for planes in zip(*transparent, strict=True))
    return pixels.choose_ground(grey, opacity)


def describe_ground(ground: int) -> str:
    """What was done with transparent images, for the user."""
    return f"transparent images put on {_GROUNDS[ground]}"


def to_examples(images: Images, ground: int | None, where: str) -> Examples:
    """The examples, with transparent images on the ground.

    Raises:
      DataError: As `from_bytes`; or an image's ink has the colour of the ground.
    """
    grey = images.grey
    if images.opacity is not None and ground is not None:
        grey = pixels.put_on(ground, images.grey, images.opacity)
        vanished = np.flatnonzero(_is_plain(grey) & ~_is_plain(images.opacity))
        if vanished.size:
            raise DataError(
                f"{images.files[vanished[0]].path} has ink as {_GROUNDS[ground]} as the ground "
                "that most transparent images need: save the images without transparency"
            )
    labels = np.asarray([int(label(file)) for file in images.files])
    return from_bytes(grey, labels, where)


def _read(file: Entry) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    try:
        with Image.open(file.path, formats=formats.picture_formats()) as image:
            # Before anything is decoded, which of a huge image takes long.
            if sorted(image.size) != sorted(_SIZE):
                raise _wrong_size(file, image.size)
            grey, opacity = pixels.to_grey(image)
    except DataError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever they meet
        raise DataError(f"{file.path} is not an image that can be read: {error}") from None
    if grey.shape[::-1] != _SIZE:
        raise _wrong_size(file, grey.shape[::-1])
    return grey, opacity


def _wrong_size(file: Entry, size: tuple[int, ...]) -> DataError:
    return DataError(f"{file.path} has {size[0]}x{size[1]} pixels, not 28x28: resize it")


def _is_plain(planes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    flat = planes.reshape(len(planes), -1)
    plain: NDArray[np.bool_] = flat.min(axis=1) == flat.max(axis=1)
    return plain
