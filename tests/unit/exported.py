"""Models without a transform, exported as a `run_fn` of a user's may, and examples for them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray
from tfx.types import artifact_utils, standard_artifacts

from modules import lite
from modules.task import Classification, Feature, Picture, Regression, Task

TABLE = (Feature("weights", (3,)), Feature("age", dtype="int64"))
CULTIVARS = Task("wine", TABLE, "cultivar", Classification(("first", "second", "third")))
YIELD = Task("yield", TABLE, "tons", Regression("t"))
PHOTOS = Task(
    "photos",
    (Feature("photo", (4, 6, 3), picture=Picture(4, 6, 3)),),
    "kind",
    Classification(("china", "flower")),
)


def make_features(task: Task, count: int, seed: int = 0) -> dict[str, NDArray]:
    """Values of every feature, `[count, *shape]`."""
    rng = np.random.default_rng(seed)
    return {
        f.name: rng.uniform(-0.5, 0.5, (count, *f.shape)).astype(np.float32)
        if f.dtype == "float32"
        else rng.integers(0, 90, (count, *f.shape))
        for f in task.features
    }


def write_examples(
    directory: Path, task: Task, features: Mapping[str, NDArray], labels: NDArray
) -> standard_artifacts.Examples:
    """An `Examples` artifact whose split `eval` lies in two files."""
    split = directory / "Split-eval"
    split.mkdir(parents=True)
    lists = {"float32": ("float_list", float), "int64": ("int64_list", int)}
    kinds = {f.name: f.dtype for f in task.features}
    kinds[task.label] = "int64" if isinstance(task.head, Classification) else "float32"
    columns = {**features, task.label: labels}
    half = (len(labels) + 1) // 2
    for number, rows in enumerate((range(half), range(half, len(labels)))):
        file = split / f"data_tfrecord-0000{number}-of-00002.gz"
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for row in rows:
                example = tf.train.Example()
                for name, values in columns.items():
                    kind, number_type = lists[kinds[name]]
                    field = getattr(example.features.feature[name], kind)
                    field.value.extend(number_type(v) for v in np.ravel(values[row]))
                writer.write(example.SerializeToString())
    artifact = standard_artifacts.Examples()
    artifact.uri = str(directory)
    artifact.split_names = artifact_utils.encode_split_names(["eval"])
    return artifact


def make_model(task: Task, *layers: keras.layers.Layer, seed: int = 1) -> keras.Model:
    """All features to the head's outputs, linear; it learns nothing."""
    inputs = [keras.Input(f.shape, name=f.name, dtype=f.dtype) for f in task.features]
    flat = [tf.cast(tf.reshape(i, [-1, f.size]), tf.float32)
            for i, f in zip(inputs, task.features, strict=True)]  # fmt: skip
    normal = keras.initializers.RandomNormal(seed=seed)
    joined = flat[0] if len(flat) == 1 else keras.layers.Concatenate()(flat)
    outputs = keras.layers.Dense(task.head.outputs, kernel_initializer=normal)(joined)
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def save(task: Task, model: keras.Model, directory: Path, kind: str, **options: object) -> None:
    """Export a model; `options` are those of TFX's `TFLiteRewriter`."""
    spec = {f.name: tf.io.FixedLenFeature(f.shape, f.dtype) for f in task.features}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve_examples(examples: tf.Tensor) -> tf.Tensor:
        return model(tf.io.parse_example(examples, spec))

    raw = {f.name: tf.TensorSpec([None, *f.shape], f.dtype, name=f.name) for f in task.features}
    serve_raw = tf.function(lambda **features: model(features)).get_concrete_function(**raw)
    is_lite = kind == "lite"
    saved = directory.with_name(f"{directory.name}-saved") if is_lite else directory
    model.save(
        str(saved),
        save_format="tf",
        signatures={"serving_default": serve_raw if is_lite else serve_examples},
        include_optimizer=False,
    )
    if is_lite:
        lite.rewrite(str(saved), str(directory), **options)


def as_model(directory: Path) -> standard_artifacts.Model:
    """The artifact of a model that was saved to `<directory>/Format-Serving`."""
    artifact = standard_artifacts.Model()
    artifact.uri = str(directory)
    return artifact
