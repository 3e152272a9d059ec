"""Where the evidence for a call lies: shares of its map in the cell, and the map in its field."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.masking import FieldMasks, FoundCell
from edge.naming.evidence import OUTSIDE, masks_in_crop, over_field, shares

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
