"""Named cells of a microscope left out are distinct, and never measure what was learnt from them."""

from __future__ import annotations

import numpy as np

from edge.config import SHIPPED_MODEL
from edge.naming.classifier import Classifier
from trainer.data.arrays import Samples
from trainer.left_out.adapting import NAMED, _named, adapting_figures


def test_so_many_distinct_cells_are_named_at_most_half_of_a_class():
    labels = np.repeat([0, 1, 2], (60, 24, 8))
    shown = [f"{label}-{number // 2}" for number, label in enumerate(labels)]  # two pictures of each cell
    named = _named(labels, shown, 10, np.random.default_rng(0))
    assert [int(named[labels == c].sum()) for c in range(3)] == [10, 6, 0]
    taken = [shown[k] for k in np.flatnonzero(named)]
    assert len(set(taken)) == len(taken), "one picture of each"


def test_the_figures_are_shares_for_each_number_of_named_cells():
    classes = Classifier.load(SHIPPED_MODEL).labels
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 3], 12)
    tints = np.array([[230, 150, 150], [150, 150, 230]])[np.repeat([0, 1], 12)]
    pixels = np.clip(tints[:, None, None] + rng.normal(0, 20, (24, 120, 120, 3)), 0, 255).astype(np.uint8)
    samples = Samples(pixels, labels, tuple(map(str, range(24))))
    figures = adapting_figures(SHIPPED_MODEL, samples, classes)
    assert set(figures) == {
        f"{name}, {count} named" for name in ("macro recall", "called", "wrong calls") for count in NAMED
    }
    assert all(0 <= one.low <= one.value <= one.high <= 1 for one in figures.values())
    assert figures["macro recall, 25 named"].value > 0.9, "two tints are easy"
