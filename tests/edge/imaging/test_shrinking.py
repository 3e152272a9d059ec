"""A picture made smaller: the mean of each area, halves to even, whatever a processor does with them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from edge.imaging.shrinking import shrunk


def _mean(pixels: np.ndarray, size: int) -> list[int]:
    """A row's areas, `size` of them, each by fractions."""
    step = Fraction(len(pixels), size)
    means = []
    for place in range(size):
        low, high = place * step, (place + 1) * step
        parts = (
            (min(high, pixel + 1) - max(low, pixel)) * int(value)
            for pixel, value in enumerate(pixels)
            if pixel < high and pixel + 1 > low
        )
        means.append(round(sum(parts, Fraction()) / step))  # of fractions it rounds halves to even
    return means


@pytest.mark.parametrize(("length", "size"), [(40, 30), (40, 12), (64, 32), (60, 20), (41, 41)])
def test_each_pixel_is_the_mean_of_its_area_and_halves_go_to_the_even_one(length: int, size: int) -> None:
    row = np.random.default_rng(length + size).integers(0, 256, length, dtype=np.uint8)
    row[:4] = 255, 254, 255, 254
    pixels = np.repeat(np.broadcast_to(row, (length, length))[:, :, None], 3, axis=2)
    small = shrunk(np.ascontiguousarray(pixels), (size, size))
    assert small.shape == (size, size, 3)
    assert small[size // 2, :, 1].tolist() == _mean(row, size)


@pytest.mark.parametrize("level", [100, 101])
def test_a_half_between_two_levels_goes_to_the_even_one_everywhere(level: int) -> None:
    board = (np.indices((480, 640)).sum(axis=0) % 2).astype(np.uint8) + np.uint8(level)
    small = shrunk(np.repeat(board[:, :, None], 3, axis=2), (320, 240))
    assert np.unique(small).tolist() == [level + level % 2]
