"""The paired comparison of two regressions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from pipelines.judging.regression.statistics import compare, find_largest_differences, sample


def test_hand_computed() -> None:
    labels = np.array([10.0, 20.0, 30.0, 40.0])
    baseline = np.array([11.0, 18.0, 33.0, 44.0])  # errors 1, 2, 3, 4
    other = np.array([8.0, 23.0, 30.0, 45.0])  # errors 2, 3, 0, 5
    found = compare(labels, baseline, other)
    # Differences of errors 1, 1, -3, 1: mean 0, standard deviation 2; t of 3 degrees is 3.182.
    assert found.error_delta == 0
    assert found.ci95 == pytest.approx((-3.1824, 3.1824), abs=1e-4)
    assert found.mean_difference == 0
    assert found.largest_difference == 5


numbers = st.floats(-1e6, 1e6, width=32)
rows = st.lists(st.tuples(numbers, numbers, numbers), min_size=2, max_size=40)


@given(rows)
def test_interval_is_that_of_the_paired_t_test(values: list[tuple[float, float, float]]) -> None:
    labels, baseline, other = np.array(values, np.float32).T
    found = compare(labels, baseline, other)
    errors = [np.abs(p.astype(float) - labels) for p in (other, baseline)]
    assert found.error_delta == pytest.approx(float(np.mean(errors[0] - errors[1])), abs=1e-6)
    if np.ptp(errors[0] - errors[1]) > 1e-3:
        low, high = ttest_rel(*errors).confidence_interval(0.95)
        assert found.ci95 == pytest.approx((low, high), rel=1e-6, abs=1e-6)


@given(rows)
def test_swapping_turns_the_signs(values: list[tuple[float, float, float]]) -> None:
    labels, baseline, other = np.array(values).T
    there, back = compare(labels, baseline, other), compare(labels, other, baseline)
    assert back.error_delta == -there.error_delta
    assert back.ci95 == pytest.approx((-there.ci95[1], -there.ci95[0]))
    assert back.mean_difference == -there.mean_difference
    assert back.largest_difference == there.largest_difference


def test_equal_predictions_do_not_differ() -> None:
    values = np.array([1.0, 2.0, 3.0], np.float32)
    found = compare(values, values + 1, values + 1)
    assert (found.error_delta, found.ci95, found.largest_difference) == (0, (0, 0), 0)
    assert find_largest_differences(values, values, 20).tolist() == []


def test_one_example_bounds_nothing() -> None:
    found = compare(np.array([1.0]), np.array([2.0]), np.array([4.0]))
    assert (found.error_delta, found.ci95) == (2, (-math.inf, math.inf))


def test_interval_covers_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        labels = rng.normal(0, 10, 50)
        baseline = labels + np.abs(rng.normal(3, 1, 50)) + 1
        other = baseline + rng.normal(0.5, 1, 50)
        low, high = compare(labels, baseline, other).ci95
        # Predictions are too high by far more than the noise, so that errors grow by 0.5.
        inside += low <= 0.5 <= high
    assert 0.92 <= inside / 400 <= 0.98


def test_largest_differences_come_first_and_lost_predictions_before_all() -> None:
    baseline = np.array([0, 0, 0, 0, np.nan, 0], np.float32)
    other = np.array([1, -3, 0, np.nan, np.nan, 2], np.float32)
    assert find_largest_differences(baseline, other, 20).tolist() == [3, 4, 1, 5, 0]
    assert find_largest_differences(baseline, other, 3).tolist() == [3, 4, 1]


@given(st.lists(numbers, min_size=1, max_size=60), st.integers(2, 70))
def test_a_sample_has_both_ends_and_even_steps(values: list[float], count: int) -> None:
    labels = np.array(values)
    places = sample(labels, count)
    assert len(places) == len(set(places.tolist())) == min(count, len(values))
    shown = labels[places]
    assert (np.diff(shown) >= 0).all()
    assert shown[0] == labels.min()
    assert len(places) == 1 or shown[-1] == labels.max()
