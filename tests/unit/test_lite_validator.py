"""The checks before a model is judged: the lite validator's, and the SavedModel Evaluator's."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
import tf_keras as keras
from tfx import types
from tfx.types import artifact_utils, standard_artifacts

from modules import contract, features, lite, training
from pipelines.components import lite_validator, saved_model_evaluator, verdict
from pipelines.components.verdict import Verdict
from pipelines.data import records
from pipelines.data.examples import Examples

Inputs = dict[str, list[types.Artifact]]


def classifier(*layers: keras.layers.Layer) -> keras.Model:
    inputs = keras.layers.InputLayer(input_shape=(features.PIXELS,))
    dense = keras.layers.Dense(10, kernel_initializer=keras.initializers.RandomNormal(seed=1))
    return keras.Sequential([inputs, dense, *layers])


def save(model: keras.Model, directory: str, kind: str, quantization: str) -> None:
    """Exports a model without a transform, as a `run_fn` of a user's may."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, features.PIXELS], name=features.IMAGE)],
        autograph=False,
    )
    def serve_images(image_floats: tf.Tensor) -> tf.Tensor:
        return model(image_floats)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def serve_examples(examples: tf.Tensor) -> tf.Tensor:
        spec = {features.IMAGE: tf.io.FixedLenFeature([features.PIXELS], tf.float32)}
        return model(tf.io.parse_example(examples, spec)[features.IMAGE])

    if kind == "keras":
        training.save(model, directory, serve_examples)
        return
    saved_model_dir = f"{directory}-temporary"
    training.save(model, saved_model_dir, serve_images)
    images = tf.random.stateless_uniform((50, features.PIXELS), (1, 2), -0.5, 0.5)
    examples = training.Examples(images, tf.zeros(50, tf.int64))
    lite.rewrite(saved_model_dir, directory, **lite.quantization_options(quantization, examples))


@pytest.fixture
def inputs(tmp_path: Path, few: Examples) -> Callable[..., Inputs]:
    """A model and examples as a component gets them."""

    def make(model: keras.Model, kind: str = "lite", quantization: str = "none") -> Inputs:
        examples = standard_artifacts.Examples()
        examples.uri = str(tmp_path / "examples")
        examples.split_names = artifact_utils.encode_split_names(["train", "eval"])
        split = tmp_path / "examples" / "Split-eval"
        split.mkdir(parents=True)
        records.write(few, split / "data_tfrecord-00000-of-00001.gz")
        exported = standard_artifacts.Model()
        exported.uri = str(tmp_path / "model")
        save(model, str(tmp_path / "model" / "Format-Serving"), kind, quantization)
        return {"model": [exported], "examples": [examples]}

    return make


def validate(inputs: Inputs, directory: Path, **bounds: float) -> Verdict:
    blessing = standard_artifacts.InfraBlessing()
    blessing.uri = str(directory)
    lite_validator.Executor().Do(inputs, {"blessing": [blessing]}, bounds)
    file = directory / verdict.FILENAME
    found = Verdict.parse(file.read_bytes(), str(file))
    assert blessing.get_int_custom_property("blessed") == int(not found.failures)
    return found


def test_a_model_on_xnnpack_has_no_warning(inputs: Callable[..., Inputs], tmp_path: Path) -> None:
    found = validate(inputs(classifier()), tmp_path / "blessing")
    assert (found.operators, found.delegated) == (1, 1)
    assert (found.failures, found.warnings) == ([], [])


def test_a_model_that_is_not_on_xnnpack_is_blessed_with_a_warning(
    inputs: Callable[..., Inputs], tmp_path: Path
) -> None:
    slow = keras.layers.Lambda(lambda logits: tf.cumsum(logits, axis=1))
    found = validate(inputs(classifier(slow)), tmp_path / "blessing")
    assert (found.operators, found.delegated) == (2, 1)
    assert found.failures == []
    assert found.warnings == [
        "XNNPACK takes 1 of the model's 2 operators: TFLite's slower kernels run CUMSUM"
    ]


def test_budgets_are_failures(inputs: Callable[..., Inputs], tmp_path: Path) -> None:
    found = validate(inputs(classifier()), tmp_path / "blessing", max_bytes=9, max_latency_us=1e9)
    (failure,) = found.failures
    assert failure.startswith("model_bytes is ")


@pytest.mark.parametrize("quantization", ["none", "dynamic", "float16", "int8"])
def test_probabilities_are_refused(
    inputs: Callable[..., Inputs], tmp_path: Path, quantization: str
) -> None:
    given = inputs(classifier(keras.layers.Softmax()), quantization=quantization)
    with pytest.raises(contract.ContractError, match="returns probabilities"):
        validate(given, tmp_path / "blessing")
    assert not (tmp_path / "blessing").exists()


def test_probabilities_of_a_saved_model_are_refused_before_it_is_judged(
    inputs: Callable[..., Inputs],
) -> None:
    given = inputs(classifier(keras.layers.Softmax()), kind="keras")
    with pytest.raises(contract.ContractError, match="returns probabilities"):
        saved_model_evaluator.Executor().Do(given, {}, {})


def test_logits_of_a_saved_model_are_judged(inputs: Callable[..., Inputs]) -> None:
    # TFX's executor misses its output, which is the first thing that it looks for.
    with pytest.raises(ValueError, match="EVALUATION_KEY is missing"):
        saved_model_evaluator.Executor().Do(inputs(classifier(), kind="keras"), {}, {})
