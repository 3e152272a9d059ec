"""Make the store of one version with the code of that version: see README.md, beside this file.

Run in a checkout of that version's commit. What a version does not know yet is left out.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from inspect import signature
from pathlib import Path

import msgspec
import numpy as np
from samples import DEVICE, cell, field

from edge import identity, messages

try:
    from edge.messages.position import FieldPosition as FieldPlace
    from edge.slide.contribution import Contribution as Tally
    from edge.store.fields import Store
except ImportError:  # before the device's modules had rooms
    with suppress(ImportError):  # before fields had places
        from edge.place import FieldPlace
    from edge.differential import Tally
    from edge.store import Store

NAMES = {"complete": "cut_by_edge", "total_count": "wbc_count", "place": "position", "share": "contribution"}
"""What has another name since version 8."""

CLOCK = [datetime(2026, 3, 2, 8, 0, tzinfo=UTC)]
"""Each look at it is a minute later."""


def main(path: Path) -> None:
    """Make the store at `path`, which is not there yet."""
    identity.now = tick
    identity.clock_synced = lambda: True
    identity.RUN_ID = "run-of-then"
    with Store.open(path) as store:
        folders(store)
        if hasattr(store, "ledger"):
            orders(store)
        live_camera(store)
        if hasattr(store, "answers"):
            answers(store)
    compact(path)


def tick() -> datetime:
    CLOCK[0] += timedelta(minutes=1)
    return CLOCK[0]


def known(name: str, names) -> str:
    """Return what a version calls what was first called `name`."""
    return name if name in names else NAMES[name]


def add(store: Store, name: str, specimen_id: str, *cells, refused=None, picture=None, **beside) -> None:
    """Store a field of that name. picture: its name in its folder; None for a live camera's."""
    made = field(store.next_sequence(), *cells, specimen_id=specimen_id, refused=refused)
    changes = {"boot_id": "boot-of-then", "captured_at": tick(), "clock_synced": True} | {
        known(key, messages.FieldResult.__struct_fields__): beside.pop(key)
        for key in ("clock_synced", "place")
        if key in beside
    }
    # A version that keeps offsets keeps one with each field whose time is not sure, and only those.
    assert store.add(msgspec.structs.replace(made, field_id=name, **changes), picture, **beside)


def folders(store: Store) -> None:
    """A folder that has ended, and one that a picture was added to after its end."""
    store.start_specimen("film-3")
    add(store, "film-1", "film-3", *(cell() for _ in range(3)), cell("lymphocyte"), picture="a.png")
    store.mark_delivered(["film-1"])
    getattr(store, "upkeep", store).prune(0)
    add(store, "film-2", "film-3", cell(), cell("monocyte", rejected="uncertain"), picture="b.png")
    add(store, "film-3", "film-3", cell("lymphocyte"), cell("lymphocyte"), picture="c.png")
    add(store, "film-4", "film-3", cell("eosinophil"), cut(), picture="d.png")
    add(store, "film-5", "film-3", cell(), refused="overexposed", picture="e.png")
    store.mark_delivered(["film-2"])
    store.mark_refused("film-3", "the broker takes at most 1000 bytes")
    store.finish_specimen("film-3")
    store.start_specimen("film-4")
    add(store, "late-1", "film-4", cell(), picture="a.png")
    store.finish_specimen("film-4")
    add(store, "late-2", "film-4", cell("monocyte"), picture="b.png")
    store.mark_delivered(["late-1", "late-2"])


