"""Results as they are stored: fields to be listed or handed out, and how many the broker lacks."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from edge.errors import StoreError
from edge.store.database import expect_store
from edge.store.fields import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from edge.messages import FieldResult


class Undelivered(NamedTuple):
    """What the broker lacks. refused: those of `waiting` that it does not take; reason: of the last one."""

    waiting: int
    refused: int
    reason: str | None

    def spoken(self) -> str:
        """As a person reads it; empty where nothing waits."""
        if not self.waiting:
            return ""
        text = f"{self.waiting} of them wait for the broker"
        return f"{text}; {self.refused} it has refused, the last one: {self.reason}" if self.refused else text


def stored_fields(
    path: Path, specimen: str | None = None, unreadable: Callable[[str], None] | None = None
) -> Iterator[FieldResult]:
    """Every stored field of a specimen, or of all, in their order; see `Store.fields`. Raises StoreError."""
    with _opened(path, specimen) as (store, specimens):
        for specimen_id in specimens:
            yield from store.fields(specimen_id, unreadable)


def undelivered(path: Path) -> Undelivered:
    """How many results wait for the broker. Raises StoreError."""
    with Store.open(path) as store:
        refused, reason = store.refused()
        return Undelivered(store.backlog(), refused, reason)


def republish(path: Path, since: datetime | None, specimen: str | None) -> int:
    """Let what was delivered wait again, for the daemon to send as historical; how many those are.

    Raises StoreError.
    """
    with _opened(path, specimen) as (store, _):
        return store.republish(since=since, specimen_id=specimen)


@contextmanager
def _opened(path: Path, specimen: str | None) -> Iterator[tuple[Store, list[str]]]:
    """Open a store that is there; give it with the specimen that is meant, or with all of them."""
    expect_store(path)
    with Store.open(path) as store:
        known = [entry.specimen_id for entry in store.specimens()]
        if specimen is not None and specimen not in known:
            raise StoreError(f"{path}: holds no specimen {specimen}; it has {', '.join(known) or 'none'}")
        yield store, known if specimen is None else [specimen]
