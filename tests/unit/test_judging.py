"""Two tasks that are not MNIST, from exported models to the comparison's document and page."""

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
import tf_keras as keras
from numpy.typing import NDArray
from PIL import Image
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.types import artifact_utils, standard_artifacts

from modules.task import Task
from pipelines import settings
from pipelines.components import artifacts, comparison, lite_validator, task_property
from pipelines.judging import evaluation
from pipelines.judging.comparison import Comparison
from pipelines.settings import Evaluation
from tests.unit import exported
from tests.unit.exported import PHOTOS, YIELD

COUNT = 80
DATASET = {
    "source": "made",
    "fingerprint": "f" * 64,
    "train_examples": 1,
    "eval_examples": COUNT,
    "class_counts": {},
}


def evaluate(task: Task, kind: str, model_dir: Path, gate: Evaluation, uri: Path) -> None:
    """What TFX's Evaluator does with a model."""
    config = evaluation.eval_config(task, gate)
    if kind == "lite":
        config = evaluation.lite_eval_config(config)
    tfma.run_model_analysis(
        eval_shared_model=tfma.default_eval_shared_model(str(model_dir), eval_config=config),
        eval_config=config,
        data_location=str(model_dir.parents[1] / "examples" / "Split-eval" / "*"),
        output_path=str(uri),
    )


class Judged:
    """A task's models, and what became of them."""

    def __init__(self, root: Path, task: Task, labels: NDArray[Any], gate: Evaluation) -> None:
        self.task, self.labels = task, labels
        self.features = exported.make_features(task, COUNT)
        examples = exported.write_examples(root / "examples", task, self.features, labels)
        self.predicted, inputs = {}, {"examples": [examples], "anomalies": [anomalies(root)]}
        for seed, kind in enumerate(("keras", "lite")):
            model = exported.make_model(task, seed=seed)
            self.predicted[kind] = np.asarray(model(self.features))
            exported.save(task, model, root / kind / "Format-Serving", kind)
            inputs[f"model_{kind}"] = [exported.as_model(root / kind)]
            evaluate(task, kind, root / kind / "Format-Serving", gate, root / f"evaluated-{kind}")
            inputs[f"evaluation_{kind}"] = [artifact(standard_artifacts.ModelEvaluation, root,
                                                     f"evaluated-{kind}")]  # fmt: skip
        properties = {task_property.TASK: task_property.write(task)}
        blessing = artifact(standard_artifacts.InfraBlessing, root, "blessing")
        lite_validator.Executor().Do(
            {"model": inputs["model_lite"], "examples": [examples]},
            {"blessing": [blessing]},
            properties,
        )
        inputs["validation_lite"] = [blessing]
        self.outputs = {
            "comparison": artifact(artifacts.Comparison, root, "comparison"),
            "metrics": artifact(artifacts.Metrics, root, "metrics"),
            "page": artifact(artifacts.Page, root, "page"),
            "confusion_keras": artifact(artifacts.ClassificationMetrics, root, "confusion-keras"),
            "confusion_lite": artifact(artifacts.ClassificationMetrics, root, "confusion-lite"),
        }
        comparison.Executor().Do(
            inputs,
            {key: [output] for key, output in self.outputs.items()},
            {
                **properties,
                "branches": json.dumps([{"name": kind, "kind": kind} for kind in self.predicted]),
                "settings": settings.Settings().model_dump_json(),
                "dataset": json.dumps(DATASET),
                "run": "a run",
            },
        )
        file = root / "comparison" / "comparison.json"
        self.document = Comparison.parse(file.read_bytes(), str(file)).model_dump()
        self.page = (root / "page").read_text(encoding="utf-8")


def artifact(kind: type[types.Artifact], root: Path, name: str) -> types.Artifact:
    made = kind()
    made.uri = str(root / name)
    return made


def anomalies(root: Path) -> types.Artifact:
    found = artifact(standard_artifacts.ExampleAnomalies, root, "anomalies")
    found.split_names = artifact_utils.encode_split_names(["eval"])
    file = root / "anomalies" / "Split-eval" / "SchemaDiff.pb"
    file.parent.mkdir(parents=True)
    file.write_bytes(anomalies_pb2.Anomalies().SerializeToString())
    return found


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    labels = np.arange(COUNT) // 3 % 2
    return Judged(tmp_path_factory.mktemp("photos"), PHOTOS, labels, Evaluation(min_accuracy=0.99))


