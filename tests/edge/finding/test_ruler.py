"""The ruler: a specimen's red cells say how large a pixel is, one odd field does not change it."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from edge.finding import KINDS, RED_CELL_PIXELS, Detections
from edge.finding.ruler import RED_CELL_UM, SETTLING, WHITE_CELL, Reading, Ruler, look_for_scale


def seen(red=(), white=(), score=0.8):
    diameters = np.array([*red, *white], np.float32)
    kinds = np.array(
        [KINDS.index("red cell")] * len(red) + [KINDS.index("white cell")] * len(white), np.int64
    )
    return Detections(
        kinds, np.full(len(kinds), score, np.float32), np.zeros((len(kinds), 2), np.float32), diameters
    )


class Microscope:
    """Looks at a field of one truth: cells are seen in scales within a factor of two of the right one."""

    pixels = np.zeros((480, 640, 3), np.uint8)

    def __init__(self, red=(), white=()):
        self.red, self.white = np.array(red, float), np.array(white, float)
        self.looks = []

    def middle(self):
        quarter = copy.copy(self)
        quarter.pixels = self.pixels[120:360, 160:480]
        return quarter

    def find(self, scale, _least=0.1):
        self.looks.append(scale)
        near = [
            np.abs(np.log(d / size * scale / RED_CELL_PIXELS)) < 0.7
            for d, size in ((self.red, 1), (self.white, WHITE_CELL))
        ]
        return seen(self.red[near[0]], self.white[near[1]])


@pytest.mark.parametrize("red_cell", [28, 40, 60, 90, 130, 180])
def test_the_scale_is_found_from_red_cells_of_any_magnification(red_cell):
    rng = np.random.default_rng(red_cell)
    finder = Microscope(red=red_cell * rng.normal(1, 0.08, 25), white=[2.0 * red_cell])
    assert look_for_scale(finder) == pytest.approx(red_cell, rel=0.06)
    assert len(finder.looks) <= (5 if red_cell > finder.pixels.shape[1] / 20 else 6)


@pytest.mark.parametrize("red_cell", [11, 14, 19])
def test_the_scale_of_a_field_of_sixty_red_cells_across_is_found_by_its_crowd(red_cell):
    rng = np.random.default_rng(red_cell)
    finder = Microscope(red=red_cell * rng.normal(1, 0.08, 300), white=[2.0 * red_cell])
    assert look_for_scale(finder) == pytest.approx(red_cell, rel=0.06)
    assert len(finder.looks) <= 7


class SpeckledMicroscope(Microscope):
    """A field of few red cells; where one looks closely, specks pass for small ones, not surely."""

    def find(self, scale, least=0.1):
        if scale * 12 > RED_CELL_PIXELS / 2:
            return seen(red=[12.0] * 300, score=0.52)
        return super().find(scale, least)


def test_specks_that_pass_for_a_crowd_of_red_cells_set_no_scale():
    finder = SpeckledMicroscope(red=[50.0] * 12)
    assert look_for_scale(finder) == pytest.approx(50, rel=0.06)


class PiecesMicroscope(Microscope):
    """A field of large cells, of which a fine scale shows pieces, all over the middle."""

    def find(self, scale, least=0.1):
        if scale * 50 < RED_CELL_PIXELS / 1.5:
            return super().find(scale, least)
        return seen(red=[32.0] * 20) if self.pixels.shape[0] < 480 else seen(red=[50.0] * 15)


def test_pieces_of_large_cells_set_no_scale():
    finder = PiecesMicroscope(red=[150.0] * 6, white=[290.0])
    assert look_for_scale(finder) == pytest.approx(150, rel=0.06)


def test_without_red_cells_the_white_ones_tell_roughly():
    assert look_for_scale(Microscope(white=[150.0, 170.0])) == pytest.approx(80, rel=0.15)


def test_an_empty_field_has_a_scale_to_be_looked_at_with():
    assert 640 / 20 < look_for_scale(Microscope()) < 640 / 7


def test_the_ruler_is_the_specimens_and_has_a_spread():
    ruler = Ruler()
    assert ruler.red_cell is None
    assert ruler.micrometres_per_pixel is None
    for size in (58, 60, 61, 59, 60, 140):
        ruler.read(seen(red=[size] * 12))
    assert ruler.red_cell == pytest.approx(60, rel=0.02)
    assert ruler.micrometres_per_pixel == pytest.approx(RED_CELL_UM / 60, rel=0.02)
    assert 0 < ruler.spread < 0.05
    assert ruler.is_seen


def test_a_field_with_two_red_cells_says_nothing():
    ruler = Ruler(0.15)
    ruler.read(seen(red=[80, 82]))
    assert ruler.red_cell == pytest.approx(50)
    assert not ruler.is_seen


def test_what_is_configured_is_not_asked_of_the_fields():
    ruler = Ruler.configured(0.125)
    ruler.read(seen(red=[200] * 20))
    assert ruler.red_cell == pytest.approx(60)
    assert ruler.spread is None


def test_the_ruler_settles_when_enough_fields_agree_and_then_stays():
    ruler = Ruler()
    for number in range(SETTLING):
        assert not ruler.is_settled
        ruler.read(seen(red=[60 + number % 3] * 12))
    assert ruler.is_settled
    known, spread = ruler.red_cell, ruler.spread
    for _ in range(50):
        ruler.read(seen(red=[75] * 30))
    assert (ruler.red_cell, ruler.spread) == (known, spread)


def test_fields_that_do_not_agree_settle_nothing():
    ruler = Ruler()
    for number in range(3 * SETTLING):
        ruler.read(seen(red=[(40, 60, 85)[number % 3]] * 12))
    assert not ruler.is_settled


def test_a_remembered_ruler_holds_until_this_specimens_red_cells_have_spoken():
    ruler = Ruler(0.125)
    assert ruler.red_cell == pytest.approx(60)
    assert not ruler.is_seen
    for _ in range(2):
        ruler.learn(Reading(0.14, 25))
    assert ruler.micrometres_per_pixel == 0.125
    for _ in range(2):
        ruler.learn(Reading(0.14, 30))
    assert ruler.micrometres_per_pixel == 0.14


def test_another_lens_than_the_remembered_one_is_noticed_at_its_first_field():
    ruler = Ruler(0.125)
    ruler.learn(Reading(0.25, 12))
    assert ruler.micrometres_per_pixel == 0.25
