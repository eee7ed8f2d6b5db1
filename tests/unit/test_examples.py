"""Batches of examples: the bundled digits, the checks, the digest, the split."""

import hashlib
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from numpy.typing import NDArray

from modules import mnist
from modules.task import Classification, Feature, Regression, Task
from pipelines.data import digits
from pipelines.data.byte_pictures import BytePictures
from pipelines.data.examples import Tally, check, check_labels, choose_order, split
from pipelines.data.source import Batch
from pipelines.errors import DataError
from tests.unit.mnist_examples import Examples, read_part

CAR = Task(
    "car",
    (Feature("wheels", (2,)), Feature("doors", (1,), "int64"), Feature("weight")),
    "price",
    Regression("EUR"),
)


def cars(count: int) -> Batch:
    return Batch(
        {
            "wheels": np.arange(2 * count, dtype=np.float32).reshape(count, 2),
            "doors": np.arange(count, dtype=np.int64).reshape(count, 1),
            "weight": np.full((count, 1), 1e6, np.float32),
        },
        np.linspace(-1, 1, count, dtype=np.float32),
    )


def choose(batch: Batch, part: slice) -> Batch:
    return Batch({k: v[part] for k, v in batch.features.items()}, batch.labels[part])


def test_digits(all_digits: Examples) -> None:
    assert digits.load().task == mnist.TASK
    assert all_digits.images.shape == (1797, 784)
    assert all_digits.images.dtype == np.float32
    assert all_digits.labels.dtype == np.int64
    assert all_digits.images.min() == -0.5
    assert 0.49 < all_digits.images.max() <= 0.5
    balance = all_digits.class_balance()
    assert sum(balance.values()) == 1797
    assert all(174 <= count <= 183 for count in balance.values())


def test_digits_are_enlarged_in_place(all_digits: Examples) -> None:
    from sklearn.datasets import load_digits

    original = load_digits()
    assert (all_digits.labels == original.target).all()
    quarters = original.images.reshape(-1, 2, 4, 2, 4).mean(axis=(2, 4))
    enlarged = all_digits.images.reshape(-1, 2, 14, 2, 14).mean(axis=(2, 4)) + 0.5
    assert np.abs(enlarged - quarters / 16).max() < 0.05


def test_digest_of_one_feature_is_over_all_values_then_all_labels(all_digits: Examples) -> None:
    tally = Tally(mnist.TASK)
    tally.add(all_digits.batch)
    found = tally.describe()
    assert found.sha256 == all_digits.fingerprint()
    assert found.class_balance == all_digits.class_balance()
    assert found.count == 1797


def digest(task: Task, *batches: Batch) -> str:
    tally = Tally(task)
    for batch in batches:
        tally.add(batch)
    return tally.describe().sha256


def test_digest_sees_every_value_and_label(few: Examples) -> None:
    images, labels = few.images.copy(), few.labels.copy()
    images[49, 783] += 0.01
    labels[49] += 1
    variants = (
        few,
        Examples(images, few.labels),
        Examples(few.images, labels),
        Examples(few.images[::-1], few.labels[::-1]),
    )
    assert len({digest(mnist.TASK, variant.batch) for variant in variants}) == 4


def test_digest_does_not_depend_on_memory_layout(few: Examples) -> None:
    other = Examples(np.asfortranarray(few.images), few.labels.astype(">i8"))
    assert digest(mnist.TASK, other.batch) == few.fingerprint()


@given(st.lists(st.integers(0, 50), max_size=5))
def test_digest_does_not_depend_on_batches(cuts: list[int]) -> None:
    whole = cars(50)
    ends = [0, *sorted(cuts), 50]
    parts = [choose(whole, slice(a, b)) for a, b in itertools.pairwise(ends)]
    assert digest(CAR, *parts) == digest(CAR, whole)


