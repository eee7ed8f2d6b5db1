"""Bounds of a metric that the Evaluator checks before it blesses a model."""

import sys
from typing import Any

# TFMA 0.52 lost the names of its configuration at the top level.
from tensorflow_model_analysis.proto import config_pb2

LARGEST = sys.float_info.max
"""An upper bound that every number keeps, and NaN and infinity do not: TFMA compares with <=."""


def at_least(value: float) -> config_pb2.PerSliceMetricThreshold:
    """A lower bound for the whole split."""
    return _bound(lower_bound={"value": value})


def at_most(value: float) -> config_pb2.PerSliceMetricThreshold:
    """An upper bound for the whole split."""
    return _bound(upper_bound={"value": value})


def _bound(**bounds: Any) -> config_pb2.PerSliceMetricThreshold:
    """A plain `threshold` would hold for every slice on its own."""
    return config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec()],
        threshold=config_pb2.MetricThreshold(
            value_threshold=config_pb2.GenericValueThreshold(**bounds)
        ),
    )
