"""A specimen as the store's ledger has it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from edge.differential_parts import Change, Signature, Standing

SpecimenState = Literal["open", "stopped", "final", "corrected", "discarded"]


class Specimen(NamedTuple):
    """One specimen.

    `open` while fields are expected; `stopped` until it is signed; `final` when it is, or when its source has
    ended; `corrected` when fields came even so; `discarded`. target, total_count: None where not given.
    opened, event: the number of what opened it last, and of what was noted of it last.
    """

    specimen_id: str
    state: SpecimenState
    started_at: str
    stopped_at: str | None = None
    target: int | None = None
    total_count: float | None = None
    signature: Signature | None = None
    changes: tuple[Change, ...] = ()
    discarded: Change | None = None
    opened: int = 0
    event: int = 0

    @property
    def waiting(self) -> bool:
        """Whether it waits for a signature."""
        return self.signature is None and self.state in {"stopped", "final", "corrected"}

    @property
    def standing(self) -> Standing:
        """Give what is known of it beyond its cells."""
        return Standing(
            state=None if self.state == "open" else "preliminary" if self.state == "stopped" else self.state,
            started_at=read_time(self.started_at),
            stopped_at=None if self.stopped_at is None else read_time(self.stopped_at),
            total_count=self.total_count,
            signature=self.signature,
            changes=self.changes,
            discarded=self.discarded,
        )


def read_time(text: str) -> datetime:
    """Give the time that the store has as ISO 8601."""
    return datetime.fromisoformat(text)
