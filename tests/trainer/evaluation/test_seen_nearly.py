"""A cell that a bundle was trained on is known again, also where another scale cut it."""

import cv2
import numpy as np
import pytest

from edge.naming.seen_cells import hash_crops, pack, seen_before
from trainer.evaluation.seen import seen_nearly


def pictures(count, seed):
    """Cells of an uneven nucleus on glass, each another one: uint8 (n, 240, 240, 3)."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        texture = cv2.resize(rng.normal(0, 60, (12, 12, 3)).astype(np.float32), (240, 240))
        mask = cv2.circle(np.zeros((240, 240), np.float32), (120, 120), 60, 1.0, -1)[..., None]
        found.append(np.clip(225 - mask * (90 + texture), 0, 255).astype(np.uint8))
    return np.array(found)


def cut(picture, side, across=0, down=0):
    """Return a square of a picture, scaled so that its middle 120 of 156 pixels are the device's crop."""
    wide = round(side * 156 / 120)
    left, top = 120 - wide // 2 + across, 120 - wide // 2 + down
    return cv2.resize(picture[top : top + wide, left : left + wide], (156, 156), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def trained():
    return pictures(12, seed=1)


@pytest.fixture(scope="module")
def seen(trained):
    return pack(hash_crops([cut(picture, 140)[18:138, 18:138] for picture in trained]))


@pytest.mark.parametrize(
    ("side", "across", "down"), [(140, 0, 0), (128, 0, 0), (155, 0, 0), (140, 8, -8), (150, -9, 0)]
)
def test_a_cell_is_known_again_however_it_is_cut_turned_or_mirrored(trained, seen, side, across, down):
    again = np.array([np.rot90(cut(p, side, across, down))[:, ::-1] for p in trained])
    assert seen_nearly(again, seen).mean() >= 0.9


def test_by_the_same_cut_alone_most_of_these_pass(trained, seen):
    again = [cut(picture, 155, 6, 4)[18:138, 18:138] for picture in trained]
    assert seen_before(again, seen).mean() < 0.5


def test_no_other_cell_is_known(seen):
    others = np.array([cut(picture, 140) for picture in pictures(30, seed=2)])
    assert not seen_nearly(others, seen).any()


def test_without_hashes_or_cells_none_is_known(trained, seen):
    assert not seen_nearly(np.array([cut(trained[0], 140)]), b"").any()
    assert seen_nearly(np.empty((0, 156, 156, 3), np.uint8), seen).shape == (0,)
    assert seen_nearly(np.array([cut(trained[0], 140)[18:138, 18:138]]), seen).all(), "without a margin"
