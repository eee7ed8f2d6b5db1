"""The comparison's document, from predictions and an Evaluator's results by hand."""

import dataclasses
import json
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from modules import mnist
from modules.task import Classification, Task
from pipelines.errors import DocumentError
from pipelines.judging import document, evaluation, heads
from pipelines.judging.classification import statistics
from pipelines.judging.classification.head import SHOWN
from pipelines.judging.comparison import Comparison
from pipelines.judging.predictors import Latency, Predictions
from pipelines.judging.verdict import Verdict
from pipelines.settings import Evaluation
from tests.unit.report_data import DIABETES, WINE, comparison, regression_report, report

HEAD = heads.of(mnist.TASK)
LABELS = np.array([0, 1, 2, 3, 4, 5, 6, 7])
KERAS = np.array([0, 1, 2, 3, 4, 5, 0, 0])
LITE = np.array([0, 1, 2, 3, 4, 9, 6, 1])
ENTRIES = [
    {"actualClassId": actual, "predictedClassId": predicted, "numWeightedExamples": 1.0}
    for actual in range(10)
    for predicted in range(10)
]


def predictions(**by_model: NDArray[Any]) -> Predictions:
    return Predictions(LABELS, by_model)


BOTH = predictions(keras=KERAS, lite=LITE)


def measured(kind: str, verdict: Verdict | None = None, **changes: object) -> document.Measured:
    evaluated = evaluation.Evaluated(
        uri=f"/evaluations/{kind}",
        metrics={
            "sparse_categorical_accuracy": 0.75,
            "sparse_categorical_crossentropy": 0.5,
            "expected_calibration_error": 0.25,
            "example_count": 8.0,
        },
        by_label={0: {"sparse_categorical_accuracy": 1.0}},
        plots={"multiClassConfusionMatrixAtThresholds": {"matrices": [{"entries": ENTRIES}]}},
        failures=[],
    )
    latency = Latency(p50=10.0, p95=20.0, batch=1, threads=2)
    return document.Measured(
        kind, dataclasses.replace(evaluated, **changes), 1000, latency, verdict
    )


def test_every_branch() -> None:
    refused = ["accuracy is 0.7, 0.1 below 0.8"]
    made = document.branches(
        HEAD,
        {"keras": measured("keras"), "lite": measured("lite", failures=refused)},
        BOTH,
        "keras",
    )
    assert made["lite"].model_dump() == {
        "kind": "lite",
        "accuracy": 0.75,
        "loss": 0.5,
        "calibration_error": 0.25,
        "examples": 8,
        "per_class_accuracy": {"0": 1.0},
        "confusion": [[1] * 10] * 10,
        "model_bytes": 1000,
        "latency_us": {"p50": 10.0, "p95": 20.0, "batch": 1, "threads": 2},
        "evaluation_uri": "/evaluations/lite",
        "operators": None,
        "delegated": None,
        "refusals": refused,
        "warnings": [],
    }
    assert made["keras"].refusals == []


def test_the_lite_validators_verdict_is_part_of_the_branch() -> None:
    verdict = Verdict(
        model_bytes=1000,
        latency_us=10.0,
        operators=7,
        delegated=4,
        failures=["too large"],
        warnings=["slow"],
    )
    lite = measured("lite", failures=["too bad"], verdict=verdict)
    both = {"keras": measured("keras"), "lite": lite}
    made = document.branches(HEAD, both, BOTH, "keras")["lite"]
    assert made.refusals == ["too bad", "too large"]
    assert (made.operators, made.delegated, made.warnings) == (7, 4, ["slow"])


def with_loss(kind: str, loss: float) -> document.Measured:
    made = measured(kind)
    metrics = {**made.evaluation.metrics, "sparse_categorical_crossentropy": loss}
    return dataclasses.replace(
        made, evaluation=dataclasses.replace(made.evaluation, metrics=metrics)
    )


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("keras", "lite", "told"),
    [
        (0.5, 0.5, {}),
        (NAN, NAN, {"keras": "the loss is NaN: the training", "lite": "the loss is NaN: the trai"}),
        (INFINITY, 0.5, {"keras": "the loss is Infinity: the training diverged; lower training."}),
        (0.5, NAN, {"lite": "the loss is NaN, and that of the baseline 0.5000: the branch's quan"}),
    ],
)
def test_a_loss_that_is_no_number_is_a_refusal(
    keras: float, lite: float, told: dict[str, str]
) -> None:
    both = {"keras": with_loss("keras", keras), "lite": with_loss("lite", lite)}
    made = document.branches(HEAD, both, BOTH, "keras")
    refusals = {name: branch.refusals for name, branch in made.items() if branch.refusals}
    assert set(refusals) == set(told)
    for name, (sentence,) in refusals.items():
        assert sentence.startswith(told[name])


