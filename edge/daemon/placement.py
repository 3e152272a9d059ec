"""The third stage of a frame's way: where its field lies on the slide, and what it adds to the count."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from edge.differential.count import contribution_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.cameras import Frame
    from edge.messages import FieldResult
    from edge.slide.contribution import CellStanding, Contribution
    from edge.slide.scan import Scan
    from edge.store.fields import Store
    from edge.store.pictures import CellPicture

RESTORING = "reading again what was seen of the slide"
"""What is done before and with the first frame after a restart, as the service manager is told."""


class PendingField(NamedTuple):
    """A field that waits to be stored, and all that goes into its transaction: the arguments of `Store.add`.

    contribution: what it changes in the count. keyframe: its small picture, where the slide's map remembers
    it. cells: what each cell counts as from now on, of this field and, where it shows them again, of earlier
    ones; None: each by its own call. pictures: of its cells.
    """

    field: FieldResult
    source_id: str | None
    contribution: Contribution
    keyframe: bytes | None
    clock_offset_s: float | None = None
    cells: tuple[CellStanding, ...] | None = None
    pictures: tuple[CellPicture, ...] = ()


class Placement:
    """The slide of one specimen, on which a cell that is seen again counts once: see `edge.slide.scan`.

    registers: whether frames overlap, so that they have to be laid out; else each field counts by itself.
    alive: told what is done, field by field, where that may take longer than a frame. Raises StoreError.
    """

    def __init__(self, store: Store, *, registers: bool, alive: Callable[[str], None]) -> None:
        self._store = store
        self._registers = registers
        self._alive = alive
        self._scan: Scan | None = None

    def resume_from(self, before: Placement) -> None:
        """Know the cells that were seen of the same specimen before it was stopped and resumed."""
        self._scan = before._scan

    def place(self, frame: Frame, field: FieldResult) -> PendingField:
        """The field in its place on the slide, and what it changes in the count.

        No small picture is kept of a frame that its source shows again after a restart.
        """
        if not self._registers or not field.quality.accepted:
            return PendingField(field, frame.source_id, contribution_of(field), None, frame.clock_offset_s)
        from edge.slide.registration import packed  # noqa: PLC0415 (OpenCV: only who needs it loads it)
        from edge.slide.scan import told  # noqa: PLC0415

        scan = self._slide(field.specimen_id, field.sequence)
        began = time.perf_counter()
        located = scan.locate(frame.pixels)
        place, keyframe = None, None
        if located is not None:
            place = told(located)
            if located.remembered is not None and frame.source_id is None:
                keyframe = packed(located.remembered)
        timings = field.timings_ms | {"register": round(1000 * (time.perf_counter() - began), 3)}
        placed = msgspec.structs.replace(field, position=place, timings_ms=timings)
        contribution = scan.contribution(placed)
        cells = scan.standings(placed)
        return PendingField(placed, frame.source_id, contribution, keyframe, frame.clock_offset_s, cells)

    def replay(self, frame: Frame, specimen_id: str) -> None:
        """Let a frame that an earlier run has counted take its place on the slide, and count for nothing."""
        if not self._registers or frame.source_id is None:
            return
        field = self._store.field_of(specimen_id, frame.source_id)
        if field is not None and field.quality.accepted:
            self._slide(specimen_id, self._store.next_sequence()).replay(frame.pixels, field)

    def _slide(self, specimen_id: str, next_sequence: int) -> Scan:
        """What was seen of the slide: by this run and, as its first frame comes, by those before it."""
        if self._scan is None:
            from edge.slide.registration import unpacked  # noqa: PLC0415 (as above)
            from edge.slide.scan import Scan  # noqa: PLC0415

            # No region had this number before, since each began with a field of its own.
            scan = Scan(next_sequence)
            for field, kept in self._store.keyframes.seen(specimen_id):
                self._alive(RESTORING)
                picture = None if kept is None else unpacked(kept, field.height, field.width)
                scan.restore(field, picture)
            self._scan = scan
        return self._scan
