"""Frames that show streaks are told from those that rest, by what the specimen's frames are usually like."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from textured_slide import view

from edge.slide.motion_blur import Grain, MotionBlur
from edge.slide.registration import thumbnail


def streaked(x, across=60, down=1):
    return thumbnail(cv2.blur(view(x), (across, down)))


def resting(blur, count):
    return [blur.is_blurred(thumbnail(view(40 * number))) for number in range(count)]


@pytest.mark.parametrize(("across", "down"), [(60, 1), (1, 60), (20, 1), (1, 20)])
def test_streaks_either_way_are_noticed_and_resting_frames_and_focus_are_not(across, down):
    blur = MotionBlur()
    assert not any(resting(blur, 6))
    assert blur.is_blurred(streaked(300, across, down))
    assert not blur.is_blurred(thumbnail(cv2.GaussianBlur(view(300), (0, 0), 3)))
    assert not blur.is_blurred(thumbnail(view(340)))
    assert not blur.is_blurred(streaked(300, 1 + across // 10, 1 + down // 10)), "so little shows nowhere"


def test_before_five_frames_nothing_is_usual():
    for before, noticed in ((3, False), (4, True)):
        blur = MotionBlur()
        assert not any(resting(blur, before))
        assert blur.is_blurred(streaked(300)) is noticed


def test_what_is_usual_is_told_by_the_last_hundred_frames():
    blur = MotionBlur()
    resting(blur, 10)
    told = [blur.is_blurred(streaked(10 * number)) for number in range(102)]
    assert all(told[:9]), "most frames before were sharp"
    assert not any(told[11:]), "most frames are such by now"
    # The hundred that are remembered are all of them streaked: one more sharp frame is only one.
    assert not blur.is_blurred(streaked(1100))


def test_grain_is_that_of_the_direction_with_least_of_it():
    rows, columns = np.mgrid[:40, :40]
    # Waves across only: their slopes are 2 sin(w) cos(...), and along the other axis there are none.
    across = np.rint(100 * np.sin(0.5 * columns)).astype(np.int8)
    assert Grain.of(across) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
    both = np.rint(50 * np.sin(0.5 * columns) + 50 * np.sin(0.5 * rows)).astype(np.int8)
    # The variance is shared by two waves, so each direction has half of (2 sin 0.5)^2.
    assert Grain.of(both).detail == pytest.approx(2 * np.sin(0.5) ** 2, rel=0.1)
    assert Grain.of(both).evenness == pytest.approx(0.5, abs=0.02)
    # Turned by 45 degrees, waves are as one-sided as before.
    slanted = np.rint(100 * np.sin(0.4 * (columns + rows))).astype(np.int8)
    assert Grain.of(slanted).evenness < 0.01
    assert Grain.of(np.rint(100 * np.sin(0.4 * (columns - rows))).astype(np.int8)).evenness < 0.01
    uneven = np.rint(80 * np.sin(0.5 * columns) + 40 * np.sin(0.5 * rows)).astype(np.int8)
    assert Grain.of(uneven).evenness == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("shape", [(2, 40), (40, 2)])
def test_what_is_too_small_for_slopes_has_none(shape):
    assert Grain.of(np.ones(shape, np.int8)) == (0.0, 0.5)
    assert Grain.of(np.zeros((3, 3), np.int8)) == (0.0, 0.0)
