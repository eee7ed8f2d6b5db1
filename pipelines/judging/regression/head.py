"""The head of a regression; see `pipelines.judging.heads.Head`."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modules.task import Regression
from pipelines.judging import parts
from pipelines.judging.numbers import format_number, format_value
from pipelines.judging.regression import plot
from pipelines.judging.regression.parts import Branch, Difference, Paired
from pipelines.settings import Evaluation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tensorflow_model_analysis.proto import config_pb2

    from pipelines.judging.evaluation import Evaluated

_SHOWN = 20
"""How many of the examples that differ most the document and the page hold."""
_POINTS = 500
"""Most points in a branch's plot."""


class RegressionHead:
    """How a regression is judged and shown."""

    slices_by_label = False
    draws_confusion = False
    loss = "mean_squared_error"
    template = "regression.html.j2"
    columns: tuple[str, ...] = ("MAE", "delta [95 % CI]", "R²")
    branch_type: type[parts.Branch] = Branch
    paired_type: type[parts.Paired] = Paired

    def __init__(self, head: Regression) -> None:
        self._unit = head.unit

    def metrics(self, gate: Evaluation) -> "list[config_pb2.MetricConfig]":
        """Errors and R2; the gate bounds the mean absolute error."""
        from pipelines.judging.regression import metrics

        return metrics.configure(gate.max_error)

    def decide(self, outputs: "NDArray[np.float32]") -> "NDArray[Any]":
        """The one output."""
        predictions: NDArray[Any] = outputs[:, 0]
        return predictions

    def output_names(self) -> tuple[str, ...]:
        """None: there is one output."""
        return ()

    def branch(
        self,
        shared: Mapping[str, Any],
        evaluated: "Evaluated",
        labels: "NDArray[Any]",
        predictions: "NDArray[Any]",
    ) -> Branch:
        """The Evaluator's figures, and a sample of the predictions."""
        from pipelines.judging.regression import metrics, statistics

        return Branch(
            **shared,
            mean_absolute_error=evaluated.metrics[metrics.ERROR],
            root_mean_squared_error=evaluated.metrics[metrics.ROOT],
            r2=evaluated.metrics[metrics.R2],
            sample=[
                (_shorten(labels[i]), _shorten(predictions[i]))
                for i in statistics.sample(labels, _POINTS)
            ],
        )

    def compare(
        self, labels: "NDArray[Any]", baseline: "NDArray[Any]", other: "NDArray[Any]"
    ) -> Paired:
        """The difference of the errors, and the examples whose predictions differ most."""
        from pipelines.judging.regression import statistics

        return Paired(
            **dataclasses.asdict(statistics.compare(labels, baseline, other)),
            differences=[
                Difference(
                    index=int(i),
                    label=float(labels[i]),
                    keras=float(baseline[i]),
                    other=float(other[i]),
                )
                for i in statistics.find_largest_differences(baseline, other, _SHOWN)
            ],
        )

    def kfp_confusion(self, branch: parts.Branch) -> dict[str, Any] | None:
        """None: there are no classes."""
        return None

    def cells(self, branch: Mapping[str, Any], compared: Mapping[str, Any] | None) -> list[str]:
        """Mean absolute error, its difference from the baseline's, and R2."""
        return [
            format_value(float(branch["mean_absolute_error"])),
            format_delta(compared) if compared else "baseline",
            format_number(float(branch["r2"])),
        ]

    def page_values(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """The unit, and each branch's plot."""
        return {
            "unit": self._unit,
            "delta": format_delta,
            "plots": {
                name: plot.lay_out(branch["sample"]) for name, branch in report["branches"].items()
            },
        }


def format_delta(compared: Mapping[str, Any]) -> str:
    """`+0.5 [-0.12, +1.12]`."""
    delta, low, high = (
        # `report.json` has NaN as text.
        format_value(float(value), "+")
        for value in (compared["error_delta"], *compared["ci95"])
    )
    return f"{delta} [{low}, {high}]"


def _shorten(value: "np.float32") -> float:
    """Six significant digits: a plot shows no more."""
    return float(f"{value:.6g}")
