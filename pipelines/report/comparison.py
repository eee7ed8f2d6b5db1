"""The comparison's document: what a run trained on and with, its branches, and how they compare."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from pipelines.documents import Document

IMAGES = 60
"""For how many disagreements of a branch the page shows the image."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stack(_Part):
    """The versions that the run used; see `pipelines.stack.Stack`."""

    name: str
    python: str
    tfx: str
    tensorflow: str


class Dataset(_Part):
    """The dataset that the run trained on.

    Attributes:
      source: `digits`, `mnist`, or the path it came from.
      fingerprint: SHA-256 over the examples of both splits.
      train_examples: Count.
      eval_examples: Count.
      class_counts: Examples by split and class.
    """

    source: str
    fingerprint: str
    train_examples: int
    eval_examples: int
    class_counts: dict[str, dict[str, int]]


class Anomaly(_Part):
    """What ExampleValidator found in one feature of one split."""

    split: str
    feature: str
    description: str


class Run(_Part):
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


class Latency(_Part):
    """Time of one call in microseconds; see `pipelines.report.predictors.Latency`."""

    p50: float
    p95: float
    batch: int
    threads: int


class Branch(_Part):
    """One branch on its own; docs/report.md has the units."""

    kind: str
    accuracy: float
    loss: float
    calibration_error: float
    examples: int
    per_class_accuracy: dict[str, float]
    confusion: list[list[int]]
    model_bytes: int
    latency_us: Latency
    operators: int | None
    delegated: int | None
    evaluation_uri: str
    refusals: list[str]
    warnings: list[str]


class Disagreement(_Part):
    """An example for which the baseline and the branch predict different classes.

    Attributes:
      index: Its place among the evaluation examples as stored.
      label: The right class.
      keras: What the baseline predicts.
      other: What the branch predicts.
      image: PNG, Base64; None after the first `IMAGES`.
    """

    index: int
    label: int
    keras: int
    other: int
    image: str | None


class Paired(_Part):
    """A branch against the baseline; see `pipelines.report.statistics.Paired`."""

    accuracy_delta: float
    ci95: tuple[float, float]
    agreement: float
    mcnemar_p: float
    disagreements: list[Disagreement]


class Comparison(Document):
    """What a run found, complete: a report needs nothing else but what became of the models.

    Attributes:
      run: Which run.
      dataset: What it trained on.
      settings: What it was told, by setting: `training`, `evaluation`, `branches`.
      anomalies: What ExampleValidator found in the data.
      stack: The versions.
      branches: Each branch by name.
      comparison: Each branch but the baseline, against it.
    """

    FORMAT: ClassVar[int] = 3

    run: Run
    dataset: Dataset
    settings: dict[str, Any]
    anomalies: list[Anomaly]
    stack: Stack
    branches: dict[str, Branch]
    comparison: dict[str, Paired]
