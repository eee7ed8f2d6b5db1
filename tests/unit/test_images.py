"""Images in folders of MNIST's classes: what a viewer shows is what is read, pixel by pixel."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from modules import mnist
from pipelines import settings
from pipelines.data.source import Source
from pipelines.errors import DataError
from tests.unit.image_files import open_images, read, read_bytes


def save(file: Path, array: NDArray | None = None, mode: str = "L", **options: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros((28, 28), np.uint8) if array is None else array
    Image.fromarray(array).convert(mode).save(file, **options)
    return file


def open_mnist(*directories: Path) -> Source:
    source = open_images(*directories)
    assert source.task == mnist.TASK
    return source


def load(directory: Path) -> list[int]:
    """The labels of what was read, decoded too."""
    source = open_mnist(directory)
    read(source)
    return source.parts["whole"].labels.tolist()


def grey(directory: Path) -> NDArray[np.uint8]:
    """What was read, as bytes `[n, 28, 28]`."""
    return read_bytes(open_mnist(directory)).reshape(-1, 28, 28)


@pytest.fixture
def drawn() -> NDArray[np.uint8]:
    """A stroke that no turn and no mirror leaves as it is."""
    array = np.zeros((28, 28), np.uint8)
    array[4:24, 10:13] = 255
    array[20:24, 10:20] = 200
    return array


FORMATS = [
    *("png", "PNG", "bmp", "gif", "webp", "jpg", "JPEG", "tif", "tiff", "pgm", "ico", "jp2"),
]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format(tmp_path: Path, drawn: NDArray[np.uint8], suffix: str) -> None:
    save(tmp_path / "1" / f"a.{suffix}", drawn, **{"sizes": [(28, 28)]} if suffix == "ico" else {})
    tolerance = 50 if suffix.lower() in {"jpg", "jpeg", "webp"} else 0
    assert np.abs(grey(tmp_path)[0].astype(int) - drawn).max() <= tolerance
    assert load(tmp_path) == [1]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_kind_of_pixel_is_read_as_grey(tmp_path: Path, mode: str) -> None:
    drawn = np.zeros((28, 28), np.uint8)
    drawn[4:24, 13:16] = 255
    suffix = "tif" if mode == "CMYK" else "png"
    save(tmp_path / "1" / f"a.{suffix}", drawn, mode)
    assert (grey(tmp_path)[0] == drawn).all()


RAMP = np.arange(784).reshape(28, 28)
SIXTEEN = (RAMP * 83).astype(np.uint16)  # 0 to 64,989
SHOWN = np.round(SIXTEEN / 257).astype(np.uint8)


def save_pgm(file: Path) -> None:
    file.write_bytes(b"P5 28 28 65535\n" + SIXTEEN.astype(">u2").tobytes())


@pytest.mark.parametrize("kind", ["png", "tif", "big-endian tif", "pgm"])
def test_sixteen_bits_are_scaled(tmp_path: Path, kind: str) -> None:
    (tmp_path / "1").mkdir()
    file = tmp_path / "1" / f"a.{kind.split()[-1]}"
    if kind == "pgm":
        save_pgm(file)
    elif kind.startswith("big"):
        big = Image.frombytes("I;16B", (28, 28), SIXTEEN.astype(">u2").tobytes())
        big.save(file)
    else:
        Image.fromarray(SIXTEEN).save(file)
    assert np.abs(grey(tmp_path)[0].astype(int) - SHOWN).max() <= 1
    assert len(np.unique(grey(tmp_path))) > 200


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# Channels of each colour type of PNG; Pillow writes none of these with 16 bits.
@pytest.mark.parametrize(("kind", "channels"), [(2, 3), (4, 2), (6, 4)], ids=["RGB", "LA", "RGBA"])
def test_sixteen_bits_of_several_channels(tmp_path: Path, kind: int, channels: int) -> None:
    planes = [SIXTEEN] * (channels - (kind > 2)) + [np.full_like(SIXTEEN, 65535)] * (kind > 2)
    rows = np.stack(planes, axis=-1).astype(">u2").reshape(28, -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", 28, 28, 16, kind, 0, 0, 0)
    chunks = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b""))
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    assert np.abs(grey(tmp_path)[0].astype(int) - SHOWN).max() <= 1


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_of_an_unknown_range_are_refused(tmp_path: Path, mode: str) -> None:
    file = save(tmp_path / "1" / "a.tif", RAMP.astype(np.uint8), mode)
    with pytest.raises(DataError, match=rf"{file} is .*: its pixels are 32-bit numbers.* 16 bits"):
        load(tmp_path)


def with_opacity(ink: int, shape: NDArray[np.uint8]) -> Image.Image:
    """Ink of one value whose shape is in the alpha channel alone."""
    return Image.merge("LA", (Image.new("L", (28, 28), ink), Image.fromarray(shape)))


def as_palette(image: Image.Image) -> Image.Image:
    """The palette's first colour is transparent, the second is the ink; no half-tones."""
    ink, opacity = image.split()
    palette = Image.fromarray((np.asarray(opacity) > 0).astype(np.uint8)).convert("P")
    palette.putpalette([9, 9, 9, *[ink.getpixel((0, 0))] * 3])
    palette.info["transparency"] = 0
    return palette


