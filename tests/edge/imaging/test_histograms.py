"""What a picture's own levels say, by shortcuts that must give what the long way gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.imaging.histograms import (
    histogram,
    median_levels,
    median_of_many,
    quantile,
    smallest,
    split_in_three,
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0, 2.0**60, width=32), min_size=1, max_size=300),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=3),
)
def test_ranks_are_those_of_the_sorted_values(values: list[float], shares: list[float]) -> None:
    numbers = np.array(values, np.float32) + np.float32(0)  # no -0
    ranks = [int(share * len(numbers)) for share in shares]
    assert smallest(numbers, *ranks) == np.sort(numbers)[ranks].tolist()


@pytest.mark.parametrize("kind", ["bell", "steps", "rows", "few", "nowhere", "everywhere"])
@pytest.mark.parametrize("seed", range(5))
def test_the_middle_level_of_a_picture_is_that_of_its_histogram(kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    levels = random.normal(200, 12 * seed + 1, (240, 320))
    inside = (random.random(levels.shape) < 0.3).astype(np.uint8)
    if kind == "steps":
        levels = np.where(levels > 200, 255, 0)
    if kind == "rows":  # of what every sixteenth row shows, the others know nothing
        levels[::16] = 3
    if kind == "few":
        inside[:] = 0
        inside[101, 40:44] = 1
    if kind == "nowhere":
        inside[:] = 0
    if kind == "everywhere":
        inside[:] = 255
    image = np.clip(levels, 0, 255).astype(np.uint8)

    for part in (image, image[:20, :30]):
        shown = inside[: part.shape[0], : part.shape[1]]
        found = median_levels([part, 255 - part], shown)
        assert found == [quantile(histogram(channel, shown), 0.5) for channel in (part, 255 - part)]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 9000), st.integers(1, 50), st.integers(0, 9))
def test_the_median_of_a_whole_picture_is_that_of_its_values(count: int, kinds: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 1, count).astype(np.float32)
    few = np.round(values * kinds / 10)  # many alike, as in a picture
    for numbers in (values, few, np.sort(few)):
        assert median_of_many(numbers) == np.median(numbers)


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
