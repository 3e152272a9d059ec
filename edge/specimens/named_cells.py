"""The cells that people have named in the store, as the model learns from them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.adaptation.labelled_cells import MAX_IMAGES_OF_A_CLASS, LabelledCells, LabelledCellsError
from edge.adaptation.progress import no_report
from edge.adaptation.remark import Remark, remark
from edge.drawing.cell_window import cell_window
from edge.labels import OTHER
from edge.masking import CROPS
from edge.masking.crops import CROP_DIAMETERS, crop_box, cut_cell, cut_square
from edge.slide.contribution import COUNTED_ELSEWHERE, standing
from edge.specimens.cell_reading import known_cells
from edge.specimens.named_count import unfit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.adaptation.progress import Report
    from edge.imaging.pixels import Pixels
    from edge.messages import FieldResult
    from edge.messages.field import Box
    from edge.naming.classifier import Classifier
    from edge.store.fields import Store
    from edge.store.specimen import Specimen

# Codes of remarks: of several cells, of one.
_NO_PICTURE = "no picture", "one without picture"
_DAMAGED = "damaged picture", "one damaged picture"
_FIELDS = 50  # read at once


def read_named(
    store: Store,
    parent: Classifier,
    specimen_ids: Sequence[str] = (),
    *,
    simulated: bool = False,
    report: Report = no_report,
) -> LabelledCells:
    """Return the cells that people have confirmed or renamed, cut for the model from the pictures kept.

    What a person says is no white cell is `other`, as is a class that the model does not know: it was trained
    so. A cell that is cut off, is of a smeared field, or whose picture is kept no longer, is passed over, the
    last with a remark; so is a discarded specimen, and one of a drawn slide unless `simulated`: then one of
    blood. specimen_ids: of these only. Raises LabelledCellsError, StoreError.
    """
    if parent.bundle.description.preprocessing != CROPS["found"]:
        raise LabelledCellsError(
            "the model here is of before 0.2, and cannot learn from kept pictures; install one of 0.2, or "
            "adapt it to a folder of images"
        )
    reading = _Reading(store, parent.labels)
    chosen = _chosen(store, specimen_ids, reading.remarks, simulated=simulated)
    for done, specimen in enumerate(chosen, 1):
        reading.read(specimen)
        report("reading the named cells", done, len(chosen))
    return reading.cells()


def _chosen(
    store: Store, specimen_ids: Sequence[str], remarks: list[Remark], *, simulated: bool
) -> list[Specimen]:
    known = {specimen.specimen_id: specimen for specimen in store.specimens()}
    strange = [name for name in specimen_ids if name not in known]
    if strange:
        raise LabelledCellsError(f"there is no specimen {strange[0]}")
    chosen = []
    for specimen in known.values():
        if specimen_ids and specimen.specimen_id not in specimen_ids:
            continue
        why = unfit(specimen, simulated=simulated)
        if why is None:
            chosen.append(specimen)
        elif specimen_ids:
            remarks.append(remark(why, specimen_id=specimen.specimen_id))
    return chosen


class _Reading:
    """What is read of the store. remarks: on each thing that is not as it was named."""

    def __init__(self, store: Store, labels: tuple[str, ...]) -> None:
        self.remarks: list[Remark] = []
        self._store = store
        self._labels = labels
        self._crops: list[Pixels] = []
        self._places: list[int] = []
        self._as_other: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._missing: Counter[tuple[str, str]] = Counter()

    def read(self, specimen: Specimen) -> None:
        """Take a specimen's named cells."""
        known = known_cells(self._store, specimen.specimen_id)
        if not known.words:
            return
        self._missing.clear()
        after = 0
        while fields := self._store.cells.fields(specimen.specimen_id, after, _FIELDS):
            for field in fields:
                after = field.sequence
                for number, cell in enumerate(field.cells):
                    word = known.words.get(cell.cell_id)
                    own = known.standings.get(cell.cell_id) or standing(cell)
                    if word is not None and own.aside not in COUNTED_ELSEWHERE:
                        self._take(field, number, word.label)
        for (several, one), count in self._missing.items():
            name = specimen.specimen_id
            found = (
                remark(several, specimen_id=name, count=count) if count > 1 else remark(one, specimen_id=name)
            )
            self.remarks.append(found)

    def cells(self) -> LabelledCells:
        """What was taken; of a class with more cells than teach something, that many, evenly."""
        for label, count in self._as_other.items():
            self.remarks.append(remark("as other", count=count, label=label))
        for label, count in self._left_out.items():
            self.remarks.append(remark("no such class", count=count, label=label))
        places = np.array(self._places, np.int64)
        kept: list[int] = []
        for place in np.unique(places):
            own = np.flatnonzero(places == place)
            most = min(len(own), MAX_IMAGES_OF_A_CLASS)
            kept += [int(own[len(own) * k // most]) for k in range(most)]
        return LabelledCells(
            tuple(self._crops[k] for k in kept),
            places[kept],
            tuple(self.remarks),
            "the cells that people have named",
            len(self._crops),
        )

    def _take(self, field: FieldResult, number: int, label: str | None) -> None:
        """Take a cell, unless no picture of it is kept that can be read."""
        cell = field.cells[number]
        picture = self._store.pictures.find(cell.cell_id)
        if picture is None:
            self._missing[_NO_PICTURE] += 1
            return
        called = OTHER if label is None else label
        learnt = called if called in self._labels else OTHER
        if learnt not in self._labels:
            self._left_out[called] += 1
            return
        ruler = None if field.scale is None else field.scale.micrometres_per_pixel
        window = cell_window(cell.box, ruler)
        glass = cell.glass_rgb or field.quality.background_rgb
        try:
            crop = crop_of_picture(picture, window, cell.crop, glass)
        except LabelledCellsError:
            self._missing[_DAMAGED] += 1
            return
        if learnt != called:
            self._as_other[called] += 1
        self._crops.append(crop)
        self._places.append(self._labels.index(learnt))


def crop_of_picture(
    jpeg: bytes, window: Box, crop: Box, glass: tuple[float, float, float] | None = None
) -> Pixels:
    """Cut a cell for the model from the picture kept of it, instead of from its frame: uint8 (120, 120, 3).

    window: the square of the frame that the picture shows. crop: the one that the model was given, likewise.
    glass: RGB of the bare glass around it, that whitens it; None: the brightest of the picture.
    A large cell's picture may show no glass at all: red cells were taken for it, and the model saw another
    cell than the one that it had named.
    """
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise LabelledCellsError("a kept picture is damaged")
    pixels = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    scale = pixels.shape[1] / window[2]
    x, y, side, _ = crop
    centre = (x + side / 2 - window[0]) * scale, (y + side / 2 - window[1]) * scale
    diameter = side * scale / CROP_DIAMETERS
    if glass is None:
        return cut_cell(pixels, centre, diameter)
    return cut_square(pixels, crop_box(centre, diameter), glass)