TRANSPARENT: dict[str, Callable[[Image.Image], Image.Image]] = {
    "LA": lambda image: image,
    "RGBA": lambda image: image.convert("RGBA"),
    "P": as_palette,
}


@pytest.mark.parametrize("mode", TRANSPARENT)
@pytest.mark.parametrize("ink", [255, 0])
def test_transparent_images_keep_their_shape(
    tmp_path: Path, drawn: NDArray[np.uint8], ink: int, mode: str
) -> None:
    (tmp_path / "1").mkdir()
    shape = np.where(drawn > 0, 255, 0).astype(np.uint8) if mode == "P" else drawn
    for number, moved in enumerate((shape, np.roll(shape, 3, axis=1))):
        image = TRANSPARENT[mode](with_opacity(ink, moved))
        image.save(tmp_path / "1" / f"{number}.png")
    seen = grey(tmp_path)
    expected = shape if ink else 255 - shape
    assert (seen[0] == expected).all()
    assert (seen[1] == np.roll(expected, 3, axis=1)).all()


def test_opaque_images_do_not_choose_the_ground(tmp_path: Path, drawn: NDArray[np.uint8]) -> None:
    for number in range(5):
        save(tmp_path / "0" / f"{number}.png", drawn, "RGBA")
    with_opacity(255, drawn).save(save(tmp_path / "1" / "a.png"))
    assert (grey(tmp_path) == drawn).all()


def test_both_parts_of_a_source_have_one_ground(tmp_path: Path, drawn: NDArray[np.uint8]) -> None:
    for number in range(3):
        with_opacity(0, drawn).save(save(tmp_path / "a" / "1" / f"{number}.png"))
    with_opacity(160, drawn).save(save(tmp_path / "b" / "1" / "0.png"))
    both = open_mnist(tmp_path / "a", tmp_path / "b")
    assert both.notes[-1] == "transparent images put on white"
    assert read_bytes(both, "eval")[0, 0] == 255
    alone = open_mnist(tmp_path / "b")
    assert alone.notes[-1] == "transparent images put on black"
    assert read_bytes(alone)[0, 0] == 0


def test_ink_of_the_grounds_colour_is_refused(tmp_path: Path, drawn: NDArray[np.uint8]) -> None:
    for number in range(3):
        with_opacity(255, drawn).save(save(tmp_path / "1" / f"{number}.png"))
    file = save(tmp_path / "2" / "a.png")
    with_opacity(0, drawn).save(file)
    with pytest.raises(DataError, match=f"{file} has ink as black as the ground"):
        load(tmp_path)


# As EXIF 2.32 has them: what to do with the stored image so that it is upright.
TURNS: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.transpose(a), 2),
    8: np.rot90,
}


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", TURNS)
def test_images_are_turned_as_exif_says(
    tmp_path: Path, drawn: NDArray[np.uint8], orientation: int, suffix: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"webp": {"lossless": True}, "jpg": {"quality": 100}}.get(suffix, {})
    save(tmp_path / "1" / f"a.{suffix}", drawn, exif=exif, **lossless)
    seen = grey(tmp_path)[0].astype(int)
    assert np.abs(seen - TURNS[orientation](drawn)).max() < 20


@pytest.mark.parametrize("suffix", ["gif", "tif", "png", "webp"])
def test_several_images_in_one_file_are_refused(
    tmp_path: Path, drawn: NDArray[np.uint8], suffix: str
) -> None:
    others = [Image.fromarray(np.roll(drawn, n, axis=1)) for n in (2, 4)]
    file = save(tmp_path / "1" / f"a.{suffix}", drawn, save_all=True, append_images=others)
    with pytest.raises(DataError, match=f"{file} .*: it holds 3 images: save each"):
        load(tmp_path)


