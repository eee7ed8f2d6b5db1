"""Training shared by every branch: same seed, same data order, deterministic ops.

What differs between branches afterwards is the export, not luck.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras
from tfx.components.trainer.fn_args_utils import DataAccessor, FnArgs
from tfx_bsl.tfxio import dataset_options

from modules import features
from modules.model import PRESETS

_LOAD_BATCH = 1024


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train: the Trainer's `custom_config["training"]`.

    Attributes:
      preset: A key of `modules.model.PRESETS`.
      batch_size: Examples per step.
      learning_rate: RMSprop's; upstream's example uses 0.0015.
      decay_rate: The learning rate is multiplied by this over the whole run (exponential decay);
        1.0 keeps it constant.
      early_stopping_patience: Stop after this many checks without a better validation loss and
        keep the best weights; 0 trains all steps.
      check_every: Steps between two checks of the validation loss, each a point in TensorBoard.
      seed: Seeds initial weights, dropout and the order of the examples.
      memory_mb: Megabytes of training examples above which they are streamed from disk.
      augment: Changes of pictures in training; see `pipelines.settings.Augment`.
      mobilenet: Options of that preset; see `pipelines.settings.MobileNet`.
    """

    preset: str = "mlp"
    batch_size: int = 40
    learning_rate: float = 0.0015
    decay_rate: float = 1.0
    early_stopping_patience: int = 0
    check_every: int = 500
    seed: int = 1
    memory_mb: int = 512
    augment: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    mobilenet: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Examples:
    """Transformed examples in memory: images float32 `[n, 784]`, labels int64 `[n]`."""

    images: tf.Tensor
    labels: tf.Tensor

    def __len__(self) -> int:
        return int(self.labels.shape[0])


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained model, the transform it needs in front, and the examples it learnt from."""

    model: keras.Model
    transform: tft.TFTransformOutput
    train_examples: Examples


def train(fn_args: FnArgs) -> Trained:
    """Trains the preset named in `fn_args.custom_config["training"]` for `fn_args.train_steps`.

    TensorBoard logs go to `fn_args.model_run_dir`. The transformed examples are held in memory:
    one Python call per training step and one record at a time is what made the original slow.

    Args:
      fn_args: What the TFX Trainer passes to a `run_fn`.

    Returns:
      The trained model with its transform.
    """
    settings = Settings(**fn_args.custom_config["training"])
    keras.backend.clear_session()
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()

    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    train_examples = load(fn_args.train_files, fn_args.data_accessor, transform)
    eval_examples = load(fn_args.eval_files, fn_args.data_accessor, transform)

    steps = fn_args.train_steps
    classifier = PRESETS[settings.preset]()
    classifier.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.RMSprop(_learning_rate(settings, steps)),
        metrics=["sparse_categorical_accuracy"],
        # One Python call for many steps: a call each costs more than the step itself.
        steps_per_execution=min(settings.check_every, steps),
    )
    # AutoGraph passes over TensorFlow's own sources but not over tf-keras's, and rewriting those
    # takes longer (12 s) than the training; nothing in a step needs it.
    classifier.train_step = tf.autograph.experimental.do_not_convert(classifier.train_step)
    classifier.test_step = tf.autograph.experimental.do_not_convert(classifier.test_step)
    callbacks = _callbacks(settings, fn_args.model_run_dir)
    validation = _once(eval_examples, fn_args.eval_steps, settings.batch_size)
    checks, rest = divmod(steps, settings.check_every)
    for first, last, length in ((0, checks, settings.check_every), (checks, checks + 1, rest)):
        if length and last > first and not classifier.stop_training:
            classifier.fit(
                _batches(train_examples, settings, skip=first * settings.check_every),
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=length,
                validation_data=validation,
                callbacks=callbacks,
                verbose=0,
            )
    return Trained(classifier, transform, train_examples)


def has_diverged(model: keras.Model) -> bool:
    """Whether a weight of the model is NaN or infinite."""
    return not all(np.isfinite(weights).all() for weights in model.get_weights())


def save(model: keras.Model, directory: str, serve: Callable[..., tf.Tensor]) -> None:
    """Writes a SavedModel whose `serving_default` is `serve`."""
    model.save(
        directory,
        save_format="tf",
        signatures={"serving_default": serve},
        # It would double the size, and nothing trains on from here.
        include_optimizer=False,
        # The signature and Keras' own configuration are enough to load it; tracing every layer
        # once more takes seconds.
        save_traces=False,
    )


def load(
    file_patterns: list[str], accessor: DataAccessor, transform: tft.TFTransformOutput
) -> Examples:
    """Reads every transformed example of one split into memory, in the order of the files."""
    dataset = accessor.tf_dataset_factory(
        file_patterns,
        dataset_options.TensorFlowDatasetOptions(
            batch_size=_LOAD_BATCH,
            num_epochs=1,
            shuffle=False,
            label_key=features.transformed(features.LABEL),
        ),
        transform.transformed_metadata.schema,
    )
    images, labels = [], []
    for batch, label in dataset:
        images.append(batch[features.transformed(features.IMAGE)])
        labels.append(tf.reshape(label, [-1]))
    return Examples(tf.concat(images, axis=0), tf.concat(labels, axis=0))


def _batches(examples: Examples, settings: Settings, skip: int) -> tf.data.Dataset:
    """Endless shuffled batches after the first `skip`; only indices are shuffled, never images."""
    count = len(examples)
    return (
        tf.data.Dataset.range(count)
        .shuffle(count, seed=settings.seed)
        .repeat()
        .batch(settings.batch_size)
        .skip(skip)
        .map(
            lambda index: (tf.gather(examples.images, index), tf.gather(examples.labels, index)),
            num_parallel_calls=1,
        )
        .prefetch(tf.data.AUTOTUNE)
    )


def _once(examples: Examples, steps: int, batch_size: int) -> tf.data.Dataset:
    """At most `steps` batches of `examples`, in larger batches: validation does not learn."""
    count = min(len(examples), steps * batch_size)
    return tf.data.Dataset.from_tensor_slices(
        (examples.images[:count], examples.labels[:count])
    ).batch(_LOAD_BATCH)


def _learning_rate(settings: Settings, steps: int) -> Any:
    if settings.decay_rate == 1.0:
        return settings.learning_rate
    return keras.optimizers.schedules.ExponentialDecay(
        settings.learning_rate, decay_steps=steps, decay_rate=settings.decay_rate
    )


def _callbacks(settings: Settings, log_dir: str) -> list[keras.callbacks.Callback]:
    callbacks: list[keras.callbacks.Callback] = [
        keras.callbacks.TensorBoard(os.path.join(log_dir, "logs"), write_graph=False)
    ]
    if settings.early_stopping_patience:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor="val_loss",
                patience=settings.early_stopping_patience,
                restore_best_weights=True,
            )
        )
    return callbacks
