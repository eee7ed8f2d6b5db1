"""The presets run on XNNPACK, and a model that does not is told by its operator."""

import collections
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from modules import lite, mnist, model, training
from modules.examples import Examples
from modules.task import Classification, Feature, Task, transformed
from pipelines import stack
from pipelines.judging import delegation
from tests.unit import transforms

FEW = transforms.digits()
IMAGE = FEW.task.features[0].name

QUANTIZATIONS = ("none", "dynamic", "float16", "int8")
WIDE, NARROW = (-0.5, 0.5), (-0.3, 0.45)
"""Ranges of the pixels: in the first one, scaling does nothing, and no operator is left of it."""

LEGACY = stack.installed().name == "legacy"

LAYERS = {
    "mlp": ["FULLY_CONNECTED"] * 3,
    "cnn": [
        *("RESHAPE", "CONV_2D", "MAX_POOL_2D", "CONV_2D", "MAX_POOL_2D"),
        *("RESHAPE", "FULLY_CONNECTED"),
    ],
}


@pytest.fixture(scope="module")
def transform(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[tuple[float, float]], tft.TFTransformOutput]:
    """The transform of pixels in a range."""

    @functools.cache
    def make(pixels: tuple[float, float]) -> tft.TFTransformOutput:
        directory = tmp_path_factory.mktemp("transform")
        images = np.clip(FEW.features[IMAGE], *pixels)
        return transforms.write(directory, transforms.Data(FEW.task, {IMAGE: images}, FEW.labels))

    return make


def export(
    classifier: keras.Model, transform: tft.TFTransformOutput, quantization: str, directory: Path
) -> str:
    """The TFLite file of a model, as the trainer exports it; it learns nothing."""
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (200, 784))
    examples = Examples({transformed(IMAGE): tf.constant(images, tf.float32)}, tf.zeros(200))
    trained = training.Trained(mnist.TASK, classifier, transform, examples)
    with tempfile.TemporaryDirectory() as saved_model_dir:
        lite.save(trained, saved_model_dir)
        options = lite.quantization_options(quantization, trained)
        lite.rewrite(saved_model_dir, str(directory), **options)
    return str(directory / lite.FILENAME)


