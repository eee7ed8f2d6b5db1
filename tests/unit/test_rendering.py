"""Examples as the page shows them."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from modules import mnist
from modules.task import Classification, Feature, Picture, Task
from pipelines.judging import rendering
from pipelines.judging.examples import Examples
from tests.unit.exported import CULTIVARS

HEAD = Classification(("cat", "dog"))


def batches(task: Task, values: list[np.ndarray]) -> list[Examples]:
    """A batch for each array, which are values of the task's first feature."""
    feature = task.features[0]
    return [
        Examples(
            np.array([b""] * len(array), object),
            {feature.name: array.reshape(-1, *feature.shape).astype(feature.dtype)},
            np.zeros(len(array), np.int64),
        )
        for array in values
    ]


def decode(image: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(image)))


def test_a_grey_picture() -> None:
    pixels = np.linspace(-0.5, 0.5, 784, dtype=np.float32)
    rendered = rendering.render(mnist.TASK, batches(mnist.TASK, [np.array([pixels])]), {0})
    image = decode(rendered["0"].image)
    assert image.mode == "L"
    np.testing.assert_array_equal(np.asarray(image).ravel(), np.round((pixels + 0.5) * 255))


def test_a_large_picture_is_made_small() -> None:
    task = Task("t", (Feature("p", (300, 150, 3), picture=Picture(300, 150, 3)),), "l", HEAD)
    values = np.zeros((1, 300, 150, 3))
    values[..., 0] = 2.0  # beyond white
    values[..., 1] = -2.0
    image = decode(rendering.render(task, batches(task, [values]), [0])["0"].image)
    assert image.size == (48, 96)
    assert set(map(tuple, np.asarray(image).reshape(-1, 3).tolist())) == {(255, 0, 128)}


@pytest.mark.parametrize(
    ("wanted", "read"), [((5, 0, 3), 3), ((1,), 1), ((), 1), ((2, 3), 2), ((4, 4), 3)]
)
def test_wanted_examples_of_any_batch(wanted: tuple[int, ...], read: int) -> None:
    task = Task("t", (Feature("x"),), "l", HEAD)
    values = batches(task, [np.array([0, 1]), np.array([2, 3]), np.array([4, 5, 6]), np.array([7])])
    begun = []

    def stream():
        for batch in values:
            begun.append(batch)
            yield batch

    rendered = rendering.render(task, stream(), wanted)
    assert {name: example.values for name, example in rendered.items()} == {
        str(index): {"x": str(index)} for index in wanted
    }
    assert len(begun) == read


def test_values_are_capped() -> None:
    features = (Feature("many", (6,)), *(Feature(f"x{i}") for i in range(60)))
    task = Task("t", features, "l", HEAD)
    rows = {f.name: np.full((1, *f.shape), 0.25, np.float32) for f in features}
    batch = Examples(np.array([b""], object), rows, np.zeros(1, np.int64))
    values = rendering.render(task, [batch], {0})["0"].values
    assert len(values) == 40
    assert values["many"] == "0.25, 0.25, 0.25, 0.25, … (6 values)"
    assert values["x0"] == "0.25"


def test_whole_numbers_stay_whole() -> None:
    rows = {"weights": np.zeros((1, 3), np.float32), "age": np.array([[70]])}
    batch = Examples(np.array([b""], object), rows, np.zeros(1, np.int64))
    assert rendering.render(CULTIVARS, [batch], {0})["0"].values["age"] == "70"
