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
from tfx.components.trainer.fn_args_utils import FnArgs

from modules import augmentation, heads, model
from modules.augmentation import Augment
from modules.contract import ContractError
from modules.examples import Examples, Split
from modules.task import Task, transformed

_VALIDATION_BATCH = 1024
CALIBRATION_EXAMPLES = 200
"""What full integer quantization calibrates on."""


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
      seed: Seeds initial weights, dropout, augmentation and the order of the examples.
      memory_mb: Megabytes of training examples above which they are streamed from disk.
      augment: Changes of pictures in training; see `modules.augmentation.Augment`.
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
class Trained:
    """A trained model and what its exports need.

    Attributes:
      task: What it learnt.
      model: From the transformed features by name to `[batch, head.outputs]`.
      transform: What goes in front of it.
      calibration: The first transformed examples of the training split, 200 at most.
    """

    task: Task
    model: keras.Model
    transform: tft.TFTransformOutput
    calibration: Examples

    def __post_init__(self) -> None:
        # A SavedModel holds what the model has as attributes.
        self.model.transform = self.transform.transform_features_layer()

    def predict(self, raw: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The outputs for raw features by name, `[batch, size]` each."""
        features = self.model.transform(dict(raw))
        return self.model({name: features[name] for name in self.model.input_names})

    def save(self, directory: str, serve: Callable[..., tf.Tensor]) -> None:
        """Writes a SavedModel whose `serving_default` is `serve`, which calls `predict`."""
        self.model.save(
            directory,
            save_format="tf",
            signatures={"serving_default": serve},
            # It would double the size, and nothing trains on from here.
            include_optimizer=False,
            # The signature and Keras' own configuration are enough to load it; tracing every layer
            # once more takes seconds.
            save_traces=False,
        )


def train(fn_args: FnArgs) -> Trained:
    """Trains a model of the task in `fn_args.custom_config["task"]` for `fn_args.train_steps`.

    TensorBoard logs go to `fn_args.model_run_dir`. Transformed examples that fit into `memory_mb`
    are held in memory: one record at a time is what made the original slow. Others are read as a
    stream that is shuffled within that memory; see `modules.examples.Split.shuffled`.

    Args:
      fn_args: What the TFX Trainer passes to a `run_fn`; `custom_config["training"]` holds the
        `Settings`.

    Returns:
      The trained model with its transform.

    Raises:
      ContractError: The transform, the preset or the model does not fit the task.
    """
    task = Task.from_dict(fn_args.custom_config["task"])
    settings = Settings(**fn_args.custom_config["training"])
    keras.backend.clear_session()
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()

    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    _check_transform(task, transform.transformed_feature_spec())
    schema = transform.transformed_metadata.schema
    train_split, eval_split = (
        Split(task, files, fn_args.data_accessor, schema, settings.memory_mb * 10**6)
        for files in (fn_args.train_files, fn_args.eval_files)
    )
    labels = train_split.read_labels(train_split.capacity + 1)
    held = train_split.read(len(labels)) if len(labels) <= train_split.capacity else None

    network = model.build(task, settings.preset, settings.mobilenet)
    network = heads.add_scale(network, task.head, labels)
    steps = fn_args.train_steps
    objective = heads.objective(task.head, labels)
    network.compile(
        loss=objective.loss,
        loss_weights=objective.loss_weight,
        optimizer=keras.optimizers.RMSprop(_learning_rate(settings, steps)),
        metrics=objective.metrics,
        # One Python call for many steps: a call each costs more than the step itself.
        steps_per_execution=min(settings.check_every, steps),
    )
    # AutoGraph passes over TensorFlow's own sources but not over tf-keras's, and rewriting those
    # takes longer (12 s) than the training; nothing in a step needs it.
    network.train_step = tf.autograph.experimental.do_not_convert(network.train_step)
    network.test_step = tf.autograph.experimental.do_not_convert(network.test_step)
    callbacks = _callbacks(settings, fn_args.model_run_dir)
    validation = _validation(eval_split, fn_args.eval_steps * settings.batch_size)
    checks, rest = divmod(steps, settings.check_every)
    for first, last, length in ((0, checks, settings.check_every), (checks, checks + 1, rest)):
        if length and last > first and not network.stop_training:
            network.fit(
                _batches(task, held or train_split, settings, skip=first * settings.check_every),
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=length,
                validation_data=validation,
                callbacks=callbacks,
                verbose=0,
            )
    calibration = (held or train_split.read(CALIBRATION_EXAMPLES)).take(CALIBRATION_EXAMPLES)
    return Trained(task, network, transform, calibration)


def has_diverged(model: keras.Model) -> bool:
    """Whether a weight of the model is NaN or infinite."""
    return not all(np.isfinite(weights).all() for weights in model.get_weights())


def _check_transform(task: Task, spec: Mapping[str, Any]) -> None:
    """Refuse a transform without a float32 `[size]` for a feature, or without the label."""
    for feature in task.features:
        name = transformed(feature.name)
        found = spec.get(name)
        shape = list(getattr(found, "shape", None) or [])
        if found is None or found.dtype != tf.float32 or shape != [feature.size]:
            what = "nothing" if found is None else f"{found.dtype.name} {shape}"
            raise ContractError(
                f"preprocessing_fn returns {what} as {name!r}, and the task {task.name!r} takes "
                f"float32 [batch, {feature.size}]: return its tensor under that name"
            )
    if transformed(task.label) not in spec:
        raise ContractError(
            f"preprocessing_fn does not return the label as {transformed(task.label)!r}: pass it on"
        )


def _batches(
    task: Task, examples: Examples | Split, settings: Settings, skip: int
) -> tf.data.Dataset:
    """Endless shuffled batches for the steps after the first `skip`."""
    if isinstance(examples, Examples):
        dataset = examples.shuffled(settings.batch_size, settings.seed, skip)
    else:
        # To read what the steps before have read would take as long as they took.
        dataset = examples.shuffled(settings.batch_size, settings.seed + skip)
    augment = Augment(**settings.augment)
    if augment.is_on:
        change = augmentation.make(task, augment, settings.seed)
        steps = tf.data.Dataset.counter(skip)
        dataset = tf.data.Dataset.zip((steps, dataset)).map(change, num_parallel_calls=1)
    return dataset.prefetch(tf.data.AUTOTUNE)


def _validation(split: Split, count: int) -> tf.data.Dataset:
    """The first `count` examples, in large batches: validation does not learn."""
    needed = len(split.read_labels(min(count, split.capacity + 1)))
    if needed <= split.capacity:
        return split.read(needed).in_order()
    return split.in_order().unbatch().take(count).batch(_VALIDATION_BATCH)


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
