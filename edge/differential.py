"""The differential: counts, percentages with their intervals, and when there are enough. Pure.

Each field counts once, however often it is added, and each cell with it.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from edge.messages import ClassCount, Differential, FieldResult, ModelReference

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

NORMAL_CLASSES = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")
"""The differential of normal blood. One that the model has no name for is said to be not assessed."""

INTERVAL = "Wilson 95 %"
State = Literal["running", "preliminary", "final", "corrected"]

_Z = 1.959963984540054  # 97.5 % of the normal distribution lies below


class Tally(Struct, frozen=True):
    """What one field adds to the count. Small, so that a specimen's count is rebuilt without its cells."""

    accepted: bool
    counted: dict[str, int]
    unclassified: dict[str, int]
    incomplete: int


def tally(field: FieldResult) -> Tally:
    """Sort a field's cells. Of a field that is not worth analysing, none counts.

    A cell cut by the frame's edge is incomplete whatever else it is: its other half is in another field.
    """
    if not field.quality.accepted:
        return Tally(accepted=False, counted={}, unclassified={}, incomplete=0)
    whole = [cell for cell in field.cells if cell.complete]
    return Tally(
        accepted=True,
        counted=dict(Counter(cell.label for cell in whole if cell.rejected is None)),
        unclassified=dict(Counter(cell.rejected for cell in whole if cell.rejected is not None)),
        incomplete=len(field.cells) - len(whole),
    )


def wilson(count: int, total: int) -> tuple[float, float]:
    """Give the 95 % interval of a share, in percent: (low, high). Of nothing, nothing is known: (0, 100)."""
    if total == 0:
        return 0.0, 100.0
    share, z2 = count / total, _Z * _Z
    center = share + z2 / (2 * total)
    reach = _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    scale = 100 / (1 + z2 / total)
    # At 0 and at all of them, rounding would put the end of the interval past the share itself.
    return min(max(0.0, (center - reach) * scale), 100 * share), max(
        min(100.0, (center + reach) * scale), 100 * share
    )


class SpecimenCount:
    """The running count of one specimen.

    labels: the classes of the model, in its order; a class that only earlier fields know comes behind them.
    target: how many counted cells are wanted.
    """

    def __init__(self, specimen_id: str, labels: Iterable[str], target: int) -> None:
        self.specimen_id = specimen_id
        self._labels = tuple(labels)
        self._target = target
        self._seen: set[str] = set()
        self._refused = 0
        self._incomplete = 0
        self._counts: Counter[str] = Counter()
        self._unclassified: Counter[str] = Counter()

    @property
    def counted(self) -> int:
        """Cells that the percentages rest on."""
        return self._counts.total()

    def add(self, field_id: str, tally: Tally) -> bool:
        """Count a field; False, and nothing changes, where it was counted before."""
        if field_id in self._seen:
            return False
        self._seen.add(field_id)
        self._refused += not tally.accepted
        self._incomplete += tally.incomplete
        self._counts.update(tally.counted)
        self._unclassified.update(tally.unclassified)
        return True

    def state(self) -> State:
        """Give the state of a count that is still going on."""
        return "preliminary" if self.counted >= self._target else "running"

    def differential(
        self,
        *,
        device_id: str,
        model: ModelReference,
        updated_at: datetime,
        clock_synced: bool,
        state: State | None = None,
    ) -> Differential:
        """Give the message. `state`: what is known beyond the count, that is, final or corrected."""
        known = {label.casefold() for label in self._labels}
        labels = (*self._labels, *sorted(set(self._counts) - set(self._labels)))
        return Differential(
            specimen_id=self.specimen_id,
            device_id=device_id,
            state=state or self.state(),
            updated_at=updated_at,
            clock_synced=clock_synced,
            target=self._target,
            fields=len(self._seen),
            fields_refused=self._refused,
            counted=self.counted,
            unclassified=dict(sorted(self._unclassified.items())),
            incomplete=self._incomplete,
            classes=tuple(_class_count(label, self._counts[label], self.counted) for label in labels),
            not_assessed=tuple(name for name in NORMAL_CLASSES if name not in known),
            interval=INTERVAL,
            model=model,
        )


def _class_count(label: str, count: int, total: int) -> ClassCount:
    low, high = wilson(count, total)
    percent = 100 * count / total if total else 0.0
    return ClassCount(label, count, round(percent, 2), round(low, 2), round(high, 2))