def test_metrics_for_kfp_are_numbers() -> None:
    shown = report()
    shown["branches"]["lite"]["accuracy"] = "NaN"
    made = document.metrics(comparison(shown))
    assert "accuracy_lite" not in made
    assert made["accuracy_keras"] == 0.9712


def whole(predicted: Predictions) -> Comparison:
    """The document of some branches."""
    both = {name: measured(name.partition("-")[0]) for name in predicted.by_model}
    return comparison().model_copy(
        update={
            "branches": document.branches(HEAD, both, predicted, "keras"),
            "comparison": document.paired(HEAD, predicted, "keras"),
        }
    )


def test_metrics_are_the_numbers_of_the_document() -> None:
    made = whole(predictions(**{"keras": KERAS, "lite-int8": LITE}))
    assert document.metrics(made) == {
        "accuracy_keras": 0.75,
        "accuracy_lite-int8": 0.75,
        "model_bytes_keras": 1000.0,
        "model_bytes_lite-int8": 1000.0,
        "latency_us_keras": 10.0,
        "latency_us_lite-int8": 10.0,
        "accuracy_delta_lite-int8": made.comparison["lite-int8"].accuracy_delta,
        "agreement_lite-int8": made.comparison["lite-int8"].agreement,
    }


def test_metrics_of_a_regression() -> None:
    made = document.metrics(comparison(regression_report(r2="NaN")))
    assert made == {
        "mean_absolute_error_keras": 43.25,
        "root_mean_squared_error_keras": 53.9116,
        "r2_keras": 0.4712,
        "model_bytes_keras": 222000.0,
        "latency_us_keras": 12.4,
        "mean_absolute_error_lite": 43.5,
        "root_mean_squared_error_lite": 53.9116,
        "model_bytes_lite": 222000.0,
        "latency_us_lite": 12.4,
        "error_delta_lite": 0.25,
        "mean_difference_lite": -1.5,
        "largest_difference_lite": 12.75,
    }


def test_confusion_in_the_form_of_kfp() -> None:
    classes = Classification(("cat", "dog"))
    made = heads.of(dataclasses.replace(mnist.TASK, head=classes))
    shown = whole(BOTH).branches["keras"].model_copy(update={"confusion": [[3, 1], [0, 2]]})
    assert made.kfp_confusion(shown) == {
        "annotationSpecs": [{"displayName": "cat"}, {"displayName": "dog"}],
        "rows": [{"row": [3, 1]}, {"row": [0, 2]}],
    }


def test_a_matrix_that_is_too_large_is_not_given_to_kfp() -> None:
    classes = Classification(tuple(map(str, range(101))))
    made = heads.of(dataclasses.replace(mnist.TASK, head=classes))
    assert made.kfp_confusion(whole(BOTH).branches["keras"]) is None


def test_comparison_with_the_baseline() -> None:
    made = document.paired(HEAD, predictions(lite=LITE, keras=KERAS), "keras")
    assert list(made) == ["lite"]
    compared = made["lite"].model_dump()
    differing = compared.pop("disagreements")
    assert compared.pop("disagreement_count") == 3
    assert compared == dataclasses.asdict(statistics.compare(LABELS, KERAS, LITE))
    assert differing == [
        {"index": 5, "label": "5", "keras": "5", "other": "9"},
        {"index": 6, "label": "6", "keras": "0", "other": "6"},
        {"index": 7, "label": "7", "keras": "0", "other": "1"},
    ]
    assert made["lite"].shown() == [5, 6, 7]


def test_only_the_first_disagreements_are_listed() -> None:
    count = SHOWN + 5
    zeros = np.zeros(count, np.int64)
    many = Predictions(zeros, {"keras": zeros, "lite": zeros + 1})
    compared = document.paired(HEAD, many, "keras")["lite"]
    assert compared.model_dump()["disagreement_count"] == count
    assert compared.shown() == list(range(SHOWN))


