"""Images in folders named after their digit."""

from pathlib import Path

import numpy as np
from PIL import Image

from modules import features
from pipelines.data.examples import Examples, from_bytes
from pipelines.errors import DataError

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}


def find(directory: Path) -> list[Path]:
    """The image files one level down, in order."""
    return sorted(f for f in directory.glob("*/*") if f.suffix.lower() in _SUFFIXES)


def load(directory: Path) -> Examples:
    """Reads `directory/<digit>/*.png`, grey, white on black as MNIST's, 28x28.

    Raises:
      DataError: A folder that is not a digit, or an image that cannot be read or has another size.
    """
    pixels, labels = [], []
    for file in find(directory):
        label = file.parent.name
        if label not in {str(digit) for digit in range(features.CLASSES)}:
            raise DataError(
                f"{file} lies in a folder called {label!r}, which must be its label, 0 to 9"
            )
        try:
            with Image.open(file) as image:
                if image.size != (features.WIDTH, features.HEIGHT):
                    raise DataError(
                        f"{file} has {image.width}x{image.height} pixels, not 28x28: resize it"
                    )
                pixels.append(np.asarray(image.convert("L")))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(f"{file} is not an image that can be read: {error}") from None
        labels.append(int(label))
    return from_bytes(np.stack(pixels), np.asarray(labels), str(directory))
