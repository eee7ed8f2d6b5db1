"""The paired comparison of two classifiers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines.judging.classification.statistics import Paired, compare

Z = 1.959964


def predictions(
    both: int, baseline_only: int, other_only: int, neither: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Labels and two classifiers' predictions with these counts of right answers."""
    counts = (both, baseline_only, other_only, neither)
    labels = np.zeros(sum(counts), np.int64)
    baseline = np.repeat([0, 0, 1, 1], counts)
    other = np.repeat([0, 1, 0, 2], counts)
    return labels, baseline, other


def exact_mcnemar(baseline_only: int, other_only: int) -> float:
    """Two-sided: twice the smaller tail of a fair coin, at most 1."""
    n = baseline_only + other_only
    tail = sum(math.comb(n, k) for k in range(min(baseline_only, other_only) + 1))
    return min(1.0, 2 * tail / 2**n)


def test_hand_computed() -> None:
    # 100 examples: 80 both, 4 only the baseline, 10 only the other, 6 neither.
    found = compare(*predictions(80, 4, 10, 6))
    assert found.accuracy_delta == pytest.approx(0.06)
    assert found.agreement == pytest.approx(0.80)
    # Sum of C(14, 0..4) is 1471; twice that of 2**14.
    assert found.mcnemar_p == pytest.approx(2 * 1471 / 16384)
    # gain 11/102, loss 5/102: their difference 0.0588 and its error sqrt((0.1569 - 0.00346) / 102).
    half = Z * math.sqrt((16 / 102 - (6 / 102) ** 2) / 102)
    assert found.ci95 == pytest.approx((6 / 102 - half, 6 / 102 + half), abs=1e-6)
    assert found.ci95 == pytest.approx((-0.0172, 0.1348), abs=1e-4)


def test_one_example() -> None:
    found = compare(np.array([1]), np.array([1]), np.array([2]))
    assert (found.accuracy_delta, found.agreement, found.mcnemar_p) == (-1, 0, 1)
    assert found.ci95[0] == -1


def test_identical_predictions() -> None:
    labels = np.arange(50) % 10
    predicted = np.where(np.arange(50) < 45, labels, 0)
    found = compare(labels, predicted, predicted.copy())
    assert found.accuracy_delta == 0
    assert found.agreement == 1
    assert found.mcnemar_p == 1
    low, high = found.ci95
    assert low == -high
    # Never seeing a difference in 50 is no proof that there is none.
    assert 0.02 < high < 0.1


def test_both_wrong_in_different_ways_is_disagreement_without_difference() -> None:
    found = compare(*predictions(5, 0, 0, 5))
    assert (found.accuracy_delta, found.agreement, found.mcnemar_p) == (0, 0.5, 1)


def test_interval_narrows_with_examples() -> None:
    widths = []
    for scale in (1, 10, 100):
        low, high = compare(*predictions(90 * scale, 4 * scale, 4 * scale, 2 * scale)).ci95
        widths.append(high - low)
    assert widths[1] < widths[0] / 3
    assert widths[2] < widths[1] / 3


def test_interval_covers_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    counts = rng.multinomial(200, [0.85, 0.03, 0.06, 0.06], size=400)
    inside = 0
    for row in counts:
        low, high = compare(*predictions(*row.tolist())).ci95
        inside += low <= 0.03 <= high
    assert 0.92 <= inside / 400 <= 0.99


cells = st.tuples(*[st.integers(0, 60)] * 4).filter(any)


@given(cells)
def test_p_value_is_the_exact_one(counts: tuple[int, int, int, int]) -> None:
    found = compare(*predictions(*counts))
    assert found.mcnemar_p == pytest.approx(exact_mcnemar(counts[1], counts[2]), rel=1e-9)


@given(cells)
def test_interval_contains_the_difference_and_stays_within_bounds(
    counts: tuple[int, int, int, int],
) -> None:
    found = compare(*predictions(*counts))
    low, high = found.ci95
    assert -1 <= low <= found.accuracy_delta <= high <= 1
    assert low < high
    assert 0 < found.mcnemar_p <= 1
    assert 0 <= found.agreement <= 1


@given(cells)
def test_swapping_turns_the_signs_and_nothing_else(counts: tuple[int, int, int, int]) -> None:
    labels, baseline, other = predictions(*counts)
    there, back = compare(labels, baseline, other), compare(labels, other, baseline)
    assert back.accuracy_delta == -there.accuracy_delta
    assert back.ci95 == pytest.approx((-there.ci95[1], -there.ci95[0]))
    assert back.agreement == there.agreement
    assert back.mcnemar_p == pytest.approx(there.mcnemar_p)


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=1, max_size=50), st.randoms())
def test_order_of_examples_does_not_matter(rows: list[tuple[int, int, int]], random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    first, second = (compare(*np.array(order).T) for order in (rows, shuffled))
    assert first == second
    labels, baseline, other = np.array(rows).T
    difference = np.mean(other == labels) - np.mean(baseline == labels)
    assert first.accuracy_delta == pytest.approx(difference)


def test_result_is_made_of_plain_numbers() -> None:
    found = compare(*predictions(3, 2, 1, 0))
    assert isinstance(found, Paired)
    for number in (found.accuracy_delta, *found.ci95, found.agreement, found.mcnemar_p):
        assert type(number) is float
