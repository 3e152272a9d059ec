"""From maps to cells: each thing once, where it is, as large as it is, and no more than can be listed."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.finding import KINDS, RED_CELL_PIXELS, STRIDE, decode

PLACES = 24


def maps_of(*things, side=PLACES):
    """The maps of a network that is right: x, y, diameter in pixels of the working picture, kind, score."""
    maps = np.zeros((side, side, 6), np.float32)
    maps[:, :, :3] = -8
    rows, columns = np.mgrid[0:side, 0:side] + 0.5
    for x, y, diameter, kind, score in things:
        across, down = x / STRIDE - columns, y / STRIDE - rows
        near = np.hypot(across, down)
        heat = np.log(score / (1 - score)) - 1.5 * near
        maps[:, :, KINDS.index(kind)] = np.maximum(maps[:, :, KINDS.index(kind)], heat)
        here = near < 1.5
        maps[here, 3] = np.log(diameter / RED_CELL_PIXELS)
        maps[here, 4], maps[here, 5] = across[here], down[here]
    return maps


@given(
    st.floats(10, 180),
    st.floats(10, 180),
    st.floats(6, 80),
    st.sampled_from(KINDS),
    st.floats(0.3, 0.97),
    st.floats(0.1, 4),
)
def test_a_thing_is_found_in_pixels_of_the_frame_whatever_the_scale(x, y, diameter, kind, score, scale):
    found = decode(maps_of((x, y, diameter, kind, score)), scale)
    assert len(found) == len(found.of(kind)) == 1
    assert found.centres[0] * scale == pytest.approx([x, y], abs=0.01)
    assert found.diameters[0] * scale == pytest.approx(diameter, rel=1e-4)
    assert 0.1 < found.scores[0] <= score + 1e-6


def test_what_touches_is_two_and_what_lies_upon_each_other_is_one():
    touching = maps_of((60, 60, 40, "white cell", 0.9), (100, 60, 40, "white cell", 0.8))
    assert len(decode(touching, 1.0)) == 2
    doubled = maps_of((60, 60, 40, "white cell", 0.9), (76, 60, 40, "white cell", 0.8))
    found = decode(doubled, 1.0)
    assert len(found) == 1
    assert found.scores[0] == pytest.approx(0.9, abs=0.05)


def test_a_white_cell_is_no_red_cell_as_well_and_a_platelet_on_it_is_one():
    both = decode(maps_of((60, 60, 40, "white cell", 0.9), (60, 60, 38, "red cell", 0.4)), 1.0)
    assert [KINDS[kind] for kind in both.kinds] == ["white cell"]
    beside = decode(maps_of((60, 60, 40, "white cell", 0.9), (84, 60, 8, "platelet", 0.6)), 1.0)
    assert len(beside) == 2


def test_the_surest_come_first_and_what_is_less_sure_than_asked_is_left_out():
    maps = maps_of(
        (30, 30, 24, "red cell", 0.5), (120, 120, 24, "red cell", 0.9), (30, 120, 24, "red cell", 0.2)
    )
    found = decode(maps, 1.0, least=0.3)
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    assert len(found) == 2


def test_a_field_with_more_than_can_be_listed_says_so():
    things = [(x, y, 16, "red cell", 0.9) for x in range(12, 188, 24) for y in range(12, 188, 24)]
    assert not decode(maps_of(*things), 1.0).overflow
    crowded = decode(maps_of(*things), 1.0, most=20)
    assert crowded.overflow
    assert len(crowded) == 20


def test_white_cells_are_listed_before_whatever_else_there_is():
    others = [(x, y, 16, "red cell", 0.9) for x in range(12, 188, 24) for y in range(36, 188, 24)]
    white = [(x, 12, 30, "white cell", 0.3) for x in range(12, 188, 56)]
    found = decode(maps_of(*others, *white), 1.0, most=20)
    assert len(found.of("white cell")) == len(white)
    assert (len(found), found.overflow, found.white_overflow) == (20, True, False)
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    assert decode(maps_of(*others, *white), 1.0, most=len(white) - 1).white_overflow


def test_maps_of_no_sense_give_no_nonsense():
    maps = np.full((4, 4, 6), 50, np.float32)
    found = decode(maps, 1.0)
    assert np.isfinite(found.diameters).all()
    assert np.isfinite(found.centres).all()


def test_what_is_not_sure_enough_to_be_found_hides_nothing():
    maps = maps_of((60, 60, 40, "white cell", 0.6), (60, 60, 38, "platelet", 0.7))
    assert [KINDS[kind] for kind in decode(maps, 1.0).kinds] == ["platelet"]
    only_cells = decode(maps, 1.0, {"white cell": 0.3, "red cell": 0.3})
    assert [KINDS[kind] for kind in only_cells.kinds] == ["white cell"]
    stricter = decode(maps, 1.0, {"white cell": 0.3, "red cell": 0.3, "platelet": 0.9})
    assert [KINDS[kind] for kind in stricter.kinds] == ["white cell"]


def test_the_worst_picture_takes_little_memory():
    noise = np.random.default_rng(0).normal(0, 3, (200, 200, 6)).astype(np.float32)
    tracemalloc.start()
    try:
        found = decode(noise, 1.0)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()
    assert found.overflow
