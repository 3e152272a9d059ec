"""Where the evidence for a call lies: shares of its map in the cell, and the map in its field."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.masking import FieldMasks, FoundCell
from edge.naming.evidence import OUTSIDE, Shares, masks_in_crop, over_crop, over_field, shares

SIDE = 60


def field(x, y, size=(100, 120), radius=10):
    """Draw a cell in the middle of a crop at x, y: a round nucleus in a square of cytoplasm."""
    height, width = size
    labels = np.zeros(size, np.int32)
    rows, columns = np.ogrid[:height, :width]
    down, across = rows - (y + SIDE / 2), columns - (x + SIDE / 2)
    labels[(abs(down) < 2 * radius) & (abs(across) < 2 * radius)] = 1
    labels[down**2 + across**2 < radius**2] = 2
    found = FoundCell((0, 0, 1, 1), (0, 0, 1, 1), (x, y, SIDE, SIDE), 1, complete=True)
    return FieldMasks((found,), labels, None, size, "found")


def peak(row, column):
    grid = np.zeros((15, 15), np.float32)
    grid[row, column] = 2.0
    return grid


def test_evidence_on_the_nucleus_is_in_the_cell_and_beside_it_is_flagged():
    masks = field(30, 20)
    inside, outside = shares(peak(7, 7), masks, 0), shares(peak(0, 0), masks, 0)
    assert inside.in_cell == pytest.approx(1)
    assert inside.in_nucleus == pytest.approx(1)
    assert inside.flags() == ()
    assert (outside.in_cell, outside.in_nucleus) == (0, 0)
    assert outside.flags() == (OUTSIDE,)


def test_what_speaks_against_the_class_is_no_evidence():
    grid = peak(7, 7)
    grid[0] = -100
    assert shares(grid, field(30, 20), 0).in_cell == pytest.approx(1)
    assert shares(-peak(7, 7), field(30, 20), 0) == (None, None)
    assert shares(np.full((15, 15), np.nan, np.float32), field(30, 20), 0) == (None, None)


def test_an_even_map_has_the_masks_share_of_the_crop():
    found = shares(np.ones((15, 15), np.float32), field(30, 20), 0)
    assert found.in_cell == pytest.approx(39**2 / SIDE**2, rel=0.03)
    assert found.in_nucleus == pytest.approx(np.pi * 10**2 / SIDE**2, rel=0.05)


@given(st.integers(-50, 110), st.integers(-50, 90), st.integers(0, 14), st.integers(0, 14))
def test_wherever_the_crop_lies_shares_are_shares_and_the_map_lands_where_it_was(x, y, row, column):
    masks = field(x, y)
    cell, nucleus = masks_in_crop(masks, 0)
    assert not (nucleus & ~cell).any()
    found = shares(peak(row, column), masks, 0)
    assert 0 <= found.in_nucleus <= found.in_cell <= 1
    mapped = over_field(peak(row, column), masks.cells[0], masks.frame_size)
    assert mapped.shape == masks.frame_size
    middle = (y + (row + 0.5) * SIDE / 15, x + (column + 0.5) * SIDE / 15)
    if 2 <= middle[0] < 98 and 2 <= middle[1] < 118:
        highest = np.unravel_index(int(mapped.argmax()), mapped.shape)
        assert np.hypot(highest[0] + 0.5 - middle[0], highest[1] + 0.5 - middle[1]) <= SIDE / 15
    beyond = np.ones(masks.frame_size, np.bool_)
    beyond[max(y, 0) : max(y + SIDE, 0), max(x, 0) : max(x + SIDE, 0)] = False
    assert not mapped[beyond].any()


def test_less_than_half_of_the_evidence_in_the_cell_is_flagged_and_half_is_not():
    assert Shares(0.5, None).flags() == ()
    assert Shares(0.49, None).flags() == (OUTSIDE,)
    assert Shares(0.0, None).flags() == (OUTSIDE,)
    assert Shares(None, None).flags() == ()


def test_where_no_nucleus_was_outlined_nothing_is_said_of_one():
    masks = field(30, 20)
    unseen = FoundCell((0, 0, 1, 1), (0, 0, 1, 1), (30, 20, SIDE, SIDE), 0, complete=True)
    found = shares(peak(7, 7), FieldMasks((unseen,), masks.labels, None, masks.frame_size, "found"), 0)
    assert found.in_cell == pytest.approx(1)
    assert found.in_nucleus is None


@given(
    st.integers(-80, 130),
    st.integers(-80, 110),
    st.sampled_from([40, 60, 75]),
    st.sampled_from([1, 2, 4]),
    st.integers(0, 2),
)
def test_each_pixel_of_a_crop_shows_what_lies_there_in_the_field(x, y, side, scale, number):
    height, width = 100, 120
    shape = height // scale, width // scale
    labels = np.random.default_rng(1).integers(0, 7, shape, np.int32)
    found = tuple(
        FoundCell((0, 0, 1, 1), (0, 0, 1, 1), (x, y, side, side), 1, complete=True) for _ in range(3)
    )
    cell, nucleus = masks_in_crop(FieldMasks(found, labels, None, (height, width), "found"), number)
    expected = np.zeros((120, 120), np.int32)
    for row in range(120):
        for column in range(120):
            down, across = y + (row + 0.5) * side / 120, x + (column + 0.5) * side / 120
            if 0 <= down < height and 0 <= across < width:
                expected[row, column] = labels[int(down / height * shape[0]), int(across / width * shape[1])]
    assert np.array_equal(nucleus, expected == 2 * number + 2)
    assert np.array_equal(cell, np.isin(expected, (2 * number + 1, 2 * number + 2)))


def test_a_map_is_cut_off_at_the_frames_edge_and_lies_where_it_would_in_a_larger_field():
    grid = np.random.default_rng(2).normal(0, 1, (15, 15)).astype(np.float32)
    for x, y in ((-20, -30), (85, 70), (-20, 70), (30, 20), (-SIDE, 20), (120, 20), (30, -SIDE), (30, 100)):
        here = over_field(grid, field(x, y).cells[0], (100, 120))
        larger = over_field(grid, field(x + 200, y + 200).cells[0], (500, 520))
        assert np.array_equal(here, larger[200:300, 200:320]), (x, y)
        assert larger.any()
        assert here.any() == (-SIDE < x < 120 and -SIDE < y < 100), (x, y)


def test_between_the_middles_of_its_squares_a_map_is_interpolated_and_at_the_rim_continued():
    places = np.clip((np.arange(120) + 0.5) / 8 - 0.5, 0, 14)
    squares = np.arange(15.0, dtype=np.float32)
    large = over_crop(squares[:, None] + 20 * squares)
    assert large == pytest.approx(places[:, None] + 20 * places, abs=1e-3)
