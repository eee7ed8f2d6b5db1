"""All that differs between kinds of tasks where models are judged."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from modules.task import Classification, Task
from pipelines.judging.classification.head import ClassificationHead
from pipelines.judging.parts import Branch, Paired
from pipelines.judging.regression.head import RegressionHead
from pipelines.settings import Evaluation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tensorflow_model_analysis.proto import config_pb2

    from pipelines.judging.evaluation import Evaluated


class Head(Protocol):
    """How models of one task are judged and shown.

    Attributes:
      slices_by_label: Whether the Evaluator judges the examples of each label on their own.
      draws_confusion: Whether each branch has a matrix that KFP's UI draws.
      loss: The name of the loss among the Evaluator's metrics.
      template: The page's macros for this head: `headline`, `facts`, `sections`.
      columns: Headings of the scores in the table on a terminal.
      branch_type: The document's part for a branch.
      paired_type: The document's part for a branch against the baseline.
    """

    slices_by_label: bool
    draws_confusion: bool
    loss: str
    template: str
    columns: tuple[str, ...]
    branch_type: type[Branch]
    paired_type: type[Paired]

    def metrics(self, gate: Evaluation) -> "list[config_pb2.MetricConfig]":
        """What the Evaluator computes, with the bounds that a model has to keep."""

    def decide(self, outputs: "NDArray[np.float32]") -> "NDArray[Any]":
        """Predictions `[n]`, comparable with labels, of a model's outputs `[n, outputs]`."""

    def output_names(self) -> tuple[str, ...]:
        """A name for each of the model's outputs; empty where none is needed."""

    def branch(
        self,
        shared: Mapping[str, Any],
        evaluated: "Evaluated",
        labels: "NDArray[Any]",
        predictions: "NDArray[Any]",
    ) -> Branch:
        """The document's part for one branch.

        Args:
          shared: The fields of `pipelines.judging.parts.Branch`.
          evaluated: What its Evaluator found.
          labels: `[n]`.
          predictions: `[n]`.
        """

    def compare(
        self, labels: "NDArray[Any]", baseline: "NDArray[Any]", other: "NDArray[Any]"
    ) -> Paired:
        """Compare a branch's predictions with the baseline's, all `[n]`."""

    def kfp_confusion(self, branch: Branch) -> dict[str, Any] | None:
        """The matrix that KFP's UI draws of a branch; None if there is none."""

    def cells(self, branch: Mapping[str, Any], compared: Mapping[str, Any] | None) -> list[str]:
        """A branch's scores for `columns`; both arguments as a report has them."""

    def page_values(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """What the head's macros need beside the report."""


def of(task: Task) -> Head:
    """The head of a task."""
    if isinstance(task.head, Classification):
        return ClassificationHead(task.head)
    return RegressionHead(task.head)
