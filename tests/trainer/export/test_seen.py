"""A bundle knows every cell again that its network was trained on, also where many are of one slide."""

from __future__ import annotations

import numpy as np

from edge.naming.seen_cells import seen_before, unpack
from trainer.data.arrays import Samples
from trainer.export.seen import hashes_of
from trainer.training.fitting import centre

CELLS = 12


def crops():
    rng = np.random.default_rng(3)
    return np.kron(rng.integers(0, 256, (CELLS, 12, 12, 3), np.uint8), np.ones((1, 10, 10, 1), np.uint8))


def test_all_cells_of_a_slide_are_known_again():
    cells = tuple(f"cell-{number}" for number in range(CELLS))
    samples = Samples(crops(), np.zeros(CELLS, np.int64), ("slide-1",) * CELLS, cells=cells)
    assert seen_before(list(centre(samples.pixels)), hashes_of(samples)).all()


def test_of_a_photographs_many_copies_a_few_are_enough():
    samples = Samples(crops(), np.zeros(CELLS, np.int64), ("photograph",) * CELLS)
    assert len(unpack(hashes_of(samples))) == 4
