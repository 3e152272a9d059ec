"""How counts become figures: which interval, how narrow it must be, and what is corrected by what."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edge.messages.differential import Correction

if TYPE_CHECKING:
    from edge.differential.correction import Corrector
    from edge.differential.intervals import Method
    from edge.models.confusion import Confusion
    from edge.models.known import KnownMicroscopes

NO_MATRIX = "the model's bundle carries no confusion matrix"


class CountingMethod(NamedTuple):
    """How counts become figures.

    interval: its method. max_interval_width: of every class's interval, in percent points, at which enough
    are counted; 0: the target alone says. corrector: None where nothing can be corrected, and
    `correction` says why. known: the microscopes that the model knows.
    """

    interval: Method = "exact"
    max_interval_width: float = 0.0
    corrector: Corrector | None = None
    correction: Correction = Correction(None, reason=NO_MATRIX)
    known: KnownMicroscopes | None = None

    def by(self, confusion: Confusion | None, known: KnownMicroscopes | None = None) -> CountingMethod:
        """Return the same with what a model's bundle says of its errors, and of the microscopes it knows."""
        by = self._replace(corrector=None, correction=Correction(None, reason=NO_MATRIX), known=known)
        if confusion is None:
            return by
        reason = confusion.problem() or confusion.uncorrectable()
        if reason is not None:
            return by._replace(correction=Correction(None, confusion.on, reason))
        from edge.differential.correction import METHOD, Corrector  # noqa: PLC0415 (it brings numpy)

        return by._replace(corrector=Corrector(confusion), correction=Correction(METHOD, confusion.on, None))
