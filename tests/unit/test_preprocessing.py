"""The transform, beside the function of TensorFlow Transform whose result it gives."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from modules import features, preprocessing
from pipelines.data.examples import Examples
from tests.unit import transforms

IMAGE_XF = features.transformed(features.IMAGE)


def both(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Ours, and TFT's under the name `reference`."""
    reference = tft.scale_by_min_max(inputs[features.IMAGE], -0.5, 0.5)
    return {**preprocessing.preprocessing_fn(inputs), "reference": reference}


def transformed(directory: Path, images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    graph = transforms.write(directory, Examples(images, labels), both)
    layer = tft.TFTransformOutput(graph).transform_features_layer()
    raw = {features.IMAGE: images, features.LABEL: labels[:, np.newaxis]}
    return {name: value.numpy() for name, value in layer(raw).items()}


@pytest.mark.parametrize(
    ("minimum", "maximum"), [(-0.5, 0.5), (-0.4, 0.1), (0.0, 255.0), (-3e-5, 2e-5)]
)
def test_equals_scale_by_min_max(
    tmp_path: Path, few: Examples, minimum: float, maximum: float
) -> None:
    images = ((few.images + 0.5) * (maximum - minimum) + minimum).astype(np.float32)
    found = transformed(tmp_path, images, few.labels)
    np.testing.assert_allclose(found[IMAGE_XF], found["reference"], atol=1e-6)
    assert found[IMAGE_XF].min() == pytest.approx(-0.5, abs=1e-6)
    assert found[IMAGE_XF].max() == pytest.approx(0.5, abs=1e-6)
    assert found[features.transformed(features.LABEL)].ravel().tolist() == few.labels.tolist()


def test_equal_values_are_the_lower_bound(tmp_path: Path, few: Examples) -> None:
    found = transformed(tmp_path, np.full_like(few.images, 0.3), few.labels)
    assert (found[IMAGE_XF] == -0.5).all()
