"""What a field adds to the count of its specimen."""

from __future__ import annotations

from msgspec import Struct

from edge.messages.field import ModelReference  # noqa: TC001 (msgspec reads annotations at run time)


class Tally(Struct, frozen=True):
    """What one field adds to the count. Small, so that a specimen's count is rebuilt without its cells.

    Numbers below 0 take back what an earlier field added: a cell that is seen again, and better, is called by
    its better sighting alone.
    """

    accepted: bool
    counted: dict[str, int]
    unclassified: dict[str, int]
    incomplete: int
    model: ModelReference | None = None
