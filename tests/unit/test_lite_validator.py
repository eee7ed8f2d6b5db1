"""The checks before a model is judged: the lite validator's, and the SavedModel Evaluator's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tfx import types
from tfx.types import standard_artifacts

from modules import contract
from modules.task import Feature, Task
from pipelines.components import lite_validator, saved_model_evaluator, task_property
from pipelines.judging import verdict
from pipelines.judging.verdict import Verdict
from tests.unit import exported
from tests.unit.exported import CULTIVARS, PHOTOS, YIELD

Inputs = dict[str, list[types.Artifact]]
COUNT = 50


@pytest.fixture
def inputs(tmp_path: Path) -> Callable[..., Inputs]:
    """A model and examples as a component gets them."""

    def make(task: Task, *layers: keras.layers.Layer, kind: str = "lite", **options: Any) -> Inputs:
        features = exported.make_features(task, COUNT)
        labels = np.zeros(COUNT, np.int64)
        examples = exported.write_examples(tmp_path / "examples", task, features, labels)
        model = exported.make_model(task, *layers)
        exported.save(task, model, tmp_path / "model" / "Format-Serving", kind, **options)
        return {"model": [exported.as_model(tmp_path / "model")], "examples": [examples]}

    return make


def validate(task: Task, inputs: Inputs, directory: Path, **bounds: float) -> Verdict:
    blessing = standard_artifacts.InfraBlessing()
    blessing.uri = str(directory)
    properties = {task_property.TASK: task_property.write(task), **bounds}
    lite_validator.Executor().Do(inputs, {"blessing": [blessing]}, properties)
    file = directory / verdict.FILENAME
    found = Verdict.parse(file.read_bytes(), str(file))
    assert blessing.get_int_custom_property("blessed") == int(not found.failures)
    return found


@pytest.mark.parametrize("task", [PHOTOS, CULTIVARS, YIELD], ids=lambda task: task.name)
def test_a_model_on_xnnpack_has_no_warning(
    inputs: Callable[..., Inputs], tmp_path: Path, task: Task
) -> None:
    found = validate(task, inputs(task), tmp_path / "blessing")
    assert found.failures == []
    if task is PHOTOS:  # int64 is cast on TFLite's own kernels
        assert (found.operators, found.delegated) == (2, 2)
        assert found.warnings == []


def test_a_model_that_is_not_on_xnnpack_is_blessed_with_a_warning(
    inputs: Callable[..., Inputs], tmp_path: Path
) -> None:
    slow = keras.layers.Lambda(lambda logits: tf.cumsum(logits, axis=1))
    found = validate(PHOTOS, inputs(PHOTOS, slow), tmp_path / "blessing")
    assert (found.operators, found.delegated) == (3, 2)
    assert found.failures == []
    assert found.warnings == [
        "XNNPACK takes 2 of the model's 3 operators: TFLite's slower kernels run CUMSUM"
    ]


def test_budgets_are_failures(inputs: Callable[..., Inputs], tmp_path: Path) -> None:
    bounds = {"max_bytes": 9, "max_latency_us": 1e9}
    (failure,) = validate(PHOTOS, inputs(PHOTOS), tmp_path / "blessing", **bounds).failures
    assert failure.startswith("model_bytes is ")


def quantized() -> dict[str, Any]:
    """The rewriter's options for full integer quantization."""
    values = exported.make_features(PHOTOS, COUNT)["photo"]
    return {
        "quantization_optimizations": [tf.lite.Optimize.DEFAULT],
        "quantization_enable_full_integer": True,
        "representative_dataset": lambda: ([value[np.newaxis]] for value in values),
    }


@pytest.mark.parametrize("options", [dict, quantized], ids=["float32", "int8"])
def test_probabilities_are_refused(
    inputs: Callable[..., Inputs], tmp_path: Path, options: Callable[[], dict[str, Any]]
) -> None:
    given = inputs(PHOTOS, keras.layers.Softmax(), **options())
    with pytest.raises(contract.ContractError, match="returns probabilities"):
        validate(PHOTOS, given, tmp_path / "blessing")
    assert not (tmp_path / "blessing").exists()


def test_outputs_of_another_head_are_refused(inputs: Callable[..., Inputs], tmp_path: Path) -> None:
    given = inputs(YIELD, keras.layers.Dense(2))
    with pytest.raises(contract.ContractError, match=r"returns \[n, 2\]"):
        validate(YIELD, given, tmp_path / "blessing")


def test_an_input_without_a_feature_is_refused(
    inputs: Callable[..., Inputs], tmp_path: Path
) -> None:
    given = inputs(YIELD)
    renamed = Task(
        "yield", (YIELD.features[0], Feature("years", dtype="int64")), "tons", YIELD.head
    )
    examples = exported.write_examples(
        tmp_path / "others", renamed, exported.make_features(renamed, 5), np.zeros(5)
    )
    with pytest.raises(contract.ContractError, match="'age'"):
        validate(renamed, {**given, "examples": [examples]}, tmp_path / "blessing")


def judge(task: Task, given: Inputs) -> None:
    properties = {task_property.TASK: task_property.write(task)}
    saved_model_evaluator.Executor().Do(given, {}, properties)


def test_probabilities_of_a_saved_model_are_refused_before_it_is_judged(
    inputs: Callable[..., Inputs],
) -> None:
    given = inputs(PHOTOS, keras.layers.Softmax(), kind="keras")
    with pytest.raises(contract.ContractError, match="returns probabilities"):
        judge(PHOTOS, given)


@pytest.mark.parametrize("task", [PHOTOS, YIELD], ids=lambda task: task.name)
def test_outputs_of_a_saved_model_are_judged(inputs: Callable[..., Inputs], task: Task) -> None:
    # TFX's executor misses its output, which is the first thing that it looks for.
    with pytest.raises(ValueError, match="EVALUATION_KEY is missing"):
        judge(task, inputs(task, kind="keras"))
