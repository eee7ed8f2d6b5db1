"""Images of any classes, sizes and kinds: which task they are examples of, and how they look."""

import functools
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from modules.task import Classification, Feature, Picture, Regression, Task
from pipelines import settings, walk
from pipelines.data import image_task, images, pixels
from pipelines.errors import DataError
from tests.unit.image_files import open_images, read, read_bytes

PATCH = 48


@functools.cache
def photos() -> dict[str, NDArray[np.uint8]]:
    """The two sample photos of scikit-learn, 640x427 in colour."""
    from sklearn.datasets import load_sample_images

    found = load_sample_images()
    names = [Path(name).stem for name in found.filenames]
    return dict(zip(names, found.images, strict=True))


def patches(name: str, count: int) -> list[NDArray[np.uint8]]:
    return [
        photos()[name][row : row + PATCH, column : column + PATCH]
        for row in range(0, 400 - PATCH, PATCH)
        for column in range(0, 640 - PATCH, PATCH)
    ][:count]


def write_patches(directory: Path, count: int = 6, suffix: str = "png") -> Path:
    for name in photos():
        (directory / name).mkdir(parents=True)
        for number, patch in enumerate(patches(name, count)):
            Image.fromarray(patch).save(directory / name / f"{number}.{suffix}")
    return directory


def write(file: Path, size: tuple[int, int] = (32, 32), colour: object = "red") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    mode = "L" if isinstance(colour, int) else "RGB"
    Image.new(mode, size, colour).save(file)  # type: ignore[arg-type]
    return file


def look(**chosen: object) -> settings.Task:
    return settings.Task(images=settings.Images(**chosen))


def refusal(directory: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read(open_images(directory, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_patches_of_photos_are_read_as_they_are(tmp_path: Path) -> None:
    source = open_images(write_patches(tmp_path / "my patches"))
    assert source.task == Task(
        "my-patches",
        (Feature("image", (48, 48, 3), picture=Picture(48, 48, 3)),),
        "label",
        Classification(("china", "flower")),
    )
    assert source.notes == []
    assert source.parts["whole"].labels.tolist() == [0] * 6 + [1] * 6
    assert source.parts["whole"].labels.dtype == np.int64
    expected = np.stack(patches("china", 6) + patches("flower", 6))
    assert (read_bytes(source).reshape(-1, 48, 48, 3) == expected).all()
    scaled = expected.reshape(12, -1).astype(np.float32) / 255 - 0.5
    assert (read(source) == scaled).all()


def test_images_come_in_the_order_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_images(write_patches(tmp_path / "patches"))
    whole = read(source)
    asked = [11, 0, 5, 6, 1]
    assert (read(source, indices=asked) == whole[asked]).all()
    monkeypatch.setattr(images, "_BATCH_BYTES", 4 * 48 * 48 * 3 * 2)
    part = source.parts["whole"]
    assert [len(batch) for batch in part.read(np.asarray(asked))] == [2, 2, 1]
    assert (read(source, indices=asked) == whole[asked]).all()
    assert list(part.read(np.asarray([], int))) == []


def test_no_pixel_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        file = write(tmp_path / name / "a.png", colour=7)
        whole = file.read_bytes()
        file.write_bytes(whole[: whole.index(b"IDAT") + 4])
    source = open_images(tmp_path)
    assert source.parts["whole"].labels.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"dog/a\.png is not an image that can be read: "):
        read(source, indices=[1, 0])


def test_classes_are_folders_in_natural_order(tmp_path: Path) -> None:
    names = ["10", "9", "b2", "b10", "a", "B1", "01", "1", "\N{LATIN SMALL LETTER E WITH ACUTE}"]
    for name in names:
        write(tmp_path / name / "deep" / "deeper" / "a.png")
    source = open_images(tmp_path)
    ordered = ("01", "1", "9", "10", "a", "B1", "b2", "b10", names[-1])
    assert source.task.head.classes == ordered
    labels = source.parts["whole"].labels
    files = source.parts["whole"].files
    assert [ordered[label] for label in labels] == [file.name.split("/")[0] for file in files]


def test_classes_of_both_parts_are_one_list(tmp_path: Path) -> None:
    for name in ("train/cat", "train/dog", "test/dog", "test/eel"):
        write(tmp_path / name / "a.png")
    source = open_images(tmp_path / "train", tmp_path / "test")
    assert source.task.head.classes == ("cat", "dog", "eel")
    assert source.parts["train"].labels.tolist() == [0, 1]
    assert source.parts["eval"].labels.tolist() == [1, 2]


def test_an_accent_is_one_letter_on_every_system(tmp_path: Path) -> None:
    for folder in ("train/cafe\u0301", "train/tea", "test/caf\xe9"):
        write(tmp_path / folder / "a.png")
    source = open_images(tmp_path / "train", tmp_path / "test")
    assert source.task.head.classes == ("caf\xe9", "tea")
    assert source.parts["eval"].labels.tolist() == [0]


def test_one_class_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "cat" / "a.png")
    assert refusal(tmp_path) == (
        f"{tmp_path} has images of one class only, in the folder 'cat': put those of each class, "
        "two at least, into a folder of its name"
    )


@pytest.mark.parametrize("name", ["a\nb", "\udce9"], ids=["two lines", "not UTF-8"])
def test_a_folder_that_cannot_name_a_class(tmp_path: Path, name: str) -> None:
    write(tmp_path / "cat" / "a.png")
    write(tmp_path / name / "a.png")
    assert f"has a folder called {name!r}, which cannot be a class's name" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Photos_2024-05", "Photos_2024-05"),
        ("my photos (old)", "my-photos-old"),
        ("\u5199\u771f", "images"),
        ("mnist", "images"),
        ("x" * 99, "x" * 40),
    ],
)
def test_the_task_is_called_as_the_folder(tmp_path: Path, folder: str, name: str) -> None:
    assert open_images(write_patches(tmp_path / folder, 1)).task.name == name


