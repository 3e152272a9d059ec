"""Frame in, field out: quality, finding, masks, crops and calls in one straight line. No file, no broker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from edge.errors import BundleError
from edge.finding.cells import CellFinder, FoundCells
from edge.finding.ruler import Ruler
from edge.labels import OTHER
from edge.masking import CROPS, FieldMasks, Recipe, cut_crop, outline_found, study
from edge.messages import Alignment, Cell, Quality, Scale
from edge.naming.alignment import DIGITS, NOTHING, Aligner, Told
from edge.naming.evidence import shares
from edge.quality.assessment import assess

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge.messages.field import Box
    from edge.models.bundle import Bundle
    from edge.naming.classifier import Call, Classifier
    from edge.quality.reference import QualityReference


@dataclass(frozen=True, slots=True)
class Field:
    """One analysed frame. cells: the largest first, without ids. masks: None when the frame was refused.

    calls: what the classifier said of each cell, with the maps of all classes.
    scale: how large a pixel is; None if the frame was refused, and under the study's recipe.
    red_cells, platelets: how many the finder saw, an estimate; None where no network finds the cells.
    alignment: what was subtracted from the cells' logits; None without a cell, or if the bundle has no data
    for it. red_cell: the diameter of a red cell that was assumed, pixels; None where scale is.
    """

    width: int
    height: int
    quality: Quality
    cells: tuple[Cell, ...]
    timings_ms: dict[str, float]
    masks: FieldMasks | None
    scale: Scale | None = None
    calls: tuple[Call, ...] = ()
    red_cells: int | None = None
    platelets: int | None = None
    alignment: Alignment | None = None
    red_cell: float | None = None


class Analyzer:
    """Masks, crops and classifies frames. Not thread-safe, as its classifier is not.

    micrometres_per_pixel: of the frames, if it is known; otherwise it is measured by the specimen's red
    cells. align: whether to subtract the shift of this microscope from the logits, as the specimen's cells
    show it. Raises BundleError if the model was trained on crops of another recipe or of another version of
    it, or if its bundle has no finder that this device can read.
    """

    def __init__(
        self,
        classifier: Classifier,
        recipe: Recipe = "found",
        *,
        micrometres_per_pixel: float | None = None,
        align: bool = True,
    ) -> None:
        trained_on = classifier.bundle.description.preprocessing
        if trained_on != CROPS[recipe]:
            raise BundleError(
                f"{classifier.bundle.path}: was trained on crops of recipe {trained_on}, "
                f"masking is set to {CROPS[recipe]}: give a model of that recipe"
            )
        self._finder: CellFinder | None = None
        if recipe == "found":
            ruler = Ruler.configured(micrometres_per_pixel) if micrometres_per_pixel else None
            runtime = classifier.runtime_name.partition(" ")[0]
            self._finder = CellFinder.of_bundle(classifier.bundle, runtime=runtime, ruler=ruler)
        self._onlooker = None if self._finder is None else self._finder.onlooker()
        self.classifier = classifier
        self._aligner = Aligner.of(classifier.bundle.description) if align else None

    def analyze(
        self,
        pixels: NDArray[np.uint8],
        reference: QualityReference | None = None,
        *,
        red_cell: float | None = None,
    ) -> Field:
        """Analyse a frame, uint8 RGB (height, width, 3), unless its quality is too poor.

        reference: what the specimen's fields are like; without it only the outer limits of quality hold.
        red_cell: this frame's `Field.red_cell`, where it was analysed before; then no scale is looked for.
        """
        started = time.perf_counter()
        quality = assess(pixels, reference)
        assessed = time.perf_counter()
        timings = {"quality": assessed - started}
        cells: tuple[Cell, ...] = ()
        calls: tuple[Call, ...] = ()
        masks = found = alignment = None
        if quality.accepted:
            masks, found = self._find(pixels, red_cell)
            masked = time.perf_counter()
            if found is not None and found.white_overflow:
                # White cells beyond the list would be missing from the count, and nobody would notice.
                quality = msgspec.structs.replace(quality, accepted=False, reason="too crowded")
                masks = None
            if masks is not None:
                calls = self.classifier.classify_all(
                    (cut_crop(pixels, c) for c in masks.cells), self._aligner
                )
                alignment = self._alignment() if calls else None
                cells = tuple(self._cell(masks, number, call) for number, call in enumerate(calls))
            timings |= {"mask": masked - assessed, "classify": time.perf_counter() - masked}
        timings["total"] = time.perf_counter() - started
        height, width = pixels.shape[:2]
        milliseconds = {stage: round(1000 * seconds, 3) for stage, seconds in timings.items()}
        scale = None if found is None else found.scale
        red_cells, platelets = None, None
        if found is not None and not found.overflow:  # otherwise the list is incomplete
            red_cells, platelets = len(found.red), found.platelets
        return Field(
            width,
            height,
            quality,
            cells,
            milliseconds,
            masks,
            scale,
            calls,
            red_cells,
            platelets,
            alignment,
            None if found is None else found.red_cell,
        )

    def find(self, pixels: NDArray[np.uint8]) -> FieldMasks:
        """The white cells of a frame, uint8 RGB, whose crops this model reads, whatever its quality."""
        return self._find(pixels)[0]

    def look(self, pixels: NDArray[np.uint8]) -> tuple[Box, ...]:
        """The boxes of a frame's white cells, uint8 RGB, from which nothing is learnt: it is not counted."""
        if self._onlooker is None:
            return tuple(cell.box for cell in study.find(pixels).cells)
        white = self._onlooker.find(pixels).white
        return tuple(
            (round(x - size / 2), round(y - size / 2), round(size), round(size))
            for (x, y), size in zip(white.centres.tolist(), white.diameters.tolist(), strict=True)
        )

    def _find(
        self, pixels: NDArray[np.uint8], red_cell: float | None = None
    ) -> tuple[FieldMasks, FoundCells | None]:
        if self._finder is None:
            return study.find(pixels), None
        found = self._finder.find(pixels, red_cell)
        return outline_found(pixels, found), found

    def restore(
        self,
        scales: Iterable[Scale] = (),
        remembered: float | None = None,
        told: Told = NOTHING,
        *,
        hold: bool = False,
    ) -> None:
        """Begin a specimen, or go on with it: the next frames may be of another microscope than the last.

        scales: of its fields so far, in their order. remembered: micrometres a pixel of the previous specimen
        with the same camera. told: how far its cells so far show the logits to have moved. hold: use these
        cells only, and learn from no others.
        """
        if self._finder is not None:
            self._finder.restore(scales, remembered)
        if self._aligner is not None:
            self._aligner.begin(told, hold=hold)

    def learn(self, logits: Sequence[Sequence[float]]) -> None:
        """Use more cells of this specimen to estimate how far its logits have moved, for the next fields.

        logits: (n, labels), of cells that were not used yet.
        """
        if self._aligner is not None:
            self._aligner.learn(logits)

    @property
    def aligns(self) -> bool:
        """Return whether the bundle says where known cells lie, so that others can be aligned to them."""
        return self._aligner is not None

    def _alignment(self) -> Alignment | None:
        aligner = self._aligner
        if aligner is None:
            return None
        offsets = dict(zip(self.classifier.labels, aligner.offset.tolist(), strict=True))
        return Alignment(aligner.cells, offsets, aligner.is_settled, aligner.before)

    def _cell(self, masks: FieldMasks, number: int, call: Call) -> Cell:
        found = masks.cells[number]
        evidence = shares(call.activation_map, masks, number)
        probabilities = {
            label: round(float(p), 4)
            for label, p in zip(self.classifier.labels, call.probabilities, strict=True)
        }
        return Cell(
            cell_id="",
            box=found.box,
            crop=found.crop,
            glass_rgb=None if found.white is None else _levels(found.white),
            label=call.label,
            probability=probabilities[call.label],
            probabilities=probabilities,
            logits={
                label: round(float(logit), DIGITS)
                for label, logit in zip(self.classifier.labels, call.logits, strict=True)
            },
            confidence=round(call.confidence, 4),
            distance=None if call.distance is None else round(call.distance, 3),
            rejected=call.rejected,
            cut_by_edge=not found.complete,
            heatmap=call.heatmap(),
            evidence_in_cell=_rounded(evidence.in_cell),
            evidence_in_nucleus=_rounded(evidence.in_nucleus),
            flags=() if call.label == OTHER else evidence.flags(),
        )


class CellCounter:
    """Says how many white cells a frame shows, by the finder of a bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._finder = CellFinder.of_bundle(bundle)

    def __call__(self, pixels: NDArray[np.uint8]) -> int:
        """Return the number of white cells in a frame, uint8 RGB (height, width, 3)."""
        self._finder.restore()
        return len(self._finder.find(pixels).white)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _levels(colour: tuple[float, float, float]) -> tuple[float, float, float]:
    red, green, blue = colour
    return round(red, 1), round(green, 1), round(blue, 1)
