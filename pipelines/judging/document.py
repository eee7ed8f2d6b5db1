"""From what was measured of the branches to the parts of `pipelines.judging.comparison`."""

import dataclasses
import math
from collections.abc import Mapping

from pipelines.judging import predictors
from pipelines.judging.comparison import Comparison
from pipelines.judging.evaluation import COUNT, Evaluated
from pipelines.judging.heads import Head
from pipelines.judging.numbers import format_number
from pipelines.judging.parts import Branch, Latency, Paired
from pipelines.judging.predictors import Predictions
from pipelines.judging.verdict import Verdict


@dataclasses.dataclass(frozen=True)
class Measured:
    """What is known of one branch beside its predictions.

    Attributes:
      kind: `keras` or `lite`.
      evaluation: Its Evaluator's results.
      model_bytes: Size of the exported model.
      latency: Of one call.
      verdict: What the lite validator found; None of a branch without one.
    """

    kind: str
    evaluation: Evaluated
    model_bytes: int
    latency: predictors.Latency
    verdict: Verdict | None


def branches(
    head: Head, measured: Mapping[str, Measured], predictions: Predictions, baseline: str
) -> dict[str, Branch]:
    """Each branch on its own; the baseline's loss tells where a loss of NaN comes from."""
    return {
        name: _branch(head, name, branch, predictions, measured[baseline])
        for name, branch in measured.items()
    }


def paired(head: Head, predictions: Predictions, baseline: str) -> dict[str, Paired]:
    """Each branch but the baseline, against it on the same examples."""
    base = predictions.by_model[baseline]
    return {
        name: head.compare(predictions.labels, base, other)
        for name, other in predictions.by_model.items()
        if name != baseline
    }


def metrics(comparison: Comparison) -> dict[str, float]:
    """The comparison's numbers by name, such as `accuracy_lite`, for charts.

    Only finite ones: the messages in which TFX answers KFP have no NaN.
    """
    numbers: dict[str, float] = {}
    for name, branch in comparison.branches.items():
        scores = branch.scores()
        scores |= {"model_bytes": float(branch.model_bytes), "latency_us": branch.latency_us.p50}
        numbers |= {f"{score}_{name}": value for score, value in scores.items()}
    for name, compared in comparison.comparison.items():
        numbers |= {f"{score}_{name}": value for score, value in compared.scores().items()}
    return {name: number for name, number in numbers.items() if math.isfinite(number)}


def _branch(
    head: Head, name: str, branch: Measured, predictions: Predictions, baseline: Measured
) -> Branch:
    verdict = branch.verdict
    shared = {
        "kind": branch.kind,
        "examples": int(branch.evaluation.metrics[COUNT]),
        "loss": branch.evaluation.metrics[head.loss],
        "model_bytes": branch.model_bytes,
        "latency_us": Latency(**dataclasses.asdict(branch.latency)),
        "operators": verdict.operators if verdict else None,
        "delegated": verdict.delegated if verdict else None,
        "evaluation_uri": branch.evaluation.uri,
        "refusals": [
            *_divergence(head, branch, baseline),
            *branch.evaluation.failures,
            *(verdict.failures if verdict else []),
        ],
        "warnings": verdict.warnings if verdict else [],
    }
    return head.branch(shared, branch.evaluation, predictions.labels, predictions.by_model[name])


def _divergence(head: Head, branch: Measured, baseline: Measured) -> list[str]:
    """The sentence for a loss that is no number, which the Evaluator refuses."""
    loss, base = (b.evaluation.metrics[head.loss] for b in (branch, baseline))
    if math.isfinite(loss):
        return []
    told = f"the loss is {format_number(loss)}"
    if math.isfinite(base):
        return [
            f"{told}, and that of the baseline {format_number(base)}: the branch's quantization "
            "or its run_fn loses the model's values; choose another quantization, or mend run_fn"
        ]
    return [f"{told}: the training diverged; lower training.learning_rate"]
