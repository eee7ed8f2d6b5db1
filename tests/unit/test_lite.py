"""The TFLite contract on real tiny models."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modules import features, lite, training
from modules.contract import ContractError


def tiny_model(file: Path, *names: str) -> str:
    """A TFLite model that adds up its inputs, one for each name."""

    class Adder(tf.Module):
        @tf.function(autograph=False)
        def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
            return tf.add_n([tf.reduce_sum(one, axis=1) for one in inputs])

    specs = [tf.TensorSpec([None, 4], tf.float32, name=name) for name in names]
    adder = Adder()
    saved = file.parent / "saved"
    tf.saved_model.save(
        adder, str(saved), {"serving_default": adder.__call__.get_concrete_function(*specs)}
    )
    file.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert())
    return str(file)


def test_input_named_after_the_feature_passes(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tflite", "image_floats")
    assert lite.input_names(model) == ["image_floats"]
    lite.check_inputs(model, {"image_floats"})


def test_features_may_be_more_than_inputs(tmp_path: Path) -> None:
    lite.check_inputs(tiny_model(tmp_path / "tflite", "b"), {"a", "b", "c"})


def test_several_inputs(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tflite", "left", "right")
    assert sorted(lite.input_names(model)) == ["left", "right"]
    lite.check_inputs(model, ["left", "right"])
    with pytest.raises(ContractError, match="input 'right' matches no feature"):
        lite.check_inputs(model, ["left"])


@pytest.mark.parametrize("name", ["pixels", "image_floats_xf", "image"])
def test_input_of_another_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContractError) as caught:
        lite.check_inputs(tiny_model(tmp_path / "tflite", name), {"image_floats", "age"})
    message = str(caught.value)
    assert repr(name) in message
    assert "(age, image_floats)" in message
    assert "\n" not in message


@pytest.fixture
def examples() -> training.Examples:
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (300, 784)).astype(np.float32)
    return training.Examples(tf.constant(images), tf.zeros(300, tf.int64))


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        ("none", {}),
        ("dynamic", {"quantization_optimizations": [tf.lite.Optimize.DEFAULT]}),
        (
            "float16",
            {
                "quantization_optimizations": [tf.lite.Optimize.DEFAULT],
                "quantization_supported_types": [tf.float16],
            },
        ),
    ],
)
def test_quantization_options(
    examples: training.Examples, quantization: str, expected: dict[str, Any]
) -> None:
    assert lite.quantization_options(quantization, examples) == expected


def test_full_integer_quantization_calibrates_on_training_images(
    examples: training.Examples,
) -> None:
    options = lite.quantization_options("int8", examples)
    dataset = options.pop("representative_dataset")
    assert options == {
        "quantization_optimizations": [tf.lite.Optimize.DEFAULT],
        "quantization_enable_full_integer": True,
    }
    for _ in range(2):  # the converter may ask more than once
        rows = list(dataset())
        assert len(rows) == 200
        assert all(len(row) == 1 and row[0].shape == (1, features.PIXELS) for row in rows)
        assert all(row[0].dtype == np.float32 for row in rows)
        np.testing.assert_array_equal(
            np.concatenate([row[0] for row in rows]), examples.images[:200].numpy()
        )


def test_calibration_takes_what_there_is(examples: training.Examples) -> None:
    few = training.Examples(examples.images[:3], examples.labels[:3])
    assert len(list(lite.quantization_options("int8", few)["representative_dataset"]())) == 3


def test_unknown_quantization(examples: training.Examples) -> None:
    with pytest.raises(ValueError, match="unknown quantization 'int4'"):
        lite.quantization_options("int4", examples)


def test_settings_offer_every_quantization(examples: training.Examples) -> None:
    from pipelines.settings import PRESET_BRANCHES

    for branch in PRESET_BRANCHES.values():
        lite.quantization_options(branch.quantization, examples)
