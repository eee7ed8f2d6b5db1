"""The TFLite branch: TFX's TFLite rewriter inside `run_fn`, one file named `tflite`."""

import os
import tempfile
from collections.abc import Collection, Iterator
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.trainer.rewriting import rewriter, rewriter_factory

from modules import calibration, training
from modules.contract import ContractError

FILENAME = "tflite"
"""The file that TFMA looks for in a `tf_lite` model's directory."""


def run_fn(fn_args: FnArgs) -> None:
    """Trains the model and writes `tflite` to `fn_args.serving_model_dir`.

    Its `serving_default` takes one raw tensor `[batch, *shape]` per feature of the task, named
    after it (MNIST: `image_floats`, float32 `[batch, 784]`), and returns float32
    `[batch, head.outputs]`. `fn_args.custom_config["quantization"]` is one of `none`, `dynamic`,
    `float16`, `int8`.

    Args:
      fn_args: What the TFX Trainer passes to a `run_fn`.

    Raises:
      ContractError: A model input has no feature of its name, or int8 cannot be calibrated.
    """
    trained = training.train(fn_args)
    quantization = fn_args.custom_config["quantization"]
    if training.has_diverged(trained.model):
        # The quantizer ends the process with SIGSEGV on such weights. As it is, the model shows its
        # NaN to the Evaluator, which refuses it.
        quantization = "none"
    options = quantization_options(quantization, trained)
    with tempfile.TemporaryDirectory() as saved_model_dir:
        save(trained, saved_model_dir)
        rewrite(saved_model_dir, fn_args.serving_model_dir, **options)
    feature_names = {feature.name for feature in trained.task.features}
    check_inputs(os.path.join(fn_args.serving_model_dir, FILENAME), feature_names)


def save(trained: training.Trained, saved_model_dir: str) -> None:
    """Writes the SavedModel to convert: raw tensors in, because TFLite cannot parse examples."""
    features = trained.task.features
    signature = [
        tf.TensorSpec([None, *feature.shape], feature.dtype, name=feature.name)
        for feature in features
    ]

    @tf.function(input_signature=signature, autograph=False)
    def serve(*raw: tf.Tensor) -> tf.Tensor:
        return trained.predict(
            {
                # A constant shape: XNNPACK takes nothing of a model that computes one.
                feature.name: values
                if feature.shape == (feature.size,)
                else tf.reshape(values, [-1, feature.size])
                for feature, values in zip(features, raw, strict=True)
            }
        )

    trained.save(saved_model_dir, serve)


def rewrite(saved_model_dir: str, serving_model_dir: str, **options: Any) -> None:
    """Converts a SavedModel with TFX's `TFLiteRewriter`; `options` are its constructor's."""
    tflite_rewriter = rewriter_factory.create_rewriter(
        rewriter_factory.TFLITE_REWRITER,
        name="tflite_rewriter",
        filename=FILENAME,
        # TFLite reads no asset files, and the directory is to hold the model alone.
        copy_assets=False,
        copy_assets_extra=False,
        **options,
    )
    tflite_rewriter.perform_rewrite(
        rewriter.ModelDescription(rewriter.ModelType.SAVED_MODEL, saved_model_dir),
        rewriter.ModelDescription(rewriter.ModelType.TFLITE_MODEL, serving_model_dir),
    )


def quantization_options(quantization: str, trained: training.Trained) -> dict[str, Any]:
    """The `TFLiteRewriter` arguments for one kind of post-training quantization.

    Args:
      quantization: `none`, `dynamic` (int8 weights), `float16` (half-precision weights) or
        `int8` (weights and activations; inputs and outputs stay as they are).
      trained: Full integer quantization calibrates on its examples.

    Raises:
      ContractError: int8 cannot be calibrated; see `modules.calibration`.
      ValueError: Another kind.
    """
    if quantization == "none":
        return {}
    options: dict[str, Any] = {"quantization_optimizations": [tf.lite.Optimize.DEFAULT]}
    if quantization == "float16":
        options["quantization_supported_types"] = [tf.float16]
    elif quantization == "int8":
        raw = calibration.find_raw(trained)
        shapes = {feature.name: feature.shape for feature in trained.task.features}

        def representative_dataset() -> Iterator[dict[str, NDArray[Any]]]:
            for index in range(len(trained.calibration)):
                yield {name: raw[name][index].reshape(1, *shapes[name]) for name in raw}

        options["quantization_enable_full_integer"] = True
        options["representative_dataset"] = representative_dataset
    elif quantization != "dynamic":
        raise ValueError(f"unknown quantization {quantization!r}")
    return options


def input_names(tflite_file: str) -> list[str]:
    """The features that TFMA will look up for each input of a TFLite model.

    TFMA strips the signature's prefix and the tensor's suffix from the name
    (`tflite_predict_extractor._get_input_name_from_input_detail`).
    """
    details = tf.lite.Interpreter(model_path=tflite_file).get_input_details()
    return [d["name"].removeprefix("serving_default_").split(":")[0] for d in details]


def check_inputs(tflite_file: str, feature_names: Collection[str]) -> None:
    """Refuses a model whose inputs are not named after features.

    TFMA fills such an input with -1 and only logs it: a model at 0.92 then scores 0.09.

    Raises:
      ContractError: Names the input and the features there are.
    """
    unknown = [name for name in input_names(tflite_file) if name not in feature_names]
    if unknown:
        raise ContractError(
            f"the TFLite model's input {unknown[0]!r} matches no feature of the examples "
            f"({', '.join(sorted(feature_names))}): name the argument of its serving signature "
            "after the feature it takes"
        )