SIZES: list[tuple[list[tuple[int, int]], dict[str, object], tuple[int, int, int], str]] = [
    ([(32, 32)] * 2, {}, (32, 32, 3), ""),
    ([(120, 90)] * 2, {}, (120, 90, 3), ""),
    ([(256, 256)] * 2, {}, (256, 256, 3), ""),
    ([(257, 100)] * 2, {}, (96, 96, 3), "2 of 2 images stretched"),
    ([(640, 640)] * 2, {}, (96, 96, 3), "2 of 2 images resized"),
    ([(200, 100), (96, 96)], {}, (96, 96, 3), "1 of 2 images stretched"),
    ([(200, 100)] * 2, {"height": 40}, (200, 40, 3), "2 of 2 images stretched"),
    ([(200, 100)] * 2, {"height": 20, "width": 40}, (40, 20, 3), "2 of 2 images resized"),
    ([(300, 100)] * 2, {"fit": "letterbox"}, (96, 96, 3), "2 of 2 images letterboxed"),
    ([(100, 100)] * 2, {"fit": "letterbox"}, (100, 100, 3), ""),
    ([(99, 99)] * 2, {"channels": 1}, (99, 99, 1), ""),
]


@pytest.mark.parametrize(("sizes", "chosen", "expected", "note"), SIZES)
def test_the_size_of_all_pictures(
    tmp_path: Path,
    sizes: list[tuple[int, int]],
    chosen: dict[str, object],
    expected: tuple[int, int, int],
    note: str,
) -> None:
    for name, size in zip(("cat", "dog"), sizes, strict=True):
        write(tmp_path / "pets" / name / "a.png", size)
    source = open_images(tmp_path / "pets", choice=look(**chosen))
    picture = source.task.pictures.picture
    assert (picture.width, picture.height, picture.channels) == expected
    assert source.task.features[0].shape == (picture.height, picture.width, picture.channels)
    assert source.notes == ([note] if note else [])
    assert read(source).shape == (2, picture.size)


@pytest.mark.parametrize(("fit", "enlarged"), [("stretch", 2), ("letterbox", 1)])
def test_images_that_are_enlarged_are_counted(tmp_path: Path, fit: str, enlarged: int) -> None:
    for name, size in (("a", (64, 64)), ("b", (20, 64)), ("c", (20, 20)), ("d", (32, 32))):
        write(tmp_path / name / "a.png", size)
    source = open_images(tmp_path, choice=look(height=32, width=32, fit=fit))
    assert source.notes == [f"3 of 4 images {fit}ed, {enlarged} of them enlarged"]