@pytest.mark.parametrize("pixels", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("quantization", QUANTIZATIONS)
@pytest.mark.parametrize("preset", LAYERS)
def test_presets_run_on_xnnpack(
    transform: Callable[[tuple[float, float]], tft.TFTransformOutput],
    tmp_path: Path,
    preset: str,
    quantization: str,
    pixels: tuple[float, float],
) -> None:
    file = export(model.build(mnist.TASK, preset, {}), transform(pixels), quantization, tmp_path)
    found = delegation.inspect(file)

    scaling = [] if pixels == WIDE or preset == "mlp" else ["MUL", "ADD"]
    computing = [*scaling, *LAYERS[preset]]
    constants = len(found.operators) - len(computing) if quantization == "float16" else 0
    ends = (["QUANTIZE"], ["DEQUANTIZE"]) if quantization == "int8" else ([], [])
    expected = ["DEQUANTIZE"] * constants + ends[0] + computing + ends[1]
    assert found.operators == expected
    # XNNPACK of TensorFlow 2.16 does not take int8 weights with float32 activations. Weights of
    # less than 1,024 values stay float32.
    if quantization == "dynamic" and LEGACY:
        assert set(found.remaining) == {"FULLY_CONNECTED", "CONV_2D"} & set(LAYERS[preset])
        assert found.delegated > 0
    else:
        assert (found.remaining, found.warning()) == ([], None)


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
@pytest.mark.parametrize("preset", LAYERS)
def test_the_batch_is_free(
    transform: Callable[[tuple[float, float]], tft.TFTransformOutput],
    tmp_path: Path,
    preset: str,
    quantization: str,
) -> None:
    file = export(model.build(mnist.TASK, preset, {}), transform(WIDE), quantization, tmp_path)
    run = tf.lite.Interpreter(model_path=file).get_signature_runner("serving_default")
    (together,) = run(**FEW.features).values()
    (first,) = run(**FEW.part(slice(1)).features).values()
    assert together.shape == (len(FEW), 10)
    np.testing.assert_allclose(first, together[:1], atol=1e-5)


def test_mobilenet_runs_on_xnnpack(tmp_path: Path) -> None:
    """Enlarging a colour picture and all of the network."""
    trained = transforms.untrained(tmp_path, transforms.colours(4), preset="mobilenet", alpha=0.75)
    lite.save(trained, str(tmp_path / "saved"))
    lite.rewrite(str(tmp_path / "saved"), str(tmp_path / "lite"))
    found = delegation.inspect(str(tmp_path / "lite" / lite.FILENAME))
    assert {"RESIZE_BILINEAR", "DEPTHWISE_CONV_2D", "HARD_SWISH"} <= set(found.operators)
    assert (found.remaining, found.warning()) == ([], None)


@pytest.fixture(scope="module", params=[13, 40])
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """The number of a table's features, and the preset `mlp` for it; it learns nothing."""
    rng = np.random.default_rng(0)
    features = tuple(Feature(f"f{i}") for i in range(request.param))
    task = Task("table", features, "y", Classification(("a", "b", "c")))
    columns = {f.name: rng.normal(5, 3, (60, 1)).astype(np.float32) for f in features}
    data = transforms.Data(task, columns, rng.integers(0, 3, 60))
    return request.param, transforms.untrained(tmp_path_factory.mktemp("table"), data)


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_mlp_of_a_table_runs_on_xnnpack(table: tuple, tmp_path: Path, quantization: str) -> None:
    """Of the scaling, a subtraction and a multiplication for each feature are left."""
    count, trained = table
    lite.save(trained, str(tmp_path / "saved"))
    options = lite.quantization_options(quantization, trained)
    lite.rewrite(str(tmp_path / "saved"), str(tmp_path / "lite"), **options)
    found = delegation.inspect(str(tmp_path / "lite" / lite.FILENAME))
    computing = [name for name in found.operators if "QUANTIZE" not in name]
    assert collections.Counter(computing) == {
        "SUB": count,
        "MUL": count,
        "CONCATENATION": {13: 4, 40: 11}[count],
        "FULLY_CONNECTED": 3,
    }
    if quantization == "dynamic" and LEGACY:
        assert set(found.remaining) == {"FULLY_CONNECTED"}
    else:
        assert (found.remaining, found.warning()) == ([], None)


def test_a_layer_that_computes_its_shape_is_named(
    transform: Callable[[tuple[float, float]], tft.TFTransformOutput], tmp_path: Path
) -> None:
    classifier = keras.Sequential(
        [
            keras.layers.InputLayer(input_shape=(784,), name=transformed(IMAGE)),
            keras.layers.Reshape((28, 28, 1)),
            keras.layers.Conv2D(4, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    found = delegation.inspect(export(classifier, transform(WIDE), "none", tmp_path))
    if LEGACY:
        assert found.warning() == (
            "XNNPACK takes 0 of the model's 7 operators: RESHAPE has an output whose shape is "
            "computed as the model runs, use a constant shape"
        )
    else:
        assert found.warning() == (
            "XNNPACK takes 3 of the model's 7 operators: TFLite's slower kernels run "
            "SHAPE, STRIDED_SLICE, PACK, RESHAPE"
        )


def test_an_operator_in_the_middle_is_named(
    transform: Callable[[tuple[float, float]], tft.TFTransformOutput], tmp_path: Path
) -> None:
    inputs = keras.Input(shape=(784,), name=transformed(IMAGE))
    hidden = keras.layers.Dense(16, activation="relu")(inputs)
    summed = tf.cumsum(tf.cumsum(hidden, axis=1), axis=1)
    classifier = keras.Model(inputs, keras.layers.Dense(10)(summed))
    found = delegation.inspect(export(classifier, transform(WIDE), "none", tmp_path))
    assert found.operators == ["FULLY_CONNECTED", "CUMSUM", "CUMSUM", "FULLY_CONNECTED"]
    assert found.remaining == ["CUMSUM", "CUMSUM"]
    assert found.dynamic is None
    assert found.warning() == (
        "XNNPACK takes 2 of the model's 4 operators: TFLite's slower kernels run CUMSUM"
    )
