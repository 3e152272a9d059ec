"""What naming a few cells of a microscope left out is worth: so many a class, drawn again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edge.adaptation.adapting import copies_of
from edge.adaptation.last_layer import LastLayer
from edge.adaptation.record import calibrated
from edge.adaptation.refit import (
    FOLDS,
    Dense,
    Figures,
    LabelledFeatures,
    choose,
    held_back_logits,
    refit,
)
from edge.labels import OTHER
from edge.naming.classifier import Classifier
from edge.naming.rejection import Judge
from trainer.data.splits import photograph_weights
from trainer.evaluation.metrics import Estimate, estimate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.adaptation.refit import Floats
    from edge.models.bundle import Description
    from edge.models.reject import Reject
    from trainer.data.arrays import Samples

NAMED = (5, 10, 25)
"""Cells of each class that are named."""

_DRAWS = 10
_COPIES = 4  # of each cell, turned and mirrored, at most


def adapting_figures(bundle: Path, samples: Samples, classes: Sequence[str]) -> dict[str, Estimate]:
    """Return macro recall, share called and share of wrong calls, by how many cells a class were named.

    Each draw names so many distinct cells of each class, at most half of them; the device's own code adapts,
    or leaves the model as it is where that is no worse, and all other cells measure. The figures are means
    over the draws, with the interval that 95 % of the draws lie in. classes: of the bundle, in its order.
    Where no cell can be named there is no figure.
    """
    classifier = Classifier.load(bundle)
    about = classifier.bundle.description
    layer = LastLayer(bytearray(classifier.bundle.model), about.outputs).dense
    start = Dense(layer.kernel(), layer.offsets())
    answers = [
        [classifier.raw_outputs(copy) for copy in copies_of(crop, about.turns)[:_COPIES]]
        for crop in samples.pixels
    ]
    features = np.array([[answer["features"] for answer in row] for row in answers], np.float64)
    logits = np.array([row[0]["logits"] for row in answers], np.float64)
    cells = _Cells(LabelledFeatures(features, samples.labels), logits, samples.shown())
    figures: dict[str, Estimate] = {}
    for count in NAMED:
        if not _named(samples.labels, cells.shown, count, np.random.default_rng(0)).any():
            continue  # no class has two distinct cells, one to name and one to measure on
        draws = [_draw(cells, count, start, about, classes, seed) for seed in range(_DRAWS)]
        for name, values in zip(("macro recall", "called", "wrong calls"), np.array(draws).T, strict=True):
            figures[f"{name}, {count} named"] = estimate(float(values.mean()), values)
    return figures


class _Cells(NamedTuple):
    """features: of all cells and their copies. logits: (cells, classes), as the model gives them. shown."""

    features: LabelledFeatures
    logits: Floats
    shown: Sequence[str]


class _Answering(NamedTuple):
    """logits: (cells, classes), of all cells. temperature and rule: what is made of them."""

    logits: Floats
    temperature: float
    rule: Reject


def _draw(
    cells: _Cells, count: int, start: Dense, about: Description, classes: Sequence[str], seed: int
) -> tuple[float, float, float]:
    labels = cells.features.labels
    named = _named(labels, cells.shown, count, np.random.default_rng(seed))
    answering = _adapted(cells, named, start, about)
    known_cells = {cell for cell, taken in zip(cells.shown, named, strict=True) if taken}
    fresh = np.array([cell not in known_cells for cell in cells.shown])
    labels, features = labels[fresh], cells.features.features[fresh, 0]
    weights = photograph_weights([cell for cell in cells.shown if cell not in known_cells])
    probabilities = _probabilities(answering.logits[fresh] / answering.temperature)
    called = probabilities.argmax(axis=1)
    counted = np.array([label != OTHER for label in classes])
    recalls = [
        float(np.average(called[labels == c] == c, weights=weights[labels == c]))
        for c in np.flatnonzero(counted)
        if (labels == c).any()
    ]
    judged = Judge(answering.rule, classes)(probabilities.astype(np.float32), features.astype(np.float32))
    answered = np.array([one.reason is None for one in judged])
    known = counted[labels]
    wrong = answered & (called != labels)
    calls = float(weights[answered].sum())
    return (
        float(np.mean(recalls)),
        float(np.average(answered[known], weights=weights[known])),
        float(weights[wrong].sum()) / calls if calls else 0.0,
    )


def _adapted(cells: _Cells, named: NDArray[np.bool_], start: Dense, about: Description) -> _Answering:
    """Adapt to the named cells, as `edge.adaptation.adapting.adapt` does, or leave the model as it is."""
    known, learnt = about.reject.familiarity, cells.features.part(named)
    before = Figures.of(cells.logits[named], learnt.labels, about.temperature)
    held_back = held_back_logits(learnt, start, known)
    if not Figures.of(held_back, learnt.labels).better_than(before):
        return _Answering(cells.logits, about.temperature, about.reject)
    temperature, _, rule = calibrated(about, held_back, learnt)
    adapted = refit(learnt, start, known, choose(learnt, start, known)[0])
    return _Answering(adapted.logits(cells.features.features[:, 0]), temperature, rule)


def _named(
    labels: NDArray[np.int64], shown: Sequence[str], count: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw cells of each class, one picture of each: bool (n,). A class with too few cells is not named."""
    chosen = np.zeros(len(labels), np.bool_)
    names = np.array(shown)
    for c in np.unique(labels):
        distinct = rng.permutation(np.unique(names[labels == c]))
        taken = distinct[: min(count, len(distinct) // 2)]
        if len(taken) < FOLDS:
            continue
        for name in taken:
            chosen[rng.choice(np.flatnonzero((labels == c) & (names == name)))] = True
    return chosen


def _probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exponent = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True), np.float64)
