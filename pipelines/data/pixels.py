"""From any image of Pillow's to bytes of one size: what a viewer shows, or an error."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, ImageOps

BLACK, WHITE = 0, 255

_PAGED = {"AVIF", "DCX", "FLI", "GIF", "PNG", "TIFF", "WEBP"}
"""Formats whose further frames are images too. Those of other formats are layers and previews."""

_MODES: dict[int, Literal["L", "RGB"]] = {1: "L", 3: "RGB"}
"""Pillow's mode by the number of channels."""

_GREY_MODES = {"1", "L", "LA", "La", "I", "F"}
_TURNED_BY_A_QUARTER = {5, 6, 7, 8}
"""Values of EXIF's orientation (EXIF 2.32) that swap width and height."""

_SIXTEEN_BITS = 257  # 65535 / 255
_TINT = 8
"""Channels of grey differ by less: lossy formats store grey as nearly grey."""

_GAP = 3.0
"""Images are first averaged down to this multiple of their size at least; Pillow's documentation
of `Image.resize` calls the result of 3 nearly the same as that of all pixels."""


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as a viewer shows the image, told by its header alone."""
    width, height = image.size
    if width == height or image.format == "TIFF":  # whose plugin gives the size when turned
        return width, height
    # PNG's own `getexif` decodes the whole image, for metadata that may follow the pixels.
    is_turned = _orientation(Image.Image.getexif(image)) in _TURNED_BY_A_QUARTER
    return (height, width) if is_turned else (width, height)


def is_of_grey(image: Image.Image) -> bool:
    """Whether the header says that there is no colour; a palette or RGB may still hold grey."""
    return image.mode in _GREY_MODES or image.mode.startswith("I;16")


def decode_smaller(image: Image.Image, side: int) -> None:
    """Let a JPEG's decoder leave out detail that resizing to `side` pixels would average away.

    Only of use before the image is decoded. Both sides keep at least `2 * side` pixels, so that
    resizing still filters; an image that has fewer is decoded as it is.
    """
    image.draft(None, (2 * side, 2 * side))


def separate(image: Image.Image, channels: Literal[1, 3]) -> tuple[Image.Image, Image.Image | None]:
    """The image as a viewer shows it: turned as EXIF says, scaled to bytes.

    Args:
      image: An opened image of any mode. Its colour profile is left alone.
      channels: 1 for grey, 3 for colour.

    Returns:
      The ink, of mode `L` or `RGB`, not blended with any ground; and opacity, of mode `L` (255:
      opaque) and the same size, or None where all of it is opaque.

    Raises:
      ValueError: It holds several images, or numbers of an unknown range.
    """
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format in _PAGED:
        raise ValueError(f"it holds {frames} images: save each in a file of its own")
    mode = _MODES[channels]
    turned = ImageOps.exif_transpose(image) if _orientation(image.getexif()) != 1 else image
    # PpmDecoder scales to 65535 whatever has more than 8 bits, and the mode does not say so.
    if turned.mode.startswith("I;16") or (turned.mode == "I" and image.format == "PPM"):
        scaled = np.round(np.asarray(turned) / _SIXTEEN_BITS).astype(np.uint8)
        return Image.fromarray(scaled).convert(mode), None
    if turned.mode in {"I", "F"}:
        raise ValueError(
            "its pixels are 32-bit numbers, of which no format says what is white: save it with 8 "
            "or 16 bits"
        )
    if not turned.has_transparency_data:
        return _convert(turned, mode), None
    layered = _convert(turned, "RGBA")
    opacity = layered.getchannel("A")
    ink = layered.convert("RGB").convert(mode)
    return ink, None if opacity.getextrema()[0] == WHITE else opacity


def put_on(ground: int, ink: Image.Image, opacity: Image.Image) -> Image.Image:
    """Ink blended with a ground of one grey, as `separate` gives them."""
    canvas = Image.new(ink.mode, ink.size, (ground,) * len(ink.getbands()))
    canvas.paste(ink, mask=opacity)
    return canvas


def weigh(ink: Image.Image, opacity: Image.Image) -> tuple[int, int]:
    """How light ink is and how much of it there is, as `separate` gives them.

    Returns:
      The sums over all pixels of grey times opacity, and of opacity. Those of many images add up.
    """
    weights = np.asarray(opacity).ravel()
    light = np.einsum("i,i->", np.asarray(ink.convert("L")).ravel(), weights, dtype=np.int64)
    return int(light), int(weights.sum(dtype=np.int64))


def choose_ground(light: int, opacity: int) -> int:
    """The ground on which transparent images are seen best: `BLACK`, or `WHITE` for dark ink.

    Args:
      light: Sum over the images, see `weigh`.
      opacity: Likewise.
    """
    return WHITE if light < opacity * WHITE / 2 else BLACK


def is_plain(image: Image.Image) -> bool:
    """Whether all pixels are equal."""
    extrema = image.getextrema()
    ranges = extrema if isinstance(extrema[0], tuple) else (extrema,)
    return all(low == high for low, high in ranges)


def has_colour(image: Image.Image) -> bool:
    """Whether anything that can be seen of an image is not grey.

    Raises:
      ValueError: As `separate`.
    """
    ink, opacity = separate(image, 3)
    seen = ink if opacity is None else put_on(BLACK, ink, opacity)
    red, green, blue = seen.split()
    pairs = ((red, green), (green, blue), (blue, red))
    return any(np.asarray(ImageChops.difference(*pair)).max() > _TINT for pair in pairs)


def resize(
    image: Image.Image, width: int, height: int, fit: Literal["stretch", "letterbox"]
) -> NDArray[np.uint8]:
    """Resize an image of mode `L` or `RGB`.

    The filter is linear, widened by the factor where the image becomes smaller, so that fine
    patterns become their mean. It makes nothing lighter or darker than it was, which Lanczos does
    beside edges, and an app can do the same: `tf.image.resize(antialias=True)` is this filter.

    Args:
      image: As `separate` or `put_on` gives it.
      width: Wanted, in pixels.
      height: Likewise.
      fit: Give up the image's own shape, or put it in the middle of black bars.

    Returns:
      `[height, width, channels]`.
    """
    shown = (width, height)
    if fit == "letterbox":
        scale = min(width / image.width, height / image.height)
        shown = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if shown != image.size:
        image = image.resize(shown, Image.Resampling.BILINEAR, reducing_gap=_GAP)
    if shown != (width, height):
        canvas = Image.new(image.mode, (width, height))
        canvas.paste(image, ((width - shown[0]) // 2, (height - shown[1]) // 2))
        image = canvas
    return np.asarray(image).reshape(height, width, -1)


def _convert(image: Image.Image, mode: str) -> Image.Image:
    """The image in a mode, without the copy that Pillow makes of one that has it."""
    return image if image.mode == mode else image.convert(mode)


def _orientation(exif: Image.Exif) -> Any:
    return exif.get(ExifTags.Base.Orientation, 1)
