"""The differential corrected by the model's own errors, with both uncertainties in its interval. Pure.

A model that calls one monocyte in ten a lymphocyte counts too few monocytes, however many cells are counted.
Its confusion matrix, of photographs it was not trained on, says by how much: Rogan and Gladen (1978), for
many classes. The matrix is itself known from so many photographs only.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edge.labels import OTHER
from edge.messages.differential import Share
from edge.models.confusion import answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge.models.confusion import Confusion

    Floats = NDArray[np.float64]

METHOD = "inverse of the confusion matrix; 95 % by parametric bootstrap over cells and photographs"

_DRAWS, _AT_ONCE = 2000, 250
_SEED = 20261124  # the same counts give the same interval, always
_JEFFREYS = 0.5  # what is added to each count of cells: a class that was not met may still be there
_TAILS = (2.5, 97.5)


class Named(NamedTuple):
    """What people have said of cells, and what the model had said of them.

    as_what: cells by the counted class that a person named. calls: cells by the class that the model had
    called. others: how many it had called `other`. refused: which share of the cells that it refused as
    uncertain or unfamiliar, 0 to 1.
    """

    as_what: Mapping[str, int]
    calls: Mapping[str, int]
    others: int
    refused: float


NOBODY = Named({}, {}, 0, 0.0)


class Matrices:
    """Some confusion matrices: inverse, float64 (n, true, called); and answers, float64 (n, called, true)."""

    def __init__(self, inverse: Floats) -> None:
        self.inverse = inverse

    @cached_property
    def answers(self) -> Floats:
        """The matrices themselves, made where somebody has named a cell: they take as much memory again."""
        return np.asarray(np.linalg.inv(self.inverse), np.float64)


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
        self._point = Matrices(np.linalg.inv(answers(counts))[None])
        # A prior that weighs as much as one photograph: a class of four would drown in a heavier one.
        prior = counts + 1 / counts.shape[1]
        draws = np.random.default_rng(_SEED)
        # A part at a time: all at once would take megabytes, of which little is kept.
        inverses = np.empty((_DRAWS, *self._point.inverse.shape[1:]))
        for part in np.split(inverses, _DRAWS // _AT_ONCE):
            part[:] = np.linalg.inv(answers(draws.standard_gamma(prior, (len(part), *prior.shape))))
        self._drawn = Matrices(inverses)

    def shares(
        self, counted: Mapping[str, int], others: int, named: Named = NOBODY
    ) -> dict[str, Share] | None:
        """Return each counted class's corrected share of the white cells, or None where nothing can be said.

        counted: cells by the label that the model called, others: cells that were refused because they were
        called `other`; without those that people have named, which need no correction. A label that the
        matrix does not know cannot be corrected: then nothing is.
        """
        known = set(self._labels) - {OTHER}
        if not sum(counted.values()) or not {*counted, *named.calls} <= known:
            return None
        open_, closed = self._by_label(counted, others), self._by_label(named.calls, named.others)
        names = [label for label in self._labels if label != OTHER]
        names += sorted(set(named.as_what) - set(names))
        sure = np.array([named.as_what.get(name, 0) for name in names], np.float64)

        refused = named.refused if closed.any() or sure.any() or named.refused else None
        best = self._true_shares(self._point, open_[None], closed[None], sure[None], refused)[0]
        draws = np.random.default_rng(_SEED + 1)
        cells = draws.standard_gamma(open_ + _JEFFREYS, (_DRAWS, len(open_)))
        # The half cell of each class is among the others already.
        sure_cells = draws.standard_gamma(sure, (_DRAWS, len(sure)))
        closed_cells = draws.standard_gamma(closed, (_DRAWS, len(closed)))
        drawn = self._true_shares(self._drawn, cells, closed_cells, sure_cells, refused)
        drawn = drawn[np.isfinite(drawn[:, 0])]
        if not np.isfinite(best[0]) or not len(drawn):
            return None
        low, high = np.percentile(drawn, _TAILS, axis=0)
        return {
            name: Share(*(round(100 * float(v), 2) for v in (p, min(a, p), max(b, p))))
            for name, p, a, b in zip(names, best, low, high, strict=True)
        }

    def _by_label(self, calls: Mapping[str, int], others: int) -> Floats:
        counts = [others if label == OTHER else calls.get(label, 0) for label in self._labels]
        return np.array(counts, np.float64)

    def _true_shares(
        self, matrices: Matrices, cells: Floats, closed: Floats, sure: Floats, refused: float | None
    ) -> Floats:
        """Return shares (n, classes), the known ones first.

        cells: (n, k), as called, of which people said nothing; closed: (n, k), as the model had called those
        that people have named. sure: (n, classes), as people have named them. refused: the share of the
        refused cells that people have named; None: nobody has named any cell.

        What the model says of all cells tells how frequent each class is. Of the cells that nobody has named
        each then belongs to a class by the chance that a cell so called, or refused, is of it.
        """
        true = sure.copy()
        frequent = np.clip(np.einsum("nij,nj->ni", matrices.inverse, cells + closed), 0, None)
        if refused is None:
            unnamed = frequent
        else:
            answers = matrices.answers
            together = answers * frequent[:, None, :]
            called = together.sum(axis=2, keepdims=True)
            chances = np.divide(together, called, out=np.zeros_like(together), where=called > 0)
            unnamed = np.einsum("nji,nj->ni", chances, cells)
            unnamed += (1 - refused) * frequent * (1 - answers.sum(axis=1))
        known = unnamed[:, self._known]
        true[:, : known.shape[1]] += known
        total = true.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(true, total, out=np.full_like(true, np.nan), where=total > 0))
