"""What the Evaluator computes of a classifier, and how the parts of its results are read."""

from collections.abc import Mapping
from typing import Any

# TFMA 0.52 lost the names of its configuration at the top level.
from tensorflow_model_analysis.proto import config_pb2

from pipelines.judging import bounds

ACCURACY = "sparse_categorical_accuracy"
CALIBRATION = "expected_calibration_error"


def configure(min_accuracy: float) -> list[config_pb2.MetricConfig]:
    """The metrics, and what the gate wants.

    The accuracy has a lower bound, and the loss is to be a number: a model that answers NaN still
    gets every example of the first class right.
    """
    return [
        config_pb2.MetricConfig(
            class_name="SparseCategoricalAccuracy",
            per_slice_thresholds=[bounds.at_least(min_accuracy)],
        ),
        config_pb2.MetricConfig(class_name="ExampleCount"),
        config_pb2.MetricConfig(
            class_name="SparseCategoricalCrossentropy",
            config='{"from_logits": true}',
            per_slice_thresholds=[bounds.at_most(bounds.LARGEST)],
        ),
        config_pb2.MetricConfig(class_name="ExpectedCalibrationError", module="modules.metrics"),
        config_pb2.MetricConfig(
            class_name="MultiClassConfusionMatrixPlot",
            # The default, 0.0, counts a highest logit below it as no prediction. This one is below
            # every float32.
            config='{"thresholds": [-3.5e38]}',
        ),
    ]


def read_confusion(plots: Mapping[str, Any], classes: int) -> list[list[int]]:
    """`[actual][predicted]` counts of the Evaluator's plots."""
    counts = [[0] * classes for _ in range(classes)]
    matrix = plots["multiClassConfusionMatrixAtThresholds"]["matrices"][0]
    for entry in matrix["entries"]:
        # A class or count of 0 is left out of the JSON.
        # No prediction, which is -1, comes of logits that are all -inf: their argmax is 0.
        actual, predicted = entry.get("actualClassId", 0), max(entry.get("predictedClassId", 0), 0)
        counts[actual][predicted] += int(entry.get("numWeightedExamples", 0))
    return counts
