"""The metrics, beside plain computations of them."""

import numpy as np
import pandas
import pytest
import tensorflow_model_analysis as tfma
import tf_keras as keras
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import r2_score
from tensorflow_model_analysis.proto import config_pb2

from modules.metrics import R2, ExpectedCalibrationError


def plainly(
    labels: NDArray[np.int64], logits: NDArray[np.float32], bins: int, weights: NDArray[np.float32]
) -> float:
    """From the definition: gaps between accuracy and confidence, bin by bin."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    total = 0.0
    for i in range(bins):
        last = i == bins - 1
        inside = (confidence >= i / bins) & ((confidence < (i + 1) / bins) | last)
        if weights[inside].sum():
            accuracy = np.average(predicted[inside] == labels[inside], weights=weights[inside])
            mean = np.average(confidence[inside], weights=weights[inside])
            total += weights[inside].sum() * abs(accuracy - mean)
    return total / weights.sum()


def batch(seed: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    logits = rng.normal(0, 2, (count, 10)).astype(np.float32)
    logits[np.arange(count), labels] += rng.normal(2, 2, count)
    return labels, logits


@limits(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 200), st.sampled_from([1, 2, 10, 15]))
def test_as_by_definition(seed: int, count: int, bins: int) -> None:
    labels, logits = batch(seed, count)
    metric = ExpectedCalibrationError(bins)
    metric.update_state(labels, logits)
    expected = plainly(labels, logits, bins, np.ones(count, np.float32))
    assert metric.result().numpy() == pytest.approx(expected, abs=1e-5)


def test_known_value() -> None:
    # Four predictions at confidence 0.9, three of them right: |0.75 - 0.9|.
    logits = np.log(np.full((4, 2), [0.9, 0.1], np.float32))
    metric = ExpectedCalibrationError()
    metric.update_state(np.array([0, 0, 0, 1]), logits)
    assert metric.result().numpy() == pytest.approx(0.15, abs=1e-6)


def test_sure_and_right_is_zero_and_sure_and_wrong_is_one() -> None:
    logits = np.array([[100.0, 0, 0]] * 5, np.float32)
    for label, expected in ((0, 0.0), (2, 1.0)):
        metric = ExpectedCalibrationError()
        metric.update_state(np.full(5, label), logits)
        assert metric.result().numpy() == pytest.approx(expected)


def test_weights() -> None:
    labels, logits = batch(3, 100)
    weights = np.random.default_rng(4).uniform(0, 3, 100).astype(np.float32)
    metric = ExpectedCalibrationError()
    metric.update_state(labels, logits, weights)
    expected = plainly(labels, logits, 10, weights)
    assert metric.result().numpy() == pytest.approx(expected, abs=1e-5)
    assert expected != pytest.approx(plainly(labels, logits, 10, np.ones(100, np.float32)))


def test_batches_add_up() -> None:
    labels, logits = batch(1, 90)
    whole, parts = ExpectedCalibrationError(), ExpectedCalibrationError()
    whole.update_state(labels, logits)
    for start in range(0, 90, 40):
        parts.update_state(labels[start : start + 40], logits[start : start + 40])
    assert parts.result().numpy() == pytest.approx(whole.result().numpy(), abs=1e-6)


def test_labels_may_come_as_a_column() -> None:
    labels, logits = batch(1, 20)
    flat, column = ExpectedCalibrationError(), ExpectedCalibrationError()
    flat.update_state(labels, logits)
    column.update_state(labels[:, np.newaxis], logits)
    assert column.result().numpy() == flat.result().numpy()


def test_nothing_seen_is_zero() -> None:
    assert ExpectedCalibrationError().result().numpy() == 0


def test_reset() -> None:
    metric, fresh = ExpectedCalibrationError(), ExpectedCalibrationError()
    metric.update_state(*batch(1, 50))
    metric.reset_state()
    assert metric.result().numpy() == 0
    metric.update_state(*batch(2, 50))
    fresh.update_state(*batch(2, 50))
    assert metric.result().numpy() == fresh.result().numpy()


def test_config_round_trip_as_tfma_does_it() -> None:
    metric = ExpectedCalibrationError(bins=7, name="calibration")
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert isinstance(again, ExpectedCalibrationError)
    assert (again.bins, again.name) == (7, "calibration")
    assert again.get_config() == metric.get_config()
    metric.update_state(*batch(1, 50))
    again.update_state(*batch(1, 50))
    assert again.result().numpy() == metric.result().numpy()


def test_default_name_is_the_one_the_report_reads() -> None:
    assert ExpectedCalibrationError().name == "expected_calibration_error"


def numbers(count: int, offset: float = 150) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(count)
    labels = rng.normal(offset, 77, count).astype(np.float32)
    return labels, (labels + rng.normal(0, 30, count)).astype(np.float32)


@pytest.mark.parametrize("offset", [0, 150, 1e6])
def test_r2_is_that_of_scikit_learn(offset: float) -> None:
    labels, predictions = numbers(300, offset)
    weights = np.random.default_rng(4).uniform(0, 3, 300).astype(np.float32)
    for weight in (None, weights):
        metric = R2()
        for start in range(0, 300, 70):
            rows = slice(start, start + 70)
            metric.update_state(
                labels[rows],
                predictions[rows, np.newaxis],
                None if weight is None else weight[rows],
            )
        expected = r2_score(
            labels.astype(np.float64), predictions.astype(np.float64), sample_weight=weight
        )
        assert metric.result().numpy() == pytest.approx(expected, abs=1e-6)


def test_r2_of_labels_that_are_all_the_same_is_zero() -> None:
    metric = R2()
    assert metric.result().numpy() == 0
    metric.update_state(np.full(7, 0.1, np.float32), np.full(7, 0.3, np.float32))
    assert metric.result().numpy() == 0


def test_r2_shows_predictions_that_are_not_numbers() -> None:
    labels, predictions = numbers(10)
    predictions[3] = np.nan
    metric = R2()
    metric.update_state(labels, predictions)
    assert np.isnan(metric.result().numpy())


def test_tfma_merges_r2_over_batches() -> None:
    """It cannot merge the one of tf_keras, whose weights get their shapes from the first batch."""
    labels, predictions = numbers(1000)
    config = config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(label_key="label", prediction_key="prediction")],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[config_pb2.MetricConfig(class_name="R2", module="modules.metrics")]
            )
        ],
        slicing_specs=[config_pb2.SlicingSpec()],
    )
    frame = pandas.DataFrame({"label": labels, "prediction": predictions})
    result = tfma.analyze_raw_data(frame, config)
    ((_, metrics),) = result.slicing_metrics
    expected = r2_score(labels.astype(np.float64), predictions.astype(np.float64))
    assert metrics[""][""]["r2"]["doubleValue"] == pytest.approx(expected, abs=1e-5)
