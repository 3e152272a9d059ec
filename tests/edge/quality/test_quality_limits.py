"""On which side of each limit a frame is refused: small painted frames, and figures without a frame."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
import pytest

from edge.messages import Quality
from edge.quality.assessment import assess
from edge.quality.reference import QualityReference

GLASS, CELL = 230, (150, 100, 160)


def frame(glass=GLASS, *, cells=60, colour=CELL, grain=1.0):
    """Cells on glass, 480 x 640, with the grain of a sensor."""
    rng = np.random.default_rng(3)
    pixels = np.full((480, 640, 3), glass, np.uint8)
    for x, y in zip(rng.integers(0, 640, cells), rng.integers(0, 480, cells), strict=True):
        cv2.circle(pixels, (int(x), int(y)), 14, colour, -1)
    return np.clip(pixels + rng.normal(0, grain, pixels.shape), 0, 255).astype(np.uint8)


def spotted(share, glass=200, spot=160):
    """Glass with this share of slightly darker pixels."""
    pixels = np.full((480, 640, 3), glass, np.uint8)
    chosen = np.random.default_rng(3).random((480, 640)) < share
    pixels[cv2.dilate(chosen.astype(np.uint8), np.ones((1, 1))) > 0] = spot
    return pixels


def test_cells_on_glass_are_accepted():
    quality = assess(frame())
    assert (quality.accepted, quality.reason) == (True, None)
    assert quality.clipped == 0, "bright glass is not white"
    assert quality.background_rgb == pytest.approx((GLASS,) * 3, abs=4)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (frame(45, colour=(20, 10, 20)), None),
        (frame(27, colour=(5, 2, 5)), "too dark"),
        (frame(255, cells=120, grain=0), None),
        (frame(255, cells=30, grain=0), "overexposed"),
        (spotted(0.0), "blank"),
        (spotted(0.004), "blank"),
        (np.repeat(np.linspace(190, 215, 640).astype(np.uint8)[None, :, None].repeat(480, 0), 3, 2), "blank"),
        (cv2.blur(frame(), (61, 1)), "motion"),
        (cv2.GaussianBlur(frame(), (0, 0), 12), None),
        (cv2.GaussianBlur(frame(), (0, 0), 20), "out of focus"),
    ],
    ids=[
        "dim",
        "dark",
        "much white",
        "nearly all white",
        "nothing",
        "next to nothing",
        "a gradient of light",
        "streaks",
        "soft",
        "clouds",
    ],
)
def test_what_nobody_could_use_is_refused_and_what_is_just_better_is_not(pixels, reason):
    quality = assess(pixels)
    assert (quality.reason, quality.accepted) == (reason, reason is None)


def test_noise_does_not_make_a_blurred_frame_sharp():
    blurred = cv2.GaussianBlur(frame(), (0, 0), 8)
    noisy = np.clip(blurred + np.random.default_rng(1).normal(0, 3, blurred.shape), 0, 255).astype(np.uint8)
    assert assess(noisy).focus < 1.2 * assess(blurred).focus
    assert assess(noisy).focus < 0.3 * assess(frame()).focus


def test_a_finer_picture_of_the_same_field_is_as_sharp():
    large = cv2.resize(frame(), None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    assert assess(large).focus == pytest.approx(assess(frame()).focus, rel=0.15)


def test_the_black_around_a_diaphragm_is_not_judged():
    pixels = frame()
    inside = np.zeros(pixels.shape[:2], np.uint8)
    cv2.circle(inside, (320, 240), 235, 1, -1)
    seen = assess(pixels * inside[:, :, None])
    assert seen.brightness == pytest.approx(assess(pixels).brightness, abs=6)
    assert seen.coverage == pytest.approx(assess(pixels).coverage, abs=0.05)
    assert seen.accepted


def test_what_cells_cover_is_what_lets_less_light_through():
    assert assess(frame(cells=0)).coverage == 0
    few, many = (assess(frame(cells=cells)).coverage for cells in (20, 120))
    assert 0.02 < few < 0.05
    assert 0.12 < many < 0.25


USUAL = Quality(
    accepted=True,
    reason=None,
    focus=20.0,
    motion=0.1,
    brightness=180.0,
    clipped=0.05,
    background_rgb=(200.0, 200.0, 200.0),
    stain=0.3,
    coverage=0.3,
)


def beside_the_usual(fields=8, **figures):
    reference = QualityReference()
    for _ in range(fields):
        reference.learn(USUAL, 640, 480)
    return reference.reason(msgspec.structs.replace(USUAL, **figures), 640, 480)


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({}, None),
        ({"clipped": 0.25}, None),
        ({"clipped": 0.35}, "overexposed"),
        ({"background_rgb": (245.0,) * 3}, None),
        ({"background_rgb": (262.0,) * 3}, "overexposed"),
        ({"background_rgb": (146.0,) * 3}, None),
        ({"background_rgb": (136.0,) * 3}, "too dark"),
        ({"background_rgb": (270.0, 200.0, 200.0)}, None),
        ({"background_rgb": (295.0, 200.0, 200.0)}, "colour changed"),
        ({"background_rgb": (200.0, 200.0, 135.0)}, "colour changed"),
        ({"coverage": 0.5}, None),
        ({"coverage": 0.6}, "too crowded"),
        ({"coverage": 0.6, "background_rgb": (136.0,) * 3}, "too crowded"),
        ({"motion": 0.3}, None),
        ({"motion": 0.35}, "motion"),
        ({"focus": 9.0}, None),
        ({"focus": 7.0}, "out of focus"),
        ({"focus": 7.0, "motion": 0.35}, "motion"),
        ({"stain": 0.7}, None),
        ({"stain": 0.85}, "stain changed"),
        ({"stain": 0.85, "focus": 7.0}, "out of focus"),
    ],
    ids=str,
)
def test_how_far_a_field_may_be_from_the_specimens_others(figures, reason):
    assert beside_the_usual(**figures) == reason


def test_before_five_fields_nothing_is_usual():
    assert beside_the_usual(4, focus=1.0) is None
    assert beside_the_usual(5, focus=1.0) == "out of focus"


def test_where_the_glass_is_white_by_itself_more_of_it_is_no_fault():
    white = msgspec.structs.replace(USUAL, background_rgb=(255.0,) * 3, clipped=0.5)
    reference = QualityReference()
    for _ in range(8):
        reference.learn(white, 640, 480)
    assert reference.reason(msgspec.structs.replace(white, clipped=0.78), 640, 480) is None
    assert reference.reason(msgspec.structs.replace(white, clipped=0.85), 640, 480) == "overexposed"
