"""Small reports by hand, as `pipelines.judging.assembly.assemble` makes them, and comparisons."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from modules import mnist
from modules.task import Classification, Feature, Picture, Regression, Task
from pipelines.judging.comparison import Comparison

UNTRUSTED = '<script>alert("x")</script> & "quotes"'
WINE = Task(
    "wine",
    tuple(Feature(name) for name in ("alcohol", "malic_acid", "ash", "magnesium", "proline")),
    "cultivar",
    Classification(("first", "second", "third")),
)
DIABETES = Task("diabetes", (Feature("bmi"), Feature("bp")), "progression", Regression("points"))


def photos(classes: Sequence[str]) -> Task:
    """A task of colour pictures."""
    picture = Feature("image", (48, 64, 3), picture=Picture(48, 64, 3))
    return Task("photos", (picture,), "class", Classification(tuple(classes)))


def png(picture: Picture) -> str:
    shape = (picture.height, picture.width, picture.channels)
    pixels = np.linspace(60, 250, picture.size).reshape(shape).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def example(task: Task) -> dict[str, Any]:
    if task.pictures and task.pictures.picture:
        return {"image": png(task.pictures.picture), "values": {}}
    return {"image": None, "values": {feature.name: "12.345" for feature in task.features}}


def disagreement(index: int, classes: Sequence[str]) -> dict[str, Any]:
    right, wrong = (classes[place % len(classes)] for place in (7, index % 7))
    return {"index": index, "label": right, "keras": right, "other": wrong}


def branch(
    kind: str, accuracy: float, classes: Sequence[str] = mnist.TASK.head.classes, **changes: Any
) -> dict[str, Any]:
    confusion = [[0] * len(classes) for _ in classes]
    confusion[1][1], confusion[1][2], confusion[-1][-1] = 41, 2, 37
    return {
        **_shared(kind),
        "accuracy": accuracy,
        "loss": 0.2871,
        "calibration_error": 0.0123,
        "per_class_accuracy": {classes[1]: 0.9535, classes[-1]: 1.0},
        "confusion": confusion,
        **changes,
    }


def _shared(kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "examples": 80,
        "model_bytes": 222_000,
        "latency_us": {"p50": 12.4, "p95": 20.1, "batch": 1, "threads": 1},
        "operators": None if kind == "keras" else 3,
        "delegated": None if kind == "keras" else 3,
        "evaluation_uri": f"/out/pipeline/evaluator-{kind}/evaluation/7",
        "blessed": True,
        "refusals": [],
        "warnings": [],
        "pushed": "yes",
        "pushed_uri": f"/out/serving/{kind}/1700000000",
    }


def report(disagreements: int = 2, task: Task = mnist.TASK, **lite: Any) -> dict[str, Any]:
    """A classification."""
    assert isinstance(task.head, Classification)
    classes = task.head.classes
    differing = [disagreement(1000 + i, classes) for i in range(disagreements)]
    return {
        **_run(task),
        "dataset": {
            **_dataset(),
            "class_counts": {
                "train": {name: 1430 + place for place, name in enumerate(classes)},
                "eval": dict.fromkeys(classes, 135),
            },
        },
        "branches": {
            "keras": branch("keras", 0.9712, classes, model_bytes=1_234_567),
            "lite": branch("lite", 0.9634, classes, **lite),
        },
        "comparison": {
            "lite": {
                "accuracy_delta": -0.0078,
                "ci95": [-0.0201, 0.0045],
                "agreement": 0.9873,
                "mcnemar_p": 0.0312,
                "disagreement_count": disagreements,
                "disagreements": differing[:60],
            }
        },
        "examples": {str(item["index"]): example(task) for item in differing[:60]},
    }


def regression_report(differences: int = 2, **lite: Any) -> dict[str, Any]:
    """A regression; 500 points around the diagonal."""
    labels = np.linspace(25, 346, 500)
    noise = np.random.default_rng(0).normal(0, 40, 500)
    figures = {
        "loss": 2906.4567,
        "mean_absolute_error": 43.25,
        "root_mean_squared_error": 53.9116,
        "r2": 0.4712,
        "sample": [[round(x, 1), round(x + y, 2)] for x, y in zip(labels, noise, strict=True)],
    }
    return {
        **_run(DIABETES),
        "dataset": {**_dataset(), "class_counts": {"train": {}, "eval": {}}},
        "branches": {
            "keras": {**_shared("keras"), **figures},
            "lite": {**_shared("lite"), **figures, "mean_absolute_error": 43.5, **lite},
        },
        "comparison": {
            "lite": {
                "error_delta": 0.25,
                "ci95": [-0.1212, 0.6212],
                "mean_difference": -1.5,
                "largest_difference": 12.75,
                "differences": [
                    {"index": i, "label": 151.0, "keras": 140.25, "other": 153.0 - i}
                    for i in range(differences)
                ],
            }
        },
        "examples": {str(i): example(DIABETES) for i in range(differences)},
    }


def _run(task: Task) -> dict[str, Any]:
    return {
        "task": task.to_dict(),
        "run": {
            "id": "2026-11-27T03:10:00+00:00",
            "date": "2026-11-27T03:10:42+00:00",
            "processor": "Small Processor 3000",
            "cores": 2,
        },
        "settings": {
            "training": {
                "preset": "mlp",
                "steps": 4321,
                "batch_size": 48,
                "seed": 17,
                "augment": {"flip": True, "shift": 0.0, "brightness": 0.0},
                "mobilenet": {"alpha": 0.75, "weights": ""},
            },
            "evaluation": {"min_accuracy": 0.8, "max_error": 50.0},
        },
        "anomalies": [],
        "stack": {"python": "3.10.13", "tfx": "1.16.0", "tensorflow": "2.16.2", "name": "legacy"},
        "seconds": {"example-gen": 1.234, "trainer-keras": 2.5, "comparison": 3.0},
        "cached": ["example-gen"],
    }


def _dataset() -> dict[str, Any]:
    return {
        "source": "digits",
        "fingerprint": "f" * 64,
        "train_examples": 1438,
        "eval_examples": 1359,
    }


def comparison(shown: dict[str, Any] | None = None) -> Comparison:
    """What the run of a report recorded."""
    shown = shown or report()
    outcome = ("blessed", "pushed", "pushed_uri")
    branches = {
        name: {key: value for key, value in values.items() if key not in outcome}
        for name, values in shown["branches"].items()
    }
    recorded = {key: value for key, value in shown.items() if key not in ("seconds", "cached")}
    return Comparison.model_validate({**recorded, "branches": branches})
