"""The head of a classification; see `pipelines.judging.heads.Head`."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modules.task import Classification
from pipelines.judging import parts
from pipelines.judging.classification import confusion
from pipelines.judging.classification.parts import Branch, Disagreement, Paired
from pipelines.settings import Evaluation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tensorflow_model_analysis.proto import config_pb2

    from pipelines.judging.evaluation import Evaluated

SHOWN = 60
"""How many disagreements of a branch the document and the page hold."""


class ClassificationHead:
    """How a classifier is judged and shown."""

    slices_by_label = True
    draws_confusion = True
    loss = "sparse_categorical_crossentropy"
    template = "classification.html.j2"
    columns: tuple[str, ...] = ("accuracy", "delta [95 % CI]", "agree")
    branch_type: type[parts.Branch] = Branch
    paired_type: type[parts.Paired] = Paired

    def __init__(self, head: Classification) -> None:
        self._classes = head.classes

    def metrics(self, gate: Evaluation) -> "list[config_pb2.MetricConfig]":
        """Accuracy, loss, calibration error and confusion; the gate bounds the accuracy."""
        from pipelines.judging.classification import metrics

        return metrics.configure(gate.min_accuracy)

    def decide(self, outputs: "NDArray[np.float32]") -> "NDArray[Any]":
        """The class with the highest logit."""
        predictions: NDArray[Any] = outputs.argmax(axis=1)
        return predictions

    def output_names(self) -> tuple[str, ...]:
        """The classes."""
        return self._classes

    def branch(
        self,
        shared: Mapping[str, Any],
        evaluated: "Evaluated",
        labels: "NDArray[Any]",
        predictions: "NDArray[Any]",
    ) -> Branch:
        """The Evaluator's figures alone."""
        from pipelines.judging.classification import metrics

        return Branch(
            **shared,
            accuracy=evaluated.metrics[metrics.ACCURACY],
            calibration_error=evaluated.metrics[metrics.CALIBRATION],
            per_class_accuracy={
                self._classes[label]: values[metrics.ACCURACY]
                for label, values in evaluated.by_label.items()
            },
            confusion=metrics.read_confusion(evaluated.plots, len(self._classes)),
        )

    def compare(
        self, labels: "NDArray[Any]", baseline: "NDArray[Any]", other: "NDArray[Any]"
    ) -> Paired:
        """The difference in accuracy, and the examples for which the predictions differ."""
        from pipelines.judging.classification import statistics

        differing = (baseline != other).nonzero()[0]
        return Paired(
            **dataclasses.asdict(statistics.compare(labels, baseline, other)),
            disagreement_count=len(differing),
            disagreements=[
                Disagreement(
                    index=int(i),
                    label=self._classes[labels[i]],
                    keras=self._classes[baseline[i]],
                    other=self._classes[other[i]],
                )
                for i in differing[:SHOWN]
            ],
        )

    def kfp_confusion(self, branch: parts.Branch) -> dict[str, Any] | None:
        """The confusion matrix, unless it is too large to draw.

        See `ConfusionMatrix` in KFP's `frontend/src/components/viewers/MetricsVisualizations.tsx`.
        """
        assert isinstance(branch, Branch)
        if len(self._classes) > confusion.LARGEST_MATRIX:
            return None
        return {
            "annotationSpecs": [{"displayName": name} for name in self._classes],
            "rows": [{"row": row} for row in branch.confusion],
        }

    def cells(self, branch: Mapping[str, Any], compared: Mapping[str, Any] | None) -> list[str]:
        """Accuracy, its difference from the baseline's, and the agreement."""
        return [
            f"{branch['accuracy']:.4f}",
            format_delta(compared) if compared else "baseline",
            f"{compared['agreement']:.1%}" if compared else "",
        ]

    def page_values(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Class names, and each branch's matrix or most frequent confusions."""
        return {
            "classes": self._classes,
            "delta": format_delta,
            "has_matrix": len(self._classes) <= confusion.LARGEST_MATRIX,
            "matrices": {
                name: confusion.lay_out(branch["confusion"], self._classes)
                for name, branch in report["branches"].items()
            },
            "confusions": {
                name: confusion.find_most_frequent(branch["confusion"], self._classes)
                for name, branch in report["branches"].items()
            },
        }


def format_delta(compared: Mapping[str, Any]) -> str:
    """`+0.0005 [-0.0012, +0.0021]`."""
    low, high = compared["ci95"]
    return f"{compared['accuracy_delta']:+.4f} [{low:+.4f}, {high:+.4f}]"
