"""The red cells as ruler: at any magnification, whole or cut, and what is no red cell."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.imaging.components import components_of
from edge.masking.scale import find_rims

HEIGHT, WIDTH = 240, 320
NO_NUCLEI = np.zeros((HEIGHT, WIDTH), np.uint8)


def discs(diameter, places, background=0):
    """Draw discs at (x, y) as the tissue mask of a slightly blurred picture: bool (240, 320)."""
    drawn = np.full((HEIGHT, WIDTH), background, np.float32)
    for x, y in places:
        centre = round(16 * x), round(16 * y)
        cv2.circle(drawn, centre, round(8 * diameter), 1.0, -1, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), 1.2) > 0.5)


def measure_red_cells(tissue, nuclei, nucleus_area, outside):
    return find_rims(tissue, nuclei, outside, components_of(nuclei)).ruler(nucleus_area)


def nucleus_area(red_cell):
    return np.pi / 4 * (1.5 * red_cell) ** 2


@settings(max_examples=40, deadline=None)
@given(
    diameter=st.floats(20, 80),
    places=st.lists(st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT)), min_size=8, max_size=14),
    guess=st.floats(0.75, 1.35),
)
def test_red_cells_anywhere_tell_their_diameter_within_a_tenth(diameter, places, guess):
    ruler = measure_red_cells(discs(diameter, places), NO_NUCLEI, nucleus_area(guess * diameter), None)
    if ruler.turns >= 1.5:  # heaps of discs, or discs outside the frame, show less of a rim
        assert ruler.diameter == pytest.approx(diameter, rel=0.1)


def test_cells_that_the_frame_cuts_are_measured_as_well():
    ruler = measure_red_cells(discs(60, [(0, 60), (320, 120), (160, 240)]), NO_NUCLEI, nucleus_area(60), None)
    assert ruler.is_seen
    assert ruler.diameter == pytest.approx(60, rel=0.07)


def test_without_red_cells_the_nucleus_is_the_guess_and_says_so():
    bare = np.zeros((HEIGHT, WIDTH), bool)
    ruler = measure_red_cells(bare, NO_NUCLEI, nucleus_area(40), None)
    assert not ruler.is_seen
    assert ruler.diameter == pytest.approx(40, rel=0.01)


def test_specks_and_platelets_are_no_red_cells():
    specks = [(x, y) for x in range(20, 320, 40) for y in range(20, 240, 40)]
    ruler = measure_red_cells(discs(10, specks), NO_NUCLEI, nucleus_area(50), None)
    assert not ruler.is_seen
    both = discs(50, [(80, 80), (220, 160)]) | discs(10, specks)
    ruler = measure_red_cells(both, NO_NUCLEI, nucleus_area(50), None)
    assert ruler.diameter == pytest.approx(50, rel=0.1)


def test_the_rim_of_a_white_cell_and_of_a_black_wedge_is_none():
    nuclei = discs(60, [(160, 120)]).astype(np.uint8)
    white_cell = discs(80, [(160, 120)])
    assert not measure_red_cells(white_cell, nuclei, nucleus_area(40), None).is_seen
    wedge = discs(90, [(0, 0)])
    assert not measure_red_cells(wedge, NO_NUCLEI, nucleus_area(90), wedge).is_seen
