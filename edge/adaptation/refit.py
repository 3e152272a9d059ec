"""A last layer fitted again to a few labelled cells, and what it is worth on cells that it has not seen.

Multinomial logistic regression whose penalty is on the difference from the layer that is there, so that few
cells move it little. NumPy only: it runs on the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Labels = NDArray[np.int64]

FOLDS = 5
"""Parts of the labelled cells, each held back once; a class needs as many cells."""

PENALTIES = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)
"""Strengths of the penalty that are tried, the strongest first, against a loss of 1 a cell."""

_INNER_FOLDS = 4
_ITERATIONS = 200
_CONVERGED = 3e-4  # change of a standardized weight
_FREE_BIAS = 0.01  # share of the penalty that the bias bears: the cells' mean may move, the directions less


@dataclass(frozen=True, slots=True)
class Dense:
    """A last layer: weights float64 (classes, n), bias float64 (classes,)."""

    weights: Floats
    bias: Floats

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


def refit(cells: LabelledFeatures, start: Dense, penalties: Sequence[float]) -> list[Dense]:
    """Fit the last layer anew for each strength of the penalty, the strongest first.

    Each labelled class weighs the same, each copy of a cell its share of it; a class without cells keeps its
    row. Features are standardized, and the penalty, strength / 2 * (sum of squares) beside the sum of the
    cells' log losses, is on the difference of the standardized weights: a normal prior around the layer that
    is there, so the more cells there are, the less it says.

    Minimized with Boehning's bound of the Hessian (1992) as a fixed preconditioner, which needs no step
    width, and Nesterov's momentum with restarts (O'Donoghue and Candes 2015); each strength starts where the
    one before it ended.
    """
    copies, length = cells.features.shape[1:]
    features = cells.features.reshape(-1, length)
    labels = np.repeat(cells.labels, copies)
    weights = _balanced(labels)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    # A feature that hardly varies among so few cells must not get a weight without bounds for it.
    spread += 0.3 * max(float(spread.mean()), 1e-6)
    rows = np.column_stack([(features - mean) / spread, np.ones(len(features))])
    weighted = rows.T * weights
    bound = 0.5 * weighted @ rows
    before = start.logits(features)
    truth = np.eye(len(start.bias))[labels]
    seen = np.isin(np.arange(len(start.bias)), cells.labels)
    share = np.append(np.ones(length), _FREE_BIAS)
    change = np.zeros((length + 1, len(start.bias)))
    fitted = []
    for strength in penalties:
        penalty = strength / len(cells.labels)
        inverse = np.linalg.inv(bound + np.diag(penalty * share))
        ahead, momentum = change, 1.0
        for _ in range(_ITERATIONS):
            wrong = np.exp(_log_probabilities(before + rows @ ahead)) - truth
            gradient = weighted @ wrong + penalty * share[:, None] * ahead
            step = ahead - inverse @ (gradient * seen) - change
            if (step * gradient).sum() > 0:
                momentum = 1.0
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            change = change + step
            ahead = change + (momentum - 1) / following * step
            momentum = following
            if np.abs(step).max() < _CONVERGED:
                break
        difference = change[:-1].T / spread
        fitted.append(Dense(start.weights + difference, start.bias + change[-1] - difference @ mean))
    return fitted


@dataclass(frozen=True, slots=True)
class Chosen:
    """A penalty, and the logits (cells, classes) that layers fitted with it give the cells held back."""

    penalty: float
    logits: Floats


def choose_penalty(cells: LabelledFeatures, start: Dense, folds: int = FOLDS) -> Chosen:
    """Choose the penalty by cross-validation over cells, never over a cell's copies.

    The strongest one whose log loss is within one standard error of the least (Hastie, Tibshirani and
    Friedman 2009, 7.10): what the labelled cells cannot tell apart is left as the start has it.
    """
    held_back = np.empty((len(PENALTIES), len(cells.labels), len(start.bias)))
    for part in _parts(cells.labels, folds):
        for number, layer in enumerate(refit(cells.part(~part), start, PENALTIES)):
            held_back[number, part] = layer.logits(cells.features[part, 0])
    weights = _balanced(cells.labels)
    own = np.arange(len(cells.labels)), cells.labels
    losses = np.array([-_log_probabilities(logits)[own] for logits in held_back])
    means = losses @ weights
    least = int(means.argmin())
    error = float(np.sqrt(((losses[least] - means[least]) ** 2 * weights**2).sum()))
    best = int(np.argmax(means <= means[least] + error))
    return Chosen(PENALTIES[best], held_back[best])


def held_back_logits(cells: LabelledFeatures, start: Dense) -> Floats:
    """Return logits (cells, classes), each cell's from a layer that saw neither it nor its copies.

    The penalty is chosen anew in each fold from the cells that are not held back, so that the figures are
    not flattered by a choice that knew the answers (nested cross-validation).
    """
    result = np.empty((len(cells.labels), len(start.bias)))
    for part in _parts(cells.labels, FOLDS):
        rest = cells.part(~part)
        penalty = choose_penalty(rest, start, _INNER_FOLDS).penalty
        result[part] = refit(rest, start, stronger(penalty))[-1].logits(cells.features[part, 0])
    return result


def stronger(penalty: float) -> tuple[float, ...]:
    """Return the penalties that `refit` goes through to this one, the last: it starts from their fits."""
    return PENALTIES[: PENALTIES.index(penalty) + 1]


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """Return the temperature with the least log loss on held-back cells (Guo et al. 2017), classes balanced.

    logits: (cells, classes), labels: (cells,). Searched on a grid, as the trainer does, but never below 1:
    twenty cells that all happen to be called rightly do not prove that the calls may be surer.
    """
    candidates = np.geomspace(1.0, 4.0, 81)
    losses = [Figures.of(logits, labels, temperature).log_loss for temperature in candidates]
    return float(round(candidates[int(np.argmin(losses))], 3))


def _parts(labels: Labels, count: int) -> list[NDArray[np.bool_]]:
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
