"""A dot of one colour is no cell, whatever its colour; a cell with its grain is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge.finding.drawn import is_drawn

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _dot(colour: tuple[int, int, int], grain: float = 0.0) -> NDArray[np.uint8]:
    pixels = np.full((120, 120, 3), 215, np.uint8)
    cv2.circle(pixels, (60, 60), 30, colour, -1, cv2.LINE_AA)
    noisy = pixels + np.random.default_rng(1).normal(0, grain, pixels.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


@pytest.mark.parametrize("colour", [(40, 30, 120), (20, 20, 60), (200, 0, 0), (90, 40, 130)])
@pytest.mark.parametrize("quality", [None, 60, 90])
def test_a_dot_of_ink_is_drawn_also_after_a_jpeg(colour: tuple[int, int, int], quality: int | None) -> None:
    pixels = _dot(colour)
    if quality is not None:
        coded = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        pixels = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[:, :, ::-1], np.uint8)
    assert is_drawn(pixels, np.array([60, 60], np.float32), 60)


@pytest.mark.parametrize("centre", [(60, 60), (2, 60), (119, 119)])
def test_what_has_grain_is_not_drawn_wherever_it_lies(centre: tuple[int, int]) -> None:
    assert not is_drawn(_dot((90, 40, 130), grain=5.0), np.array(centre, np.float32), 60)


@pytest.mark.parametrize("light", [0.2, 0.3, 0.4, 0.5, 0.7])
def test_in_a_dim_picture_what_has_grain_is_a_cell_and_a_dot_is_drawn(light: float) -> None:
    for grain in (0.0, 6.0):
        dim = np.asarray(_dot((90, 40, 130), grain) * light, np.uint8)
        assert is_drawn(dim, np.array([60, 60], np.float32), 60) == (grain == 0)


def test_a_middle_outside_the_picture_is_not_drawn() -> None:
    assert not is_drawn(_dot((90, 40, 130)), np.array([500, -300], np.float32), 60)
