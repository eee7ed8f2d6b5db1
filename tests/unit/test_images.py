"""Images in folders named after their digit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.data import images
from pipelines.errors import DataError


def save(file: Path, pixels: np.ndarray | None = None, mode: str = "L") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((28, 28), np.uint8) if pixels is None else pixels
    Image.fromarray(pixels).convert(mode).save(file)
    return file


@pytest.fixture
def drawn() -> np.ndarray:
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 13:16] = 255
    return pixels


@pytest.mark.parametrize("suffix", ["png", "PNG", "bmp", "gif", "webp", "jpg", "jpeg"])
def test_every_format(tmp_path: Path, drawn: np.ndarray, suffix: str) -> None:
    save(tmp_path / "1" / f"a.{suffix}", drawn)
    loaded = images.load(tmp_path)
    assert loaded.labels.tolist() == [1]
    lossy = suffix in {"jpg", "jpeg", "webp"}
    expected = drawn.reshape(1, 784) / 255 - 0.5
    np.testing.assert_allclose(loaded.images, expected, atol=0.2 if lossy else 1e-6)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_kind_of_pixel_is_read_as_grey(tmp_path: Path, drawn: np.ndarray, mode: str) -> None:
    save(tmp_path / "1" / "a.png", drawn, mode)
    expected = drawn.reshape(1, 784) / 255 - 0.5
    np.testing.assert_allclose(images.load(tmp_path).images, expected, atol=1e-2)


def test_label_is_the_folder_and_order_is_that_of_names(tmp_path: Path) -> None:
    for digit in (7, 0, 9):
        for name in ("b.png", "a.png"):
            save(tmp_path / str(digit) / name, np.full((28, 28), digit, np.uint8))
    loaded = images.load(tmp_path)
    assert loaded.labels.tolist() == [0, 0, 7, 7, 9, 9]
    assert ((loaded.images[:, 0] + 0.5) * 255).round().tolist() == [0, 0, 7, 7, 9, 9]


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    file = save(tmp_path / "3" / "a.png")
    (tmp_path / "3" / "notes.txt").write_text("mine")
    (tmp_path / "README.md").write_text("mine")
    assert images.find(tmp_path) == [file]


@pytest.mark.parametrize("folder", ["cat", "10", "-1", "03", "\uff11"])
def test_folder_that_is_no_digit(tmp_path: Path, folder: str) -> None:
    save(tmp_path / "3" / "a.png")
    file = save(tmp_path / folder / "a.png")
    with pytest.raises(DataError) as caught:
        images.load(tmp_path)
    assert str(file) in str(caught.value)
    assert repr(folder) in str(caught.value)


@pytest.mark.parametrize("shape", [(27, 27), (28, 29), (1, 1)])
def test_another_size(tmp_path: Path, shape: tuple[int, int]) -> None:
    file = save(tmp_path / "3" / "a.png", np.zeros(shape, np.uint8))
    with pytest.raises(DataError) as caught:
        images.load(tmp_path)
    assert f"{file} has {shape[1]}x{shape[0]} pixels, not 28x28" in str(caught.value)


def test_broken_file(tmp_path: Path) -> None:
    file = save(tmp_path / "3" / "a.png")
    whole = file.read_bytes()
    for content in (b"", b"not an image", whole[: len(whole) // 2], whole[:40]):
        file.write_bytes(content)
        with pytest.raises(DataError, match="is not an image that can be read") as caught:
            images.load(tmp_path)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_directory_called_like_an_image(tmp_path: Path) -> None:
    (tmp_path / "3" / "a.png").mkdir(parents=True)
    with pytest.raises(DataError, match="is not an image that can be read"):
        images.load(tmp_path)