def test_previews_are_no_further_images(tmp_path: Path, drawn: NDArray[np.uint8]) -> None:
    """Phones put several pictures into one JPEG."""
    preview = Image.fromarray(drawn).resize((14, 14))
    file = tmp_path / "1" / "a.jpg"
    file.parent.mkdir()
    Image.fromarray(drawn).save(file, "MPO", save_all=True, append_images=[preview])
    with Image.open(file) as image:
        assert (image.format, image.n_frames) == ("MPO", 2)
    assert len(load(tmp_path)) == 1


def test_label_is_the_folder_and_order_is_that_of_names(tmp_path: Path) -> None:
    for digit in (7, 0, 9):
        for name in ("b.png", "a.png", "deeper/and/deeper/c.png"):
            save(tmp_path / str(digit) / name, np.full((28, 28), digit, np.uint8))
    assert load(tmp_path) == [0, 0, 0, 7, 7, 7, 9, 9, 9]
    assert grey(tmp_path)[:, 0, 0].tolist() == [0, 0, 0, 7, 7, 7, 9, 9, 9]


ONLY_MNIST = settings.Task(name="mnist")


@pytest.mark.parametrize("folder", ["cat", "10", "-1", "03", "\uff11"])
def test_a_folder_that_is_no_digit_is_of_another_task(tmp_path: Path, folder: str) -> None:
    save(tmp_path / "3" / "a.png")
    file = save(tmp_path / folder / "a.png")
    assert set(open_images(tmp_path).task.head.classes) == {"3", folder}
    with pytest.raises(DataError) as caught:
        open_images(tmp_path, choice=ONLY_MNIST, wanted=mnist.TASK)
    assert str(caught.value) == (
        f"{file} lies in a folder called {folder!r}, and those of mnist are 0 to 9: set task to "
        "images, which takes any images in folders"
    )


@pytest.mark.parametrize("shape", [(27, 27), (28, 29), (1, 1)])
def test_another_size_is_of_another_task(tmp_path: Path, shape: tuple[int, int]) -> None:
    save(tmp_path / "4" / "a.png")
    file = save(tmp_path / "3" / "a.png", np.zeros(shape, np.uint8))
    reason = f"{file} has {shape[1]}x{shape[0]} pixels, not 28x28"
    source = open_images(tmp_path)
    assert source.task.head.classes == ("3", "4")
    assert f"not mnist, as {reason}" in source.notes
    with pytest.raises(DataError, match=f"^{reason}: set task to images"):
        open_images(tmp_path, choice=ONLY_MNIST, wanted=mnist.TASK)


def test_nothing_is_said_of_mnists_images(tmp_path: Path, drawn: NDArray[np.uint8]) -> None:
    """Which task it is, `prepare` says of every source."""
    save(tmp_path / "3" / "a.png", drawn)
    save(tmp_path / "4" / "a.png", drawn)
    assert open_mnist(tmp_path).notes == []


def test_images_of_digits_can_be_ordinary_ones(tmp_path: Path, drawn: NDArray[np.uint8]) -> None:
    save(tmp_path / "3" / "a.png", drawn)
    save(tmp_path / "4" / "a.png", 255 - drawn)
    source = open_images(tmp_path, choice=settings.Task(name="images"))
    assert source.task.head.classes == ("3", "4")
    assert (read_bytes(source) == [drawn.ravel(), 255 - drawn.ravel()]).all()


def test_settings_of_other_pictures_are_of_another_task(tmp_path: Path) -> None:
    save(tmp_path / "3" / "a.png")
    save(tmp_path / "4" / "a.png")
    for name, value in (("height", 32), ("width", 14), ("channels", 3)):
        looks = settings.Images(**{name: value})
        source = open_images(tmp_path, choice=settings.Task(images=looks))
        assert getattr(source.task.pictures.picture, name) == value
        reason = f"task.images.{name} is {value}, and mnist has {28 if value > 3 else 1}"
        assert f"not mnist, as {reason}" in source.notes
        with pytest.raises(DataError, match=f"^{reason}: "):
            open_images(tmp_path, choice=settings.Task(name="mnist", images=looks))


def test_broken_file(tmp_path: Path) -> None:
    file = save(tmp_path / "3" / "a.png")
    whole = file.read_bytes()
    for content in (b"", b"not an image", whole[: len(whole) // 2], whole[:40]):
        file.write_bytes(content)
        with pytest.raises(DataError, match="is not an image that can be read") as caught:
            load(tmp_path)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("head", [struct.pack(">IIBBBBB", 20000, 20000, 8, 0, 0, 0, 0), b"\0\0\0"])
def test_image_that_is_huge_or_broken(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "3").mkdir()
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    (tmp_path / "3" / "a.png").write_bytes(png)
    with pytest.raises(DataError):
        load(tmp_path)
