"""A last layer for one microscope from a few named cells, and what it is worth on cells that it has not seen.

Two layers are added. One is made from the named cells alone: the prototype of each class, its mean features,
in whitened feature space, where what varies within the classes is alike in all directions (Fisher's linear
discriminant, its covariance shrunk to the diagonal; Ledoit and Wolf 2004). The other is the one that is
there, for features moved by as much as all named classes have moved. How much of each, cross-validation says,
and where it cannot tell, the layer stays as it is.
NumPy only, no iteration: it runs on the device, in a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.models.reject import Familiarity

    Floats = NDArray[np.float64]
    Labels = NDArray[np.int64]

FOLDS = 5
"""Parts of the named cells, each held back once; a class needs as many cells."""

SHRINKAGES = (1.0, 0.7, 0.4, 0.2, 0.1, 0.05)
"""Shares of the diagonal in the covariance that are tried."""

FORMER = (1.0, 0.5, 0.25, 0.0)
"""Weights of the layer that is there that are tried, against 1 in the parent."""

MOVES = (0.0, 0.5, 1.0)
"""Shares of what the named classes have moved by that are tried."""

SCALES = (0.0, *(float(scale) for scale in np.geomspace(1e-3, 1.5, 20)))
"""Weights of the layer of the named cells that are tried, against 1 of Gaussian classes."""

_PLAIN = 0.5  # standard errors: by so much a choice may be worse that changes less
_MOST_APART = 25.0  # logits, of all there are: more says nothing, and int8 would be coarse
_INNER_FOLDS = 4
_FLOOR = 0.1  # of the mean variance: a feature that hardly varies must not get a weight without bounds for it


@dataclass(frozen=True, slots=True)
class Dense:
    """A last layer: weights float64 (classes, n), bias float64 (classes,)."""

    weights: Floats
    bias: Floats

    def plus(self, other: Dense) -> Dense:
        """Return the layer that gives the sum of both layers' logits."""
        return Dense(self.weights + other.weights, self.bias + other.bias)

    def times(self, factor: float) -> Dense:
        """Return the layer that gives these logits times a factor."""
        return Dense(factor * self.weights, factor * self.bias)

    def logits(self, features: Floats) -> Floats:
        """Return (..., classes) of features (..., n)."""
        return np.asarray(features @ self.weights.T + self.bias, np.float64)


@dataclass(frozen=True, slots=True)
class LabelledFeatures:
    """features: float64 (cells, copies, n), the first copy as it lay, the others turned. labels: (cells,)."""

    features: Floats
    labels: Labels

    def part(self, chosen: NDArray[np.bool_]) -> LabelledFeatures:
        """Return the chosen cells, bool (cells,), each with all its copies."""
        return LabelledFeatures(self.features[chosen], self.labels[chosen])


@dataclass(frozen=True, slots=True)
class Figures:
    """How right calls are. Each labelled class counts the same in macro_recall and log_loss.

    recall: class -> its share of right calls. right: cells of all. log_loss: natural logarithm, a cell.
    """

    recall: dict[int, float]
    macro_recall: float
    right: int
    cells: int
    log_loss: float

    @classmethod
    def of(cls, logits: Floats, labels: Labels, temperature: float = 1.0) -> Figures:
        """Measure logits (cells, classes) against labels (cells,)."""
        right = logits.argmax(axis=1) == labels
        recall = {int(c): float(right[labels == c].mean()) for c in np.unique(labels)}
        losses = -_log_probabilities(logits / temperature)[np.arange(len(labels)), labels]
        return cls(
            recall,
            float(np.mean(list(recall.values()))),
            int(right.sum()),
            len(labels),
            float(np.average(losses, weights=_balanced(labels))),
        )

    def spoken(self) -> str:
        """The figures for people."""
        return f"{self.right} of {self.cells} right, macro recall {100 * self.macro_recall:.1f} %"

    def better_than(self, other: Figures) -> bool:
        """Tell whether macro recall is higher, or the same and the log loss lower."""
        return (self.macro_recall, -self.log_loss) > (other.macro_recall, -other.log_loss)


class Choice(NamedTuple):
    """What cross-validation chooses: see `SHRINKAGES`, `FORMER`, `MOVES` and `SCALES`."""

    shrinkage: float
    former: float
    moved: float
    scale: float


class _Statistics(NamedTuple):
    """Of named cells: what their classes have moved by (n,), centres (classes, n), covariance (n, n)."""

    moved_by: Floats
    centres: Floats
    within: Floats

    @classmethod
    def of(cls, cells: LabelledFeatures, classes: int, known: Familiarity | None) -> _Statistics:
        copies, length = cells.features.shape[1:]
        features, labels = cells.features.reshape(-1, length), np.repeat(cells.labels, copies)
        named = np.unique(labels)
        means = np.stack([features[labels == c].mean(axis=0) for c in named])
        if known is None:
            moved_by = np.zeros(length)
            centres = np.tile(means.mean(axis=0), (classes, 1))
        else:
            before = np.array(known.centres)
            moved_by = (means - before[named]).mean(axis=0)
            centres = before + moved_by
        centres[named] = means
        off = features - centres[labels]
        return cls(moved_by, centres, (off.T * _balanced(labels)) @ off)

    def former(self, start: Dense, moved: float) -> Dense:
        """The layer that is there, for features that have moved by a share of it."""
        return Dense(start.weights, start.bias - moved * (start.weights @ self.moved_by))

    def prototypes(self, shrinkage: float) -> Dense:
        """The linear discriminant of classes around their centres; its logits' mean over them is 0."""
        variances = np.diag(self.within)
        diagonal = np.diag(variances + _FLOOR * max(float(variances.mean()), 1e-6))
        covariance = (1 - shrinkage) * self.within + shrinkage * diagonal
        weights = np.linalg.solve(covariance, self.centres.T).T
        bias = -0.5 * (weights * self.centres).sum(axis=1)
        return Dense(weights - weights.mean(axis=0), bias - bias.mean())


