"""The TFLite contract on real tiny models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modules import calibration, lite, training
from modules.contract import ContractError
from tests.unit import transforms
from tests.unit.transforms import Data


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


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> training.Trained:
    """A model of the table that learnt nothing, with its real transform."""
    return transforms.untrained(tmp_path_factory.mktemp("table"), transforms.table(300))


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
    untrained: training.Trained, quantization: str, expected: dict[str, Any]
) -> None:
    assert lite.quantization_options(quantization, untrained) == expected


def test_full_integer_quantization_calibrates_on_raw_examples(untrained: training.Trained) -> None:
    options = lite.quantization_options("int8", untrained)
    dataset = options.pop("representative_dataset")
    assert options == {
        "quantization_optimizations": [tf.lite.Optimize.DEFAULT],
        "quantization_enable_full_integer": True,
    }
    data = transforms.table(300)
    for _ in range(2):  # the converter may ask more than once
        rows = list(dataset())
        assert len(rows) == 200
        for feature in data.task.features:
            values = [row[feature.name] for row in rows]
            assert {v.shape for v in values} == {(1, *feature.shape)}
            assert {v.dtype.name for v in values} == {feature.dtype}
            expected = data.features[feature.name][:200].copy()
            if feature.name == "rates":
                expected[:, 2] = 0  # nothing is left of a column without variation
            np.testing.assert_allclose(np.concatenate(values), expected, rtol=1e-4, atol=1e-4)


def test_pictures_are_calibrated_on_their_own_pixels(tmp_path: Path) -> None:
    data = transforms.colours(20)
    trained = transforms.untrained(tmp_path, data)
    rows = list(lite.quantization_options("int8", trained)["representative_dataset"]())
    assert len(rows) == 20  # there are no more
    pixels = np.concatenate([row["photo"] for row in rows])
    np.testing.assert_allclose(pixels, data.features["photo"].reshape(20, 24, 20, 3), atol=1e-5)


def test_numbers_far_from_zero_are_calibrated(tmp_path: Path) -> None:
    """From 0 to 1 the slope is lost in rounding, and from 0 to 65536 it is not."""
    data = transforms.table()
    size = (2e5 + 1000 * data.features["size"]).astype(np.float32)
    far = Data(data.task, {**data.features, "size": size}, data.labels)
    found = calibration.find_raw(transforms.untrained(tmp_path, far))
    np.testing.assert_allclose(found["size"], size, rtol=1e-4)


def custom_transform(change: Callable[[tf.Tensor], tf.Tensor]) -> Callable[..., Any]:
    def preprocess(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {
            "size_xf": change(inputs["size"]),
            "rates_xf": inputs["rates"],
            "year_xf": tf.cast(inputs["year"], tf.float32),
            "price_xf": inputs["price"],
        }

    return preprocess


def test_a_transform_that_is_no_line_cannot_be_calibrated(tmp_path: Path) -> None:
    function = custom_transform(lambda size: tf.math.log1p(tf.abs(size)))
    trained = transforms.untrained(tmp_path, transforms.table(), function)
    with pytest.raises(ContractError, match=r"those of the feature 'size' do not follow") as caught:
        calibration.find_raw(trained)
    assert "quantize otherwise" in str(caught.value)


def test_a_transform_that_clips_far_away_can_be_calibrated(tmp_path: Path) -> None:
    function = custom_transform(lambda size: tf.clip_by_value(size / 100, -10, 10))
    data = transforms.table()
    found = calibration.find_raw(transforms.untrained(tmp_path, data, function))
    np.testing.assert_allclose(found["size"], data.features["size"], rtol=1e-4)


def test_numbers_that_int8_would_round_away_are_refused(tmp_path: Path) -> None:
    data = transforms.table()
    year = data.features["year"] // 10 + 2000
    recent = Data(data.task, {**data.features, "year": year}, data.labels)
    with pytest.raises(ContractError, match=r"'year' to steps of 7\.85 \(from 0 to 2002\)"):
        calibration.find_raw(transforms.untrained(tmp_path, recent))


def test_unknown_quantization(untrained: training.Trained) -> None:
    with pytest.raises(ValueError, match="unknown quantization 'int4'"):
        lite.quantization_options("int4", untrained)


def test_settings_offer_every_quantization(untrained: training.Trained) -> None:
    from pipelines.settings import PRESET_BRANCHES

    for branch in PRESET_BRANCHES.values():
        lite.quantization_options(branch.quantization, untrained)
