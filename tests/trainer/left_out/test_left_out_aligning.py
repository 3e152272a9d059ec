"""A microscope left out is aligned by distinct cells as blood has them, no more than a device would."""

from __future__ import annotations

import numpy as np

from edge.config import SHIPPED_MODEL
from edge.naming.alignment import MOST
from edge.naming.classifier import Classifier
from trainer.data.arrays import Samples
from trainer.left_out.aligning import _as_in_blood, aligned

CLASSES = ("eosinophil", "lymphocyte", "monocyte", "neutrophil", "basophil", "other")


def samples(labels, cells, side=2):
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), side, side, 3)).astype(np.uint8)
    names = tuple(map(str, range(len(labels))))
    return Samples(pixels, np.array(labels), names, None, tuple(cells))


def test_cells_are_drawn_as_an_adults_blood_has_them_each_once():
    labels = np.repeat(np.arange(6), 200)
    cells = [f"{label}-{number // 2}" for number, label in enumerate(labels)]  # two pictures of each cell
    drawn = _as_in_blood(samples(labels, cells), CLASSES)
    assert np.bincount(labels[drawn], minlength=6).tolist() == [4, 28, 7, 60, 1, 0]
    assert len({cells[i] for i in drawn}) == len(drawn) == MOST


def test_of_a_class_with_few_cells_all_are_drawn():
    labels = np.array([3] * 10 + [1] * 50)
    drawn = _as_in_blood(samples(labels, map(str, range(60))), CLASSES)
    assert np.bincount(labels[drawn]).tolist() == [0, 28, 0, 10]


def test_the_device_s_own_code_aligns():
    classifier = Classifier.load(SHIPPED_MODEL)
    labels = [3] * 70 + [1] * 40
    shown = samples(labels, map(str, range(110)), side=120)
    aligner = aligned(classifier, shown, classifier.labels)
    assert aligner is not None
    assert aligner.cells == 60 + 28
    assert aligner.is_settled, "what is measured tells nothing"
    assert np.isfinite(aligner.offset).all()
    assert np.abs(aligner.offset).max() > 0