@pytest.mark.parametrize("shown", [report(), report(task=WINE), regression_report()])
def test_document_survives_its_file(shown: dict[str, Any]) -> None:
    made = comparison(shown)
    text = made.to_json()
    assert json.loads(text)["format"] == Comparison.FORMAT
    assert Comparison.parse(text, "comparison.json") == made


@pytest.mark.parametrize("part", ["branches", "comparison"])
def test_parts_of_another_head_are_refused(part: str) -> None:
    mixed = {**json.loads(comparison().to_json())}
    mixed[part] = json.loads(comparison(regression_report()).to_json())[part]
    with pytest.raises(DocumentError, match="another kind of task"):
        Comparison.parse(json.dumps(mixed), "comparison.json")


@pytest.mark.parametrize("task", [{}, {**mnist.TASK.to_dict(), "head": {"kind": "ranking"}}])
def test_a_task_that_is_none_is_refused(task: dict[str, Any]) -> None:
    values = {**json.loads(comparison().to_json()), "task": task}
    with pytest.raises(DocumentError, match=r"^comparison.json is damaged: task: "):
        Comparison.parse(json.dumps(values), "comparison.json")


def test_any_number_of_branches() -> None:
    many = predictions(**{"keras": KERAS, "lite": LITE, "lite-int8": KERAS})
    made = document.paired(HEAD, many, "keras")
    assert list(made) == ["lite", "lite-int8"]
    assert made["lite-int8"].shown() == []
    assert document.paired(HEAD, predictions(keras=KERAS), "keras") == {}


def test_lite_evaluation_differs_in_the_kind_of_model_alone() -> None:
    keras = evaluation.eval_config(mnist.TASK, Evaluation())
    before = keras.SerializeToString(deterministic=True)
    lite = evaluation.lite_eval_config(keras)
    assert lite.model_specs[0].model_type == "tf_lite"
    assert keras.SerializeToString(deterministic=True) == before
    lite.model_specs[0].ClearField("model_type")
    assert lite == keras


def thresholds(task: Task, gate: Evaluation) -> dict[str, Any]:
    """Each metric's bound, which holds for the whole split."""
    (specs,) = evaluation.eval_config(task, gate).metrics_specs
    bounds = {}
    for metric in specs.metrics:
        for threshold in metric.per_slice_thresholds:
            (whole_split,) = threshold.slicing_specs
            assert list(whole_split.feature_keys) == []
            bounds[metric.class_name] = threshold.threshold.value_threshold
    return bounds


def test_labels_and_slices_follow_from_the_task() -> None:
    config = evaluation.eval_config(WINE, Evaluation())
    assert [spec.label_key for spec in config.model_specs] == ["cultivar"]
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[], ["cultivar"]]
    config = evaluation.eval_config(DIABETES, Evaluation())
    assert [spec.label_key for spec in config.model_specs] == ["progression"]
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[]]


@pytest.mark.parametrize("bound", [0.0, 0.8, 1.0])
def test_gate_is_the_overall_accuracy_and_a_loss_that_is_a_number(bound: float) -> None:
    found = thresholds(mnist.TASK, Evaluation(min_accuracy=bound))
    assert set(found) == {"SparseCategoricalAccuracy", "SparseCategoricalCrossentropy"}
    finite, accuracy = found["SparseCategoricalCrossentropy"], found["SparseCategoricalAccuracy"]
    assert finite.upper_bound.value == sys.float_info.max
    assert not finite.HasField("lower_bound")
    assert accuracy.HasField("lower_bound")
    assert accuracy.lower_bound.value == bound


@pytest.mark.parametrize(("setting", "bound"), [(0, sys.float_info.max), (50, 50), (1e-9, 1e-9)])
def test_gate_of_a_regression_is_the_overall_error_and_a_loss_that_is_a_number(
    setting: float, bound: float
) -> None:
    found = thresholds(DIABETES, Evaluation(max_error=setting))
    assert set(found) == {"MeanAbsoluteError", "MeanSquaredError"}
    assert found["MeanAbsoluteError"].upper_bound.value == bound
    assert found["MeanSquaredError"].upper_bound.value == sys.float_info.max
