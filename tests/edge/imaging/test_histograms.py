"""What a picture's own levels say, by shortcuts that must give what the long way gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.imaging.histograms import smallest, split_in_three


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0, 2.0**60, width=32), min_size=1, max_size=300),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=3),
)
def test_ranks_are_those_of_the_sorted_values(values: list[float], shares: list[float]) -> None:
    numbers = np.array(values, np.float32) + np.float32(0)  # no -0
    ranks = [int(share * len(numbers)) for share in shares]
    assert smallest(numbers, *ranks) == np.sort(numbers)[ranks].tolist()


@pytest.mark.parametrize("levels", [(), (0,), (90,), (255,), (0, 255), (40, 200), (100, 104)])
def test_what_has_no_three_kinds_has_borders_all_the_same(levels: tuple[int, ...]) -> None:
    counts = np.zeros(256)
    counts[list(levels)] = 900
    assert all(0 <= border <= 255 for border in split_in_three(counts))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.integers(0, 63), st.integers(1, 5000), min_size=3, max_size=12))
def test_three_kinds_are_parted_where_the_variance_between_them_is_largest(kinds: dict[int, int]) -> None:
    counts = np.zeros(256)
    for level, count in kinds.items():
        counts[4 * level] = count
    first, second = split_in_three(counts)

    def between(low: int, high: int) -> float:
        parts = [counts[: low + 1], counts[low + 1 : high + 1], counts[high + 1 :]]
        starts = (0, low + 1, high + 1)
        sums = [
            float(part @ (np.arange(len(part)) + start)) for part, start in zip(parts, starts, strict=True)
        ]
        return sum(total**2 / part.sum() for total, part in zip(sums, parts, strict=True) if part.any())

    borders = [4 * level + 3 for level in sorted(kinds)[:-1]]
    best = max(between(low, high) for k, low in enumerate(borders) for high in borders[k + 1 :])
    assert first < second
    assert between(first, second) >= best * (1 - 1e-9)
