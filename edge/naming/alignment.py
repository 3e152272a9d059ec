"""How a microscope's cells differ from the known ones in what the network says of them, taken back.

Light, lens and dye move the features of all cells of a microscope by about the same, whatever their class.
With them move the logits, which are linear in the features. How far they have moved the cells themselves
tell, without anybody naming one: each counts for a class by its probability, and as far as a class's cells
lie from those of training, so far they have moved (expectation and maximization of a mixture whose components
share one offset). As the last layer is linear, this is done with logits alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edge.labels import OTHER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.models.bundle import Description

    Floats = NDArray[np.float64]

MOST = 100
"""Whole cells of a specimen that tell, each once; when they are there the offset stays."""

DIGITS = 3
"""Of logits: as messages state them, so that they restore the offset exactly."""

_ROUNDS = 10
_SHARE = 0.75  # of what seems to have moved: a patient's cells differ, too (chosen on microscopes left out)
_FEW = 25.0  # cells of a class, or of all, that are believed half


class Told(NamedTuple):
    """What is known of how far a microscope's logits have moved, when its specimen begins or goes on.

    logits: (n, labels), of its cells so far, in their order. before: label -> what was taken from its logit
    in the end, on the specimen before; None: nothing is known of one.
    """

    logits: Sequence[Sequence[float]] = ()
    before: dict[str, float] | None = None


NOTHING = Told()


class Aligner:
    """By how much a specimen's logits are moved back. It begins at nothing, and grows with the cells seen.

    centres: float64 (counted, labels), the mean logits of training cells of each class that is counted, in
    the order of `labels`. temperature: of the probabilities. offset: float64 (labels,), what is taken from
    each cell's logits. before: what the specimen began with.
    """

    def __init__(self, centres: Floats, labels: Sequence[str], temperature: float) -> None:
        self._centres, self._labels, self._temperature = centres, labels, temperature
        self._counted = np.flatnonzero([label != OTHER for label in labels])
        self._logits = np.empty((0, len(labels)))
        self.begin()

    @classmethod
    def of(cls, about: Description) -> Aligner | None:
        """Return a bundle's, or None where it does not say where the logits of known cells lie."""
        known = about.reject.familiarity
        if known is None or not known.logits:
            return None
        counted = [label != OTHER for label in about.labels]
        return cls(np.array(known.logits, np.float64)[counted], about.labels, about.temperature)

    @property
    def cells(self) -> int:
        """Return how many cells have told."""
        return len(self._logits)

    @property
    def is_settled(self) -> bool:
        """Return whether enough cells have told: further ones change nothing."""
        return self._held or self.cells >= MOST

    def begin(self, told: Told = NOTHING, *, hold: bool = False) -> None:
        """Forget the cells: what comes is of another specimen, or of this one after what it has told.

        hold: these cells are all that are to tell.
        """
        self._logits, self._held, self.before = self._logits[:0], False, told.before
        self._start = np.array([(told.before or {}).get(label, 0.0) for label in self._labels])
        self.offset = self._start
        self.learn(told.logits)
        self._held = hold

    def learn(self, logits: Sequence[Sequence[float]] | NDArray[np.float32] | Floats) -> None:
        """Take cells into account: logits (n, labels). The same ones in one order give one offset."""
        given = np.array(logits, np.float64).reshape(-1, len(self._labels))
        new = np.round(given[: MOST - self.cells], DIGITS)
        if len(new) and not self._held:
            self._logits = np.concatenate([self._logits, new])
            self.offset = self._estimated()

    def _estimated(self) -> Floats:
        offset = self._start
        known = self.cells / (self.cells + _FEW)
        for _ in range(_ROUNDS):
            scaled = (self._logits - offset) / self._temperature
            exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
            share = (exponent / exponent.sum(axis=1, keepdims=True))[:, self._counted]
            number = share.sum(axis=0)
            means = (share.T @ self._logits) / np.maximum(number, 1e-9)[:, None]
            weight = number / (number + _FEW)
            moved = weight @ (means - self._centres) / max(float(weight.sum()), 1e-9)
            offset = known * _SHARE * moved + (1 - known) * self._start
        return np.asarray(np.round(offset, DIGITS), np.float64)
