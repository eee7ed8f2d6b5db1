"""Examples as arrays: the bundled digits, the checks, the split."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from numpy.typing import NDArray

from modules import features
from pipelines.data import digits
from pipelines.data.examples import Examples, checked, from_bytes, split
from pipelines.errors import DataError


def blank(labels: list[int]) -> Examples:
    """Examples whose first pixel tells them apart."""
    images = np.zeros((len(labels), features.PIXELS), np.float32)
    images[:, 0] = np.arange(len(labels)) / max(len(labels), 1) - 0.5
    return Examples(images, np.array(labels, np.int64))


def test_features_are_those_of_upstreams_example() -> None:
    assert (features.IMAGE, features.LABEL) == ("image_floats", "image_class")
    assert features.transformed(features.IMAGE) == "image_floats_xf"
    assert features.transformed(features.LABEL) == "image_class_xf"
    assert (features.HEIGHT, features.WIDTH, features.PIXELS, features.CLASSES) == (28, 28, 784, 10)


def test_digits(all_digits: Examples) -> None:
    assert len(all_digits) == 1797
    assert all_digits.images.shape == (1797, 784)
    assert all_digits.images.dtype == np.float32
    assert all_digits.labels.dtype == np.int64
    assert all_digits.images.min() == -0.5
    assert 0.49 < all_digits.images.max() <= 0.5
    balance = all_digits.class_balance()
    assert list(balance) == [str(digit) for digit in range(10)]
    assert sum(balance.values()) == 1797
    assert all(174 <= count <= 183 for count in balance.values())


def test_digits_are_enlarged_in_place(all_digits: Examples) -> None:
    from sklearn.datasets import load_digits

    original = load_digits()
    assert (all_digits.labels == original.target).all()
    quarters = original.images.reshape(-1, 2, 4, 2, 4).mean(axis=(2, 4))
    enlarged = all_digits.images.reshape(-1, 2, 14, 2, 14).mean(axis=(2, 4)) + 0.5
    assert np.abs(enlarged - quarters / 16).max() < 0.05


def test_digits_are_the_same_every_time(all_digits: Examples) -> None:
    assert digits.load().fingerprint() == all_digits.fingerprint()


def test_fingerprint_sees_every_pixel_and_label(few: Examples) -> None:
    images, labels = few.images.copy(), few.labels.copy()
    assert Examples(images, labels).fingerprint() == few.fingerprint()
    images[49, 783] += 0.01
    labels[49] += 1
    found = {
        few.fingerprint(),
        Examples(images, few.labels).fingerprint(),
        Examples(few.images, labels).fingerprint(),
        Examples(few.images[::-1], few.labels[::-1]).fingerprint(),
    }
    assert len(found) == 4


def test_fingerprint_does_not_depend_on_memory_layout(few: Examples) -> None:
    other = Examples(np.asfortranarray(few.images), few.labels.astype(">i8"))
    assert other.fingerprint() == few.fingerprint()


def test_split_parts_are_disjoint_and_whole() -> None:
    examples = blank([i % 10 for i in range(200)])
    parts = split(examples, 0.2, "source")
    assert parts.source == "source"
    assert (len(parts.train), len(parts.eval)) == (160, 40)
    first = np.concatenate([parts.train.images[:, 0], parts.eval.images[:, 0]])
    assert sorted(first) == sorted(examples.images[:, 0])


def test_split_keeps_images_with_their_labels() -> None:
    examples = blank([i % 10 for i in range(200)])
    parts = split(examples, 0.2, "source")
    label_of = dict(zip(examples.images[:, 0].tolist(), examples.labels.tolist(), strict=True))
    for part in (parts.train, parts.eval):
        assert [label_of[p] for p in part.images[:, 0].tolist()] == part.labels.tolist()


def test_split_is_reproducible_and_stratified(all_digits: Examples) -> None:
    first, second = (split(all_digits, 0.2, "digits") for _ in range(2))
    assert first.eval.fingerprint() == second.eval.fingerprint()
    assert first.train.fingerprint() == second.train.fingerprint()
    assert len(first.eval) == 359
    for digit, count in all_digits.class_balance().items():
        assert abs(first.eval.class_balance()[digit] - count * 359 / 1797) <= 1


@limits(max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_split_either_keeps_every_example_or_says_too_few(labels: list[int], part: float) -> None:
    wanted = round(len(labels) * part)
    if not 0 < wanted < len(labels):
        with pytest.raises(DataError, match=f"holds {len(labels)} examples, too few"):
            split(blank(labels), part, "source")
        return
    parts = split(blank(labels), part, "source")
    assert len(parts.eval) == wanted
    together = [*parts.train.labels.tolist(), *parts.eval.labels.tolist()]
    assert sorted(together) == sorted(labels)


def with_pixel(value: float) -> NDArray[np.float32]:
    images = np.zeros((5, features.PIXELS), np.float32)
    images[3, 500] = value
    return images


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_numbers(value: float) -> None:
    with pytest.raises(DataError, match="example 3 of here has pixels that are not numbers"):
        checked(with_pixel(value), np.zeros(5), "here")


@pytest.mark.parametrize("value", [1.0, 255, -0.6, 0.51])
def test_pixels_out_of_range(value: float) -> None:
    with pytest.raises(DataError, match=r"example 3 of here .* must lie in \[-0.5, 0.5\]"):
        checked(with_pixel(value), np.zeros(5), "here")


@pytest.mark.parametrize("value", [0.5, -0.5, 0.50001])
def test_pixels_at_the_edge_of_the_range(value: float) -> None:
    assert len(checked(with_pixel(value), np.zeros(5), "here")) == 5


@pytest.mark.parametrize("label", [10, -1, 255])
def test_labels_out_of_range(label: int) -> None:
    with pytest.raises(DataError, match=f"example 2 of here has the label {label}, .* 0 to 9"):
        checked(with_pixel(0), np.array([0, 9, label, 1, 2]), "here")


def test_no_examples() -> None:
    with pytest.raises(DataError, match="here holds no examples"):
        checked(np.zeros((0, 784)), np.zeros(0), "here")


def test_bytes_are_scaled_to_the_range() -> None:
    pixels = np.zeros((1, 28, 28), np.uint8)
    pixels[0, 0, :3] = 0, 51, 255
    examples = from_bytes(pixels, np.array([4], np.uint8), "here")
    assert examples.images.shape == (1, 784)
    assert examples.images[0, :3] == pytest.approx([-0.5, -0.3, 0.5])
    assert examples.labels.tolist() == [4]


@pytest.mark.parametrize("shape", [(2, 27, 27), (2, 28, 27), (2, 784), (2, 28, 28, 3)])
def test_images_of_another_size(shape: tuple[int, ...]) -> None:
    size = "x".join(map(str, shape[1:]))
    with pytest.raises(DataError, match=f"here holds images of {size} pixels, and 28x28"):
        from_bytes(np.zeros(shape, np.uint8), np.zeros(2), "here")
