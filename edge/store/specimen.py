"""A specimen as the store's ledger has it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from edge.messages.differential import Change, Signature, SpecimenStatus

SpecimenState = Literal["open", "stopped", "complete", "final", "corrected", "discarded"]

SOURCE_ENDED = "source ended"
"""Why nothing more is counted of a folder, a video or a drawn slide."""

STOPPED = "stopped"
"""Why nothing more is counted of what a person stopped."""


class Specimen(NamedTuple):
    """One specimen.

    `open` while fields are expected; `stopped` by command or `complete` with its source, until it is signed;
    `final` when it is; `corrected` when fields came even so; `discarded`. target, wbc_count (10^9/L): None
    where not given.
    source: what counts it, or did last; None where commands say which specimen it is, and in an older store.
    source_from: the number that the first field of this source has, at the least.
    simulated: cells of a drawn slide were counted. uuid: never another's. revision: rises with all that is
    noted of it. ended: why no more is counted; None while it is.
    opened, event: the number of what opened it last, and of what was noted of it last.
    clock_synced: False where one of its times is by a clock that was not set, and is not set right.
    """

    specimen_id: str
    state: SpecimenState
    started_at: str
    stopped_at: str | None = None
    target: int | None = None
    wbc_count: float | None = None
    by_command: bool = False
    source: str | None = None
    source_from: int = 0
    simulated: bool = False
    uuid: str = ""
    revision: int = 0
    signature: Signature | None = None
    changes: tuple[Change, ...] = ()
    discarded: Change | None = None
    ended: str | None = None
    opened: int = 0
    event: int = 0
    clock_synced: bool = True

    @property
    def waiting(self) -> bool:
        """Whether it waits for a signature."""
        return self.signature is None and self.state in {"stopped", "complete", "final", "corrected"}

    @property
    def was_signed(self) -> bool:
        """Whether it was signed, perhaps before it was changed: a change needs a reason then."""
        return self.state in {"final", "corrected"}

    @property
    def under_way(self) -> bool:
        """Whether cells are still counted into it, perhaps after an interruption."""
        return self.ended is None and self.state != "discarded"

    @property
    def status(self) -> SpecimenStatus:
        """Return what is known of it beyond its cells."""
        return SpecimenStatus(
            state=None if self.state == "open" else "preliminary" if self.state == "stopped" else self.state,
            specimen_uuid=self.uuid,
            revision=self.revision,
            simulated=self.simulated,
            started_at=read_time(self.started_at),
            stopped_at=None if self.stopped_at is None else read_time(self.stopped_at),
            ended=self.ended,
            wbc_count=self.wbc_count,
            signature=self.signature,
            changes=self.changes,
            discarded=self.discarded,
        )


def read_time(text: str) -> datetime:
    """Return the time that the store has as ISO 8601."""
    return datetime.fromisoformat(text)
