"""What the Evaluator judges, and how its results are read."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import tensorflow_model_analysis as tfma

# TFMA 0.52 lost the names of its configuration at the top level.
from tensorflow_model_analysis.proto import config_pb2

from modules.task import Task
from pipelines import settings
from pipelines.judging import heads
from pipelines.judging.bounds import LARGEST
from pipelines.judging.numbers import format_value

COUNT = "example_count"


def eval_config(task: Task, gate: settings.Evaluation) -> config_pb2.EvalConfig:
    """The Keras branch's configuration: the head's metrics and what the gate wants of them."""
    head = heads.of(task)
    slicing_specs = [config_pb2.SlicingSpec()]
    if head.slices_by_label:
        slicing_specs.append(config_pb2.SlicingSpec(feature_keys=[task.label]))
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(label_key=task.label, signature_name="serving_default")],
        slicing_specs=slicing_specs,
        metrics_specs=[config_pb2.MetricsSpec(metrics=head.metrics(gate))],
    )


def lite_eval_config(config: config_pb2.EvalConfig) -> config_pb2.EvalConfig:
    """A copy that differs only in telling the Evaluator that the model is a TFLite model."""
    lite = config_pb2.EvalConfig()
    lite.CopyFrom(config)
    lite.model_specs[0].model_type = "tf_lite"
    return lite


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """One Evaluator's results.

    Attributes:
      uri: Of the evaluation artifact.
      metrics: Overall metrics by name. A loss that is not finite is a refusal of its own.
      by_label: Metrics of the examples with one label, by label; empty without such slices.
      plots: The overall plots, as protobuf's JSON has them.
      failures: Each bound that was missed, and by how much, a sentence each.
    """

    uri: str
    metrics: Mapping[str, float]
    by_label: Mapping[int, Mapping[str, float]]
    plots: Mapping[str, Any]
    failures: list[str]


def read(uri: str) -> Evaluated:
    """Reads what an Evaluator wrote, with TFMA's own loaders."""
    result = tfma.load_eval_result(uri)
    overall: dict[str, float] = {}
    by_label: dict[int, dict[str, float]] = {}
    for slice_key, metrics in result.slicing_metrics:
        values = {
            name: float(value["doubleValue"])  # protobuf's JSON has NaN as text
            for name, value in metrics[""][""].items()
            if "doubleValue" in value
        }
        if slice_key:
            by_label[int(slice_key[0][1])] = values
        else:
            overall = values
    overall_plots = next((plots for slice_key, plots in result.plots if not slice_key), None)
    plots = overall_plots[""][""] if overall_plots else {}
    return Evaluated(uri, overall, dict(sorted(by_label.items())), plots, _failures(uri))


def _failures(uri: str) -> list[str]:
    """Each bound that was missed, and by how much; the document tells of a model that diverged."""
    sentences = []
    for validation in tfma.load_validation_result(uri).metric_validations_per_slice:
        for failure in validation.failures:
            threshold = failure.metric_threshold.value_threshold
            name, value = failure.metric_key.name, failure.metric_value.double_value.value
            if threshold.HasField("lower_bound"):
                bound = threshold.lower_bound.value
                sentences.append(f"{name} is {value:.4f}, {bound - value:.4f} below {bound:g}")
            elif math.isfinite(value) and threshold.upper_bound.value < LARGEST:
                bound = threshold.upper_bound.value
                sentences.append(
                    f"{name} is {format_value(value)}, {format_value(value - bound)} above "
                    f"{bound:g}"
                )
    return sentences
