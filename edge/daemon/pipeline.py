"""One specimen being counted: each frame analysed, stored, offered and counted, and each only once."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

from edge import identity
from edge.daemon.copies import COPY, Copies
from edge.daemon.field_writer import Counted, Keeper
from edge.differential.count import tally
from edge.messages import FieldResult
from edge.quality.reference import QualityReference
from edge.specimens.reporting import Reporter
from edge.specimens.sources import begin
from edge.updates.probation import FirstStart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge.cameras import Frame
    from edge.config import Config
    from edge.daemon.analyzing import AnalyzedField, FieldAnalyzer
    from edge.daemon.health import Progress
    from edge.messages import ModelReference
    from edge.models.confusion import Confusion
    from edge.mqtt.publisher import Publisher
    from edge.slide.scan import Scan
    from edge.store.fields import Store
    from edge.store.specimen import Specimen


SMEARED = "smeared by movement"
"""Why a field that was worth analysing counts for nothing, as health says it."""

TAKING_UP = "taking up what was seen of the slide"
"""What is done before the first frame after a restart, as the service manager is told."""


class Model(NamedTuple):
    """An analyzer, what is known of the model behind it, and who is told that it works."""

    analyzer: FieldAnalyzer
    labels: tuple[str, ...]
    reference: ModelReference
    runtime: str
    confusion: Confusion | None = None
    first_start: FirstStart = FirstStart()


class Counting:
    """One specimen, taken up where the last run left it.

    A field is on the disk before the publisher or the count hears of it. Where frames are registered, a cell
    that is seen again counts once, in the same run and after a restart: see `edge.slide.scan`. What its
    fields look like is known again from those that are stored whole. It and its methods raise StoreError.
    specimen: the one that the configuration says, unless given. resume: pictures of another source are meant
    to be added to it. reporter: the one voice of the daemon.
    alive: told what is done, field by field, where that may take longer than a frame.
    """

    def __init__(
        self,
        config: Config,
        model: Model,
        store: Store,
        publisher: Publisher,
        progress: Progress,
        specimen: Specimen | None = None,
        *,
        resume: bool = False,
        reporter: Reporter | None = None,
        alive: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._device_id = config.device
        self._model = model
        self._store = store
        self._publisher = publisher
        self._progress = progress
        self._alive = alive
        self._reporter = reporter or Reporter(config, model)
        self._registers = config.registers
        self._scan: Scan | None = None
        self._keeper: Keeper | None = None
        self._next_sequence: int | None = None
        if specimen is None:
            specimen = begin(config, store, resume=resume)
        self.specimen_id = specimen.specimen_id
        self._copies = Copies(store.sources(self.specimen_id))
        self._resume = resume
        self._ended = not (specimen.under_way or specimen.by_command)
        # Interrupted, its source shows first what it showed first before.
        self._expects_known = not specimen.by_command and store.ledger.has_begun(specimen)
        self._reference = QualityReference()
        scales = []
        for seen in store.looks(self.specimen_id):
            self._reference.learn(seen.quality, seen.width, seen.height)
            if seen.scale is not None:
                scales.append(seen.scale)
        model.analyzer.take_up(scales, None)
        with self._reporter.lock:
            self._count = self._reporter.recount(store, specimen)
            self._publish()

    def take(self, frame: Frame) -> None:
        """Analyse, store and count a frame, unless it was before, under this name or another.

        Raises SpecimenError for a picture that must not be added: to a specimen that has ended, or where the
        files of a source that goes on were exchanged.
        """
        source_id = frame.source_id
        if source_id is not None and self._is_known(source_id):
            self._expects_known = False
            self._recall(frame.pixels, source_id)
            return
        if self._copies.is_one(frame):
            self._expects_known = False
            self._progress.refused(COPY)
            return
        self._check_that_it_may_be_added(source_id)
        analyzed = self._model.analyzer.analyze(frame.pixels, self._reference)
        counted = self._counted(frame, analyzed)
        self._model.first_start.passed()
        field = counted.field
        self._next_sequence = field.sequence + 1
        self._reference.learn(field.quality, field.width, field.height)
        if self._keeper is None:
            self._keep(self._store, [counted])
        else:
            self._keeper.put(counted)

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Analyse ahead of the disk: in the block, `take` does not wait until a frame is stored and counted.

        At its end all are. What goes wrong with one is raised by a later `take`, or at the end.
        """
        with Keeper(self._store.path, self._keep) as keeper:
            self._keeper = keeper
            try:
                yield
            finally:
                self._keeper = None

    def _is_known(self, source_id: str) -> bool:
        if self._keeper is not None and self._keeper.has(source_id):
            self._keeper.settle()
        return self._store.has_source(self.specimen_id, source_id)

    def _check_that_it_may_be_added(self, source_id: str | None) -> None:
        if self._ended:
            self._store.ledger.refuse_more(self.specimen_id)
        if self._expects_known and source_id is not None:
            self._store.ledger.meet_others(self.specimen_id, resume=self._resume)
        self._expects_known = False

    def follow(self, store: Store) -> None:
        """Go by the id that the specimen has now: it may have been renamed."""
        name = store.ledger.name_now(self.specimen_id)
        if name != self.specimen_id:
            if self._reporter.current == self.specimen_id:
                self._reporter.current = name
            self.specimen_id = self._count.specimen_id = name
            self._progress.specimen(name)

    def _keep(self, store: Store, fields: Sequence[Counted]) -> None:
        """Store fields, and count those that the store takes."""
        began = time.perf_counter()
        with self._reporter.lock:
            self.follow(store)
            with store.together():
                added = [counted for counted in fields if store.add(*counted)]
            stored_ms = 1000 * (time.perf_counter() - began) / len(fields)
            for field, _, share, *_ in added:
                self._count.add(field.field_id, share)
            if added:
                self._reporter.publish(self._publisher, store, self._count, news=True)
        for field, _, share, *_ in added:
            cells = sum(share.counted.values())
            self._progress.field({**field.timings_ms, "store": stored_ms}, cells)
            if not field.quality.accepted:
                self._progress.refused(field.quality.reason or "not worth analysing")
            elif self._registers and field.place is None:
                self._progress.refused(SMEARED)

    def go_on_from(self, before: Self) -> None:
        """Know the cells that were seen of the same specimen before it was stopped and taken up again."""
        self._scan = before._scan

    @property
    def enough(self) -> str | None:
        """Why no more cells are needed, or None."""
        return self._count.enough()

    def finish(self) -> None:
        """Nothing more comes: the count is complete."""
        with self._reporter.lock:
            self.follow(self._store)
            self._store.finish_specimen(self.specimen_id)
            self._publish()

    def _counted(self, frame: Frame, analyzed: AnalyzedField) -> Counted:
        """The field in its place on the slide, its share of the count, and the picture to keep with it.

        None is kept of a frame that the source shows again after a restart.
        """
        field = self._field(frame, analyzed)
        # Not when it is stored: the clock may be set while it waits.
        offset_s = None if field.clock_synced else identity.clock_offset_s()
        if not self._registers or not field.quality.accepted:
            return Counted(field, frame.source_id, tally(field), None, offset_s)
        from edge.slide.registration import packed  # noqa: PLC0415 (as below)
        from edge.slide.scan import told  # noqa: PLC0415

        scan = self._known_slide()
        began = time.perf_counter()
        located = scan.locate(frame.pixels)
        place, keyframe = None, None
        if located is not None:
            place = told(located)
            if located.remembered is not None and frame.source_id is None:
                keyframe = packed(located.remembered)
        timings = field.timings_ms | {"register": round(1000 * (time.perf_counter() - began), 3)}
        placed = msgspec.structs.replace(field, place=place, timings_ms=timings)
        return Counted(placed, frame.source_id, scan.share(placed), keyframe, offset_s)

    def _known_slide(self) -> Scan:
        """What was seen of the slide: by this run and, as its first frame comes, by those before it."""
        if self._scan is None:
            from edge.slide.registration import unpacked  # noqa: PLC0415 (OpenCV: only who needs it loads it)
            from edge.slide.scan import Scan  # noqa: PLC0415

            # No region had this number before, since each began with a field of its own.
            scan = Scan(self._sequence())
            for field, kept in self._store.keyframes.seen(self.specimen_id):
                self._alive(TAKING_UP)
                picture = None if kept is None else unpacked(kept, field.height, field.width)
                scan.take_up(field, picture)
            self._scan = scan
        return self._scan

    def _recall(self, pixels: NDArray[np.uint8], source_id: str) -> None:
        """Let a frame that an earlier run has counted take its place on the slide, and count for nothing."""
        field = self._store.field_of(self.specimen_id, source_id) if self._registers else None
        if field is not None and field.quality.accepted:
            self._known_slide().recall(pixels, field)

    def _sequence(self) -> int:
        """Return the next field's number. The store is asked once: nobody else numbers fields meanwhile."""
        if self._next_sequence is None:
            self._next_sequence = self._store.next_sequence()
        return self._next_sequence

    def _field(self, frame: Frame, analyzed: AnalyzedField) -> FieldResult:
        return FieldResult(
            field_id=identity.new_id(),
            specimen_id=self.specimen_id,
            device_id=self._device_id,
            boot_id=identity.boot_id(),
            sequence=self._sequence(),
            captured_at=frame.captured_at,
            clock_synced=identity.clock_synced(),
            historical=False,
            source=frame.name,
            simulated=frame.simulated,
            width=analyzed.width,
            height=analyzed.height,
            model=self._model.reference,
            quality=analyzed.quality,
            scale=analyzed.scale,
            red_cells=analyzed.red_cells,
            platelets=analyzed.platelets,
            calibration=frame.calibration,
            timings_ms=analyzed.timings_ms,
            cells=tuple(msgspec.structs.replace(cell, cell_id=identity.new_id()) for cell in analyzed.cells),
        )

    def _publish(self) -> None:
        self._reporter.publish(self._publisher, self._store, self._count)
