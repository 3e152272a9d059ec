"""Whether a specimen's cells are like those that the model knows: what is to be said first. Pure.

A model counts cells of any microscope, and of one that it does not know it is wrong more often, without
knowing it of any one cell. Of the specimen it shows: more cells than usual are unlike the known ones, named
without being sure, or refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.differential.intervals import exact
from edge.labels import OTHER
from edge.messages.differential import Familiarity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.models.known import KnownMicroscopes, Sign
    from edge.slide.contribution import Likeness

FEWEST = 20
"""White cells; of fewer nothing is said."""

NEXT_STEP = "name 100 of its cells, and adapt the model to this microscope: leukoscope model adapt"
LOOK = "compare its cells with their names before you rely on them"

_WORDS: dict[Sign, str] = {
    "unlike": "of its cells are unlike those that the model knows",
    "unsure": "of its cells are named without being sure",
    "refused": "of its cells are refused",
    "other": "of its cells are of no class that the model counts",
}
_WRONG_DOUBTFUL, _WRONG_UNFAMILIAR = 0.05, 0.15
"""Shares of wrong calls where the model was measured: cells may look as usual, and be named wrongly."""

_MOST_REFUSED = 1 / 3
"""Where more of its cells are refused, those that are counted are no fair sample, whatever is usual."""

_TOGETHER = 2  # doubtful signs that make a microscope an unfamiliar one


class Signs:
    """In how many of a specimen's whole white cells each sign is seen. It keeps no cell: they may be many.

    known: of the model that called them; None where its bundle says nothing.
    """

    def __init__(self, known: KnownMicroscopes | None, cells: Iterable[Likeness] = ()) -> None:
        self.known = known
        self.cells = 0
        self._seen: dict[Sign, int] = dict.fromkeys(_WORDS, 0)
        self.add(cells)

    def add(self, cells: Iterable[Likeness]) -> None:
        """Look at more cells."""
        for cell in cells:
            self.cells += 1
            if cell.rejected == OTHER:
                self._seen["other"] += 1
            elif self.known is not None:
                self._seen["unlike"] += cell.distance > self.known.unlike
                self._seen["unsure"] += cell.probability < self.known.unsure
                self._seen["refused"] += cell.rejected is not None

    def shares(self) -> dict[Sign, tuple[int, int]]:
        """Return in how many cells, of how many, each sign is seen."""
        white = self.cells - self._seen["other"]
        return {sign: (n, self.cells if sign == "other" else white) for sign, n in self._seen.items()}


def judge_each(signs: Iterable[Signs], why_not: str | None = None) -> Familiarity:
    """Return the worst of what the cells of several models say, each by what its own knows.

    signs: where none is worse than another, the first of them is told.
    why_not: why nothing is told where none of them doubts the microscope, or None.
    """
    found = [judge(one) for one in signs]
    for verdict in ("unfamiliar", "doubtful"):
        doubted = next((one for one in found if one.verdict == verdict), None)
        if doubted is not None:
            return doubted
    if why_not is not None:
        return Familiarity(None, (why_not,))
    return next((one for one in found if one.verdict is not None), found[0])


def judge(signs: Signs) -> Familiarity:
    """Return what a specimen's whole white cells say of its microscope."""
    known = signs.known
    if known is None:
        return Familiarity(None, ("the model's bundle does not say what is usual",))
    if signs.cells < FEWEST:
        return Familiarity(None, (f"{FEWEST} white cells are needed to tell, {signs.cells} were seen",))
    doubted, is_unfamiliar = [], False
    for sign, (count, total) in signs.shares().items():
        limits = known.limits.get(sign)
        # The lower end of what the count may come from: chance alone is no reason.
        least = exact(count, total)[0] / 100 if total else 0.0
        if limits is not None and least > limits.doubtful:
            is_unfamiliar |= least > limits.unfamiliar
            usual = 100 * known.usual.get(sign, 0.0)
            doubted.append(f"{100 * count / total:.0f} % {_WORDS[sign]}, where {usual:.0f} % are usual")
        elif sign == "refused" and least > _MOST_REFUSED:
            doubted.append(f"{100 * count / total:.0f} % {_WORDS[sign]}; the others may be no fair sample")
    wrong = known.wrong_calls or 0.0
    if wrong > _WRONG_DOUBTFUL:
        is_unfamiliar |= wrong > _WRONG_UNFAMILIAR
        doubted.append(f"{100 * wrong:.0f} % of the model's calls were wrong where it was measured")
    if is_unfamiliar or len(doubted) >= _TOGETHER:
        return Familiarity("unfamiliar", tuple(doubted), NEXT_STEP)
    return Familiarity("doubtful", tuple(doubted), LOOK) if doubted else Familiarity("familiar")
