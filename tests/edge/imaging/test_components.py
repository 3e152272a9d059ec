"""What is measured in a window is what the whole field would have told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge.imaging.components import components_of

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
    found = components_of(mask)
    count, labels, measures, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    assert sorted(found.areas[1:]) == sorted(measures[1:, cv2.CC_STAT_AREA])
    largest = found.areas[1:].max()
    large = found.areas >= largest
    large[0] = False
    expected = np.isin(labels, np.flatnonzero(measures[:, cv2.CC_STAT_AREA] >= largest)) & (mask > 0)
    chosen = np.zeros(mask.shape, bool)
    chosen[found.window] = found.chosen(large)
    assert count == len(found.areas)
    assert (chosen == expected).all()


def test_a_mask_of_nothing_has_no_piece() -> None:
    empty = np.zeros((240, 320), np.uint8)

    assert len(components_of(empty).areas) == 1


@pytest.mark.parametrize("many", [1, 3, 9, 400])
def test_the_chosen_pieces_are_those_of_their_labels_however_many(many: int) -> None:
    found = components_of(blobs(2, 0.1))
    which = np.zeros(len(found.areas), bool)
    which[1 : 1 + many] = True

    assert (found.chosen(which) == which[found.labels]).all()
    assert (found.chosen(~which) == ~which[found.labels]).all()


def test_noise_has_more_pieces_than_sixteen_bits_can_number() -> None:
    mask = np.zeros((600, 600), np.uint8)
    mask[::2, ::2] = 1  # 90,000 specks: the dark surround of an eyepiece has as many
    found = components_of(mask)
    assert len(found.areas) == 90_001
    assert (found.areas[1:] == 1).all()
    last = np.zeros(len(found.areas), bool)
    last[-1] = True
    assert np.argwhere(found.chosen(last)).tolist() == [[598, 598]]
