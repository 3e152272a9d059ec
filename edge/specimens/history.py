"""What was done to a specimen: by whom, when, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.specimens.records import CellWord, HistoryEntry
from edge.store.event_words import WBC_COUNT, wbc_count_in_words
from edge.store.specimen import read_time

if TYPE_CHECKING:
    from edge.store.event_words import Event
    from edge.store.fields import Store

_WORDS = {
    "started": "started",
    "resumed": "taken up again",
    "stopped": "stopped",
    "finished": "its source ended",
    "signed": "signed",
    "discarded": "discarded",
}


_ON_THEIR_WAY = "added"  # fields that were in hand when counting ended: nobody did anything


def history_of(store: Store, specimen_id: str) -> list[HistoryEntry]:
    """Return all that was done to a specimen, the oldest first. Raises SpecimenError, StoreError."""
    return [
        HistoryEntry(
            revision=revision,
            at=read_time(event.at),
            noted_at=None if event.noted_at is None else read_time(event.noted_at),
            clock_synced=event.clock_synced,
            kind=event.kind,
            what=_what(event),
            operator=event.operator,
            why=event.why,
        )
        for revision, event in store.signed.history(specimen_id)
        if event.kind != _ON_THEIR_WAY
    ]


def words_of(store: Store, specimen_id: str) -> list[CellWord]:
    """Return all that people have said of a specimen's cells, the oldest first. Raises StoreError."""
    return [
        CellWord(
            cell_id=review.cell_id,
            at=read_time(review.at),
            operator=review.operator,
            action=review.action,
            label=review.label,
            model_label=review.model_label,
            reason=review.reason,
            holds=review.holds,
        )
        for review in store.ledger.reviews(specimen_id)
    ]


def _what(event: Event) -> str:
    if event.kind == "renamed":
        return f"renamed from {event.what}"
    if event.kind == WBC_COUNT:
        return wbc_count_in_words(event.what)
    if event.kind == "signed" and event.what:
        return f"signed ({event.what})"
    return _WORDS.get(event.kind) or event.what or event.kind
