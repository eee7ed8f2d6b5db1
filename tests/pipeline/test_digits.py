"""One real run on the bundled digits, looked at from every side."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma

from modules import lite, mnist
from pipelines.data import dataset
from pipelines.judging import examples as stored
from pipelines.judging import predictors
from tests.pipeline.conftest import run, steps

pytestmark = pytest.mark.e2e

COMPONENTS = [
    "example-gen",
    "statistics-gen",
    "schema-gen",
    "example-validator",
    "transform",
    "trainer-keras",
    "trainer-lite",
    "evaluator-keras",
    "validator-lite",
    "evaluator-lite",
    "pusher-keras",
    "pusher-lite",
    "comparison",
]


def pushed(made, branch):
    (version,) = (made.layout.serving / branch).glob("[0-9]*")
    return version


def models(made):
    return {
        "keras": predictors.KerasModel(str(pushed(made, "keras"))),
        "lite": predictors.LiteModel(str(pushed(made, "lite"))),
    }


@pytest.fixture(scope="module")
def examples(digits_run):
    split = digits_run.artifact("example-gen", "examples") / "Split-eval"
    return stored.read_first(str(split), mnist.TASK, 1000)


def test_terminal_ends_with_the_table_and_the_page(digits_run):
    out = digits_run.completed.stdout
    assert set(steps(out)) == {"data", "compose", *COMPONENTS, "report"}
    assert digits_run.completed.stderr == ""
    table, last = out.rstrip().rsplit("\n\n", 1)
    assert last == f"report: {digits_run.layout.report_html}"
    for name, branch in digits_run.report["branches"].items():
        row = next(line for line in table.splitlines() if line.startswith(f"{name} "))
        assert f"{branch['accuracy']:.4f}" in row


def test_report_has_every_key(digits_run):
    report = digits_run.report
    assert report["dataset"] == dataset.load(digits_run.layout.data).manifest.summary()
    assert (report["dataset"]["train_examples"], report["dataset"]["eval_examples"]) == (1438, 359)
    assert list(report["branches"]) == ["keras", "lite"]
    for branch in report["branches"].values():
        assert branch["accuracy"] > 0.9
        assert branch["examples"] == 359
        assert tuple(branch["per_class_accuracy"]) == mnist.TASK.head.classes
        assert branch["model_bytes"] > 200_000
        assert 0 < branch["latency_us"]["p50"] <= branch["latency_us"]["p95"]
        assert branch["latency_us"]["batch"] == 1
        assert branch["blessed"] is True
        assert branch["warnings"] == []
        assert 0 <= branch["calibration_error"] < 0.2
    operators = [(b["operators"], b["delegated"]) for b in report["branches"].values()]
    assert operators == [(None, None), (3, 3)]
    compared = report["comparison"]["lite"]
    low, high = compared["ci95"]
    assert low <= compared["accuracy_delta"] <= high
    assert compared["agreement"] == 1 - compared["disagreement_count"] / 359
    assert 0 <= compared["mcnemar_p"] <= 1
    assert set(report["stack"]) == {"python", "tfx", "tensorflow", "name"}
    assert set(report["seconds"]) == set(COMPONENTS)
    assert report["seconds"]["trainer-keras"] > report["seconds"]["schema-gen"]


def test_report_agrees_with_the_pushed_models(digits_run, examples):
    for name, model in models(digits_run).items():
        branch = digits_run.report["branches"][name]
        predicted = model.predict(examples).argmax(axis=1)
        assert branch["pushed_uri"] == str(pushed(digits_run, name))
        assert branch["accuracy"] == pytest.approx(np.mean(predicted == examples.labels), abs=1e-6)
        confusion = np.zeros([mnist.TASK.head.outputs] * 2, int)
        np.add.at(confusion, (examples.labels, predicted), 1)
        assert branch["confusion"] == confusion.tolist()


def test_branches_agree_on_every_logit(digits_run, examples):
    keras, lite_model = (model.predict(examples) for model in models(digits_run).values())
    assert len(keras) == 359
    assert np.abs(keras).max() > 1
    np.testing.assert_allclose(keras, lite_model, atol=1e-4)


def test_keras_model_takes_serialized_examples(digits_run):
    signature = tf.saved_model.load(str(pushed(digits_run, "keras"))).signatures["serving_default"]
    _, inputs = signature.structured_input_signature
    assert inputs == {"examples": tf.TensorSpec([None], tf.string, "examples")}


def test_lite_model_takes_the_raw_image(digits_run):
    serving = digits_run.artifact("trainer-lite", "model") / "Format-Serving"
    assert [path.name for path in serving.iterdir()] == ["tflite"]
    (image,) = mnist.TASK.features
    interpreter = tf.lite.Interpreter(model_path=str(serving / "tflite"))
    (detail,) = interpreter.get_input_details()
    assert lite.input_names(str(serving / "tflite")) == [image.name]
    assert detail["dtype"] == np.float32
    assert detail["shape_signature"].tolist() == [-1, *image.shape]


def test_evaluations_have_the_same_structure(digits_run):
    """Field by field: the same slices, outputs, metrics, plots and kinds of value."""
    keras, lite_ = (
        tfma.load_eval_result(str(digits_run.artifact(f"evaluator-{name}", "evaluation")))
        for name in ("keras", "lite")
    )
    assert structure(keras.slicing_metrics) == structure(lite_.slicing_metrics)
    assert structure(keras.plots) == structure(lite_.plots)
    assert structure(keras.attributions) == structure(lite_.attributions)
    names = {name for _, metrics in keras.slicing_metrics for name in metrics[""][""]}
    assert names == {
        "sparse_categorical_accuracy",
        "sparse_categorical_crossentropy",
        "example_count",
        "expected_calibration_error",
    }
    assert len(keras.slicing_metrics) == 11

    config = type(keras.config)()
    config.CopyFrom(keras.config)
    config.model_specs[0].model_type = "tf_lite"
    assert config == lite_.config


def structure(results):
    """Slices and the keys below them, values replaced by their kind."""

    def shape(value):
        if isinstance(value, dict):
            return {key: shape(inner) for key, inner in value.items()}
        return type(value).__name__

    # Only the cells that occur are listed in a confusion matrix: their number may differ.
    def without_cells(value):
        if isinstance(value, dict):
            return {k: "cells" if k == "entries" else without_cells(v) for k, v in value.items()}
        if isinstance(value, list):
            return [without_cells(item) for item in value]
        return value

    by_slice = {key: shape(without_cells(values)) for key, values in results}
    assert by_slice or not results
    return by_slice


def test_the_names_of_the_classes_go_with_each_model(digits_run):
    names = "".join(f"{name}\n" for name in mnist.TASK.head.classes)
    assert (pushed(digits_run, "keras") / "assets.extra" / "labels.txt").read_text() == names
    assert (pushed(digits_run, "lite") / "labels.txt").read_text() == names


def test_training_is_logged_for_tensorboard(digits_run):
    for branch in ("keras", "lite"):
        logs = digits_run.artifact(f"trainer-{branch}", "model_run") / "logs"
        assert list(logs.glob("train/events*"))
        assert list(logs.glob("validation/events*"))


def test_page_shows_the_same_figures(digits_run):
    page = digits_run.layout.report_html.read_text()
    for branch in digits_run.report["branches"].values():
        assert f"{branch['accuracy'] * 100:.2f} %" in page


def test_report_is_rebuilt(digits_run):
    before = digits_run.report
    digits_run.layout.report_json.unlink()
    digits_run.layout.report_html.unlink()
    command = [*digits_run.completed.args[:1], "report", str(digits_run.layout.root)]
    completed = subprocess.run(command, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr
    assert digits_run.report == before
    assert digits_run.layout.report_html.exists()


def test_report_json_is_plain(digits_run):
    """No NaN, which JSON does not know, and no image data."""

    def refuse(constant):
        raise AssertionError(constant)

    text = digits_run.layout.report_json.read_text()
    json.loads(text, parse_constant=refuse)
    assert len(text) < 100_000


def test_a_second_run_does_nothing_twice(digits_run):
    again = run(digits_run.layout.root, *digits_run.arguments[2:])
    assert again.completed.returncode == 0, again.completed.stderr
    notes = steps(again.completed.stdout)
    # The comparison is each run's own.
    cached = set(COMPONENTS) - {"comparison"}
    assert {name for name, note in notes.items() if note == "cached"} == cached
    assert set(again.report["cached"]) == cached
    assert len(list((digits_run.layout.serving / "lite").glob("[0-9]*"))) == 1


def test_a_refused_model_is_not_pushed(digits_run):
    """Last: it changes the newest run of the directory."""
    refused = run(
        digits_run.layout.root, *digits_run.arguments[2:], "--set", "evaluation.min_accuracy=1"
    )
    assert refused.completed.returncode == 4
    accuracy = refused.report["branches"]["lite"]["accuracy"]
    sentence = f"sparse_categorical_accuracy is {accuracy:.4f}, {1 - accuracy:.4f} below 1"
    assert f"keras, lite were not pushed: {sentence}" in refused.completed.stderr
    assert len(refused.completed.stderr.strip().splitlines()) == 1
    for name in ("keras", "lite"):
        branch = refused.report["branches"][name]
        assert branch["blessed"] is False
        assert branch["pushed_uri"] is None
        assert branch["refusals"] == [sentence]
        assert len(list((digits_run.layout.serving / name).glob("[0-9]*"))) == 1
    assert sentence in refused.layout.report_html.read_text()


def test_budgets_refuse_a_model(digits_run):
    """Among the last, as the one above. A model that was removed is pushed again."""
    shutil.rmtree(digits_run.layout.serving / "keras")
    made = run(
        digits_run.layout.root,
        *digits_run.arguments[2:],
        *("--set", "branches=[keras, {name: lite, max_bytes: 100_000}]"),
    )
    assert made.completed.returncode == 4
    size = made.report["branches"]["lite"]["model_bytes"]
    sentence = f"model_bytes is {size:,}, {size - 100_000:,} above 100,000"
    assert f"lite was not pushed: {sentence}" in made.completed.stderr
    keras, lite = (made.report["branches"][name] for name in ("keras", "lite"))
    assert (keras["blessed"], keras["pushed"]) == (True, "yes")
    assert Path(keras["pushed_uri"], "saved_model.pb").is_file()
    assert lite["pushed_uri"] is None
    notes = steps(made.completed.stdout)
    assert (notes["trainer-keras"], notes["pusher-keras"]) == ("cached", "")
    assert "was removed; a run of its model pushes it again" in notes["compose"]
