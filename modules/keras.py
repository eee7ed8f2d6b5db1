"""The Keras branch: a SavedModel that takes serialized `tf.Example`s."""

import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from modules import features, training


def run_fn(fn_args: FnArgs) -> None:
    """Trains the model and writes a SavedModel to `fn_args.serving_model_dir`.

    Its `serving_default` takes `examples`, a string `[batch]` of serialized `tf.Example`s, and
    returns logits float32 `[batch, 10]`.

    Args:
      fn_args: What the TFX Trainer passes to a `run_fn`.
    """
    export(training.train(fn_args), fn_args.serving_model_dir)


def export(trained: training.Trained, serving_model_dir: str) -> None:
    """Writes the SavedModel with the transform inside."""
    model = trained.model
    model.transform = trained.transform.transform_features_layer()
    feature_spec = trained.transform.raw_feature_spec()
    del feature_spec[features.LABEL]

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False
    )
    def serve(examples: tf.Tensor) -> tf.Tensor:
        parsed = tf.io.parse_example(examples, feature_spec)
        return model(model.transform(parsed)[features.transformed(features.IMAGE)])

    training.save(model, serving_model_dir, serve)