@pytest.fixture(scope="module")
def harvest(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    labels = np.linspace(-3, 5, COUNT).astype(np.float32)
    return Judged(tmp_path_factory.mktemp("yield"), YIELD, labels, Evaluation(max_error=0.125))


@pytest.mark.parametrize("kind", ["keras", "lite"])
def test_a_classifier_is_judged_by_its_classes(photos: Judged, kind: str) -> None:
    predicted = photos.predicted[kind].argmax(axis=1)
    right = predicted == photos.labels
    branch = photos.document["branches"][kind]
    assert branch["accuracy"] == pytest.approx(right.mean())
    assert branch["per_class_accuracy"] == pytest.approx(
        {name: right[photos.labels == i].mean() for i, name in enumerate(("china", "flower"))}
    )
    assert branch["confusion"] == [
        [int(np.sum((photos.labels == a) & (predicted == p))) for p in (0, 1)] for a in (0, 1)
    ]
    below = 0.99 - right.mean()
    assert branch["refusals"] == [
        f"sparse_categorical_accuracy is {right.mean():.4f}, {below:.4f} below 0.99"
    ]
    assert branch["examples"] == COUNT


def test_disagreements_have_names_and_pictures(photos: Judged) -> None:
    keras_, lite = (photos.predicted[kind].argmax(axis=1) for kind in ("keras", "lite"))
    compared = photos.document["comparison"]["lite"]
    differing = np.flatnonzero(keras_ != lite)
    assert compared["disagreement_count"] == len(differing) > 5
    assert [d["index"] for d in compared["disagreements"]] == differing.tolist()
    for d in compared["disagreements"]:
        names = [PHOTOS.head.classes[v[d["index"]]] for v in (photos.labels, keras_, lite)]
        assert [d["label"], d["keras"], d["other"]] == names
    for index, example in photos.document["examples"].items():
        image = Image.open(io.BytesIO(base64.b64decode(example["image"])))
        assert image.mode == "RGB"
        expected = np.round((photos.features["photo"][int(index)] + 0.5) * 255)
        np.testing.assert_array_equal(np.asarray(image), expected)
    assert photos.page.count("<img") == len(differing)


def test_kfp_draws_the_matrix_with_class_names(photos: Judged) -> None:
    drawn = photos.outputs["confusion_lite"].get_json_value_custom_property("confusionMatrix")
    assert drawn["annotationSpecs"] == [{"displayName": "china"}, {"displayName": "flower"}]
    confusion = photos.document["branches"]["lite"]["confusion"]
    assert drawn["rows"] == [{"row": row} for row in confusion]
    metrics = photos.outputs["metrics"].mlmd_artifact.custom_properties
    assert {"accuracy_lite", "agreement_lite", "latency_us_keras"} <= set(metrics)


@pytest.mark.parametrize("kind", ["keras", "lite"])
def test_a_regression_is_judged_by_its_errors(harvest: Judged, kind: str) -> None:
    errors = harvest.predicted[kind][:, 0] - harvest.labels
    branch = harvest.document["branches"][kind]
    assert branch["mean_absolute_error"] == pytest.approx(np.abs(errors).mean(), rel=1e-4)
    assert branch["root_mean_squared_error"] == pytest.approx(
        math.sqrt((errors**2).mean()), rel=1e-4
    )
    assert branch["loss"] == pytest.approx((errors**2).mean(), rel=1e-4)
    assert branch["r2"] == pytest.approx(
        1 - (errors**2).mean() / harvest.labels.astype(float).var(), rel=1e-4
    )
    (refusal,) = branch["refusals"]
    assert refusal.startswith("mean_absolute_error is ")
    assert refusal.endswith(" above 0.125")
    np.testing.assert_allclose(
        branch["sample"],
        np.stack([harvest.labels, harvest.predicted[kind][:, 0]], axis=1),
        rtol=1e-4,
    )


def test_a_regression_is_compared_by_its_predictions(harvest: Judged) -> None:
    keras_, lite = (harvest.predicted[kind][:, 0].astype(float) for kind in ("keras", "lite"))
    compared = harvest.document["comparison"]["lite"]
    assert compared["mean_difference"] == pytest.approx((lite - keras_).mean(), rel=1e-4)
    assert compared["largest_difference"] == pytest.approx(np.abs(lite - keras_).max(), rel=1e-4)
    places = [d["index"] for d in compared["differences"]]
    distances = np.abs(lite - keras_)[places]
    assert len(places) == 20
    assert (np.diff(distances) <= 1e-5).all()
    assert set(harvest.document["examples"]) == set(map(str, places))
    shown = harvest.document["examples"][str(places[0])]
    assert shown["image"] is None
    assert shown["values"]["age"] == str(harvest.features["age"][places[0]][0])
    assert len(shown["values"]["weights"].split(", ")) == 3


def test_a_regression_has_a_plot_and_no_matrix(harvest: Judged) -> None:
    assert harvest.page.count("<svg") == 2
    assert "Confusion" not in harvest.page
    assert "predicted (t)" in harvest.page
    for kind in ("keras", "lite"):
        assert not harvest.outputs[f"confusion_{kind}"].mlmd_artifact.custom_properties
    metrics = harvest.outputs["metrics"].mlmd_artifact.custom_properties
    assert {"mean_absolute_error_lite", "r2_keras", "error_delta_lite"} <= set(metrics)


@pytest.mark.parametrize("max_error", [0.0, 1e30])
def test_a_regression_that_diverged_is_refused(tmp_path: Path, max_error: float) -> None:
    features = exported.make_features(YIELD, 20)
    exported.write_examples(tmp_path / "examples", YIELD, features, np.zeros(20, np.float32))
    broken = exported.make_model(YIELD, keras.layers.Lambda(lambda y: y * tf.constant(np.nan)))
    model_dir = tmp_path / "keras" / "Format-Serving"
    exported.save(YIELD, broken, model_dir, "keras")
    gate = Evaluation(max_error=max_error)
    evaluate(YIELD, "keras", model_dir, gate, tmp_path / "evaluated")
    assert not tfma.load_validation_result(str(tmp_path / "evaluated")).validation_ok
    read = evaluation.read(str(tmp_path / "evaluated"))
    assert math.isnan(read.metrics["mean_squared_error"])
    assert read.failures == []  # the document tells of the loss
