"""A classification's parts of the comparison's document; docs/report.md has the units."""

from collections.abc import Sequence

from pipelines.judging import parts


class Branch(parts.Branch):
    """One branch on its own.

    Attributes:
      accuracy: Of the Evaluator, as loss and calibration error are.
      calibration_error: Expected calibration error.
      per_class_accuracy: By class name; classes without examples are left out.
      confusion: `[actual][predicted]` counts, in the order of the task's classes.
    """

    accuracy: float
    calibration_error: float
    per_class_accuracy: dict[str, float]
    confusion: list[list[int]]

    def scores(self) -> dict[str, float]:
        """The accuracy."""
        return {"accuracy": self.accuracy}


class Disagreement(parts.Part):
    """An example for which the baseline and the branch predict different classes.

    Attributes:
      index: Its place among the evaluation examples as stored.
      label: The right class.
      keras: What the baseline predicts.
      other: What the branch predicts.
    """

    index: int
    label: str
    keras: str
    other: str


class Paired(parts.Paired):
    """A branch against the baseline; see `pipelines.judging.classification.statistics.Paired`.

    Attributes:
      disagreement_count: Examples for which the two predict different classes.
      disagreements: The first of them.
    """

    accuracy_delta: float
    ci95: tuple[float, float]
    agreement: float
    mcnemar_p: float
    disagreement_count: int
    disagreements: list[Disagreement]

    def scores(self) -> dict[str, float]:
        """The difference in accuracy, and the agreement."""
        return {"accuracy_delta": self.accuracy_delta, "agreement": self.agreement}

    def shown(self) -> Sequence[int]:
        """The disagreements."""
        return [disagreement.index for disagreement in self.disagreements]