def test_digest_of_several_features_has_those_of_an_example_side_by_side() -> None:
    batch = cars(3)
    content = b"".join(
        batch.features[name][row].tobytes() for row in range(3) for name in batch.features
    )
    expected = hashlib.sha256(content + batch.labels.astype("<f4").tobytes()).hexdigest()
    assert digest(CAR, batch) == expected


def test_a_regression_has_no_classes() -> None:
    tally = Tally(CAR)
    tally.add(cars(4))
    assert (tally.describe().class_balance, tally.describe().count) == ({}, 4)


def test_classes_are_counted_by_name() -> None:
    task = Task("pets", (Feature("x"),), "pet", Classification(("cat", "dog", "newt")))
    tally = Tally(task)
    for labels in ([1, 1], [0, 1]):
        tally.add(Batch({"x": np.zeros((2, 1), np.float32)}, np.array(labels)))
    assert tally.describe().class_balance == {"cat": 1, "dog": 3, "newt": 0}


def test_examples_that_are_all_equal_are_seen_over_batches() -> None:
    equal = Batch(
        {name: np.repeat(v[:1], 4, axis=0) for name, v in cars(4).features.items()},
        np.arange(4, dtype=np.float32),
    )
    tally = Tally(CAR)
    for _ in range(3):
        tally.add(equal)
        assert tally.is_constant
    tally.add(cars(2))
    assert not tally.is_constant


def labels_of(count: int) -> NDArray[np.int64]:
    return np.arange(count) % 10


def test_split_parts_are_disjoint_and_whole() -> None:
    train, evaluation = split(mnist.TASK, labels_of(200), 0.2, "source")
    assert (len(train), len(evaluation)) == (160, 40)
    assert sorted([*train, *evaluation]) == list(range(200))


def test_split_is_reproducible_and_stratified(all_digits: Examples) -> None:
    first, second = (split(mnist.TASK, all_digits.labels, 0.2, "digits") for _ in range(2))
    assert (first[0] == second[0]).all()
    assert (first[1] == second[1]).all()
    assert len(first[1]) == 359
    whole, part = np.bincount(all_digits.labels), np.bincount(all_digits.labels[first[1]])
    assert (np.abs(part - whole * 359 / 1797) <= 1).all()


