"""One specimen being counted: each frame analysed, stored, offered and counted, and each only once."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from edge import identity
from edge.differential import SpecimenCount, tally
from edge.messages import FieldResult
from edge.model_trial import FirstStart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.cameras import Frame
    from edge.config import Config
    from edge.health import Progress
    from edge.messages import Cell, ModelReference, Quality, Scale
    from edge.publisher import Publisher
    from edge.store import SpecimenState, Store


class AnalyzedField(Protocol):
    """What an analyzer says of one frame. The cells have no ids yet."""

    @property
    def width(self) -> int:
        """Of the frame, pixels."""
        ...

    @property
    def height(self) -> int:
        """Of the frame, pixels."""
        ...

    @property
    def quality(self) -> Quality:
        """Whether it was worth analysing."""
        ...

    @property
    def scale(self) -> Scale | None:
        """How large a pixel is, where that is known."""
        ...

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every white cell."""
        ...

    @property
    def timings_ms(self) -> dict[str, float]:
        """How long each stage took."""
        ...


class FieldAnalyzer(Protocol):
    """Frame in, field out."""

    def analyze(self, pixels: NDArray[np.uint8]) -> AnalyzedField:
        """Analyse a frame, uint8 RGB (height, width, 3)."""
        ...


class Model(NamedTuple):
    """An analyzer, what is known of the model behind it, and who is told that it works."""

    analyzer: FieldAnalyzer
    labels: tuple[str, ...]
    reference: ModelReference
    runtime: str
    first_start: FirstStart = FirstStart()


class Counting:
    """The specimen that the configuration names, taken up where the last run left it.

    A field is on the disk before the publisher or the count hears of it. It and its methods raise StoreError.
    """

    def __init__(
        self, config: Config, model: Model, store: Store, publisher: Publisher, progress: Progress
    ) -> None:
        self._device_id = config.device
        self._model = model
        self._store = store
        self._publisher = publisher
        self._progress = progress
        specimen = store.start_specimen(config.specimen.id or _unnamed(config))
        self.specimen_id = specimen.specimen_id
        self._state: SpecimenState = specimen.state
        self._count = SpecimenCount(self.specimen_id, model.labels, config.specimen.target)
        for field_id, counts in store.tallies(self.specimen_id):
            self._count.add(field_id, counts)
        self._publish()

    def take(self, frame: Frame) -> None:
        """Analyse, store and count a frame, unless it was before."""
        source_id = frame.source_id
        if source_id is not None and self._store.has_source(self.specimen_id, source_id):
            return
        field = self._field(frame, self._model.analyzer.analyze(frame.pixels))
        began = time.perf_counter()
        if not self._store.add(field, source_id):
            return
        stored_ms = 1000 * (time.perf_counter() - began)
        self._publisher.notify()
        self._progress.field({**field.timings_ms, "store": stored_ms})
        if not field.quality.accepted:
            self._progress.refused(field.quality.reason or "not worth analysing")
        if self._state == "final":
            self._state = "corrected"  # as the store has it
        self._count.add(field.field_id, tally(field))
        self._publish()

    def finish(self) -> None:
        """Nothing more comes: the count is final."""
        self._store.finish_specimen(self.specimen_id)
        if self._state == "open":
            self._state = "final"
        self._publish()

    def _field(self, frame: Frame, analyzed: AnalyzedField) -> FieldResult:
        return FieldResult(
            field_id=identity.new_id(),
            specimen_id=self.specimen_id,
            device_id=self._device_id,
            boot_id=identity.boot_id(),
            sequence=self._store.next_sequence(),
            captured_at=frame.captured_at,
            clock_synced=identity.clock_synced(),
            historical=False,
            source=frame.name,
            width=analyzed.width,
            height=analyzed.height,
            model=self._model.reference,
            quality=analyzed.quality,
            scale=analyzed.scale,
            timings_ms=analyzed.timings_ms,
            cells=tuple(msgspec.structs.replace(cell, cell_id=identity.new_id()) for cell in analyzed.cells),
        )

    def _publish(self) -> None:
        self._publisher.publish_differential(
            self._count.differential(
                device_id=self._device_id,
                model=self._model.reference,
                updated_at=identity.now(),
                clock_synced=identity.clock_synced(),
                state=None if self._state == "open" else self._state,
            )
        )


def _unnamed(config: Config) -> str:
    """Give the specimen of a source that nobody named: the same source again is the same specimen.

    Else a run that is repeated would analyse its images anew, and two folders would be one patient.
    """
    source = msgspec.to_builtins(config.camera)
    del source["frames_per_second"]
    digest = hashlib.sha256(msgspec.json.encode(source, order="sorted")).hexdigest()
    return f"{source['kind']}-{digest[:8]}"
