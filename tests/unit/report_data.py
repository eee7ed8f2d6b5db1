"""A small report by hand, as `pipelines.report.build.assemble` makes it, and its comparison."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from pipelines.report.comparison import Comparison

UNTRUSTED = '<script>alert("x")</script> & "quotes"'


def png() -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.full((28, 28), 200, np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def disagreement(index: int) -> dict[str, Any]:
    return {"index": index, "label": 7, "keras": 7, "other": index % 7, "image": png()}


def branch(kind: str, accuracy: float, **changes: Any) -> dict[str, Any]:
    confusion = [[0] * 10 for _ in range(10)]
    confusion[3][3], confusion[3][5], confusion[7][7] = 41, 2, 37
    return {
        "kind": kind,
        "accuracy": accuracy,
        "loss": 0.2871,
        "calibration_error": 0.0123,
        "examples": 80,
        "per_class_accuracy": {"3": 0.9535, "7": 1.0},
        "confusion": confusion,
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
        **changes,
    }


def report(disagreements: int = 2, **lite: Any) -> dict[str, Any]:
    return {
        "run": {
            "id": "2026-11-27T03:10:00+00:00",
            "date": "2026-11-27T03:10:42+00:00",
            "processor": "Small Processor 3000",
            "cores": 2,
        },
        "dataset": {
            "source": "digits",
            "fingerprint": "f" * 64,
            "train_examples": 1438,
            "eval_examples": 1359,
            "class_counts": {
                "train": {str(digit): 1430 + digit for digit in range(10)},
                "eval": {str(digit): 135 for digit in range(10)},
            },
        },
        "settings": {
            "training": {"preset": "mlp", "steps": 4321, "batch_size": 48, "seed": 17},
            "evaluation": {"min_accuracy": 0.8},
        },
        "anomalies": [],
        "branches": {
            "keras": branch("keras", 0.9712, model_bytes=1_234_567),
            "lite": branch("lite", 0.9634, **lite),
        },
        "comparison": {
            "lite": {
                "accuracy_delta": -0.0078,
                "ci95": [-0.0201, 0.0045],
                "agreement": 0.9873,
                "mcnemar_p": 0.0312,
                "disagreements": [disagreement(1000 + i) for i in range(disagreements)],
            }
        },
        "stack": {"python": "3.10.13", "tfx": "1.16.0", "tensorflow": "2.16.2", "name": "legacy"},
        "seconds": {"example-gen": 1.234, "trainer-keras": 2.5, "comparison": 3.0},
        "cached": ["example-gen"],
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
