"""Intervals: those of the published tables, of another library, and as often right as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.differential.intervals import beta_quantile, exact, incomplete_beta, wilson

COUNTS = st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@pytest.mark.parametrize(
    ("percent", "rows"),
    # 95 % limits of a percentage found among 100, 200, 500 and 1,000 cells, in the form of Rumke's table:
    # rounded outwards to whole percents. Worked out with SciPy; the print itself was not at hand.
    [
        (0, ((0, 4), (0, 2), (0, 1), (0, 1))),
        (1, ((0, 6), (0, 4), (0, 3), (0, 2))),
        (2, ((0, 8), (0, 6), (0, 4), (1, 4))),
        (5, ((1, 12), (2, 10), (3, 8), (3, 7))),
        (10, ((4, 18), (6, 16), (7, 13), (8, 13))),
        (20, ((12, 30), (14, 27), (16, 24), (17, 23))),
        (30, ((21, 40), (23, 37), (26, 35), (27, 33))),
        (50, ((39, 61), (42, 58), (45, 55), (46, 54))),
    ],
)
def test_the_exact_interval_is_that_of_the_wall_table(percent, rows):
    for (low, high), total in zip(rows, (100, 200, 500, 1000), strict=True):
        found = exact(percent * total // 100, total)
        assert (math.floor(found[0]), math.ceil(found[1])) == (low, high)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"), [(2, 100, 0, 7), (10, 100, 5, 18), (60, 200, 24, 37)]
)
def test_whole_percents_that_are_printed_everywhere(count, total, low, high):
    assert tuple(round(end) for end in exact(count, total)) == (low, high)


def test_of_none_and_of_all_the_exact_interval_is_a_power():
    assert exact(0, 100) == (0.0, pytest.approx(100 * (1 - 0.025 ** (1 / 100)), rel=1e-9))
    assert exact(100, 100) == (pytest.approx(100 * 0.025 ** (1 / 100), rel=1e-9), 100.0)
    assert exact(0, 0) == (0.0, 100.0)


@settings(max_examples=300, deadline=None)
@given(COUNTS)
def test_the_exact_interval_is_another_librarys(counted):
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    expected = stats.binomtest(*counted).proportion_ci(0.95, "exact")
    assert exact(*counted) == (
        pytest.approx(100 * expected.low, abs=1e-7),
        pytest.approx(100 * expected.high, abs=1e-7),
    )


@settings(max_examples=300, deadline=None)
@given(st.floats(0.001, 0.999), st.floats(0.1, 1e4), st.floats(0.1, 1e4))
def test_the_beta_quantile_is_another_librarys(share, a, b):
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    found = beta_quantile(share, a, b)
    assert found == pytest.approx(stats.beta.ppf(share, a, b), rel=1e-6, abs=1e-9)
    if a >= 1 and b >= 1:  # else it is so steep at its ends that no float lies close enough
        assert incomplete_beta(a, b, found) == pytest.approx(share, abs=1e-7)


@settings(max_examples=200, deadline=None)
@given(COUNTS, st.sampled_from([exact, wilson]))
def test_an_interval_holds_its_share_mirrors_and_rises_with_the_count(counted, interval):
    count, total = counted
    low, high = interval(count, total)
    assert 0 <= low <= 100 * count / total <= high <= 100
    mirrored = interval(total - count, total)
    assert (100 - mirrored[1], 100 - mirrored[0]) == (
        pytest.approx(low, abs=1e-7),
        pytest.approx(high, abs=1e-7),
    )
    if count < total:
        above = interval(count + 1, total)
        assert above[0] > low
        assert above[1] > high or high == 100
    twice = interval(2 * count, 2 * total)
    assert twice[1] - twice[0] <= high - low


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.floats(0.001, 0.999))
def test_the_exact_interval_covers_the_truth_at_least_as_often_as_it_says(total, share):
    counts = np.arange(total + 1)
    log_chance = (
        math.lgamma(total + 1)
        - np.array([math.lgamma(k + 1) + math.lgamma(total - k + 1) for k in counts])
        + counts * math.log(share)
        + (total - counts) * math.log1p(-share)
    )
    ends = [exact(k, total) if chance > -40 else (1, 0) for k, chance in enumerate(log_chance)]
    covering = np.array([low <= 100 * share <= high for low, high in ends])
    assert np.exp(log_chance)[covering].sum() >= 0.95 - 1e-6
