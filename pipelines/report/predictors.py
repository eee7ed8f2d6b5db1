"""Exported models as a person's app would call them: predictions and latency."""

import contextlib
import dataclasses
import glob
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from modules import features, lite
from pipelines import walk

_BATCH = 1024
_WARM_UP, _TIMED = 20, 300


@dataclasses.dataclass(frozen=True)
class RawExamples:
    """Examples as they were stored, and parsed.

    Attributes:
      serialized: `tf.Example`s, `[n]`.
      images: float32 `[n, 784]`.
      labels: int64 `[n]`.
    """

    serialized: NDArray[np.object_]
    images: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclasses.dataclass(frozen=True)
class Latency:
    """Time of one call in microseconds.

    Attributes:
      p50: Median.
      p95: 95th percentile.
      batch: Examples per call.
      threads: Threads that an operator of the call may use.
    """

    p50: float
    p95: float
    batch: int
    threads: int


class Model(Protocol):
    """An exported model."""

    threads: int

    def logits(self, examples: RawExamples) -> NDArray[np.float32]:
        """Logits `[n, 10]`."""

    def call(self, examples: RawExamples) -> Callable[[int], object]:
        """A function that runs the model on the example with that index."""

    def bytes(self) -> int:
        """Size of everything in the model's directory."""


class KerasModel:
    """A SavedModel whose `serving_default` takes serialized examples."""

    def __init__(self, model_dir: str) -> None:
        self._dir = model_dir
        self._loaded = tf.saved_model.load(model_dir)
        self._signature = self._loaded.signatures["serving_default"]
        self.threads = _tensorflow_threads()

    def logits(self, examples: RawExamples) -> NDArray[np.float32]:
        """Logits `[n, 10]`."""
        batches = [
            self._run(examples.serialized[start : start + _BATCH])
            for start in range(0, len(examples), _BATCH)
        ]
        return np.concatenate([next(iter(batch.values())).numpy() for batch in batches])

    def call(self, examples: RawExamples) -> Callable[[int], object]:
        """Runs on one serialized example, parsing included, as a model server does."""
        inputs = [tf.constant(examples.serialized[i : i + 1]) for i in range(len(examples))]
        return lambda index: self._signature(examples=inputs[index])

    def bytes(self) -> int:
        """Size of the SavedModel."""
        return _directory_bytes(self._dir)

    def _run(self, serialized: NDArray[np.object_]) -> dict[str, tf.Tensor]:
        outputs: dict[str, tf.Tensor] = self._signature(examples=tf.constant(serialized))
        return outputs


class LiteModel:
    """A file `tflite` whose input is the raw image."""

    threads = 1

    def __init__(self, model_dir: str) -> None:
        self._dir = model_dir
        self._file = os.path.join(model_dir, lite.FILENAME)

    def logits(self, examples: RawExamples) -> NDArray[np.float32]:
        """Logits `[n, 10]`, from the kernels that TFMA uses: no delegates."""
        interpreter = tf.lite.Interpreter(
            model_path=self._file,
            experimental_op_resolver_type=(
                tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
        )
        index = interpreter.get_input_details()[0]["index"]
        output = interpreter.get_output_details()[0]["index"]
        batches = []
        for start in range(0, len(examples), _BATCH):
            images = examples.images[start : start + _BATCH]
            interpreter.resize_tensor_input(index, images.shape)
            interpreter.allocate_tensors()
            interpreter.set_tensor(index, images)
            interpreter.invoke()
            batches.append(interpreter.get_tensor(output))
        return np.concatenate(batches)

    def call(self, examples: RawExamples) -> Callable[[int], object]:
        """Runs on one image with the default delegates, as an app does."""
        interpreter = tf.lite.Interpreter(model_path=self._file, num_threads=self.threads)
        interpreter.allocate_tensors()
        index = interpreter.get_input_details()[0]["index"]
        output = interpreter.get_output_details()[0]["index"]

        def run(example: int) -> object:
            interpreter.set_tensor(index, examples.images[example : example + 1])
            interpreter.invoke()
            return interpreter.get_tensor(output)

        return run

    def bytes(self) -> int:
        """Size of the model's file."""
        return os.path.getsize(self._file)


MODELS: dict[str, Callable[[str], Model]] = {"keras": KerasModel, "lite": LiteModel}


def read_examples(split_uri: str, limit: int | None = None) -> RawExamples:
    """Reads the examples of one split of an `Examples` artifact, in the order of its files.

    Args:
      split_uri: Directory of gzip-compressed TFRecords.
      limit: At most so many.
    """
    files = sorted(glob.glob(os.path.join(split_uri, "*")))
    dataset = tf.data.TFRecordDataset(files, "GZIP")
    serialized = np.array(
        list(dataset.take(-1 if limit is None else limit).as_numpy_iterator()), dtype=object
    )
    parsed = tf.io.parse_example(
        serialized,
        {
            features.IMAGE: tf.io.FixedLenFeature([features.PIXELS], tf.float32),
            features.LABEL: tf.io.FixedLenFeature([], tf.int64),
        },
    )
    return RawExamples(serialized, parsed[features.IMAGE].numpy(), parsed[features.LABEL].numpy())


def latency(model: Model, examples: RawExamples) -> Latency:
    """Times calls with one example each, after a warm-up."""
    run = model.call(
        RawExamples(examples.serialized[:64], examples.images[:64], examples.labels[:64])
    )
    count = min(64, len(examples))
    times = []
    for i in range(_WARM_UP + _TIMED):
        start = time.perf_counter_ns()
        run(i % count)
        times.append((time.perf_counter_ns() - start) / 1000)
    p50, p95 = np.percentile(times[_WARM_UP:], [50, 95])
    return Latency(p50=float(p50), p95=float(p95), batch=1, threads=model.threads)


def _tensorflow_threads() -> int:
    """Threads that one operator of TensorFlow may use.

    The configuration comes first, then the variable, then the cores that this process may run on
    (`LocalDevice::EigenThreadPoolInfo`, `NumSchedulableCPUs`).
    """
    configured = tf.config.threading.get_intra_op_parallelism_threads()
    with contextlib.suppress(ValueError):  # TensorFlow takes it for unset
        configured = configured or int(os.environ.get("TF_NUM_INTRAOP_THREADS", ""))
    return configured or len(os.sched_getaffinity(0))


def _directory_bytes(directory: str) -> int:
    return sum(file.status.st_size for file in walk.files(Path(directory)))