def orders(store: Store) -> None:
    """Specimens by command, one in each state."""
    ledger = store.ledger
    start(store, "W-1", cell(), cell("monocyte"), target=100, total_count=7.4)
    ledger.stop()
    reason = {"reason": "few are left"} if "reason" in signature(ledger.sign).parameters else {}
    ledger.sign("mt.07", **reason)
    signed = ledger.find("W-1")
    getattr(ledger, "mark_said" if hasattr(ledger, "mark_said") else "mark_published")("W-1", signed.event)
    start(store, "W-2", cell())
    ledger.stop()
    ledger.sign("mt.07")
    add(store, "W-2-late", "W-2", cell("lymphocyte"))
    start(store, "W-3", cell())
    ledger.stop()
    ledger.sign("mt.07")
    add(store, "W-3-late", "W-3", cell("lymphocyte"))
    ledger.sign("mt.08", "W-3")
    start(store, "W-4", cell("basophil", rejected="unfamiliar"))
    ledger.discard("the smear is clotted")
    # An id could be any text then.
    start(store, "Ward 5/bed ü", cell("eosinophil"), target=50)
    ledger.stop(why="the target of 50 cells is reached")


def cut():
    """Return a neutrophil that the frame's edge cuts."""
    name = known("complete", signature(cell).parameters)
    return cell(**{name: name != "complete"})


def begin(store: Store, name: str, target, total_count, *, resume: bool = False) -> None:
    key = known("total_count", signature(store.ledger.start).parameters)
    store.ledger.start(name, target=target, resume=resume, **{key: total_count})


def start(store: Store, specimen_id: str, *cells, target=None, total_count=None) -> None:
    begin(store, specimen_id, target, total_count)
    add(store, f"{specimen_id}-1", specimen_id, *cells)
    store.mark_delivered([f"{specimen_id}-1"])


def live_camera(store: Store) -> None:
    """A specimen that is still open, of a camera; where fields have places, a cell of it is seen twice."""
    name = "W-6"
    if hasattr(store, "ledger"):
        begin(store, name, 200, None)
    else:
        store.start_specimen(name)
    if not {"place", "position"} & set(messages.FieldResult.__struct_fields__):
        add(store, "live-1", name, cell(), cell("lymphocyte"))
        add(store, "live-2", name, cell("lymphocyte"), clock_synced=False)
        return
    first, second = FieldPlace(0, 0.0, 0.0, True), FieldPlace(0, 120.5, -3.0)
    better = Tally(accepted=True, counted={"neutrophil": -1, "lymphocyte": 1}, unclassified={}, incomplete=0)
    keyframes = [{"keyframe": picture} for picture in pictures()] if hasattr(store, "keyframes") else [{}, {}]
    add(store, "live-1", name, cell(), cell("lymphocyte"), place=first, **keyframes[0])
    add(
        store,
        "live-2",
        name,
        cell("lymphocyte"),
        place=second,
        clock_synced=False,
        **{known("share", signature(store.add).parameters): better},
        **keyframes[1],
    )
    store.ledger.stop()
    if hasattr(store, "keyframes") and hasattr(store.keyframes, "drop_long_closed"):
        store.keyframes.drop_long_closed(3)
    begin(store, name, None, 6.2, resume=True)


def pictures() -> list[bytes]:
    """Two small pictures of a slide, the second a quarter of a frame further."""
    try:
        from edge.slide.registration import packed, thumbnail
    except ImportError:
        from edge.registration import packed, thumbnail

    slide = np.full((480, 800, 3), 220, np.uint8)
    for x, y in ((90, 80), (300, 250), (470, 120), (600, 400)):
        slide[y : y + 40, x : x + 40] = 90
    return [packed(thumbnail(slide[:, x : x + 640])) for x in (0, 120)]


def answers(store: Store) -> None:
    """Two answers to orders: the broker has the first one."""
    try:
        from edge.store.command_log import Answer
    except ImportError:
        from edge.answers import Answer

    for number in (1, 2):
        order = f"order-{number}"
        response = messages.Response(device_id=DEVICE, command="specimen/stop", correlation_id=order, ok=True)
        store.answers.keep(Answer(order, "specimen/stop", b"\1" * 32, messages.encode(response)))
    store.answers.mark_sent("order-1")


def compact(path: Path) -> None:
    """Fold the write-ahead log back, and make the pages small."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for order in ("journal_mode = DELETE", "page_size = 512"):
            db.execute(f"PRAGMA {order}")
        db.execute("VACUUM")
        db.execute("PRAGMA journal_mode = WAL")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
