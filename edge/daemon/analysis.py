"""The second stage of a frame's way: it is analysed, and becomes a numbered field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edge import identity
from edge.daemon.placement import RESTORING
from edge.messages import FieldResult
from edge.naming.alignment import MOST, NOTHING, Told
from edge.quality.reference import QualityReference
from edge.slide.first_sightings import FirstSightings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge.cameras import Frame
    from edge.daemon.model import CountingModel
    from edge.messages import Cell, Scale
    from edge.store.fields import CellSummary, Store


class Analysis:
    """Fields of one specimen, made from its frames. What they usually look like is learnt on the way.

    It starts from the fields of earlier runs that are stored whole. camera: whose scale
    and alignment are known from the specimen before; None where the source is no camera. registers: fields
    overlap, and a cell that several of them show tells once. alive: told, field by field, while those of
    earlier runs are read. Raises StoreError.
    """

    def __init__(
        self,
        device_id: str,
        model: CountingModel,
        store: Store,
        specimen_id: str,
        camera: str | None = None,
        *,
        registers: bool = False,
        alive: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._device_id = device_id
        self._model = model
        self._next_sequence = store.next_sequence
        self._sequence: int | None = None
        self._summaries = store.frame_summaries
        self._rulers = store.rulers
        self._alignments = store.alignments
        self._camera = camera
        self._registers = registers
        self._alive = alive
        self._reference = QualityReference()
        for look in store.frame_summaries(specimen_id):
            alive(RESTORING)
            self._reference.learn(look.quality, look.width, look.height)
        self._restore(specimen_id)

    def field(self, frame: Frame, specimen_id: str, before: FieldResult | None) -> FieldResult:
        """The frame's field, with its cells; its place on the slide is not known yet.

        before: the field before it, in its place: what it shows for the first time tells of the microscope.
        """
        if self._model.analyzer is not self._analyzer:  # another one answers since
            self._restore(specimen_id)
        elif before is not None and before.model == self._model.reference and self._told < MOST:
            new = _logits(self._new.of(before.cells, before.position))
            self._told += len(new)
            self._model.analyzer.learn(new)
        analyzed = self._model.analyzer.analyze(frame.pixels, self._reference)
        self._model.first_start.passed()
        self._reference.learn(analyzed.quality, analyzed.width, analyzed.height)
        return FieldResult(
            field_id=identity.new_id(),
            specimen_id=specimen_id,
            device_id=self._device_id,
            boot_id=identity.boot_id(),
            sequence=self._number(),
            captured_at=frame.captured_at,
            clock_synced=frame.clock_offset_s is None,
            historical=False,
            source=frame.name,
            simulated=frame.simulated,
            width=analyzed.width,
            height=analyzed.height,
            model=self._model.reference,
            quality=analyzed.quality,
            scale=analyzed.scale,
            alignment=analyzed.alignment,
            red_cells=analyzed.red_cells,
            platelets=analyzed.platelets,
            calibration=frame.calibration,
            timings_ms=analyzed.timings_ms,
            cells=tuple(msgspec.structs.replace(cell, cell_id=identity.new_id()) for cell in analyzed.cells),
        )

    def _restore(self, specimen_id: str) -> None:
        """Let the model's analyzer know what the specimen's fields so far say of its microscope."""
        # An analyzer that was loaded again has nothing of the specimen, though its model be the same.
        self._analyzer, model = self._model.analyzer, self._model.reference
        scales: list[Scale] = []
        told = NOTHING
        remembered = None
        self._new = FirstSightings(registers=self._registers)
        if self._camera is not None:
            remembered = self._rulers.of(self._camera)
            told = Told(before=self._alignments.of(self._camera, model))
        for look in self._summaries(specimen_id):
            self._alive(RESTORING)
            if look.scale is not None:
                scales.append(look.scale)
            if look.model == model and len(told.logits) < MOST:
                if look.alignment is not None:  # what it began with, not what it has told meanwhile
                    told = told._replace(before=look.alignment.before)
                new = _logits(self._new.of(look.cells, look.position))
                told = told._replace(logits=[*told.logits, *new])
        self._told = len(told.logits)  # more than enough change nothing, and are not looked for
        self._model.analyzer.restore(scales, remembered, told)

    def _number(self) -> int:
        """The next field's number. The store is asked once: nobody else numbers fields meanwhile."""
        self._sequence = self._next_sequence() if self._sequence is None else self._sequence + 1
        return self._sequence


def _logits(cells: Iterable[Cell | CellSummary]) -> list[list[float]]:
    """Return the logits of cells, (n, labels); one that an older version stored has none."""
    return [list(cell.logits.values()) for cell in cells if cell.logits]
