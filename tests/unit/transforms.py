"""Small data of several tasks, and what Transform and TFX hand to a `run_fn` for it."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import sklearn.datasets
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
import tf_keras as keras
from numpy.typing import NDArray
from tensorflow_transform.tf_metadata import dataset_metadata
from tfx.components.trainer.fn_args_utils import DataAccessor, FnArgs
from tfx.components.util import tfxio_utils
from tfx.proto import example_gen_pb2

from modules import heads, mnist, model, preprocessing, training
from modules.examples import Examples
from modules.task import Classification, Feature, Picture, Regression, Task, transformed
from pipelines import settings
from pipelines.beam import pipeline_args

Arrays = Mapping[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Data:
    """Raw examples of a task: features `[n, size]` by name, labels `[n]`."""

    task: Task
    features: Arrays
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, rows: slice) -> "Data":
        features = {name: values[rows] for name, values in self.features.items()}
        return Data(self.task, features, self.labels[rows])

    @property
    def arrays(self) -> Arrays:
        """Features and labels as TFX parses them."""
        return {**self.features, self.task.label: self.labels[:, np.newaxis]}


def digits(count: int = 50) -> Data:
    """Pictures of MNIST's task, from those of 8x8 pixels that scikit-learn has."""
    pixels, labels = sklearn.datasets.load_digits(return_X_y=True)
    large = np.kron(pixels[:count].reshape(-1, 8, 8) / 16, np.ones((3, 3)))
    images = np.pad(large, ((0, 0), (2, 2), (2, 2))).reshape(-1, 28 * 28) - 0.5
    features = {mnist.TASK.features[0].name: images.astype(np.float32)}
    return Data(mnist.TASK, features, labels[:count].astype(np.int64))


def colours(count: int = 60, side: tuple[int, int] = (24, 20)) -> Data:
    """Colour pictures of two classes: warm ones and cold ones, a raw shape of three dimensions."""
    height, width = side
    task = Task(
        "colours",
        (Feature("photo", (height, width, 3), picture=Picture(height, width, 3)),),
        "kind",
        Classification(("cold", "warm")),
    )
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, count)
    pixels = rng.uniform(-0.5, 0.3, (count, height * width, 3))
    pixels[:, :, 0] += 0.2 * labels[:, np.newaxis]
    pixels[:, :, 2] += 0.2 * (1 - labels[:, np.newaxis])
    return Data(task, {"photo": pixels.reshape(count, -1).astype(np.float32)}, labels)


def table(count: int = 200, regression: bool = False) -> Data:
    """Three features, two of them float32, one int64: of one, of three values, and of one."""
    head = Regression("euro") if regression else Classification(("low", "middle", "high"))
    features = (
        Feature("size"),
        Feature("rates", (3,)),
        Feature("year", dtype="int64"),
    )
    rng = np.random.default_rng(5)
    size = rng.normal(120, 40, (count, 1)).astype(np.float32)
    rates = rng.uniform(-1, 2, (count, 3)).astype(np.float32)
    rates[:, 2] = 0.7  # a column without variation
    year = rng.integers(-30, 30, (count, 1))
    value = 3000 + 5 * size[:, 0] + 100 * rates[:, 0] + 4 * year[:, 0]
    labels = (
        value.astype(np.float32)
        if regression
        else np.digitize(value, np.quantile(value, [1 / 3, 2 / 3])).astype(np.int64)
    )
    task = Task("houses", features, "price", head)
    return Data(task, {"size": size, "rates": rates, "year": year.astype(np.int64)}, labels)


def write(
    directory: Path, data: Data, preprocessing_fn: Callable[..., Any] | None = None
) -> tft.TFTransformOutput:
    """Analyze examples as the Transform component does; the graph goes below the directory."""
    task = data.task
    label_type = tf.int64 if isinstance(task.head, Classification) else tf.float32
    metadata = dataset_metadata.DatasetMetadata.from_feature_spec(
        {
            **{
                f.name: tf.io.FixedLenFeature([f.size], tf.as_dtype(f.dtype)) for f in task.features
            },
            task.label: tf.io.FixedLenFeature([1], label_type),
        }
    )
    function = preprocessing_fn or functools.partial(
        preprocessing.preprocessing_fn, custom_config={"task": task.to_dict()}
    )
    arrays = data.arrays
    rows = [{name: values[i] for name, values in arrays.items()} for i in range(len(data))]
    with (
        tft_beam.Context(temp_dir=str(directory / "temporary")),
        beam.Pipeline(argv=pipeline_args(settings.Beam(workers=1))) as pipeline,
    ):
        _ = metadata | tft_beam.WriteMetadata(str(directory / "graph" / "metadata"), pipeline)
        examples = pipeline | beam.Create(rows)
        analyzed = (examples, metadata) | tft_beam.AnalyzeDataset(function)
        _ = analyzed | tft_beam.WriteTransformFn(str(directory / "graph"))
    return tft.TFTransformOutput(str(directory / "graph"))


