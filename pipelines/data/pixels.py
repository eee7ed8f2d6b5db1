"""From any image of Pillow's to bytes of grey: what a person sees, or an error."""

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

BLACK, WHITE = 0, 255

_PAGED = {"AVIF", "DCX", "FLI", "GIF", "PNG", "TIFF", "WEBP"}
"""Formats whose further frames are images too. Those of other formats are layers and previews."""

_SIXTEEN_BITS = 257  # 65535 / 255


def to_grey(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """The image as a viewer shows it: turned as EXIF says, in grey, scaled to bytes.

    Args:
      image: An opened image of any mode.

    Returns:
      Grey `[height, width]`, and opacity `[height, width]` (255: opaque) or None where all of it is
      opaque. Grey is that of the ink: it is not blended with any ground.

    Raises:
      ValueError: It holds several images, or numbers of an unknown range.
    """
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format in _PAGED:
        raise ValueError(f"it holds {frames} images: save each in a file of its own")
    is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    turned = ImageOps.exif_transpose(image) if is_turned else image
    # PpmDecoder scales to 65535 whatever has more than 8 bits, and the mode does not say so.
    if turned.mode.startswith("I;16") or (turned.mode == "I" and image.format == "PPM"):
        return np.round(np.asarray(turned) / _SIXTEEN_BITS).astype(np.uint8), None
    if turned.mode in {"I", "F"}:
        raise ValueError(
            "its pixels are 32-bit numbers, of which no format says what is white: save it with 8 "
            "or 16 bits"
        )
    if not turned.has_transparency_data:
        return np.asarray(turned.convert("L")), None
    pixels = np.asarray(turned.convert("RGBA").convert("LA"))
    grey, opacity = pixels[..., 0], pixels[..., 1]
    return grey, None if opacity.min() == WHITE else opacity


def choose_ground(grey: NDArray[np.uint8], opacity: NDArray[np.uint8]) -> int:
    """The ground on which transparent images are seen best: `BLACK`, or `WHITE` for dark ink.

    Args:
      grey: `[n, ...]`, of images that are transparent somewhere.
      opacity: Likewise.
    """
    ink = np.einsum("i,i->", grey.ravel(), opacity.ravel(), dtype=np.int64)
    return WHITE if ink < opacity.sum(dtype=np.int64) * WHITE / 2 else BLACK


def put_on(ground: int, grey: NDArray[np.uint8], opacity: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images blended with a ground of one value, of the same shape."""
    ink, weight = grey.astype(np.uint16), opacity.astype(np.uint16)
    blended = (ink * weight + np.uint16(ground) * (WHITE - weight) + WHITE // 2) // WHITE
    return blended.astype(np.uint8)
