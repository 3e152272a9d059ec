"""Counts of which a differential is made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from samples import DEVICE, MODEL

from edge.models.known import KnownMicroscopes, Limits
from edge.slide.contribution import Contribution

if TYPE_CHECKING:
    from edge.differential.count import SpecimenCount

_SIGNS = ("unlike", "unsure", "refused", "other")
KNOWN = KnownMicroscopes(
    on="slides",
    unlike=1.0,
    unsure=0.5,
    usual=dict.fromkeys(_SIGNS, 0.03),
    limits=dict.fromkeys(_SIGNS, Limits(0.1, 0.2)),
)
"""What a model knows of its microscopes: cells within 1 and called with 0.5 or more are like its own."""


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
