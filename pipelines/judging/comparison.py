"""The comparison's document: what a run trained on and with, its branches, and how they compare."""

from typing import Any, ClassVar

from pydantic import field_validator, model_validator

from modules.task import Task
from pipelines.documents import Document
from pipelines.judging import heads
from pipelines.judging.classification import parts as classification
from pipelines.judging.parts import Example, Part
from pipelines.judging.regression import parts as regression


class Stack(Part):
    """The versions that the run used; see `pipelines.stack.Stack`."""

    name: str
    python: str
    tfx: str
    tensorflow: str


class Dataset(Part):
    """The dataset that the run trained on.

    Attributes:
      source: `digits`, `mnist`, or the path it came from.
      fingerprint: SHA-256 over the examples of both splits.
      train_examples: Count.
      eval_examples: Count.
      class_counts: Examples by split and class name; empty where there are no classes.
    """

    source: str
    fingerprint: str
    train_examples: int
    eval_examples: int
    class_counts: dict[str, dict[str, int]]


class Anomaly(Part):
    """What ExampleValidator found in one feature of one split."""

    split: str
    feature: str
    description: str


class Run(Part):
    """Which run it was, when and on what it compared its models.

    Attributes:
      id: The run's id.
      date: UTC, ISO 8601 to the second.
      processor: The processor's model.
      cores: How many the operating system reports.
    """

    id: str
    date: str
    processor: str
    cores: int


class Comparison(Document):
    """What a run found, complete: a report needs nothing else but what became of the models.

    Attributes:
      task: What the models learnt, as `modules.task.Task.to_dict` gives it.
      run: Which run.
      dataset: What it trained on.
      settings: What it was told, by setting: `training`, `evaluation`, `branches`.
      anomalies: What ExampleValidator found in the data.
      stack: The versions.
      branches: Each branch by name.
      comparison: Each branch but the baseline, against it.
      examples: Those that the page shows, by their place among the evaluation examples.
    """

    FORMAT: ClassVar[int] = 4

    task: dict[str, Any]
    run: Run
    dataset: Dataset
    settings: dict[str, Any]
    anomalies: list[Anomaly]
    stack: Stack
    branches: dict[str, classification.Branch | regression.Branch]
    comparison: dict[str, classification.Paired | regression.Paired]
    examples: dict[str, Example]

    @field_validator("task")
    @classmethod
    def _is_a_task(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            Task.from_dict(value)
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"it is no task: {error!r}") from None
        return value

    @model_validator(mode="after")
    def _has_parts_of_its_head(self) -> "Comparison":
        head = heads.of(Task.from_dict(self.task))
        if not all(isinstance(branch, head.branch_type) for branch in self.branches.values()):
            raise ValueError("a branch is of another kind of task")
        if not all(isinstance(paired, head.paired_type) for paired in self.comparison.values()):
            raise ValueError("a comparison is of another kind of task")
        return self
