"""What people have said of cells: what that changes in the count, and how far the model agrees. Pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from edge.labels import NOT_WHITE, OTHER, counts
from edge.messages.differential import Agreement, ClassAgreement, Renamed
from edge.slide.contribution import COUNTED_ELSEWHERE

if TYPE_CHECKING:
    from collections.abc import Iterable

METHOD = (
    "Cohen's kappa, unweighted; 95 % by its large-sample variance (Fleiss, Cohen and Everitt 1969), with one "
    "cell more, spread over all pairs of classes"
)

_95 = 1.959964


class ReviewedCell(NamedTuple):
    """A cell that a person has looked at.

    label, aside: what it counts as by the model, as in `CellStanding`. named: what the person called it;
    None: no white cell. shown: what the model called the sighting that the person looked at; None: `label`.
    """

    label: str
    aside: str | None
    named: str | None
    operator: str
    shown: str | None = None

    @property
    def by_model(self) -> str:
        """Return what the model called what the person looked at: a better sighting may have come since."""
        return self.label if self.shown is None else self.shown

    @property
    def agrees(self) -> bool:
        """Return whether model and person say the same: also that it is nothing that is counted."""
        return self.said == self.by_model or (self.named is None and self.by_model == OTHER)

    @property
    def said(self) -> str:
        """Return what the person said, in words."""
        return NOT_WHITE if self.named is None else self.named


class CountChange(NamedTuple):
    """What people's words change in a count.

    counted: cells more, or fewer, of each class. unclassified: of each reason. named: how many of the
    counted cells of each class a person has named. excluded: what people called what is not counted.
    """

    counted: Counter[str]
    unclassified: Counter[str]
    named: Counter[str]
    excluded: Counter[str]


def changes(cells: Iterable[ReviewedCell]) -> CountChange:
    """Return what people's words change: nothing of a cell that is cut by the edge, or smeared."""
    change = CountChange(Counter(), Counter(), Counter(), Counter())
    for cell in cells:
        if cell.aside in COUNTED_ELSEWHERE:
            continue
        before = change.counted if cell.aside is None else change.unclassified
        before[cell.label if cell.aside is None else cell.aside] -= 1
        if cell.named is not None and counts(cell.named):
            change.counted[cell.named] += 1
            change.named[cell.named] += 1
        else:
            change.excluded[cell.said] += 1
    return change


def agreement(cells: Iterable[ReviewedCell]) -> Agreement | None:
    """Return how far model and people agree on cells, by what the model called each; None of no cell.

    Nothing is told by a cell that is cut by the edge, or smeared: another field shows it.
    """
    pairs = Counter(
        (cell.by_model, cell.by_model if cell.agrees else cell.said)
        for cell in cells
        if cell.aside not in COUNTED_ELSEWHERE
    )
    total = pairs.total()
    if not total:
        return None
    by_model, by_person = Counter[str](), Counter[str]()
    for (label, said), count in pairs.items():
        by_model[label] += count
        by_person[said] += count
    labels = sorted({*by_model, *by_person})
    kappa, low, high = _kappa(pairs, labels)
    return Agreement(
        cells=total,
        agreed=sum(pairs[label, label] for label in labels),
        kappa=kappa,
        low=low,
        high=high,
        method=METHOD,
        classes=tuple(
            ClassAgreement(label, by_model[label], by_person[label], pairs[label, label]) for label in labels
        ),
        renamed=tuple(
            Renamed(label, said, count) for (label, said), count in sorted(pairs.items()) if label != said
        ),
    )


def _kappa(pairs: Counter[tuple[str, str]], labels: list[str]) -> tuple[float | None, ...]:
    if len(labels) < 2:
        return None, None, None
    plain, _ = _kappa_and_error({pair: float(n) for pair, n in pairs.items()}, labels)
    # Where all agree the variance is 0, however few cells they are: one cell more leaves room for doubt.
    more = 1 / len(labels) ** 2
    table = {(a, b): pairs[a, b] + more for a in labels for b in labels}
    middle, error = _kappa_and_error(table, labels)
    low, high = max(-1.0, middle - _95 * error), min(1.0, middle + _95 * error)
    return round(plain, 3), round(min(low, plain), 3), round(max(high, plain), 3)


def _kappa_and_error(table: dict[tuple[str, str], float], labels: list[str]) -> tuple[float, float]:
    """Return kappa, and its standard error."""
    total = sum(table.values())
    p = {pair: n / total for pair, n in table.items()}
    rows = {a: sum(p.get((a, b), 0.0) for b in labels) for a in labels}
    columns = {b: sum(p.get((a, b), 0.0) for a in labels) for b in labels}
    agreed = sum(p.get((a, a), 0.0) for a in labels)
    chance = sum(rows[a] * columns[a] for a in labels)
    kappa = (agreed - chance) / (1 - chance)
    on = sum(p.get((a, a), 0.0) * ((1 - chance) - (rows[a] + columns[a]) * (1 - agreed)) ** 2 for a in labels)
    off = (
        sum(p.get((a, b), 0.0) * (columns[a] + rows[b]) ** 2 for a in labels for b in labels if a != b)
        * (1 - agreed) ** 2
    )
    spread = on + off - (agreed * chance - 2 * chance + agreed) ** 2
    return kappa, math.sqrt(max(0.0, spread) / total) / (1 - chance) ** 2
