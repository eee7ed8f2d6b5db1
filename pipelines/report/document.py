"""From what was measured of the branches to the parts of `pipelines.report.comparison`."""

import base64
import dataclasses
import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modules import features
from pipelines import evaluation
from pipelines.components.verdict import Verdict
from pipelines.report import predictors, statistics
from pipelines.report.comparison import IMAGES, Branch, Comparison, Disagreement, Latency, Paired
from pipelines.report.numbers import format_number
from pipelines.report.predictors import RawExamples


@dataclasses.dataclass(frozen=True)
class Measured:
    """What is known of one branch.

    Attributes:
      kind: `keras` or `lite`.
      evaluation: Its Evaluator's results.
      predictions: Predicted classes, `[n]`.
      model_bytes: Size of the exported model.
      latency: Of one call.
      verdict: What the lite validator found; None of a branch without one.
    """

    kind: str
    evaluation: evaluation.Evaluated
    predictions: NDArray[np.int64]
    model_bytes: int
    latency: predictors.Latency
    verdict: Verdict | None


def branches(measured: Mapping[str, Measured], baseline: str) -> dict[str, Branch]:
    """Each branch on its own; the baseline's loss tells where a loss of NaN comes from."""
    return {name: _branch(branch, measured[baseline]) for name, branch in measured.items()}


def paired(
    examples: RawExamples, measured: Mapping[str, Measured], baseline: str
) -> dict[str, Paired]:
    """Each branch but the baseline, against it on the same examples."""
    base = measured[baseline].predictions
    return {
        name: Paired(
            **dataclasses.asdict(statistics.compare(examples.labels, base, branch.predictions)),
            disagreements=_disagreements(examples, base, branch.predictions),
        )
        for name, branch in measured.items()
        if name != baseline
    }


def metrics(comparison: Comparison) -> dict[str, float]:
    """The comparison's numbers by name, such as `accuracy_lite`, for charts.

    Only finite ones: the messages in which TFX answers KFP have no NaN.
    """
    numbers = {}
    for name, branch in comparison.branches.items():
        numbers[f"accuracy_{name}"] = branch.accuracy
        numbers[f"model_bytes_{name}"] = float(branch.model_bytes)
        numbers[f"latency_us_{name}"] = branch.latency_us.p50
    for name, compared in comparison.comparison.items():
        numbers[f"accuracy_delta_{name}"] = compared.accuracy_delta
        numbers[f"agreement_{name}"] = compared.agreement
    return {name: number for name, number in numbers.items() if math.isfinite(number)}


def kfp_confusion(confusion: list[list[int]]) -> dict[str, Any]:
    """`[actual][predicted]` counts in the form that KFP's UI draws.

    See `ConfusionMatrix` in KFP's `frontend/src/components/viewers/MetricsVisualizations.tsx`.
    """
    return {
        "annotationSpecs": [{"displayName": str(digit)} for digit in range(len(confusion))],
        "rows": [{"row": row} for row in confusion],
    }


def _branch(branch: Measured, baseline: Measured) -> Branch:
    metrics, verdict = branch.evaluation.metrics, branch.verdict
    return Branch(
        kind=branch.kind,
        accuracy=metrics[evaluation.ACCURACY],
        loss=metrics[evaluation.LOSS],
        calibration_error=metrics[evaluation.CALIBRATION],
        examples=int(metrics[evaluation.COUNT]),
        per_class_accuracy=branch.evaluation.per_class_accuracy,
        confusion=branch.evaluation.confusion,
        model_bytes=branch.model_bytes,
        latency_us=Latency(**dataclasses.asdict(branch.latency)),
        operators=verdict.operators if verdict else None,
        delegated=verdict.delegated if verdict else None,
        evaluation_uri=branch.evaluation.uri,
        refusals=[
            *_divergence(branch, baseline),
            *branch.evaluation.failures,
            *(verdict.failures if verdict else []),
        ],
        warnings=verdict.warnings if verdict else [],
    )


def _divergence(branch: Measured, baseline: Measured) -> list[str]:
    """The sentence for a loss that is no number, which the Evaluator refuses."""
    loss, base = (b.evaluation.metrics[evaluation.LOSS] for b in (branch, baseline))
    if math.isfinite(loss):
        return []
    told = f"the loss is {format_number(loss)}"
    if math.isfinite(base):
        return [
            f"{told}, and that of the baseline {format_number(base)}: the branch's quantization "
            "or its run_fn loses the model's values; choose another quantization, or mend run_fn"
        ]
    return [f"{told}: the training diverged; lower training.learning_rate"]


def _disagreements(
    examples: RawExamples, base: NDArray[np.int64], other: NDArray[np.int64]
) -> list[Disagreement]:
    return [
        Disagreement(
            index=int(i),
            label=int(examples.labels[i]),
            keras=int(base[i]),
            other=int(other[i]),
            image=_png(examples.images[i]) if place < IMAGES else None,
        )
        for place, i in enumerate(np.flatnonzero(base != other))
    ]


def _png(image: NDArray[np.float32]) -> str:
    pixels = np.clip((image + 0.5) * 255, 0, 255).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.reshape(features.HEIGHT, features.WIDTH)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
