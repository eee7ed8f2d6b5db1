"""What the headers of images say, without decoding a pixel."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image

from pipelines.data import formats, pixels
from pipelines.errors import DataError
from pipelines.walk import Entry


class Header(NamedTuple):
    """An image before it is decoded.

    Attributes:
      file: Where it is.
      width: In pixels, as a viewer shows it.
      height: Likewise.
      is_of_grey: Whether it has no colour for certain.
      is_transparent: Whether it may be transparent somewhere.
    """

    file: Entry
    width: int
    height: int
    is_of_grey: bool
    is_transparent: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


def read(file: Entry) -> Header:
    """Read the header of an image.

    Raises:
      DataError: It is not an image that can be read.
    """
    with opened(file) as image:
        size = pixels.upright_size(image)
        return Header(file, *size, pixels.is_of_grey(image), image.has_transparency_data)


@contextlib.contextmanager
def opened(file: Entry) -> Iterator[Image.Image]:
    """An image whose faults, in opening and in whatever the caller does, name its file.

    Raises:
      DataError: It is not an image that can be read.
    """
    try:
        with Image.open(file.path, formats=formats.picture_formats()) as image:
            yield image
    except DataError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever they meet
        raise DataError(f"{file.path} is not an image that can be read: {error}") from None


@contextlib.contextmanager
def large_allowed() -> Iterator[None]:
    """Keep Pillow's warning of images above 89 megapixels to itself: phones take 108.

    Above 179 megapixels it raises an error, as before.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield
