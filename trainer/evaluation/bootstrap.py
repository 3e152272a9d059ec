"""Figures of many bootstrap draws at once: a draw is a row of weights, one for each photograph.

Drawing a photograph twice is giving its images the weight 2, float64 (b, p). Counting a cell once, however
many pictures there are of it, is a weight of each image besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DRAWS = 2000
BINS = 15
_SEED = 1
_CELLS = 2**22  # numbers in one block of draws: 32 MiB


def over_draws(figures: Callable[[Floats], Floats], photographs: int, images: int) -> Floats:
    """Return the figures (DRAWS, f) of photographs drawn with replacement; the draws are always the same.

    figures: from weights (b, photographs) to (b, f). images: how many it works on, to keep memory in bounds.
    """
    rng = np.random.default_rng(_SEED)
    block = max(1, _CELLS // max(photographs, images))
    chance = np.full(photographs, 1 / photographs)
    return np.concatenate(
        [
            figures(rng.multinomial(photographs, chance, min(block, DRAWS - done)).astype(np.float64))
            for done in range(0, DRAWS, block)
        ]
    )


def figure_names(classes: int) -> list[str]:
    """Return the names of the columns of `Arithmetic.figures`."""
    per_class = [f"{name} {c}" for name in ("precision", "recall", "f1", "auc") for c in range(classes)]
    return ["accuracy", "macro_precision", "macro_recall", "macro_f1", "macro_auc", "ece", *per_class]


class Arithmetic:
    """The sums over each photograph's images that all figures are made of."""

    def __init__(
        self,
        probabilities: Floats,
        labels: NDArray[np.int64],
        photograph: NDArray[np.int64],
        of_image: Floats | None = None,
    ) -> None:
        """Take probabilities (n, k), labels (n,), and the photograph's number (n,), from 0, without gaps.

        of_image: what each image weighs in its photograph, (n,); None: all the same.
        """
        of_image = np.ones(len(labels)) if of_image is None else of_image
        self._classes = k = probabilities.shape[1]
        count = int(photograph.max()) + 1
        calls = probabilities.argmax(axis=1)
        self._confusion = np.zeros((count, k * k))
        np.add.at(self._confusion, (photograph, labels * k + calls), of_image)
        confidence = probabilities.max(axis=1)
        bins = bin_of(confidence)
        self._gaps = np.zeros((count, BINS))
        np.add.at(self._gaps, (photograph, bins), of_image * (confidence - (calls == labels)))
        self._rankings = [Ranking(labels == c, probabilities[:, c], photograph, of_image) for c in range(k)]

    def figures(self, weights: Floats) -> Floats:
        """Return the figures (b, 6 + 4 k), in the order of `figure_names`, for weights (b, p).

        NaN: a class that a draw does not hold; the macro figures are means over the others. A class that is
        there and never called has the precision 0.
        """
        k = self._classes
        confusion = (weights @ self._confusion).reshape(-1, k, k)
        hits = np.einsum("bkk->bk", confusion)
        of, called, total = confusion.sum(axis=2), confusion.sum(axis=1), confusion.sum(axis=(1, 2))
        present = of > 0
        recall = _quotient(hits, of)
        precision = np.where(present, hits / np.where(called > 0, called, 1), np.nan)
        f1 = np.where(present, 2 * hits / np.where(present, of + called, 1), np.nan)
        auc = np.stack([ranking.areas(weights) for ranking in self._rankings], axis=1)
        macro = [_mean(one) for one in (precision, recall, f1, auc)]
        ece = np.abs(weights @ self._gaps).sum(axis=1) / total
        columns = np.stack([hits.sum(axis=1) / total, *macro, ece], axis=1)
        return np.concatenate([columns, precision, recall, f1, auc], axis=1)


class Ranking:
    """Images of one class and of the others in the order of a score, ties together.

    Neighbours on one side only are put together first, which changes no area: a good network leaves few.
    """

    def __init__(
        self,
        positive: NDArray[np.bool_],
        scores: Floats,
        photograph: NDArray[np.int64],
        of_image: Floats | None = None,
    ) -> None:
        """Take which images are of the class (n,), their scores, photographs' numbers and weights (n,)."""
        of_image = np.ones(len(scores)) if of_image is None else of_image
        _, tie = np.unique(scores, return_inverse=True)
        size = np.bincount(tie)
        share = np.bincount(tie, weights=positive) / size
        mixed = (share > 0) & (share < 1)
        starts = np.ones(len(size), np.bool_)
        starts[1:] = mixed[1:] | mixed[:-1] | (share[1:] != share[:-1])
        group = (np.cumsum(starts) - 1)[tie]
        self._groups = int(group.max()) + 1
        self._sides = [_Side(group[side], photograph[side], of_image[side]) for side in (positive, ~positive)]

    def counts(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return the weight of the class and of the others in each group, lowest score first: (g, b) each."""
        positive, negative = (side.sums(weights, self._groups) for side in self._sides)
        return positive, negative

    def areas(self, weights: Floats) -> Floats:
        """The area under the ROC curve (b,), NaN where a draw holds one side only; a tie counts half."""
        positive, negative = self.counts(weights)
        below = np.cumsum(negative, axis=0) - negative / 2
        won = np.einsum("gb,gb->b", positive, below)
        return _quotient(won, positive.sum(axis=0) * negative.sum(axis=0))


class _Side:
    """What the images of each photograph weigh in each group."""

    def __init__(self, group: NDArray[np.int64], photograph: NDArray[np.int64], of_image: Floats) -> None:
        pairs, pair = np.unique(np.stack([group, photograph], axis=1), axis=0, return_inverse=True)
        self._photograph = pairs[:, 1]
        self._images = np.bincount(pair.reshape(-1), of_image, len(pairs))[:, None]
        self._group, self._starts = np.unique(pairs[:, 0], return_index=True)

    def sums(self, weights: Floats, groups: int) -> Floats:
        """Return the weight in each group: (groups, b), for weights (b, p)."""
        found = np.zeros((groups, len(weights)))
        if len(self._starts):
            rows = weights.T[self._photograph] * self._images
            found[self._group] = np.add.reduceat(rows, self._starts, axis=0)
        return found


def bin_of(confidence: Floats) -> NDArray[np.int64]:
    """Return each confidence, 0 to 1, the number of its bin of `BINS` equal ones."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def _quotient(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _mean(of_classes: Floats) -> Floats:
    """Return the mean (b,) over the classes (b, k) that are not NaN."""
    known = ~np.isnan(of_classes)
    return _quotient(np.where(known, of_classes, 0).sum(axis=1), known.sum(axis=1).astype(np.float64))
