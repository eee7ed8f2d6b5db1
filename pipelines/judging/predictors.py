"""Exported models as a user's app would call them: predictions and latency."""

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from modules import lite
from pipelines import walk
from pipelines.judging.examples import Examples

_WARM_UP, _TIMED = 20, 300
TIMED_EXAMPLES = 64
"""A latency takes turns among so many."""


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


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What several models predict for the same examples.

    Attributes:
      labels: `[n]`.
      by_model: `[n]` for each model.
    """

    labels: NDArray[Any]
    by_model: Mapping[str, NDArray[Any]]


class Model(Protocol):
    """An exported model."""

    threads: int

    def predict(self, examples: Examples) -> NDArray[np.float32]:
        """The model's outputs, `[n, outputs]`."""

    def single(self, examples: Examples) -> Callable[[int], object]:
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

    def predict(self, examples: Examples) -> NDArray[np.float32]:
        """The model's outputs, `[n, outputs]`."""
        outputs = self._signature(examples=tf.constant(examples.serialized))
        predicted: NDArray[np.float32] = next(iter(outputs.values())).numpy()
        return predicted

    def single(self, examples: Examples) -> Callable[[int], object]:
        """Runs on one serialized example, parsing included, as a model server does."""
        inputs = [tf.constant(examples.serialized[i : i + 1]) for i in range(len(examples))]
        return lambda index: self._signature(examples=inputs[index])

    def bytes(self) -> int:
        """Size of the SavedModel."""
        return sum(file.status.st_size for file in walk.files(Path(self._dir)))


class LiteModel:
    """A file `tflite` that takes one raw tensor per feature, named after it."""

    threads = 1

    def __init__(self, model_dir: str) -> None:
        self._file = os.path.join(model_dir, lite.FILENAME)
        self._names = lite.input_names(self._file)
        # The kernels that TFMA uses: no delegates.
        self._judged = tf.lite.Interpreter(
            model_path=self._file,
            experimental_op_resolver_type=(
                tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
        )

    def predict(self, examples: Examples) -> NDArray[np.float32]:
        """The model's outputs, `[n, outputs]`."""
        inputs = self._inputs(self._judged, examples)
        for index, value in inputs.items():
            self._judged.resize_tensor_input(index, value.shape)
        self._judged.allocate_tensors()
        for index, value in inputs.items():
            self._judged.set_tensor(index, value)
        self._judged.invoke()
        return _output(self._judged)

    def single(self, examples: Examples) -> Callable[[int], object]:
        """Runs on one example with the default delegates, as an app does."""
        interpreter = tf.lite.Interpreter(model_path=self._file, num_threads=self.threads)
        interpreter.allocate_tensors()
        inputs = self._inputs(interpreter, examples)

        def run(example: int) -> object:
            for index, value in inputs.items():
                interpreter.set_tensor(index, value[example : example + 1])
            interpreter.invoke()
            return _output(interpreter)

        return run

    def bytes(self) -> int:
        """Size of the model's file."""
        return os.path.getsize(self._file)

    def _inputs(
        self, interpreter: tf.lite.Interpreter, examples: Examples
    ) -> dict[int, NDArray[Any]]:
        """Each input's tensor by index, in the shape that the model wants."""
        return {
            detail["index"]: examples.features[name].reshape(-1, *detail["shape"][1:])
            for name, detail in zip(self._names, interpreter.get_input_details(), strict=True)
        }


MODELS: dict[str, Callable[[str], Model]] = {"keras": KerasModel, "lite": LiteModel}


def predict(
    models: Mapping[str, Model],
    batches: Iterable[Examples],
    decide: Callable[[NDArray[np.float32]], NDArray[Any]],
) -> Predictions:
    """Run every model on every example, reading them once.

    Args:
      models: By name.
      batches: The examples.
      decide: From a model's outputs, `[n, outputs]`, to its predictions, `[n]`, which are kept.
    """
    labels: list[NDArray[Any]] = []
    predictions: dict[str, list[NDArray[Any]]] = {name: [] for name in models}
    for batch in batches:
        labels.append(batch.labels)
        for name, model in models.items():
            predictions[name].append(decide(model.predict(batch)))
    return Predictions(
        np.concatenate(labels),
        {name: np.concatenate(parts) for name, parts in predictions.items()},
    )


def measure_latency(model: Model, examples: Examples) -> Latency:
    """Times calls with one example each, after a warm-up."""
    run = model.single(examples)
    times = []
    for i in range(_WARM_UP + _TIMED):
        start = time.perf_counter_ns()
        run(i % len(examples))
        times.append((time.perf_counter_ns() - start) / 1000)
    p50, p95 = np.percentile(times[_WARM_UP:], [50, 95])
    return Latency(p50=float(p50), p95=float(p95), batch=1, threads=model.threads)


def _output(interpreter: tf.lite.Interpreter) -> NDArray[np.float32]:
    output: NDArray[np.float32] = interpreter.get_tensor(
        interpreter.get_output_details()[0]["index"]
    )
    return output


def _tensorflow_threads() -> int:
    """Threads that one operator of TensorFlow may use.

    The configuration comes first, then the variable, then the cores that this process may run on
    (`LocalDevice::EigenThreadPoolInfo`, `NumSchedulableCPUs`).
    """
    configured = tf.config.threading.get_intra_op_parallelism_threads()
    with contextlib.suppress(ValueError):  # TensorFlow takes it for unset
        configured = configured or int(os.environ.get("TF_NUM_INTRAOP_THREADS", ""))
    return configured or len(os.sched_getaffinity(0))