@limits(max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_split_either_keeps_every_example_or_says_too_few(labels: list[int], part: float) -> None:
    wanted = round(len(labels) * part)
    if not 0 < wanted < len(labels):
        with pytest.raises(DataError, match=f"holds {len(labels)} examples, too few"):
            split(mnist.TASK, np.array(labels), part, "source")
        return
    train, evaluation = split(mnist.TASK, np.array(labels), part, "source")
    assert len(evaluation) == wanted
    assert sorted([*train, *evaluation]) == list(range(len(labels)))


def test_numbers_are_split_without_classes() -> None:
    train, evaluation = split(CAR, np.linspace(0, 1, 40, dtype=np.float32), 0.25, "source")
    assert (len(train), len(evaluation)) == (30, 10)


@pytest.mark.parametrize(
    ("labels", "is_kept"),
    [
        ([i % 10 for i in range(200)], True),
        (sorted(i % 10 for i in range(200)), False),
        ([i % 10 for i in range(50) for _ in range(4)], False),
        ([3] * 200, True),
        ([], True),
    ],
    ids=["in turn", "class by class", "in fours", "one class", "none"],
)
def test_classes_that_come_one_after_the_other_are_mixed(labels: list[int], is_kept: bool) -> None:
    order = choose_order(mnist.TASK, np.array(labels, np.int64))
    assert sorted(order) == list(range(len(labels)))
    assert (order.tolist() == list(range(len(labels)))) == is_kept
    assert order.tolist() == choose_order(mnist.TASK, np.array(labels, np.int64)).tolist()


@pytest.mark.parametrize(
    ("labels", "are_kept"),
    [
        (np.sin(np.arange(100.0)), True),
        (np.arange(100.0), False),
        (-np.arange(100.0), False),
        (np.tile(np.arange(25.0), 4), False),
        (np.zeros(100), True),
    ],
    ids=["mixed", "rising", "falling", "rising in each file", "equal"],
)
def test_numbers_that_come_in_order_are_mixed(labels: NDArray[Any], are_kept: bool) -> None:
    order = choose_order(CAR, labels.astype(np.float32))
    assert sorted(order) == list(range(100))
    assert (order.tolist() == list(range(100))) == are_kept


def with_pixel(value: float) -> Batch:
    images = np.zeros((5, 784), np.float32)
    images[3, 500] = value
    return Batch({"image_floats": images}, np.zeros(5, np.int64))


NUMBERS = np.array([0, 7, 8, 11, 12])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_numbers(value: float) -> None:
    with pytest.raises(DataError, match="example 11 of here has pixels that are not numbers"):
        check(mnist.TASK, with_pixel(value), "here", NUMBERS)


@pytest.mark.parametrize("value", [1.0, 255, -0.6, 0.51])
def test_pixels_out_of_range(value: float) -> None:
    with pytest.raises(DataError, match=r"example 11 of here .* must lie in \[-0.5, 0.5\]"):
        check(mnist.TASK, with_pixel(value), "here", NUMBERS)


@pytest.mark.parametrize("value", [0.5, -0.5, 0.50001])
def test_pixels_at_the_edge_of_the_range(value: float) -> None:
    check(mnist.TASK, with_pixel(value), "here", NUMBERS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_numbers(value: float) -> None:
    batch = cars(5)
    batch.features["wheels"][2, 1] = value
    with pytest.raises(DataError, match="example 8 of here has values in wheels that are not num"):
        check(CAR, batch, "here", NUMBERS)


def test_numbers_may_be_of_any_size() -> None:
    check(CAR, cars(5), "here", NUMBERS)


def test_values_of_another_width() -> None:
    batch = Batch({**cars(5).features, "wheels": np.zeros((5, 3), np.float32)}, np.zeros(5))
    with pytest.raises(DataError, match="has 3 values in wheels, and 2 are needed"):
        check(CAR, batch, "here", NUMBERS)


@pytest.mark.parametrize("label", [10, -1, 255])
def test_labels_out_of_range(label: int) -> None:
    with pytest.raises(
        DataError, match=f"example 8 of here has the label {label}, and image_class must be 0 to 9"
    ):
        check_labels(mnist.TASK, np.array([0, 9, label, 1, 2]), "here", NUMBERS)


@pytest.mark.parametrize("label", [np.nan, np.inf])
def test_labels_that_are_not_numbers(label: float) -> None:
    with pytest.raises(DataError, match="example 7 of here has a price that is not a number"):
        check_labels(CAR, np.array([0, label, 1, 2, 3]), "here", NUMBERS)


def test_bytes_are_scaled_to_the_range() -> None:
    pixels = np.zeros((1, 28, 28), np.uint8)
    pixels[0, 0, :3] = 0, 51, 255
    examples = read_part(BytePictures("here", mnist.TASK, pixels, np.array([4], np.uint8)))
    assert examples.images.shape == (1, 784)
    assert examples.images[0, :3] == pytest.approx([-0.5, -0.3, 0.5])
    assert examples.labels.tolist() == [4]


def test_pictures_come_in_the_order_that_was_asked() -> None:
    pixels = np.zeros((3000, 28, 28), np.uint8)
    part = BytePictures("here", mnist.TASK, pixels, np.arange(3000))
    order = np.random.default_rng(0).permutation(3000)
    assert np.concatenate([b.labels for b in part.read(order)]).tolist() == order.tolist()


@pytest.mark.parametrize("shape", [(2, 27, 27), (2, 28, 27), (2, 784), (2, 28, 28, 3)])
def test_images_of_another_size(shape: tuple[int, ...]) -> None:
    size = "x".join(map(str, shape[1:]))
    with pytest.raises(DataError, match=f"here holds images of {size} pixels, and 28x28"):
        BytePictures("here", mnist.TASK, np.zeros(shape, np.uint8), np.zeros(2))
