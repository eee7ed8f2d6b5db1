"""The presets."""

import numpy as np
import pytest
import tf_keras as keras

from modules import features, model
from pipelines.settings import Training


@pytest.mark.parametrize(("preset", "parameters"), [("mlp", 55_050), ("cnn", 20_490)])
def test_preset(preset: str, parameters: int) -> None:
    built = model.PRESETS[preset]()
    assert built.count_params() == parameters
    assert built.input_shape == (None, features.PIXELS)
    assert built.output_shape == (None, features.CLASSES)
    assert built.input_names == [features.transformed(features.IMAGE)]
    logits = built(np.zeros((3, features.PIXELS), np.float32)).numpy()
    assert logits.shape == (3, 10)
    assert logits.dtype == np.float32


@pytest.mark.parametrize("preset", model.PRESETS)
def test_output_is_logits_not_probabilities(preset: str) -> None:
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 784)).astype(np.float32)
    logits = model.PRESETS[preset]()(images).numpy()
    assert (logits < 0).any()
    assert not np.allclose(logits.sum(axis=1), 1)


def test_mlp_is_upstreams_example() -> None:
    layers = model.mlp().layers
    assert [type(layer).__name__ for layer in layers] == [
        "Dense",
        "Dropout",
        "Dense",
        "Dropout",
        "Dense",
    ]
    assert [layer.units for layer in layers[::2]] == [64, 64, 10]
    assert [layer.rate for layer in layers[1::2]] == [0.2, 0.2]


@pytest.mark.parametrize("preset", model.PRESETS)
def test_dropout_is_off_in_serving(preset: str) -> None:
    built = model.PRESETS[preset]()
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 784)).astype(np.float32)
    assert (built(images).numpy() == built(images, training=False).numpy()).all()
    assert not (built(images, training=True).numpy() == built(images).numpy()).all()


def test_settings_offer_every_preset() -> None:
    for preset in model.PRESETS:
        assert Training(preset=preset).preset == preset  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="preset"):
        Training(preset="other")  # type: ignore[arg-type]
