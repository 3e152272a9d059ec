"""The section `[store]` of the configuration: the file of results, and how long what stands in it is kept."""

from __future__ import annotations

from math import inf
from typing import Annotated

from msgspec import Meta, Struct

from edge.config.texts import SomeText  # noqa: TC001 (msgspec reads annotations at run time)

LEAST_MAX_MB = 1.0
"""Holds an empty store and the most crowded field: with less, counting would stop before it begins."""


class StoreConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where results are kept until they are delivered, and for some time after."""

    path: SomeText = "leukoscope.db"  # an SQLite file
    # How long a field is kept after its delivery; after that only what it counted.
    retention_days: Annotated[float, Meta(ge=0, le=36500)] = 30.0
    # How long the picture of each cell is kept, so that a person can look at it. 0: none is kept.
    pictures_days: Annotated[float, Meta(ge=0, le=36500)] = 30.0
    # The largest size of the store, MB. 0: no limit. When it is full, pictures are deleted first, then the
    # oldest delivered fields; what waits for delivery never is.
    max_mb: Annotated[
        float, Meta(ge=0, extra_json_schema={"anyOf": [{"const": 0}, {"minimum": LEAST_MAX_MB}]})
    ] = 2000.0

    def __post_init__(self) -> None:
        """Refuse a limit below which counting would never begin, and one that is no number."""
        if 0 < self.max_mb < LEAST_MAX_MB or self.max_mb == inf:
            why = f"is {self.max_mb}" if self.max_mb == inf else "cannot hold one result"
            raise ValueError(f"max_mb: {why}; write {LEAST_MAX_MB:g} or more, or 0 for no limit")
