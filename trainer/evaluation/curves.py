"""Curves of a classifier's answers for plots: ROC and reliability, with 95 % intervals over photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from trainer.evaluation.bootstrap import BINS, Ranking, bin_of, over_draws
from trainer.evaluation.metrics import Estimate, estimate, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_GRID = np.linspace(0, 1, 101)
_DIGITS = 4  # of what is only drawn


class Roc(Struct, frozen=True):
    """One class against the others: the curve's points, and at `band_at` the pointwise 95 % band."""

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    band_at: tuple[float, ...]
    band_low: tuple[float, ...]
    band_high: tuple[float, ...]


class Bin(Struct, frozen=True):
    """The images whose likeliest class has a probability between low and high.

    confidence: its mean. accuracy: the share of them that are right.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: Estimate


class Curves(Struct, frozen=True):
    """roc: a class each, None where there is none of it or nothing else. reliability: bins with images."""

    roc: tuple[Roc | None, ...]
    reliability: tuple[Bin, ...]


def curves(logits: NDArray[np.float32], labels: NDArray[np.int64], photographs: Sequence[str]) -> Curves:
    """Return the curves of logits (n, classes), labels (n,) and n photographs; n is at least 1."""
    probabilities = softmax(logits)
    names, photograph = np.unique(np.array(photographs), return_inverse=True)
    return Curves(
        tuple(
            _roc(Ranking(labels == c, probabilities[:, c], photograph), len(names), len(labels))
            if 0 < (labels == c).sum() < len(labels)
            else None
            for c in range(probabilities.shape[1])
        ),
        _reliability(probabilities, labels, photograph),
    )


def _roc(ranking: Ranking, photographs: int, images: int) -> Roc:
    def on_grid(times: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([np.interp(_GRID, false, true) for false, true in _rates(ranking, times)])

    ((false, true),) = _rates(ranking, np.ones((1, photographs)))
    drawn = over_draws(on_grid, photographs, images)
    known = drawn[~np.isnan(drawn).any(axis=1)]  # without the draws that hold one side only
    low, high = np.percentile(known, (2.5, 97.5), axis=0)
    return Roc(*(tuple(np.round(values, _DIGITS).tolist()) for values in (false, true, _GRID, low, high)))


def _rates(
    ranking: Ranking, times: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return each draw's false and true positive rates, from 0 to 1; NaN where it holds one side only."""
    sides = []
    for counts in reversed(ranking.counts(times)):
        above = np.cumsum(counts[::-1], axis=0)
        above = np.concatenate([np.zeros((1, above.shape[1])), above])
        total = above[-1]
        rates = np.divide(above, total, out=np.full_like(above, np.nan), where=total > 0)
        sides.append(rates.T)
    return list(zip(*sides, strict=True))


def _reliability(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], photograph: NDArray[np.int64]
) -> tuple[Bin, ...]:
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = bin_of(confidence)
    count = int(photograph.max()) + 1
    sums = np.zeros((2, count, BINS))
    np.add.at(sums[0], (photograph, bins), right)
    np.add.at(sums[1], (photograph, bins), 1)

    def accuracies(times: NDArray[np.float64]) -> NDArray[np.float64]:
        good, of = times @ sums[0], times @ sums[1]
        shares: NDArray[np.float64] = np.divide(good, of, out=np.full_like(good, np.nan), where=of > 0)
        return shares

    drawn = over_draws(accuracies, count, len(labels))
    return tuple(
        Bin(
            low=b / BINS,
            high=(b + 1) / BINS,
            images=int((bins == b).sum()),
            confidence=float(confidence[bins == b].mean()),
            accuracy=estimate(float(right[bins == b].mean()), drawn[:, b]),
        )
        for b in np.unique(bins).tolist()
    )
