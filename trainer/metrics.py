"""Figures of a classifier from its logits, with intervals over photographs: arrays in, structs out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DRAWS = 2000
_SEED = 1
_TAILS = (2.5, 97.5)  # percentiles: 95 %
_BINS = 15


class Estimate(Struct, frozen=True):
    """A figure and its 95 % interval by bootstrap over photographs.

    Copies of one photograph are drawn together, for they are right or wrong together. Where no answer is
    wrong, no draw is either: the interval has no width, and says nothing of errors too rare for this many.
    """

    value: float
    low: float
    high: float


class ClassFigures(Struct, frozen=True):
    """One class against the others; images, photographs: how many there are of it. auc: None without both."""

    label: str
    precision: float
    recall: float
    f1: float
    auc: float | None
    images: int
    photographs: int


class Figures(Struct, frozen=True):
    """What one network's answers are worth.

    accuracy, macro_recall: over images. photograph_accuracy, photograph_macro_recall: each photograph counts
    once, however many copies there are of it. ece: expected calibration error of the likeliest class over 15
    equal bins (Guo et al. 2017), at temperature 1. confusion: rows are the truth, columns the calls.
    """

    accuracy: Estimate
    macro_recall: Estimate
    photograph_accuracy: Estimate
    photograph_macro_recall: Estimate
    macro_precision: float
    macro_f1: float
    macro_auc: float | None
    ece: float
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]


def measure(
    logits: NDArray[np.float32], labels: NDArray[np.int64], photographs: Sequence[str], classes: Sequence[str]
) -> Figures:
    """Measure logits (n, classes) against labels (n,); n is at least 1. photographs: n names.

    Raises ValueError when the lengths differ or there is nothing to measure.
    """
    if not len(labels) == len(logits) == len(photographs) or not len(labels):
        raise ValueError("logits, labels and photographs must be of one length, at least 1")
    numbers = range(len(classes))
    calls = logits.argmax(axis=1)
    probabilities = softmax(logits)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, calls, labels=numbers, zero_division=0
    )
    areas = [_area(labels == c, probabilities[:, c]) for c in numbers]
    known = [area for area in areas if area is not None]
    names = np.array(photographs)
    present = support > 0
    per_image = np.ones(len(labels))
    _, inverse, copies = np.unique(names, return_inverse=True, return_counts=True)
    return Figures(
        *_with_intervals(calls == labels, labels, inverse, per_image, len(classes)),
        *_with_intervals(calls == labels, labels, inverse, 1 / copies[inverse], len(classes)),
        macro_precision=float(precision[present].mean()),
        macro_f1=float(f1[present].mean()),
        macro_auc=float(np.mean(known)) if known else None,
        ece=calibration_error(probabilities, labels),
        classes=tuple(
            ClassFigures(
                classes[c],
                float(precision[c]),
                float(recall[c]),
                float(f1[c]),
                areas[c],
                int(support[c]),
                len(np.unique(names[labels == c])),
            )
            for c in numbers
        ),
        confusion=tuple(
            tuple(int(v) for v in row) for row in confusion_matrix(labels, calls, labels=numbers)
        ),
    )


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give probabilities, float64 (n, classes), of logits (n, classes)."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)


def calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Give the expected calibration error of the likeliest class, over 15 bins of equal width."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, weights=confidence, minlength=_BINS) - np.bincount(
        bins, weights=right, minlength=_BINS
    )
    return float(np.abs(gaps).sum() / len(labels))


def _area(of_class: NDArray[np.bool_], scores: NDArray[np.float64]) -> float | None:
    return float(roc_auc_score(of_class, scores)) if 0 < of_class.sum() < len(of_class) else None


def _with_intervals(
    right: NDArray[np.bool_],
    labels: NDArray[np.int64],
    photograph: NDArray[np.int64],
    weights: NDArray[np.float64],
    classes: int,
) -> tuple[Estimate, Estimate]:
    """Give accuracy and macro recall; a class that a draw does not hold is left out of that draw's mean."""
    count = int(photograph.max()) + 1
    total, good = np.zeros((count, classes)), np.zeros((count, classes))
    np.add.at(total, (photograph, labels), weights)
    np.add.at(good, (photograph, labels), weights * right)
    rng = np.random.default_rng(_SEED)
    # The first row is the sample itself, once each: the point estimate comes from the same arithmetic.
    times = np.concatenate([np.ones((1, count)), rng.multinomial(count, np.full(count, 1 / count), DRAWS)])
    of, hit = times @ total, times @ good
    accuracy = hit.sum(axis=1) / of.sum(axis=1)
    recalls = np.divide(hit, of, out=np.full_like(hit, np.nan), where=of > 0)
    return _estimate(accuracy), _estimate(np.nanmean(recalls, axis=1))


def _estimate(values: NDArray[np.float64]) -> Estimate:
    low, high = np.percentile(values[1:], _TAILS)
    # Percentiles of a skewed figure may just miss the figure itself.
    return Estimate(float(values[0]), float(min(low, values[0])), float(max(high, values[0])))
