"""The comparison's document, from predictions and an Evaluator's results by hand."""

import base64
import dataclasses
import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from pipelines import evaluation
from pipelines.components.verdict import Verdict
from pipelines.report import document, statistics
from pipelines.report.comparison import IMAGES, Comparison
from pipelines.report.predictors import Latency, RawExamples
from tests.unit.report_data import comparison, report

LABELS = np.array([0, 1, 2, 3, 4, 5, 6, 7])
KERAS = np.array([0, 1, 2, 3, 4, 5, 0, 0])
LITE = np.array([0, 1, 2, 3, 4, 9, 6, 1])


@pytest.fixture
def examples() -> RawExamples:
    images = np.tile(np.linspace(-0.5, 0.5, 784, dtype=np.float32), (8, 1))
    images[5] = -0.5
    return RawExamples(np.array([b"raw"] * 8, dtype=object), images, LABELS)


def measured(
    kind: str, predictions: np.ndarray, verdict: Verdict | None = None, **changes: object
) -> document.Measured:
    evaluated = evaluation.Evaluated(
        uri=f"/evaluations/{kind}",
        metrics={
            "sparse_categorical_accuracy": 0.75,
            "sparse_categorical_crossentropy": 0.5,
            "expected_calibration_error": 0.25,
            "example_count": 8.0,
        },
        per_class_accuracy={"0": 1.0},
        confusion=[[1] * 10] * 10,
        failures=[],
    )
    latency = Latency(p50=10.0, p95=20.0, batch=1, threads=2)
    return document.Measured(
        kind, dataclasses.replace(evaluated, **changes), predictions, 1000, latency, verdict
    )


def test_every_branch() -> None:
    refused = ["accuracy is 0.7, 0.1 below 0.8"]
    made = document.branches(
        {"keras": measured("keras", KERAS), "lite": measured("lite", LITE, failures=refused)},
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
    lite = measured("lite", LITE, failures=["too bad"], verdict=verdict)
    made = document.branches({"keras": measured("keras", KERAS), "lite": lite}, "keras")["lite"]
    assert made.refusals == ["too bad", "too large"]
    assert (made.operators, made.delegated, made.warnings) == (7, 4, ["slow"])


def with_loss(kind: str, loss: float) -> document.Measured:
    made = measured(kind, KERAS)
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
    made = document.branches(
        {"keras": with_loss("keras", keras), "lite": with_loss("lite", lite)}, "keras"
    )
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


def whole(examples: RawExamples, branches: dict[str, document.Measured]) -> Comparison:
    """The document of some branches."""
    return comparison().model_copy(
        update={
            "branches": document.branches(branches, "keras"),
            "comparison": document.paired(examples, branches, "keras"),
        }
    )


def test_metrics_are_the_numbers_of_the_document(examples: RawExamples) -> None:
    made = whole(examples, {"keras": measured("keras", KERAS), "lite-int8": measured("lite", LITE)})
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


def test_confusion_in_the_form_of_kfp() -> None:
    assert document.kfp_confusion([[3, 1], [0, 2]]) == {
        "annotationSpecs": [{"displayName": "0"}, {"displayName": "1"}],
        "rows": [{"row": [3, 1]}, {"row": [0, 2]}],
    }


def test_comparison_with_the_baseline(examples: RawExamples) -> None:
    made = document.paired(
        examples, {"lite": measured("lite", LITE), "keras": measured("keras", KERAS)}, "keras"
    )
    assert list(made) == ["lite"]
    compared = made["lite"].model_dump()
    differing = compared.pop("disagreements")
    assert compared == dataclasses.asdict(statistics.compare(LABELS, KERAS, LITE))
    assert [{k: v for k, v in d.items() if k != "image"} for d in differing] == [
        {"index": 5, "label": 5, "keras": 5, "other": 9},
        {"index": 6, "label": 6, "keras": 0, "other": 6},
        {"index": 7, "label": 7, "keras": 0, "other": 1},
    ]


def test_images_are_those_of_the_examples(examples: RawExamples) -> None:
    made = document.paired(
        examples, {"keras": measured("keras", KERAS), "lite": measured("lite", LITE)}, "keras"
    )
    black, ramp, _ = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(d.image))))
        for d in made["lite"].disagreements
    )
    assert black.shape == ramp.shape == (28, 28)
    assert black.max() == 0
    assert (ramp.ravel() == np.round(np.linspace(0, 255, 784))).mean() > 0.99


def test_only_the_images_that_the_page_shows_are_made() -> None:
    count = IMAGES + 5
    many = RawExamples(
        np.array([b"raw"] * count, dtype=object),
        np.zeros((count, 784), np.float32),
        np.zeros(count, np.int64),
    )
    keras, lite = (measured(kind, np.full(count, i)) for i, kind in enumerate(("keras", "lite")))
    differing = document.paired(many, {"keras": keras, "lite": lite}, "keras")["lite"].disagreements
    assert [d.index for d in differing] == list(range(count))
    assert [d.image is not None for d in differing] == [True] * IMAGES + [False] * 5


def test_document_survives_its_file(examples: RawExamples) -> None:
    made = whole(examples, {"keras": measured("keras", KERAS), "lite": measured("lite", LITE)})
    text = made.to_json()
    assert json.loads(text)["format"] == Comparison.FORMAT
    assert Comparison.parse(text, "comparison.json") == made


def test_any_number_of_branches(examples: RawExamples) -> None:
    branches = {
        "keras": measured("keras", KERAS),
        "lite": measured("lite", LITE),
        "lite-int8": measured("lite", KERAS),
    }
    made = document.paired(examples, branches, "keras")
    assert list(made) == ["lite", "lite-int8"]
    assert made["lite-int8"].disagreements == []
    assert document.paired(examples, {"keras": branches["keras"]}, "keras") == {}


def test_lite_evaluation_differs_in_the_kind_of_model_alone() -> None:
    keras = evaluation.eval_config(0.8)
    before = keras.SerializeToString(deterministic=True)
    lite = evaluation.lite_eval_config(keras)
    assert lite.model_specs[0].model_type == "tf_lite"
    assert keras.SerializeToString(deterministic=True) == before
    lite.model_specs[0].ClearField("model_type")
    assert lite == keras


@pytest.mark.parametrize("bound", [0.0, 0.8, 1.0])
def test_gate_is_the_overall_accuracy_and_a_loss_that_is_a_number(bound: float) -> None:
    (specs,) = evaluation.eval_config(bound).metrics_specs
    thresholds = {
        m.class_name: [t.threshold.value_threshold for t in m.per_slice_thresholds]
        for m in specs.metrics
        if m.per_slice_thresholds
    }
    assert set(thresholds) == {"SparseCategoricalAccuracy", "SparseCategoricalCrossentropy"}
    (finite,) = thresholds["SparseCategoricalCrossentropy"]
    assert finite.upper_bound.value == sys.float_info.max
    assert not finite.HasField("lower_bound")
    (threshold,) = thresholds["SparseCategoricalAccuracy"]
    assert threshold.HasField("lower_bound")
    assert threshold.lower_bound.value == bound
    for gated in (m for m in specs.metrics if m.per_slice_thresholds):
        (slices,) = (t.slicing_specs for t in gated.per_slice_thresholds)
        assert [list(s.feature_keys) for s in slices] == [[]]
