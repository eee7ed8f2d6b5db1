"""The TFLite branch: TFX's TFLite rewriter inside `run_fn`, one file named `tflite`."""

import os
import tempfile
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.trainer.rewriting import rewriter, rewriter_factory

from modules import features, training
from modules.contract import ContractError

FILENAME = "tflite"
"""The file that TFMA looks for in a `tf_lite` model's directory."""

_REPRESENTATIVE_EXAMPLES = 200
_CALIBRATION_TOLERANCE = 0.1


def run_fn(fn_args: FnArgs) -> None:
    """Trains the model and writes `tflite` to `fn_args.serving_model_dir`.

    Its `serving_default` takes one raw tensor per feature (`image_floats`, float32
    `[batch, 784]`) and returns logits float32 `[batch, 10]`.
    `fn_args.custom_config["quantization"]` is one of `none`, `dynamic`, `float16`, `int8`.

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
    if quantization == "int8":
        check_calibration(trained)
    with tempfile.TemporaryDirectory() as saved_model_dir:
        save(trained, saved_model_dir)
        rewrite(
            saved_model_dir,
            fn_args.serving_model_dir,
            **quantization_options(quantization, trained.train_examples),
        )
    feature_names = set(trained.transform.raw_feature_spec()) - {features.LABEL}
    check_inputs(os.path.join(fn_args.serving_model_dir, FILENAME), feature_names)


def save(trained: training.Trained, saved_model_dir: str) -> None:
    """Writes the SavedModel to convert: raw tensors in, because TFLite cannot parse examples."""
    model = trained.model
    model.transform = trained.transform.transform_features_layer()

    @tf.function(
        input_signature=[tf.TensorSpec([None, features.PIXELS], tf.float32, name=features.IMAGE)],
        autograph=False,
    )
    def serve(image_floats: tf.Tensor) -> tf.Tensor:
        raw = {features.IMAGE: image_floats}
        return model(model.transform(raw)[features.transformed(features.IMAGE)])

    training.save(model, saved_model_dir, serve)


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


def quantization_options(quantization: str, examples: training.Examples) -> dict[str, Any]:
    """The `TFLiteRewriter` arguments for one kind of post-training quantization.

    Args:
      quantization: `none`, `dynamic` (int8 weights), `float16` (half-precision weights) or
        `int8` (weights and activations; inputs and outputs stay float32).
      examples: Transformed training examples; full integer quantization calibrates on the first
        200. They stand for raw images: the transform keeps the range [-0.5, 0.5].

    Raises:
      ValueError: Another kind.
    """
    if quantization == "none":
        return {}
    options: dict[str, Any] = {"quantization_optimizations": [tf.lite.Optimize.DEFAULT]}
    if quantization == "float16":
        options["quantization_supported_types"] = [tf.float16]
    elif quantization == "int8":

        def representative_dataset() -> Iterator[list[np.ndarray[Any, Any]]]:
            for image in examples.images[:_REPRESENTATIVE_EXAMPLES].numpy():
                yield [image[np.newaxis]]

        options["quantization_enable_full_integer"] = True
        options["representative_dataset"] = representative_dataset
    elif quantization != "dynamic":
        raise ValueError(f"unknown quantization {quantization!r}")
    return options


def check_calibration(trained: training.Trained) -> None:
    """Refuses to calibrate on transformed images that are unlike raw ones.

    The Trainer sees transformed examples only, and the model takes raw ones.

    Raises:
      ContractError: `preprocessing_fn` changes the range of the pixels.
    """
    images = trained.train_examples.images[:_REPRESENTATIVE_EXAMPLES]
    again = trained.transform.transform_features_layer()({features.IMAGE: images})
    change = tf.reduce_max(tf.abs(again[features.transformed(features.IMAGE)] - images))
    if change > _CALIBRATION_TOLERANCE:
        raise ContractError(
            "full integer quantization calibrates on transformed images, and preprocessing_fn "
            f"changes pixels by up to {change:.2f}: keep them in [-0.5, 0.5], or quantize otherwise"
        )


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
