"""What the Evaluator judges, and how its results are read."""

import dataclasses
import sys
from typing import Any

import tensorflow_model_analysis as tfma

# TFMA 0.52 lost the names of its configuration at the top level.
from tensorflow_model_analysis.proto import config_pb2

from modules import features

ACCURACY = "sparse_categorical_accuracy"
LOSS = "sparse_categorical_crossentropy"
COUNT = "example_count"
CALIBRATION = "expected_calibration_error"


def eval_config(min_accuracy: float) -> config_pb2.EvalConfig:
    """The Keras branch's configuration: metrics overall and per digit, and what the gate wants.

    The accuracy has a lower bound, and the loss is to be a number: a model that answers NaN still
    gets every image of class 0 right.
    """
    overall = config_pb2.SlicingSpec()
    accuracy = config_pb2.MetricConfig(
        class_name="SparseCategoricalAccuracy",
        per_slice_thresholds=[_bound(overall, lower_bound={"value": min_accuracy})],
    )
    loss = config_pb2.MetricConfig(
        class_name="SparseCategoricalCrossentropy",
        config='{"from_logits": true}',
        # TFMA compares with <=, which is false for NaN.
        per_slice_thresholds=[_bound(overall, upper_bound={"value": sys.float_info.max})],
    )
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(label_key=features.LABEL, signature_name="serving_default")
        ],
        slicing_specs=[overall, config_pb2.SlicingSpec(feature_keys=[features.LABEL])],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    accuracy,
                    config_pb2.MetricConfig(class_name="ExampleCount"),
                    loss,
                    config_pb2.MetricConfig(
                        class_name="ExpectedCalibrationError", module="modules.metrics"
                    ),
                    config_pb2.MetricConfig(
                        class_name="MultiClassConfusionMatrixPlot",
                        # The default, 0.0, counts a highest logit below it as no prediction. This
                        # one is below every float32.
                        config='{"thresholds": [-3.5e38]}',
                    ),
                ]
            )
        ],
    )


def lite_eval_config(config: config_pb2.EvalConfig) -> config_pb2.EvalConfig:
    """A copy that differs only in telling the Evaluator that the model is a TFLite model."""
    lite = config_pb2.EvalConfig()
    lite.CopyFrom(config)
    lite.model_specs[0].model_type = "tf_lite"
    return lite


def _bound(overall: config_pb2.SlicingSpec, **bounds: Any) -> config_pb2.PerSliceMetricThreshold:
    """A bound for the whole split; a plain `threshold` would hold for every digit on its own."""
    return config_pb2.PerSliceMetricThreshold(
        slicing_specs=[overall],
        threshold=config_pb2.MetricThreshold(
            value_threshold=config_pb2.GenericValueThreshold(**bounds)
        ),
    )


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """One Evaluator's results.

    Attributes:
      uri: Of the evaluation artifact.
      metrics: Overall metrics by name. A loss that is not finite is a refusal of its own.
      per_class_accuracy: By digit.
      confusion: `[actual][predicted]` counts.
      failures: Each lower bound that was missed, and by how much, a sentence each.
    """

    uri: str
    metrics: dict[str, float]
    per_class_accuracy: dict[str, float]
    confusion: list[list[int]]
    failures: list[str]


def read(uri: str) -> Evaluated:
    """Reads what an Evaluator wrote, with TFMA's own loaders."""
    result = tfma.load_eval_result(uri)
    overall: dict[str, float] = {}
    per_class: dict[str, float] = {}
    for slice_key, metrics in result.slicing_metrics:
        values = {
            name: float(value["doubleValue"])  # protobuf's JSON has NaN as text
            for name, value in metrics[""][""].items()
            if "doubleValue" in value
        }
        if not slice_key:
            overall = values
        else:
            per_class[str(slice_key[0][1])] = values[ACCURACY]
    return Evaluated(
        uri=uri,
        metrics=overall,
        per_class_accuracy=dict(sorted(per_class.items())),
        confusion=_confusion(result),
        failures=_failures(uri),
    )


def _confusion(result: Any) -> list[list[int]]:
    counts = [[0] * features.CLASSES for _ in range(features.CLASSES)]
    plots = next(plots for slice_key, plots in result.plots if not slice_key)
    matrix = plots[""][""]["multiClassConfusionMatrixAtThresholds"]["matrices"][0]
    for entry in matrix["entries"]:
        # A class or count of 0 is left out of the JSON.
        # No prediction, which is -1, comes of logits that are all -inf: their argmax is 0.
        actual, predicted = entry.get("actualClassId", 0), max(entry.get("predictedClassId", 0), 0)
        counts[actual][predicted] += int(entry.get("numWeightedExamples", 0))
    return counts


def _failures(uri: str) -> list[str]:
    """Each lower bound that was missed, and by how much."""
    sentences = []
    for validation in tfma.load_validation_result(uri).metric_validations_per_slice:
        for failure in validation.failures:
            if not failure.metric_threshold.value_threshold.HasField("lower_bound"):
                continue
            value = failure.metric_value.double_value.value
            bound = failure.metric_threshold.value_threshold.lower_bound.value
            sentences.append(
                f"{failure.metric_key.name} is {value:.4f}, {bound - value:.4f} below {bound:g}"
            )
    return sentences
