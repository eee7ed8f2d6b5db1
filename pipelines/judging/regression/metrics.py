"""What the Evaluator computes of a regression."""

# TFMA 0.52 lost the names of its configuration at the top level.
from tensorflow_model_analysis.proto import config_pb2

from pipelines.judging import bounds

ERROR = "mean_absolute_error"
ROOT = "root_mean_squared_error"
R2 = "r2"


def configure(max_error: float) -> list[config_pb2.MetricConfig]:
    """The metrics, and what the gate wants: errors that are numbers, and a mean error in bounds.

    Args:
      max_error: Largest mean absolute error; 0 for any.
    """
    return [
        config_pb2.MetricConfig(
            class_name="MeanAbsoluteError",
            per_slice_thresholds=[bounds.at_most(max_error or bounds.LARGEST)],
        ),
        config_pb2.MetricConfig(class_name="ExampleCount"),
        config_pb2.MetricConfig(
            class_name="MeanSquaredError",
            per_slice_thresholds=[bounds.at_most(bounds.LARGEST)],
        ),
        config_pb2.MetricConfig(class_name="RootMeanSquaredError"),
        config_pb2.MetricConfig(class_name="R2", module="modules.metrics"),
    ]