def apply(transform: tft.TFTransformOutput, data: Data) -> dict[str, NDArray[Any]]:
    """Transformed features and labels by name."""
    layer = transform.transform_features_layer()
    return {name: values.numpy() for name, values in layer(dict(data.arrays)).items()}


def serialize(arrays: Arrays) -> list[bytes]:
    """A `tf.Example` for each row."""
    rows = []
    for index in range(len(next(iter(arrays.values())))):
        example = tf.train.Example()
        for name, values in arrays.items():
            feature = example.features.feature[name]
            if np.issubdtype(values.dtype, np.integer):
                feature.int64_list.value.extend(values[index].tolist())
            else:
                feature.float_list.value.extend(values[index].tolist())
        rows.append(example.SerializeToString())
    return rows


def write_records(directory: Path, arrays: Arrays, shards: int = 1) -> list[str]:
    """Compressed files as Transform writes them; returns their pattern."""
    directory.mkdir(parents=True)
    rows = serialize(arrays)
    for shard in range(shards):
        name = f"transformed_examples-{shard:05d}-of-{shards:05d}.gz"
        with tf.io.TFRecordWriter(str(directory / name), "GZIP") as writer:
            for row in rows[shard::shards]:
                writer.write(row)
    return [str(directory / "*")]


@dataclasses.dataclass(frozen=True)
class Trainer:
    """What the TFX Trainer does around a `run_fn`: real files and TFX's own reader.

    Attributes:
      directory: Of what it writes.
      data: What was transformed.
      graph: The transform graph's directory.
      files: Patterns of the training and of the evaluation split's files.
    """

    directory: Path
    data: Data
    graph: str
    files: tuple[list[str], list[str]]

    def args(self, name: str = "a", steps: int = 30, quantization: str = "none", **how: Any) -> Any:
        """Arguments of a `run_fn` whose outputs go to a directory of this name."""
        payload_format = example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE

        def read(files: list[str], options: Any, schema: Any) -> tf.data.Dataset:
            tfxio = tfxio_utils.make_tfxio(
                file_pattern=files,
                telemetry_descriptors=["test"],
                payload_format=payload_format,
                schema=schema,
            )
            return tfxio.TensorFlowDataset(options)

        return FnArgs(
            train_files=self.files[0],
            eval_files=self.files[1],
            train_steps=steps,
            eval_steps=2,
            data_accessor=DataAccessor(
                tf_dataset_factory=read, record_batch_factory=None, data_view_decode_fn=None
            ),
            transform_graph_path=self.graph,
            serving_model_dir=str(self.directory / name / "Format-Serving"),
            model_run_dir=str(self.directory / name / "run"),
            custom_config={
                "task": self.data.task.to_dict(),
                "training": {"batch_size": 10, "check_every": 10, **how},
                "quantization": quantization,
            },
        )

    def at(self, directory: Path) -> "Trainer":
        """The same data, with other places for what is written."""
        return dataclasses.replace(self, directory=directory)


def trainer(
    directory: Path,
    data: Data,
    preprocessing_fn: Callable[..., Any] | None = None,
    shards: int = 1,
) -> Trainer:
    """Transform the data and write its records; the last fifth is for evaluation."""
    transform = write(directory / "transform", data, preprocessing_fn)
    arrays = apply(transform, data)
    split = len(data) * 4 // 5
    files = tuple(
        write_records(
            directory / "records" / name, {n: values[rows] for n, values in arrays.items()}, shards
        )
        for name, rows in (("train", slice(split)), ("eval", slice(split, None)))
    )
    return Trainer(directory, data, str(directory / "transform" / "graph"), (files[0], files[1]))


def untrained(
    directory: Path,
    data: Data,
    preprocessing_fn: Callable[..., Any] | None = None,
    preset: str = "mlp",
    **options: Any,
) -> training.Trained:
    """A preset with random weights behind a real transform of the data."""
    transform = write(directory, data, preprocessing_fn)
    arrays = apply(transform, data)
    labels = arrays.pop(transformed(data.task.label))[:, 0]
    keras.utils.set_random_seed(1)
    network = model.build(data.task, preset, options)
    examples = Examples({n: tf.constant(v) for n, v in arrays.items()}, tf.constant(labels))
    return training.Trained(
        data.task,
        heads.add_scale(network, data.task.head, labels),
        transform,
        examples.take(training.CALIBRATION_EXAMPLES),
    )
