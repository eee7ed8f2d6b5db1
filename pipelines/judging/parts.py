"""Parts of the comparison's document that are the same for every task."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a document."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Latency(Part):
    """Time of one call in microseconds; see `pipelines.judging.predictors.Latency`."""

    p50: float
    p95: float
    batch: int
    threads: int


class Branch(Part):
    """One branch on its own; docs/report.md has the units."""

    kind: str
    examples: int
    loss: float
    model_bytes: int
    latency_us: Latency
    operators: int | None
    delegated: int | None
    evaluation_uri: str
    refusals: list[str]
    warnings: list[str]

    def scores(self) -> dict[str, float]:
        """How good the model is, by name."""
        raise NotImplementedError


class Paired(Part):
    """A branch against the baseline, on the same examples."""

    def scores(self) -> dict[str, float]:
        """How the branch differs, by name."""
        raise NotImplementedError

    def shown(self) -> Sequence[int]:
        """Places of the examples that the page shows, among the evaluation examples."""
        raise NotImplementedError


class Example(Part):
    """An evaluation example as the page shows it.

    Attributes:
      image: PNG, Base64; None where the task has no pictures.
      values: The features' values as texts, by name; empty beside a picture.
    """

    image: str | None
    values: dict[str, str]
