"""Changes of pictures: what they are, and that training alone has them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from modules import augmentation, training
from modules.augmentation import Augment
from modules.task import Classification, Feature, Picture, Task
from tests.unit import transforms
from tests.unit.transforms import Trainer

HEIGHT, WIDTH = 6, 10
TASK = Task(
    "photos",
    (Feature("photo", (HEIGHT, WIDTH, 3), picture=Picture(HEIGHT, WIDTH, 3)), Feature("age")),
    "kind",
    Classification(("a", "b")),
)
PIXELS = np.random.default_rng(0).uniform(-0.4, 0.4, (64, HEIGHT, WIDTH, 3)).astype(np.float32)


def change(step: int = 0, seed: int = 1, **how: Any) -> NDArray[np.float32]:
    age, labels = tf.range(64.0)[:, tf.newaxis], tf.range(64)
    batch = ({"photo_xf": tf.constant(PIXELS.reshape(64, -1)), "age_xf": age}, labels)
    function = tf.function(augmentation.make(TASK, Augment(**how), seed), autograph=False)
    features, kept = function(tf.constant(step, tf.int64), batch)
    assert (kept == labels).numpy().all()
    assert (features["age_xf"] == age).numpy().all()
    assert features["photo_xf"].shape == (64, HEIGHT * WIDTH * 3)
    pixels: NDArray[np.float32] = features["photo_xf"].numpy().reshape(PIXELS.shape)
    return pixels


def test_half_of_the_pictures_are_mirrored() -> None:
    mirrored = 0
    for before, after in zip(PIXELS, change(flip=True), strict=True):
        is_mirrored = bool((after == before[:, ::-1]).all())
        assert is_mirrored or (after == before).all()
        mirrored += is_mirrored
    assert 20 <= mirrored <= 44


def test_pictures_are_moved_by_whole_pixels_and_the_border_is_repeated() -> None:
    found = set()
    for before, after in zip(PIXELS, change(shift=0.2), strict=True):
        moves = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-3, 4)
            if (after == moved(before, down, right)).all()
        ]
        assert len(moves) == 1
        found.add(moves[0])
    # A fifth of 6 rows is one, and of 10 columns two.
    assert {down for down, _ in found} == {-1, 0, 1}
    assert {right for _, right in found} == {-2, -1, 0, 1, 2}


def moved(picture: NDArray[np.float32], down: int, right: int) -> NDArray[np.float32]:
    padded = np.pad(picture, ((3, 3), (3, 3), (0, 0)), mode="edge")
    return padded[3 + down : 3 + down + HEIGHT, 3 + right : 3 + right + WIDTH]


def test_pictures_are_lightened_and_darkened_within_the_range() -> None:
    found = change(brightness=0.3)
    inside = np.abs(found) < 0.499
    changes = [(a - b)[i] for a, b, i in zip(found, PIXELS, inside, strict=True)]
    assert all(np.ptp(one) < 1e-6 for one in changes)
    size = np.array([one[0] for one in changes])
    assert size.min() < -0.2
    assert size.max() > 0.2
    assert np.abs(size).max() <= 0.3
    assert np.abs(found).max() <= 0.5


def test_changes_follow_from_seed_and_step() -> None:
    how = {"flip": True, "shift": 0.3, "brightness": 0.2}
    found = change(3, 1, **how)
    assert (change(3, 1, **how) == found).all()
    assert not (change(4, 1, **how) == found).all()
    assert not (change(3, 2, **how) == found).all()


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    return transforms.trainer(tmp_path_factory.mktemp("colours"), transforms.colours())


def test_training_is_deterministic_with_and_without(trainer: Trainer, tmp_path: Path) -> None:
    how: list[dict[str, Any]] = [
        {},
        {"augment": {"flip": False, "shift": 0.0, "brightness": 0.0}},
        {"augment": {"shift": 0.2}},
        {"augment": {"shift": 0.2}, "check_every": 7},
    ]
    plain, off, on, checked = (
        training.train(trainer.at(tmp_path).args(str(index), steps=11, **one)).model.get_weights()
        for index, one in enumerate(how)
    )
    assert same(plain, off)
    assert not same(plain, on)
    assert same(on, checked)  # the rest after a check goes on with its own changes


def same(first: list[Any], second: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
