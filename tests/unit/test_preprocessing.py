"""The transform, beside the functions of TensorFlow Transform whose results it gives."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import analyzer_nodes

from modules import mnist, preprocessing
from modules.task import Feature, Regression, Task, transformed
from tests.unit import transforms
from tests.unit.transforms import Arrays, Data

IMAGE = mnist.TASK.features[0].name


def analyze(directory: Path, data: Data) -> Arrays:
    """Ours, and TFT's under the name `<feature>_reference`."""

    def both(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        ours = preprocessing.preprocessing_fn(inputs, {"task": data.task.to_dict()})
        for feature in data.task.features:
            values = tf.cast(inputs[feature.name], tf.float32)
            ours[f"{feature.name}_reference"] = (
                tft.scale_by_min_max(values, -0.5, 0.5)
                if feature.picture
                else tft.scale_to_z_score(values, elementwise=True)
            )
        return ours

    return transforms.apply(transforms.write(directory, data, both), data)


@pytest.mark.parametrize(
    ("minimum", "maximum"), [(-0.5, 0.5), (-0.4, 0.1), (0.0, 255.0), (-3e-5, 2e-5)]
)
def test_pictures_are_scaled_by_min_max(tmp_path: Path, minimum: float, maximum: float) -> None:
    few = transforms.digits()
    images = ((few.features[IMAGE] + 0.5) * (maximum - minimum) + minimum).astype(np.float32)
    found = analyze(tmp_path, Data(few.task, {IMAGE: images}, few.labels))
    scaled = found[transformed(IMAGE)]
    np.testing.assert_allclose(scaled, found[f"{IMAGE}_reference"], atol=1e-6)
    assert scaled.min() == pytest.approx(-0.5, abs=1e-6)
    assert scaled.max() == pytest.approx(0.5, abs=1e-6)
    assert found[transformed(few.task.label)].ravel().tolist() == few.labels.tolist()


def test_pixels_of_one_value_are_the_lower_bound(tmp_path: Path) -> None:
    few = transforms.digits()
    images = np.full_like(few.features[IMAGE], 0.3)
    found = analyze(tmp_path, Data(few.task, {IMAGE: images}, few.labels))
    assert (found[transformed(IMAGE)] == -0.5).all()


@pytest.mark.parametrize("regression", [False, True])
def test_numbers_are_standardized_by_column(tmp_path: Path, regression: bool) -> None:
    data = transforms.table(regression=regression)
    found = analyze(tmp_path, data)
    for feature in data.task.features:
        values = found[transformed(feature.name)]
        assert values.dtype == np.float32
        raw = data.features[feature.name]
        varying = raw.min(axis=0) < raw.max(axis=0)
        np.testing.assert_allclose(values[:, varying].mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(values[:, varying].std(axis=0), 1, atol=1e-5)
        reference = found[f"{feature.name}_reference"]
        np.testing.assert_allclose(values[:, varying], reference[:, varying], atol=1e-4)
    assert (found["rates_xf"][:, 2] == 0).all()
    labels = found["price_xf"]
    assert labels.dtype == (np.float32 if regression else np.int64)
    assert labels.ravel().tolist() == data.labels.tolist()


def test_numbers_far_from_zero_keep_their_differences(tmp_path: Path) -> None:
    """A product first would leave steps of 0.06 of a deviation here."""
    data = transforms.table()
    size = (1e6 + np.arange(200) % 8)[:, np.newaxis].astype(np.float32)
    found = analyze(tmp_path, Data(data.task, {**data.features, "size": size}, data.labels))
    expected = (size.astype(np.float64) - size.mean(dtype=np.float64)) / size.std(dtype=np.float64)
    np.testing.assert_allclose(found["size_xf"], expected, atol=2e-2)
    steps = np.diff(np.unique(found["size_xf"]))
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-4)


def columns(values: np.ndarray) -> Data:
    """A table whose features are the columns of `[n, features]`."""
    names = [f"c{i}" for i in range(values.shape[1])]
    task = Task("columns", tuple(map(Feature, names)), "y", Regression())
    features = {name: values[:, [i]] for i, name in enumerate(names)}
    return Data(task, features, values[:, 0])


def standardize(directory: Path, values: np.ndarray) -> np.ndarray:
    """The transformed columns, `[n, features]`."""
    data = columns(values)
    found = transforms.apply(transforms.write(directory, data), data)
    return np.hstack([found[transformed(feature.name)] for feature in data.task.features])


def test_many_columns_far_from_zero_are_as_exact_as_float32_allows(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(1000, 1, (178, 13)).astype(np.float32)
    exact = values.astype(np.float64)
    expected = (exact - exact.mean(axis=0)) / exact.std(axis=0)
    # Half a step of float32 at 1,000, which the mean is rounded to, is 3.05e-5.
    np.testing.assert_allclose(standardize(tmp_path, values), expected, atol=4e-5)


def test_columns_of_any_scale_are_standardized(tmp_path: Path) -> None:
    scales = np.float32([1e-30, 1e-6, 1, 1e6, 1e30])
    values = np.random.default_rng(0).normal(size=(100, 1)).astype(np.float32) * scales
    found = standardize(tmp_path, values)
    np.testing.assert_allclose(found.std(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(found, found[:, [2]] * np.ones_like(scales), atol=1e-5)


def test_columns_without_variation_are_zero(tmp_path: Path) -> None:
    """The last one varies by less than float32 has the reciprocal of."""
    values = np.tile(np.float32([0.1, 0.7, 1e30 / 3, -1e-30, 2**24 + 2, 0]), (1000, 1))
    values[::2, 5] = 1e-39
    assert (standardize(tmp_path, values) == 0).all()


def count_analyzers(task: Task) -> int:
    """How many results of analyzers a task's transform waits for."""
    with tf.Graph().as_default() as graph:
        inputs = {f.name: tf.compat.v1.placeholder(f.dtype, [None, f.size]) for f in task.features}
        inputs[task.label] = tf.compat.v1.placeholder(tf.float32, [None, 1])
        preprocessing.preprocessing_fn(inputs, {"task": task.to_dict()})
        return len(graph.get_collection(analyzer_nodes.TENSOR_REPLACEMENTS))


def test_columns_share_their_analyzers() -> None:
    """Each analyzer costs TFX seconds, whatever it computes."""
    one, forty = (count_analyzers(columns(np.zeros((1, n))).task) for n in (1, 40))
    assert forty == one > 0


def test_values_unlike_the_training_split_go_on_along_the_line(tmp_path: Path) -> None:
    data = transforms.table()
    transform = transforms.write(tmp_path, data)
    size = data.features["size"]
    far = Data(data.task, {**data.features, "size": size + 1000}, data.labels)
    moved = (
        transforms.apply(transform, far)["size_xf"] - transforms.apply(transform, data)["size_xf"]
    )
    np.testing.assert_allclose(moved, 1000 / size.std(), rtol=1e-3)
