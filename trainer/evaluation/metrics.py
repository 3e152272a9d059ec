"""Figures of a classifier from its logits, with intervals over photographs: arrays in, structs out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from trainer.data.splits import photograph_weights
from trainer.evaluation.bootstrap import BINS, Arithmetic, bin_of, figure_names, over_draws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_TAILS = (2.5, 97.5)  # percentiles: 95 %


class Estimate(Struct, frozen=True):
    """A figure and its 95 % interval by bootstrap over photographs.

    Copies of one photograph are drawn together, for they are right or wrong together. Where no answer is
    wrong, no draw is either: the interval has no width, and says nothing of errors too rare for this many.
    """

    value: float
    low: float
    high: float


class ClassFigures(Struct, frozen=True):
    """One class against the others; images, photographs: how many there are of it.

    None: where there is none of the class, and for the AUC where there is nothing else. A class that is never
    called has the precision 0. photograph_...: each cell counts once.
    """

    label: str
    images: int
    photographs: int
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    auc: Estimate | None
    photograph_precision: Estimate | None
    photograph_recall: Estimate | None
    photograph_f1: Estimate | None
    photograph_auc: Estimate | None


class Figures(Struct, frozen=True):
    """What one network's answers are worth.

    The macro figures are means over the classes that are there. auc: of one class against the others. ece:
    expected calibration error of the likeliest class over 15 equal bins (Guo et al. 2017), at temperature 1.
    photograph_...: each cell counts once, however many pictures there are of it: that is each photograph of
    one cell, whatever its copies, and each cell of a slide. confusion: images; rows are the truth, columns
    the calls.
    """

    accuracy: Estimate
    macro_precision: Estimate
    macro_recall: Estimate
    macro_f1: Estimate
    macro_auc: Estimate | None
    ece: Estimate
    photograph_accuracy: Estimate
    photograph_macro_precision: Estimate
    photograph_macro_recall: Estimate
    photograph_macro_f1: Estimate
    photograph_macro_auc: Estimate | None
    photograph_ece: Estimate
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]


def measure(
    logits: NDArray[np.float32],
    labels: NDArray[np.int64],
    photographs: Sequence[str],
    classes: Sequence[str],
    cells: Sequence[str] | None = None,
) -> Figures:
    """Measure logits (n, classes) against labels (n,); n is at least 1.

    photographs: n names, of photographs or slides, which are drawn whole. cells: n names of what counts once;
    None: each photograph shows one cell.
    Raises ValueError when the lengths differ or there is nothing to measure.
    """
    cells = photographs if cells is None else cells
    if not len(labels) == len(logits) == len(photographs) == len(cells) or not len(labels):
        raise ValueError("logits, labels, photographs and cells must be of one length, at least 1")
    probabilities = softmax(logits)
    names, photograph = np.unique(np.array(photographs), return_inverse=True)
    found: dict[str, Estimate | None] = {}
    for prefix, weight in (("", np.ones(len(labels))), ("photograph_", photograph_weights(cells))):
        points = _points(probabilities, labels, weight)
        arithmetic = Arithmetic(probabilities, labels, photograph, weight)
        draws = over_draws(arithmetic.figures, len(names), len(labels))
        for name, column in zip(figure_names(len(classes)), draws.T, strict=True):
            found[prefix + name] = None if np.isnan(points[name]) else estimate(points[name], column)
    per_class = ("precision", "recall", "f1", "auc")
    whole = [name for name in found if " " not in name]
    return Figures(
        **{name: found[name] for name in whole},  # type: ignore[arg-type]
        classes=tuple(
            ClassFigures(
                label,
                images=int((labels == c).sum()),
                photographs=len(np.unique(photograph[labels == c])),
                **{f"{p}{name}": found[f"{p}{name} {c}"] for p in ("", "photograph_") for name in per_class},
            )
            for c, label in enumerate(classes)
        ),
        confusion=tuple(
            tuple(int(v) for v in row)
            for row in confusion_matrix(labels, logits.argmax(axis=1), labels=range(len(classes)))
        ),
    )


def share(true: NDArray[np.bool_], photographs: Sequence[str]) -> Estimate:
    """Return the share of images (n,), at least one, of which something is true. photographs: n names."""
    _, photograph = np.unique(np.array(photographs), return_inverse=True)
    sums = np.stack([np.bincount(photograph, weights=true), np.bincount(photograph)], axis=1)

    def shares(times: NDArray[np.float64]) -> NDArray[np.float64]:
        found = times @ sums
        return np.asarray(found[:, :1] / found[:, 1:], np.float64)

    return estimate(float(true.mean()), over_draws(shares, len(sums), len(sums))[:, 0])


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return probabilities, float64 (n, classes), of logits (n, classes)."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    # Summed by size, not by class: int8 answers that differ in their order alone give scores that tie.
    total = np.sort(powers, axis=1).sum(axis=1, keepdims=True)
    return np.asarray(powers / total, np.float64)


def calibration_error(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64] | None = None,
) -> float:
    """Return the expected calibration error of the likeliest class, over 15 bins of equal width."""
    weights = np.ones(len(labels)) if weights is None else weights
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    gaps = np.bincount(bin_of(confidence), weights=weights * (confidence - right), minlength=BINS)
    return float(np.abs(gaps).sum() / weights.sum())


def estimate(value: float, draws: NDArray[np.float64]) -> Estimate:
    """Return a figure with the interval of its draws (d,); a draw that it could not be had of is NaN."""
    known = draws[~np.isnan(draws)]
    low, high = np.percentile(known, _TAILS) if len(known) else (value, value)
    # Percentiles of a skewed figure may just miss the figure itself.
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def _points(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64]
) -> dict[str, float]:
    """Return the figures themselves, by the names of `figure_names`; NaN where there is nothing to say."""
    numbers = range(probabilities.shape[1])
    calls = probabilities.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, calls, labels=numbers, sample_weight=weights, zero_division=0
    )
    there = np.isin(numbers, labels)
    areas = [
        roc_auc_score(labels == c, probabilities[:, c], sample_weight=weights)
        if there[c] and there.sum() > 1
        else np.nan
        for c in numbers
    ]
    of_classes = [np.where(there, one, np.nan) for one in (precision, recall, f1, areas)]
    macro = [float(np.mean(one[there])) for one in of_classes]
    whole = [
        float(accuracy_score(labels, calls, sample_weight=weights)),
        *macro,
        calibration_error(probabilities, labels, weights),
    ]
    return dict(zip(figure_names(len(numbers)), [*whole, *np.concatenate(of_classes)], strict=True))