def test_a_photo_is_upright_and_keeps_its_shape_in_a_letterbox(tmp_path: Path) -> None:
    """A camera stores the upper half in its left half, and says so."""
    stored = Image.new("RGB", (400, 200), (0, 0, 200))
    stored.paste((200, 0, 0), (0, 0, 200, 200))
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        stored.save(tmp_path / name / "a.jpg", quality=95, exif=exif)
    chosen = look(height=40, width=40, fit="letterbox")
    seen = read_bytes(open_images(tmp_path, choice=chosen))[0].reshape(40, 40, 3).astype(int)
    assert (seen[:, :10] == 0).all()
    assert (seen[:, 30:] == 0).all()
    assert np.abs(seen[:19, 10:30] - (200, 0, 0)).max() < 8
    assert np.abs(seen[21:, 10:30] - (0, 0, 200)).max() < 8


def test_the_common_size_is_that_of_upright_images(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    write(tmp_path / "a" / "a.png", (30, 20))
    Image.new("RGB", (20, 30), "red").save(write(tmp_path / "b" / "a.jpg"), exif=exif)
    source = open_images(tmp_path)
    assert source.task.pictures.picture == Picture(20, 30, 3)
    assert source.notes == []


def of_mode(mode: str) -> Callable[[Path], None]:
    def save(file: Path) -> None:
        ramp = Image.fromarray(np.arange(1024).reshape(32, 32).astype(np.uint8))
        (ramp.convert("RGB").quantize(64) if mode == "P" else ramp.convert(mode)).save(file)

    return save


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_grey_if_all_are_grey(tmp_path: Path, mode: str) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        of_mode(mode)(tmp_path / name / "a.png")
    assert open_images(tmp_path).task.pictures.picture.channels == 1
    write(tmp_path / "b" / "b.png", colour="blue")
    assert open_images(tmp_path).task.pictures.picture.channels == 3


def test_large_images_are_looked_at_until_colour_is_sure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    has_colour = pixels.has_colour
    monkeypatch.setattr(pixels, "has_colour", lambda image: decoded.append(1) or has_colour(image))
    for number in range(20):
        write(tmp_path / "ab"[number % 2] / f"{number}.png", (32, 32), "red")
    assert open_images(tmp_path).task.pictures.picture.channels == 3
    assert len(decoded) == 1
    for number in range(20):
        write(tmp_path / "ab"[number % 2] / f"{number}.png", (32, 32), "grey")
    decoded.clear()
    assert open_images(tmp_path).task.pictures.picture.channels == 1
    assert len(decoded) == 20
    for fewest, pixel_count, expected in ((3, 0, 3), (0, 3 * 32 * 32, 3), (3, 5 * 32 * 32, 5)):
        monkeypatch.setattr(image_task, "_FEWEST", fewest)
        monkeypatch.setattr(image_task, "_LOOKED_AT", pixel_count)
        decoded.clear()
        assert open_images(tmp_path).task.pictures.picture.channels == 1
        assert len(decoded) == expected


@pytest.mark.parametrize(("ink", "ground"), [((250, 200, 90), "black"), ((60, 0, 20), "white")])
def test_transparent_colour_has_one_ground(
    tmp_path: Path, ink: tuple[int, int, int], ground: str
) -> None:
    image = Image.new("RGBA", (40, 40), (*ink, 0))
    image.paste((*ink, 255), (0, 0, 20, 40))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        image.save(tmp_path / name / "a.png")
    write(tmp_path / "b" / "opaque.png", (40, 40), "red")
    source = open_images(tmp_path)
    assert source.notes[-1] == f"transparent images put on {ground}"
    seen = read_bytes(source).reshape(3, 40, 40, 3)
    assert (seen[0, :, :20] == ink).all()
    assert (seen[0, :, 20:] == (0 if ground == "black" else 255)).all()


def test_ink_of_the_grounds_colour_is_refused(tmp_path: Path) -> None:
    for number, ink in enumerate([(255, 255, 0)] * 3 + [(0, 0, 0)]):
        image = Image.new("RGBA", (40, 40), (*ink, 0))
        image.paste((*ink, 255), (0, 0, 20, 40))
        file = tmp_path / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        image.save(file)
    assert refusal(tmp_path).startswith(f"{file} has ink as black as the ground")


def test_colour_becomes_grey_where_that_is_asked_for(tmp_path: Path) -> None:
    source = open_images(write_patches(tmp_path / "patches"), choice=look(channels=1))
    expected = np.stack([Image.fromarray(patch).convert("L") for patch in patches("china", 6)])
    assert (read_bytes(source).reshape(-1, 48, 48)[:6] == expected).all()


def test_a_jpeg_photo_is_resized_as_if_it_were_decoded_whole(tmp_path: Path) -> None:
    for name, photo in photos().items():
        for suffix, options in (("png", {}), ("jpg", {"quality": 95, "subsampling": 0})):
            folder = tmp_path / suffix / name
            folder.mkdir(parents=True)
            Image.fromarray(photo).resize((1600, 1200)).save(folder / f"a.{suffix}", **options)
    whole, reduced = (read_bytes(open_images(tmp_path / suffix)) for suffix in ("png", "jpg"))
    assert whole.shape == (2, 96 * 96 * 3)
    assert np.abs(whole.astype(int) - reduced).mean() < 2


def test_photos_above_pillows_warning_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 48 - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = open_images(write_patches(tmp_path / "patches"))
        assert len(read(source)) == 12
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 48 // 2 - 1)
    assert "could be decompression bomb" in refusal(tmp_path / "patches")


MINE = Task(
    "mine",
    (Feature("photo", (20 * 30,), picture=Picture(20, 30, 1)),),
    "kind",
    Classification(("flower", "tree", "china")),
    model="my_task.build",
)
NAMED = settings.Task(name="my_task.TASK")


def test_a_task_of_the_users_own_says_size_and_classes(tmp_path: Path) -> None:
    source = open_images(write_patches(tmp_path / "p"), choice=NAMED, wanted=MINE)
    assert source.task == MINE.data
    assert source.notes == ["12 of 12 images stretched"]
    assert source.parts["whole"].labels.tolist() == [2] * 6 + [0] * 6
    expected = Image.fromarray(patches("china", 1)[0]).convert("L")
    expected = expected.resize((30, 20), Image.Resampling.BILINEAR)
    assert (read_bytes(source)[0] == np.asarray(expected).ravel()).all()


def test_a_folder_that_is_no_class_of_the_users_task(tmp_path: Path) -> None:
    file = write(write_patches(tmp_path / "p") / "fish" / "a.png")
    assert refusal(tmp_path / "p", choice=NAMED, wanted=MINE) == (
        f"{file} lies in a folder called 'fish', which is no class of the task mine: its classes "
        "are flower, tree, china"
    )


def test_one_class_is_enough_where_the_task_has_more(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a.png")
    write(tmp_path / "tree" / "b.png")
    source = open_images(tmp_path, choice=NAMED, wanted=MINE)
    assert source.parts["whole"].labels.tolist() == [1, 1]


def test_settings_against_the_users_task_are_refused(tmp_path: Path) -> None:
    chosen = NAMED.model_copy(update={"images": settings.Images(height=64)})
    assert refusal(write_patches(tmp_path / "p"), choice=chosen, wanted=MINE) == (
        "task.images.height is 64, and mine has 20: leave the setting out"
    )


NO_PICTURE = Task("flat", (Feature("x", (600,)),), "kind", MINE.head)
TWO = Task("two", (*MINE.features, Feature("weight")), "kind", MINE.head)
NUMBER = Task("number", MINE.features, "kind", Regression())


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (NO_PICTURE, "the task flat has the features x, and images in folders give one"),
        (TWO, "the task two has the features photo, weight, and images in folders give one"),
        (NUMBER, "the task number predicts a number, and images in folders have a class"),
    ],
)
def test_a_users_task_that_is_not_of_images(tmp_path: Path, wanted: Task, message: str) -> None:
    said = refusal(write_patches(tmp_path / "p", 1), choice=NAMED, wanted=wanted)
    assert said.startswith(message)


def test_a_part_needs_no_more_memory_than_a_batch(tmp_path: Path) -> None:
    import tracemalloc

    for name in ("a", "b"):
        for number in range(40):
            write(tmp_path / name / f"{number}.png", (256, 256))
    source = open_images(tmp_path)
    tracemalloc.start()
    read_count = sum(len(batch) for batch in source.parts["whole"].read(np.arange(80)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read_count == 80
    assert peak < 3 * images._BATCH_BYTES < source.task.pictures.size * 4 * 80


def test_the_walks_order_is_kept(tmp_path: Path) -> None:
    write_patches(tmp_path / "p", 3)
    source = open_images(tmp_path / "p")
    assert source.parts["whole"].files == list(walk.files(tmp_path / "p"))
