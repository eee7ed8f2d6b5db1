"""The task in the components of the DAG."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2
from tfx.dsl.components.base.base_component import BaseComponent

from modules import mnist
from modules.task import Task
from pipelines import dag, settings
from tests.unit.report_data import DIABETES, WINE


def components(task: Task, *overrides: str) -> dict[str, BaseComponent]:
    loaded = settings.load(None, overrides, {})
    made = dag.components(loaded, task, dag.Places("examples", "serving"), dag.Run("run", "{}"))
    return {component.id: component for component in made}


def properties(component: BaseComponent) -> dict[str, Any]:
    return dict(component.spec.exec_properties)


TASKS = pytest.mark.parametrize("task", [mnist.TASK, WINE, DIABETES], ids=lambda task: task.name)


@TASKS
def test_transform_and_trainers_get_the_task(task: Task) -> None:
    made = components(task, "training.augment.flip=true")
    for node in ("transform", "trainer-keras", "trainer-lite"):
        config = json.loads(properties(made[node])["custom_config"])
        assert Task.from_dict(config["task"]) == task
    training = json.loads(properties(made["trainer-lite"])["custom_config"])["training"]
    assert training["augment"]["flip"] is True
    assert not {"steps", "eval_steps"} & set(training)


@TASKS
def test_our_components_get_the_task(task: Task) -> None:
    made = components(task)
    for node in ("validator-lite", "evaluator-keras", "pusher-keras", "pusher-lite", "comparison"):
        assert Task.from_dict(json.loads(properties(made[node])["task"])) == task


@TASKS
def test_evaluators_judge_by_the_task(task: Task) -> None:
    made = components(task, "evaluation.min_accuracy=0.5", "evaluation.max_error=7")
    configs = {
        kind: json_format.Parse(
            properties(made[f"evaluator-{kind}"])["eval_config"], config_pb2.EvalConfig()
        )
        for kind in ("keras", "lite")
    }
    for kind, model_type in (("keras", ""), ("lite", "tf_lite")):
        (model,) = configs[kind].model_specs
        assert (model.label_key, model.model_type) == (task.label, model_type)
        first = configs[kind].metrics_specs[0].metrics[0]
        bounds = first.per_slice_thresholds[0].threshold.value_threshold
        if task is DIABETES:
            assert (first.class_name, bounds.upper_bound.value) == ("MeanAbsoluteError", 7)
        else:
            assert (first.class_name, bounds.lower_bound.value) == (
                "SparseCategoricalAccuracy",
                0.5,
            )


def test_a_matrix_for_each_branch_of_a_classification_alone() -> None:
    assert {"confusion_keras", "confusion_lite"} <= set(components(WINE)["comparison"].outputs)
    assert set(components(DIABETES)["comparison"].outputs) == {"comparison", "metrics", "page"}


def test_the_settings_preprocessing_goes_before_the_tasks() -> None:
    own = dataclasses.replace(WINE, preprocessing_fn="modules.preprocessing.other")
    assert properties(components(own)["transform"])["preprocessing_fn"] == own.preprocessing_fn
    made = components(own, "preprocessing_fn=modules.preprocessing.third")
    assert properties(made["transform"])["preprocessing_fn"] == "modules.preprocessing.third"


def test_the_code_of_a_tasks_model_is_part_of_the_trainers_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "my_own_model.py"
    own = dataclasses.replace(WINE, model="my_own_model.build")
    keys = []
    for source in ("def build(task): ...", "def build(task): return 1"):
        file.write_text(source)
        keys.append(properties(components(own)["trainer-lite"])[dag.CODE])
    assert keys[0] != keys[1]
    assert properties(components(WINE)["trainer-lite"])[dag.CODE] not in keys
