"""What a message leaves out where it would be too long, and how it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edge.messages.differential import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.messages.field import Cell

_encoder = msgspec.json.Encoder()


def with_fewer_heatmaps(cells: Sequence[Cell], excess: int) -> tuple[tuple[Cell, ...], int]:
    """The cells, the last without heatmaps, so that they take fewer bytes; and how many these are."""
    shortened = list(cells)
    omitted = 0
    excess += 16  # room for their number to grow
    for i in reversed(range(len(shortened))):
        if excess <= 0:
            break
        if shortened[i].heatmap is not None:
            bare = msgspec.structs.replace(shortened[i], heatmap=None)
            excess -= len(_encoder.encode(shortened[i])) - len(_encoder.encode(bare))
            shortened[i] = bare
            omitted += 1
    return tuple(shortened), omitted


def with_fewer_changes(changes: tuple[Change, ...], excess: int) -> tuple[Change, ...]:
    """The changes without the oldest, so that they take fewer bytes; in their place stands how many."""
    omitted = 0
    excess += 256  # room for what stands in their place
    while excess > 0 and omitted < len(changes):
        excess -= len(_encoder.encode(changes[omitted])) + 1  # and a comma
        omitted += 1
    if not omitted:
        return changes
    what = f"{omitted} earlier changes are left out"
    why = "the message would be too long; the device has them all"
    return (Change(changes[omitted - 1].at, what, why), *changes[omitted:])
