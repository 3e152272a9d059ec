"""What is measured in a window is what the whole field would have told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge.imaging.components import around, components_of, each_piece, parts_of, whole_piece, within
from edge.masking.lobes import _depth

if TYPE_CHECKING:
    from numpy.typing import NDArray


def blobs(seed: int, share: float) -> NDArray[np.uint8]:
    """Draw blobs of many sizes over this share of 240x320 pixels: 0 or 1."""
    noise = np.random.default_rng(seed).random((240, 320)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3 + seed % 4)
    return (smooth > np.quantile(smooth, 1 - share)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.002, 0.1, 0.6])
def test_pieces_have_the_areas_and_places_of_the_whole_field(seed: int, share: float) -> None:
    mask = blobs(seed, share)
    for connectivity, found in ((8, components_of(mask)), (4, parts_of(mask))):
        count, labels, measures, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
        assert sorted(found.areas[1:]) == sorted(measures[1:, cv2.CC_STAT_AREA])
        large = found.areas >= found.largest
        large[0] = False
        expected = np.isin(labels, np.flatnonzero(measures[:, cv2.CC_STAT_AREA] >= found.largest)) & (
            mask > 0
        )
        chosen = np.zeros(mask.shape, bool)
        chosen[found.window] = found.chosen(large)
        assert count == len(found.areas)
        assert (chosen == expected).all()


def test_a_mask_of_nothing_has_no_piece() -> None:
    empty = np.zeros((240, 320), np.uint8)

    assert components_of(empty).largest == parts_of(empty).largest == 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("reach", [1.5, 12.0, 90.0])
def test_nothing_within_reach_lies_beyond_the_window_around(seed: int, reach: float) -> None:
    mask = blobs(seed, 0.003)
    near = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3) < reach
    window = around(mask, reach)

    assert near.any()
    assert np.count_nonzero(near) == np.count_nonzero(near[window])


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_the_depth_of_cells_is_that_of_the_field_however_far_the_glass(share: float) -> None:
    covered = blobs(5, share)
    whole = cv2.distanceTransform(covered, cv2.DIST_L2, 3)

    for window in (np.s_[100:140, 150:190], np.s_[0:30, 0:40], np.s_[5:235, 3:318]):
        # OpenCV rounds the end of a row otherwise than its middle, in the last bit.
        assert np.abs(_depth(covered, window) - whole[window]).max() < 1e-5


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.002, 0.1, 0.6])
def test_each_piece_of_a_mask_comes_once_and_whole(seed: int, share: float) -> None:
    mask = blobs(seed, share)
    count, labels = cv2.connectedComponents(mask)
    seen = np.zeros_like(mask)

    for window, here in each_piece(mask.copy()):
        seen[window] += here
        assert len(np.unique(labels[window][here > 0])) == 1
        assert np.count_nonzero(here) == np.count_nonzero(labels == labels[window][here > 0][0])
        count -= 1

    assert count == 1
    assert (seen == mask).all()


@pytest.mark.parametrize("many", [1, 3, 9, 400])
def test_the_chosen_pieces_are_those_of_their_labels_however_many(many: int) -> None:
    found = components_of(blobs(2, 0.1))
    which = np.zeros(len(found.areas), bool)
    which[1 : 1 + many] = True

    assert (found.chosen(which) == which[found.labels]).all()
    assert (found.chosen(~which) == ~which[found.labels]).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("share", "reach"), [(0.002, 3.5), (0.002, 12.0), (0.003, 40.0), (0.2, 12.0)])
def test_what_lies_within_reach_of_pieces_is_that_of_the_whole_field(
    seed: int, share: float, reach: float
) -> None:
    mask = blobs(seed, share)
    near = np.zeros(mask.shape, bool)

    window, is_near = within(mask, components_of(mask).places, reach)
    near[window] = is_near

    assert (near == (cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3) < reach)).all()


def test_a_whole_piece_is_the_one_that_there_is() -> None:
    mask = np.zeros((60, 80), np.uint8)
    cv2.circle(mask, (30, 20), 9, (1,), -1)
    ((window, here),) = each_piece(mask.copy())
    known, whole = whole_piece(mask)
    assert known == window
    assert (whole == here).all()