def refit(cells: LabelledFeatures, start: Dense, known: Familiarity | None, choice: Choice) -> Dense:
    """Return the layer of named cells, beside the one that is there.

    known: where the classes lay on the microscopes that the parent was trained on; None: nobody knows, and
    nothing is moved. Each class weighs the same, each copy of a cell its share of it. A class without cells
    lies where it lay before, moved as the others have.
    """
    statistics = _Statistics.of(cells, len(start.bias), known)
    former = statistics.former(start, choice.moved).times(choice.former)
    return former.plus(statistics.prototypes(choice.shrinkage).times(choice.scale))


def choose(
    cells: LabelledFeatures, start: Dense, known: Familiarity | None, folds: int = FOLDS
) -> tuple[Choice, Floats]:
    """Choose by cross-validation over cells, never over a cell's copies.

    Of all choices whose log loss is hardly worse than the least, the one that changes least: what so few
    cells cannot tell apart stays as it is. Returns it, and the logits (cells, classes) that layers so fitted
    give the cells held back.
    """
    classes = len(start.bias)
    prototypes = np.empty((len(SHRINKAGES), len(cells.labels), classes))
    former = np.empty((len(MOVES), len(cells.labels), classes))
    for part in folds_of(cells.labels, folds):
        statistics, held = _Statistics.of(cells.part(~part), classes, known), cells.features[part, 0]
        for number, moved in enumerate(MOVES):
            former[number, part] = statistics.former(start, moved).logits(held)
        for number, shrinkage in enumerate(SHRINKAGES):
            prototypes[number, part] = statistics.prototypes(shrinkage).logits(held)
    weights, own = _balanced(cells.labels), (np.arange(len(cells.labels)), cells.labels)
    scales = np.array(SCALES)[:, None, None]
    tried: list[tuple[Choice, Floats]] = []  # with the log loss of each cell, (cells,)
    for (i, shrinkage), (j, moved), share in product(enumerate(SHRINKAGES), enumerate(MOVES), FORMER):
        logits = scales * prototypes[i] + share * former[j]
        losses = -_log_probabilities(logits)[:, *own]
        narrow = np.ptp(logits, axis=(1, 2)) <= _MOST_APART
        tried += [
            (Choice(shrinkage, share, moved, scale), losses[k])
            for k, scale in enumerate(SCALES)
            # Neither of both would call every cell alike, and a parent that is mostly wrong loses to that.
            if (narrow[k] or scale == 0) and (scale or share)
        ]
    _, least = min(tried, key=lambda one: float(one[1] @ weights))
    good = [choice for choice, losses in tried if _hardly_worse(losses - least, weights)]
    best = min(good, key=lambda choice: (choice.scale, choice.moved, -choice.former))
    place = SHRINKAGES.index(best.shrinkage), MOVES.index(best.moved)
    return best, best.scale * prototypes[place[0]] + best.former * former[place[1]]


def _hardly_worse(more: Floats, weights: Floats) -> bool:
    """Whether losses, by so much more for each cell (cells,), are more by no more than chance makes them."""
    mean = float(more @ weights)
    return mean <= _PLAIN * float(np.sqrt(((more - mean) ** 2 * weights**2).sum())) + 1e-12


def held_back_logits(cells: LabelledFeatures, start: Dense, known: Familiarity | None) -> Floats:
    """Return logits (cells, classes), each cell's from a layer that saw neither it nor its copies.

    The choice is made again in each fold from the cells that are not held back, so that the figures are not
    flattered by a choice that knew the answers (nested cross-validation).
    """
    result = np.empty((len(cells.labels), len(start.bias)))
    for part in folds_of(cells.labels):
        rest = cells.part(~part)
        choice, _ = choose(rest, start, known, _INNER_FOLDS)
        result[part] = refit(rest, start, known, choice).logits(cells.features[part, 0])
    return result


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """Return the temperature with the least log loss on held-back cells (Guo et al. 2017), classes balanced.

    logits: (cells, classes), labels: (cells,). Searched on a grid, as the trainer does, but never below 1:
    twenty cells that all happen to be called rightly do not prove that the calls may be surer.
    """
    candidates = np.geomspace(1.0, 4.0, 81)
    losses = [Figures.of(logits, labels, temperature).log_loss for temperature in candidates]
    return float(round(candidates[int(np.argmin(losses))], 3))


def folds_of(labels: Labels, count: int = FOLDS) -> list[NDArray[np.bool_]]:
    """Deal the cells into parts, each class evenly; the same cells give the same parts."""
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)])
    part = np.empty(len(labels), np.int64)
    part[order] = np.arange(len(labels)) % count
    return [part == number for number in range(count)]


def _balanced(labels: Labels) -> Floats:
    """Return the weight of each row: 1 in all, each class the same."""
    classes, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(1 / (len(classes) * counts[place]), np.float64)


def _log_probabilities(logits: Floats) -> Floats:
    scaled = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=-1, keepdims=True)), np.float64)
