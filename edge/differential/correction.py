"""The differential corrected by the model's own errors, with both uncertainties in its interval. Pure.

A model that calls one monocyte in ten a lymphocyte counts too few monocytes, however many cells are counted.
Its confusion matrix, of photographs it was not trained on, says by how much: Rogan and Gladen (1978), for
many classes. The matrix is itself known from so many photographs only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.labels import OTHER
from edge.messages.differential import Share
from edge.models.confusion import answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge.models.confusion import Confusion

METHOD = "inverse of the confusion matrix; 95 % by parametric bootstrap over cells and photographs"

_DRAWS, _AT_ONCE = 2000, 250
_SEED = 20261124  # the same counts give the same interval, always
_JEFFREYS = 0.5  # what is added to each count of cells: a class that was not met may still be there
_TAILS = (2.5, 97.5)


class Corrector:
    """Corrects counts by a confusion matrix. The draws of the matrix are made once: an update takes a ms.

    Raises ValueError where `uncorrectable` says why.
    """

    def __init__(self, confusion: Confusion) -> None:
        reason = confusion.uncorrectable()
        if reason is not None:
            raise ValueError(reason)
        self._labels = confusion.labels
        self._known = np.array([label != OTHER for label in self._labels])
        counts = np.array(confusion.counts)
        self._inverse = np.linalg.inv(answers(counts))
        # A prior that weighs as much as one photograph: a class of four would drown in a heavier one.
        prior = counts + 1 / counts.shape[1]
        draws = np.random.default_rng(_SEED)
        # A part at a time: all at once would take megabytes, of which little is kept.
        self._inverses = np.empty((_DRAWS, *self._inverse.shape))
        for part in np.split(self._inverses, _DRAWS // _AT_ONCE):
            part[:] = np.linalg.inv(answers(draws.standard_gamma(prior, (len(part), *prior.shape))))

    def shares(
        self, counted: Mapping[str, int], others: int, named: Mapping[str, int] | None = None
    ) -> dict[str, Share] | None:
        """Return each counted class's corrected share of the white cells, or None where nothing can be said.

        counted: cells by the label that the model called. others: cells that were refused because they were
        called `other`. A label that the matrix does not know cannot be corrected: then nothing is. named:
        cells that people have named, which need no correction, and stand beside those that are corrected.
        """
        if not sum(counted.values()) or not set(counted) <= set(self._labels) - {OTHER}:
            return None
        seen = np.array([others if label == OTHER else counted.get(label, 0) for label in self._labels])
        names = [label for label in self._labels if label != OTHER]
        names += sorted(set(named or {}) - set(names))
        sure = np.array([(named or {}).get(name, 0) for name in names], np.float64)
        best = self._true_shares(self._inverse[None], seen[None].astype(np.float64), sure[None])[0]
        draws = np.random.default_rng(_SEED + 1)
        cells = draws.standard_gamma(seen + _JEFFREYS, (_DRAWS, len(seen)))
        # The half cell of each class is among the others already.
        sure_cells = draws.standard_gamma(sure, (_DRAWS, len(sure)))
        drawn = self._true_shares(self._inverses, cells, sure_cells)
        drawn = drawn[np.isfinite(drawn[:, 0])]
        if not np.isfinite(best[0]) or not len(drawn):
            return None
        low, high = np.percentile(drawn, _TAILS, axis=0)
        return {
            name: Share(*(round(100 * float(v), 2) for v in (p, min(a, p), max(b, p))))
            for name, p, a, b in zip(names, best, low, high, strict=True)
        }

    def _true_shares(
        self, inverses: NDArray[np.float64], cells: NDArray[np.float64], sure: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return shares (n, classes), the known ones first.

        inverses: (n or 1, k, k). cells: (n, k), as called. sure: (n, classes), as people have named them.
        """
        true = sure.copy()
        known = np.clip(np.einsum("nij,nj->ni", inverses, cells), 0, None)[:, self._known]
        true[:, : known.shape[1]] += known
        total = true.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(true, total, out=np.full_like(true, np.nan), where=total > 0))
