"""A regression's parts of the comparison's document; docs/report.md has the units."""

from collections.abc import Sequence

from pipelines.judging import parts


class Branch(parts.Branch):
    """One branch on its own; the loss is the mean squared error.

    Attributes:
      mean_absolute_error: In the label's unit; of the Evaluator, as the next two are.
      root_mean_squared_error: In the label's unit.
      r2: Coefficient of determination: 1 is best, 0 as good as the labels' mean.
      sample: Labels and predictions of some examples, by label.
    """

    mean_absolute_error: float
    root_mean_squared_error: float
    r2: float
    sample: list[tuple[float, float]]

    def scores(self) -> dict[str, float]:
        """The three figures of the error."""
        return {
            "mean_absolute_error": self.mean_absolute_error,
            "root_mean_squared_error": self.root_mean_squared_error,
            "r2": self.r2,
        }


class Difference(parts.Part):
    """An example for which the baseline and the branch predict different numbers.

    Attributes:
      index: Its place among the evaluation examples as stored.
      label: The right number.
      keras: What the baseline predicts.
      other: What the branch predicts.
    """

    index: int
    label: float
    keras: float
    other: float


class Paired(parts.Paired):
    """A branch against the baseline; see `pipelines.judging.regression.statistics.Paired`.

    Attributes:
      differences: The examples whose predictions differ most, the largest difference first.
    """

    error_delta: float
    ci95: tuple[float, float]
    mean_difference: float
    largest_difference: float
    differences: list[Difference]

    def scores(self) -> dict[str, float]:
        """The difference of the errors, and of the predictions."""
        return {
            "error_delta": self.error_delta,
            "mean_difference": self.mean_difference,
            "largest_difference": self.largest_difference,
        }

    def shown(self) -> Sequence[int]:
        """The examples whose predictions differ most."""
        return [difference.index for difference in self.differences]
