"""What naming a few cells of a microscope left out is worth: so many a class, drawn again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.adaptation.adapting import turned
from edge.adaptation.last_layer import LastLayer
from edge.adaptation.refit import FOLDS, Dense, LabelledFeatures, choose, fit_temperature, folds_of, refit
from edge.adaptation.refusal import adapted_rule
from edge.labels import OTHER
from edge.naming.classifier import Classifier
from edge.naming.rejection import Judge
from trainer.data.splits import photograph_weights
from trainer.evaluation.metrics import Estimate, estimate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.models.reject import Reject
    from trainer.data.arrays import Samples

NAMED = (5, 10, 25)
"""Cells of each class that are named."""

_DRAWS = 10
_COPIES = 4  # of each cell, turned


def adapting_figures(bundle: Path, samples: Samples, classes: Sequence[str]) -> dict[str, Estimate]:
    """Return macro recall, share called and share of wrong calls, by how many cells a class were named.

    Each draw names so many distinct cells of each class, at most half of them; the device's own code adapts,
    and all other cells measure. The figures are means over the draws, with the interval that 95 % of the
    draws lie in. classes: of the bundle, in its order. Where no cell can be named there is no figure.
    """
    classifier = Classifier.load(bundle)
    description = classifier.bundle.description
    layer = LastLayer(bytearray(classifier.bundle.model), description.outputs).dense
    start = Dense(layer.kernel(), layer.offsets())
    features = np.array(
        [[classifier.raw_outputs(t)["features"] for t in turned(crop)[:_COPIES]] for crop in samples.pixels],
        np.float64,
    )
    cells = LabelledFeatures(features, samples.labels)
    figures: dict[str, Estimate] = {}
    for count in NAMED:
        if not _named(samples.labels, samples.shown(), count, np.random.default_rng(0)).any():
            continue  # no class has two distinct cells, one to name and one to measure on
        draws = [
            _draw(cells, samples.shown(), count, start, description.reject, classes, seed)
            for seed in range(_DRAWS)
        ]
        for name, values in zip(("macro recall", "called", "wrong calls"), np.array(draws).T, strict=True):
            figures[f"{name}, {count} named"] = estimate(float(values.mean()), values)
    return figures


def _draw(
    cells: LabelledFeatures,
    shown: Sequence[str],
    count: int,
    start: Dense,
    rule: Reject,
    classes: Sequence[str],
    seed: int,
) -> tuple[float, float, float]:
    named = _named(cells.labels, shown, count, np.random.default_rng(seed))
    learnt = cells.part(named)
    choice, held_back = choose(learnt, start, rule.familiarity)
    temperature = fit_temperature(held_back, learnt.labels)
    adapted = refit(learnt, start, rule.familiarity, choice)
    own = adapted_rule(
        rule,
        classes,
        learnt.features[:, 0],
        learnt.labels,
        _probabilities(held_back / temperature),
        folds_of(learnt.labels),
    )
    known_cells = {cell for cell, taken in zip(shown, named, strict=True) if taken}
    fresh = np.array([cell not in known_cells for cell in shown])
    labels, features = cells.labels[fresh], cells.features[fresh, 0]
    weights = photograph_weights([cell for cell in shown if cell not in known_cells])
    probabilities = _probabilities(adapted.logits(features) / temperature)
    called = probabilities.argmax(axis=1)
    counted = np.array([label != OTHER for label in classes])
    recalls = [
        float(np.average(called[labels == c] == c, weights=weights[labels == c]))
        for c in np.flatnonzero(counted)
        if (labels == c).any()
    ]
    judged = Judge(own, classes)(probabilities.astype(np.float32), features.astype(np.float32))
    answered = np.array([one.reason is None for one in judged])
    known = counted[labels]
    wrong = answered & (called != labels)
    calls = float(weights[answered].sum())
    return (
        float(np.mean(recalls)),
        float(np.average(answered[known], weights=weights[known])),
        float(weights[wrong].sum()) / calls if calls else 0.0,
    )


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
