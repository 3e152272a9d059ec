"""The namer on a microscope left out, aligned by cells that nobody named, as the device does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.labels import OTHER
from edge.naming.alignment import MOST, Aligner, Told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.naming.classifier import Classifier
    from trainer.data.arrays import Samples

_USUAL = {"neutrophil": 0.6, "lymphocyte": 0.28, "monocyte": 0.07, "eosinophil": 0.04, "basophil": 0.01}
"""Shares in an adult's blood: a slide has few of some classes, also where a data set has as many of each."""


def aligned(classifier: Classifier, samples: Samples, classes: Sequence[str]) -> Aligner | None:
    """Return the bundle's aligner after a hundred of these cells, as an adult's smear would show them.

    Pictures of one cell are one. None where the bundle does not say where known cells lie.
    """
    aligner = Aligner.of(classifier.bundle.description)
    if aligner is not None:
        told = _as_in_blood(samples, classes)
        logits = [classifier.raw_outputs(samples.pixels[i])["logits"].tolist() for i in told]
        aligner.begin(Told(logits), hold=True)
    return aligner


def _as_in_blood(samples: Samples, classes: Sequence[str]) -> list[int]:
    """Draw indices of at most `MOST` distinct cells, in the shares of `_USUAL` where there are so many."""
    rng = np.random.default_rng(0)
    names = np.array(samples.shown())
    chosen: list[int] = []
    for number, label in enumerate(classes):
        if label != OTHER:
            _, first = np.unique(np.where(samples.labels == number, names, ""), return_index=True)
            own = rng.permutation([i for i in first if samples.labels[i] == number])
            chosen += own[: round(_USUAL.get(label, 0.01) * MOST)].tolist()
    return [int(i) for i in rng.permutation(chosen)]
