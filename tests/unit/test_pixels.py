"""Pixels of any image: resized with antialiasing, in colour or grey, upright, on one ground."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipelines import walk
from pipelines.data import headers, pixels


def checkerboard(width: int, height: int) -> Image.Image:
    """Every pixel black or white, each beside four of the other."""
    rows, columns = np.indices((height, width))
    return Image.fromarray(((rows + columns) % 2 * 255).astype(np.uint8))


@pytest.mark.parametrize(("width", "height"), [(96, 96), (75, 60), (40, 96)])
@pytest.mark.parametrize("side", [192, 200, 231, 1000])
def test_a_fine_pattern_becomes_its_mean(side: int, width: int, height: int) -> None:
    """Taking each n-th pixel would leave a coarse pattern of black and white."""
    resized = pixels.resize(checkerboard(side, side), width, height, "stretch")
    assert np.abs(resized.astype(int) - 127.5).max() < 16


def test_the_same_size_is_left_as_it_is() -> None:
    image = checkerboard(9, 7)
    assert (pixels.resize(image, 9, 7, "stretch")[..., 0] == np.asarray(image)).all()
    assert (pixels.resize(image, 9, 7, "letterbox")[..., 0] == np.asarray(image)).all()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_stretched_to_any_shape(mode: str) -> None:
    """The left half is dark and the right one light, whatever becomes of the height."""
    image = Image.new(mode, (40, 20), (30,) * len(mode))
    image.paste((220,) * len(mode), (20, 0, 40, 20))
    resized = pixels.resize(image, 20, 40, "stretch")
    assert resized.shape == (40, 20, len(mode))
    assert (resized[:, :9] == 30).all()
    assert (resized[:, 11:] == 220).all()


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((40, 20), (slice(5, 15), slice(0, 20))),
        ((20, 40), (slice(0, 20), slice(5, 15))),
        ((200, 2), (slice(9, 10), slice(0, 20))),
        ((10, 5), (slice(5, 15), slice(0, 20))),
    ],
    ids=["wide", "high", "a line", "enlarged"],
)
def test_letterboxed_in_the_middle_of_black_bars(
    size: tuple[int, int], shown: tuple[slice, slice]
) -> None:
    expected = np.zeros((20, 20, 3), np.uint8)
    expected[shown] = (200, 100, 50)
    resized = pixels.resize(Image.new("RGB", size, (200, 100, 50)), 20, 20, "letterbox")
    assert (resized == expected).all()


def test_nothing_becomes_lighter_or_darker_than_it_was() -> None:
    """As it does beside edges where a filter overshoots."""
    image = Image.new("L", (100, 100), 50)
    image.paste(200, (33, 33, 71, 71))
    for side in (37, 250):
        resized = pixels.resize(image, side, side, "stretch")
        assert (resized.min(), resized.max()) == (50, 200)


def reopened(image: Image.Image, suffix: str, **options: object) -> Image.Image:
    file = io.BytesIO()
    image.save(file, suffix, **options)
    file.seek(0)
    return Image.open(file)


def separate(image: Image.Image, channels: int) -> tuple[NDArray, NDArray | None]:
    ink, opacity = pixels.separate(image, channels)
    return np.asarray(ink), None if opacity is None else np.asarray(opacity)


ORANGE = (240, 120, 20)
GREY_OF_ORANGE = round((240 * 299 + 120 * 587 + 20 * 114) / 1000)  # ITU-R 601-2


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGB", "PNG"), ("P", "PNG"), ("P", "GIF"), ("RGBA", "WEBP"), ("CMYK", "TIFF")],
)
def test_colour_of_every_mode(mode: str, suffix: str) -> None:
    options = {"lossless": True} if suffix == "WEBP" else {}
    image = Image.new("RGB", (5, 4), ORANGE)
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    for channels, expected in ((3, ORANGE), (1, GREY_OF_ORANGE)):
        ink, opacity = separate(reopened(image, suffix, **options), channels)
        assert opacity is None
        assert ink.shape[:2] == (4, 5)
        assert np.abs(ink.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_grey_as_colour_has_three_equal_channels(mode: str) -> None:
    values = np.asarray([[0, 255], [255, 0]], np.uint8)
    image = Image.fromarray(values)
    if mode == "I;16":
        image = Image.fromarray(values.astype(np.uint16) * 257)
    ink, opacity = separate(reopened(image if mode == "I;16" else image.convert(mode), "PNG"), 3)
    assert opacity is None
    assert (ink == values[..., None]).all()
    assert ink.shape == (2, 2, 3)


def test_ink_below_opacity_keeps_its_colour() -> None:
    image = Image.new("RGBA", (2, 1), (*ORANGE, 255))
    image.putpixel((1, 0), (*ORANGE, 51))
    ink, opacity = pixels.separate(reopened(image, "PNG"), 3)
    assert (np.asarray(ink) == ORANGE).all()
    assert np.asarray(opacity).tolist() == [[255, 51]]
    on_white = np.asarray(pixels.put_on(pixels.WHITE, ink, opacity))
    assert on_white[0].tolist() == [list(ORANGE), [252, 228, 208]]
    on_black = np.asarray(pixels.put_on(pixels.BLACK, ink, opacity))
    assert on_black[0].tolist() == [list(ORANGE), [48, 24, 4]]


def test_blending_rounds_to_the_nearest_byte() -> None:
    values = np.arange(256, dtype=np.uint8)
    ink, opacity = (Image.fromarray(plane) for plane in np.meshgrid(values, values))
    for ground in (pixels.BLACK, pixels.WHITE):
        weight = np.asarray(opacity) / 255
        exact = np.asarray(ink) * weight + ground * (1 - weight)
        assert (np.asarray(pixels.put_on(ground, ink, opacity)) == np.round(exact)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_upright_size_is_that_of_the_decoded_image(suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = reopened(Image.new("RGB", (30, 20), ORANGE), suffix, exif=exif)
    told = pixels.upright_size(image)
    assert told == pixels.separate(image, 3)[0].size
    assert told == ((20, 30) if orientation > 4 else (30, 20))


def test_the_upright_size_needs_no_decoding(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20), ORANGE).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: whole.index(b"IDAT") + 4])
    with Image.open(tmp_path / "a.png") as image:
        assert pixels.upright_size(image) == (30, 20)


def test_a_large_jpeg_is_decoded_to_few_pixels() -> None:
    image = Image.new("RGB", (2000, 1200), (30, 30, 30))
    image.paste(ORANGE, (1000, 0, 2000, 1200))
    stored = reopened(image, "JPEG", quality=95)
    pixels.decode_smaller(stored, 96)
    ink, _ = pixels.separate(stored, 3)
    assert ink.size == (500, 300)
    resized = pixels.resize(ink, 96, 96, "stretch").astype(int)
    assert np.abs(resized[:, :47] - 30).max() < 4
    assert np.abs(resized[:, 49:] - ORANGE).max() < 4


@pytest.mark.parametrize(("side", "decoded"), [(37, 75), (38, 150), (75, 150), (400, 150)])
def test_both_sides_keep_twice_the_pixels(side: int, decoded: int) -> None:
    stored = reopened(Image.new("L", (150, 150), 7), "JPEG")
    pixels.decode_smaller(stored, side)
    assert pixels.separate(stored, 1)[0].size == (decoded, decoded)


@pytest.mark.parametrize("suffix", ["JPEG", "PNG", "GIF", "WEBP"])
def test_grey_is_no_colour_however_it_is_stored(suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    grey = Image.fromarray(noise).convert("RGB")
    assert not pixels.has_colour(reopened(grey, suffix))
    grey.paste(ORANGE, (0, 0, 16, 16))
    assert pixels.has_colour(reopened(grey, suffix))


def test_colour_that_nobody_sees_is_none() -> None:
    image = Image.new("RGBA", (4, 4), (*ORANGE, 0))
    assert not pixels.has_colour(image)
    image.putpixel((0, 0), (*ORANGE, 255))
    assert pixels.has_colour(image)


@pytest.mark.parametrize(
    ("mode", "is_of_grey"),
    [("1", True), ("L", True), ("LA", True), ("I;16", True), ("P", False), ("RGB", False)],
)
def test_what_a_header_says_of_colour(mode: str, is_of_grey: bool) -> None:
    assert pixels.is_of_grey(Image.new(mode, (2, 2))) == is_of_grey


TRANSPARENT = {
    "PNG": {},
    "GIF": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "JPEG2000": {},
    "ICO": {"sizes": [(40, 30)]},
    "AVIF": {},
}


@pytest.mark.parametrize("suffix", TRANSPARENT)
def test_a_header_says_whether_an_image_may_be_transparent(tmp_path: Path, suffix: str) -> None:
    """Else its ground would be chosen without it."""
    image = Image.new("RGBA", (40, 30), (*ORANGE, 0))
    image.paste((*ORANGE, 255), (0, 0, 20, 30))
    image.save(tmp_path / "a", suffix, **TRANSPARENT[suffix])
    (entry,) = walk.files(tmp_path)
    header = headers.read(entry)
    assert header == (entry, 40, 30, False, True)
    image.convert("RGB").save(tmp_path / "a", suffix, **TRANSPARENT[suffix])
    assert suffix == "ICO" or not headers.read(entry).is_transparent


@pytest.mark.parametrize(
    ("mode", "suffix", "options"),
    [("CMYK", "JPEG", {}), ("L", "JPEG", {}), ("RGB", "JPEG", {"progressive": True})],
)
def test_every_kind_of_large_jpeg(mode: str, suffix: str, options: dict[str, object]) -> None:
    image = Image.new("RGB", (1000, 800), ORANGE).convert(mode)
    stored = reopened(image, suffix, quality=95, **options)
    pixels.decode_smaller(stored, 50)
    ink, _ = pixels.separate(stored, 3)
    assert ink.size == (125, 100)
    expected = GREY_OF_ORANGE if mode == "L" else ORANGE
    assert np.abs(np.asarray(ink).astype(int) - expected).max() <= 2


def test_a_phones_photo_with_a_preview() -> None:
    image = Image.new("RGB", (1000, 800), ORANGE)
    preview = Image.new("RGB", (200, 160), "blue")
    stored = reopened(image, "MPO", save_all=True, append_images=[preview], quality=95)
    assert stored.format == "MPO"
    pixels.decode_smaller(stored, 50)
    ink, _ = pixels.separate(stored, 3)
    assert ink.size == (125, 100)
    assert np.abs(np.asarray(ink).astype(int) - ORANGE).max() <= 2
