"""Where a field lies on the slide, as in its message."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

MAX_KEYFRAMES = 1000
"""Fields of a specimen that the map of its slide remembers, and the store with it; then the oldest go."""


class MergedRegion(Struct, frozen=True):
    """A region that turned out to be part of another: what lay at (0, 0) in it lies at (x, y) in that one."""

    region: int
    x: float
    y: float


class FieldPosition(Struct, frozen=True):
    """Where a field lies on the slide: its upper left corner, in pixels of the frame.

    Fields that could be registered to each other share a region, and its origin. A cell that is seen in
    several of them is in each one's `cells` and counts once in the differential, by its best sighting.
    """

    region: Annotated[int, Meta(ge=0, description="number of the region, unique on this device")]
    x: float
    y: float
    new_region: Annotated[
        bool, Meta(description="a new region: this field could not be registered to any before it")
    ] = False
    merged: Annotated[
        MergedRegion | None, Meta(description="a region that this field has shown to be part of this one")
    ] = None
