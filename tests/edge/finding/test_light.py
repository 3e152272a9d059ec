"""Light made even: the glass is one grey everywhere, and what lies on it keeps its contrast."""

from __future__ import annotations

import numpy as np
import pytest

from edge.finding.light import WHITE_LEVEL, evened, glass, tiles


def smear(light):
    """Round cells of half the light on glass, under a light (h, w, 3)."""
    height, width = light.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    cells = ((rows % 60 - 30) ** 2 + (columns % 60 - 30) ** 2) < 15**2
    return np.clip(light * np.where(cells, 0.5, 1.0)[:, :, None], 0, 255).astype(np.uint8), cells


def fall(height, width, tint):
    columns = np.linspace(0, 1, width)[None, :, None]
    rows = np.linspace(0, 1, height)[:, None, None]
    return (220 - 60 * columns - 30 * rows) * np.array(tint)


@pytest.mark.parametrize("tint", [(1, 1, 1), (1, 0.75, 0.8), (0.6, 0.9, 0.7)])
def test_light_that_falls_off_and_a_tint_are_gone(tint):
    pixels, cells = smear(fall(480, 720, tint))
    even = evened(pixels, glass(pixels, tiles((480, 720), 30))).astype(float)
    assert np.abs(even[~cells].mean(axis=0) - WHITE_LEVEL).max() < 12
    assert even[~cells].std() < 9
    assert pixels[~cells].std() > 18
    assert np.abs(even[cells].mean(axis=0) / WHITE_LEVEL - 0.5).max() < 0.05


def test_a_cell_that_fills_much_of_a_small_picture_is_not_taken_for_shade():
    pixels = np.full((240, 240, 3), 220, np.uint8)
    rows, columns = np.mgrid[0:240, 0:240]
    nucleus = (rows - 120) ** 2 + (columns - 120) ** 2 < 60**2
    pixels[nucleus] = (90, 40, 130)
    even = evened(pixels, glass(pixels, tiles((240, 240), 75)))
    assert tiles((240, 240), 75) == (1, 1)
    assert even[120, 120].tolist() == pytest.approx([96, 43, 139], abs=2)


def test_a_black_picture_stays_black():
    black = np.zeros((200, 300, 3), np.uint8)
    assert not evened(black, glass(black, tiles((200, 300), 20))).any()
