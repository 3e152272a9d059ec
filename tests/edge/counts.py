"""Counts of which a differential is made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from samples import DEVICE, MODEL

from edge.slide.contribution import Contribution

if TYPE_CHECKING:
    from edge.differential.count import SpecimenCount


def message(count: SpecimenCount, state=None, **keywords):
    return count.differential(
        device_id=DEVICE,
        model=MODEL,
        updated_at=datetime.now(UTC),
        clock_synced=False,
        state=state,
        **keywords,
    )


def counted_of(cells: dict[str, int]) -> Contribution:
    return Contribution(accepted=True, counted=cells, unclassified={}, incomplete=0)
