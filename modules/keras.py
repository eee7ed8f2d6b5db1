"""The Keras branch: a SavedModel that takes serialized `tf.Example`s."""

import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from modules import training


def run_fn(fn_args: FnArgs) -> None:
    """Trains the model and writes a SavedModel to `fn_args.serving_model_dir`.

    Its `serving_default` takes `examples`, a string `[batch]` of serialized `tf.Example`s, and
    returns float32 `[batch, head.outputs]`.

    Args:
      fn_args: What the TFX Trainer passes to a `run_fn`.

    Raises:
      ContractError: As `modules.training.train`.
    """
    export(training.train(fn_args), fn_args.serving_model_dir)


def export(trained: training.Trained, serving_model_dir: str) -> None:
    """Writes the SavedModel with the transform inside."""
    raw_spec = trained.transform.raw_feature_spec()
    feature_spec = {feature.name: raw_spec[feature.name] for feature in trained.task.features}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False
    )
    def serve(examples: tf.Tensor) -> tf.Tensor:
        return trained.predict(tf.io.parse_example(examples, feature_spec))

    trained.save(serving_model_dir, serve)
