"""Exported models as the comparison calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.task import Feature, Task
from pipelines.judging import examples, predictors
from tests.unit import exported
from tests.unit.exported import CULTIVARS, PHOTOS, YIELD

COUNT = """
import json, os, sys
import tensorflow as tf
from pipelines.judging import predictors

model = predictors.KerasModel(sys.argv[1])
model._signature(examples=tf.constant([b""]))
print(json.dumps([model.threads, len(os.listdir("/proc/self/task"))]))
"""
"""The threads that are recorded, and all threads of the process once a model has run."""


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose logits are no function of its examples."""

    class Zeros(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
        def serve(self, examples: tf.Tensor) -> tf.Tensor:
            return tf.zeros([tf.size(examples), 10])

    directory = tmp_path_factory.mktemp("saved")
    zeros = Zeros()
    tf.saved_model.save(zeros, str(directory), {"serving_default": zeros.serve})
    return directory


def threads(saved_model: Path, variable: str) -> tuple[int, int]:
    counted = subprocess.run(
        [sys.executable, "-c", COUNT, str(saved_model)],
        env={**os.environ, "TF_NUM_INTRAOP_THREADS": variable},
        capture_output=True,
        text=True,
        check=True,
    )
    recorded, everything = json.loads(counted.stdout)
    return recorded, everything


def test_threads_of_a_saved_model_are_those_that_tensorflow_has(saved_model: Path) -> None:
    one, with_one = threads(saved_model, "1")
    unset, with_unset = threads(saved_model, "")
    assert (one, unset) == (1, len(os.sched_getaffinity(0)))
    assert with_unset - with_one == unset - 1


TASKS = pytest.mark.parametrize("task", [CULTIVARS, YIELD, PHOTOS], ids=lambda task: task.name)


@TASKS
def test_examples_come_in_the_order_of_the_files(
    tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = exported.make_features(task, 7)
    labels = np.array([1, 0, 1, 1, 0, 0, 1], task.head.label_dtype)
    exported.write_examples(tmp_path, task, features, labels)
    split = str(tmp_path / "Split-eval")
    monkeypatch.setattr(examples, "_LARGEST_BATCH", 3)
    batches = list(examples.read_batches(split, task))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    for name, values in features.items():
        read = np.concatenate([batch.features[name] for batch in batches])
        np.testing.assert_array_equal(read, values)
        assert read.dtype == values.dtype
    read = np.concatenate([batch.labels for batch in batches])
    np.testing.assert_array_equal(read, labels)
    assert read.dtype == labels.dtype
    first = examples.read_first(split, task, 5)
    assert len(first) == 5
    assert list(first.serialized) == [s for batch in batches for s in batch.serialized][:5]


def test_large_examples_come_in_small_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported.write_examples(tmp_path, PHOTOS, exported.make_features(PHOTOS, 5), np.zeros(5))
    for budget, sizes in ((2 * PHOTOS.example_bytes, [2, 2, 1]), (1, [1] * 5)):
        monkeypatch.setattr(examples, "_BATCH_BYTES", budget)
        batches = examples.read_batches(str(tmp_path / "Split-eval"), PHOTOS)
        assert [len(batch) for batch in batches] == sizes


@TASKS
@pytest.mark.parametrize("kind", ["keras", "lite"])
def test_models_predict_every_example(
    tmp_path: Path, task: Task, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = exported.make_features(task, 11)
    labels = np.arange(11) % 2
    exported.write_examples(tmp_path / "examples", task, features, labels)
    model = exported.make_model(task)
    exported.save(task, model, tmp_path / kind, kind)
    loaded = predictors.MODELS[kind](str(tmp_path / kind))
    monkeypatch.setattr(examples, "_LARGEST_BATCH", 4)
    split = str(tmp_path / "examples" / "Split-eval")

    def keep(outputs: np.ndarray) -> np.ndarray:
        assert outputs.shape[1:] == (task.head.outputs,)
        return outputs

    found = predictors.predict({"it": loaded}, examples.read_batches(split, task), keep)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_allclose(found.by_model["it"], model(features), rtol=1e-5, atol=1e-5)
    run = loaded.single(examples.read_first(split, task, 3))
    result = run(2)
    single = next(iter(result.values())) if kind == "keras" else result
    np.testing.assert_allclose(single, found.by_model["it"][2:3], rtol=1e-5, atol=1e-5)


def test_inputs_take_the_shape_that_a_model_wants(tmp_path: Path) -> None:
    """A feature that is flat for the task, and of three dimensions for the model."""
    flat = Task("flat", (Feature("photo", (72,)),), "kind", PHOTOS.head)
    features = exported.make_features(PHOTOS, 5)
    exported.write_examples(tmp_path / "examples", flat, features, np.zeros(5))
    model = exported.make_model(PHOTOS)
    exported.save(PHOTOS, model, tmp_path / "lite", "lite")
    batch = examples.read_first(str(tmp_path / "examples" / "Split-eval"), flat, 5)
    predicted = predictors.LiteModel(str(tmp_path / "lite")).predict(batch)
    np.testing.assert_allclose(predicted, model(features), rtol=1e-5, atol=1e-5)
