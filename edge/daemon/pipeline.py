"""The way of a specimen's frames, each once: intake, analysis, placement, storage, count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from edge.daemon.analysis import Analysis
from edge.daemon.copies import COPY
from edge.daemon.intake import Intake
from edge.daemon.placement import Placement
from edge.daemon.portraits import with_portraits
from edge.daemon.running_count import RunningCount
from edge.daemon.storage import Storage
from edge.specimens.reporting import Listener, Reporter
from edge.specimens.sources import begin, camera_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from edge.cameras import Frame
    from edge.config import Config
    from edge.daemon.health import Progress
    from edge.daemon.model import CountingModel
    from edge.messages import FieldResult
    from edge.store.fields import Store
    from edge.store.specimen import Specimen


class Pipeline:
    """One specimen being counted, resumed where the last run left it.

    Each stage hands on to the next and is not asked again: `take` is the whole way up to the disk, and
    `Storage` hands to the count what the disk has. It and its methods raise StoreError.
    specimen: the one that the configuration says, unless given. resume: pictures of another source are meant
    to be added to it. reporter: the one voice of the daemon.
    alive: told what is done, field by field, where that may take longer than a frame.
    specimen_uuid: stays, whatever id it is given.
    watch: shown each frame with its field, as soon as that is on its way to the disk.
    """

    def __init__(
        self,
        config: Config,
        model: CountingModel,
        store: Store,
        listener: Listener,
        progress: Progress,
        specimen: Specimen | None = None,
        *,
        resume: bool = False,
        reporter: Reporter | None = None,
        alive: Callable[[str], None] = lambda _: None,
        watch: Callable[[Frame, FieldResult], None] = lambda *_: None,
    ) -> None:
        if specimen is None:
            specimen = begin(config, store, resume=resume)
        self.specimen_uuid = specimen.uuid
        self._store = store
        self._progress = progress
        self._watch = watch
        self._before: FieldResult | None = None  # with its place, which tells what in it was new
        self._keeps_pictures = config.store.pictures_days > 0
        self._intake = Intake(store, specimen, resume=resume)
        camera = camera_of(config)
        self._analysis = Analysis(
            config.device,
            model,
            store,
            specimen.specimen_id,
            camera,
            registers=config.registers,
            alive=alive,
        )
        self._placement = Placement(store, registers=config.registers, alive=alive)
        reporter = reporter or Reporter(config, model)
        self._count = RunningCount(store, specimen, reporter, listener, progress, registers=config.registers)
        self._storage = Storage(store, self._count, camera)

    def take(self, frame: Frame) -> None:
        """Analyse, place, store and count a frame, unless it was before, under this name or another.

        Raises SpecimenError for a picture that must not be added: to a specimen that has ended, or where the
        files of a source that goes on were exchanged.
        """
        specimen_id = self.specimen_id
        self._storage.settle(frame.source_id)
        if self._intake.is_stored(frame, specimen_id):
            self._placement.replay(frame, specimen_id)
        elif self._intake.is_copy(frame):
            self._progress.refused(COPY)
        else:
            self._intake.check(frame, specimen_id)
            field = self._analysis.field(frame, specimen_id, self._before)
            pending = self._placement.place(frame, field)
            self._before = pending.field
            if self._keeps_pictures:
                pending = with_portraits(frame, pending)
            self._storage.put(pending)
            self._watch(frame, pending.field)

    def ahead(self) -> AbstractContextManager[None]:
        """Analyse ahead of the disk: in the block, `take` does not wait until a frame is stored and counted.

        At its end all are. What goes wrong with one is raised by a later `take`, or at the end.
        """
        return self._storage.ahead()

    def follow(self, store: Store) -> None:
        """Go by the id that the specimen has now: it may have been renamed."""
        self._count.follow(store)

    def resume_from(self, before: Self) -> None:
        """Know the cells that were seen of the same specimen before it was stopped and resumed."""
        self._placement.resume_from(before._placement)

    @property
    def specimen_id(self) -> str:
        """The specimen's id, as far as is known here."""
        return self._count.specimen_id

    @property
    def stop_reason(self) -> str | None:
        """Why no more cells are needed, or None."""
        return self._count.stop_reason

    def finish(self) -> None:
        """Nothing more comes: the count is complete."""
        self._count.finish(self._store)
