"""The cells of a specimen as people look at them: from the stored fields, and what people have said since."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edge.drawing.cell_window import cell_window
from edge.labels import counts
from edge.slide.contribution import COUNTED_ELSEWHERE, CellStanding, standing
from edge.specimens.records import CellDetail, CellRecord
from edge.store.review_reading import counting_sighting
from edge.store.specimen import read_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.messages import Cell, FieldResult
    from edge.store.fields import Store
    from edge.store.review_reading import Review

_FIELDS = 50  # read at once


class Known(NamedTuple):
    """What a store says of cells beside their fields: standings, people's words, which have a picture."""

    standings: Mapping[str, CellStanding]
    words: Mapping[str, Review]
    pictures: set[str]


def known_cells(store: Store, specimen_id: str) -> Known:
    """Return what is known of a specimen's cells. Raises StoreError."""
    store.cells.complete(specimen_id)
    standings = store.ledger.standings(specimen_id)
    words = store.ledger.words(specimen_id, standings)
    return Known(standings, words, store.pictures.known(specimen_id))


def read_cells(
    store: Store, specimen_id: str, after: int, limit: int | None, known: Known | None = None
) -> list[CellRecord]:
    """Return cells of whole fields behind sequence `after`, in their order, `limit` of them or a few more.

    limit: None for all. known: what is to be told of them; by default what is known now. Raises StoreError.
    """
    known = known or known_cells(store, specimen_id)
    records: list[CellRecord] = []
    while fields := store.cells.fields(specimen_id, after, _FIELDS):
        for field in fields:
            after = field.sequence
            records += [_record(field, cell, known) for cell in field.cells]
            if limit is not None and len(records) >= limit:
                return records
    return records


def read_cell(store: Store, cell_id: str) -> CellDetail | None:
    """Return one cell with all that is known of it; None where it is not known. Raises StoreError."""
    found = store.cells.find(cell_id)
    field = None if found is None else store.cells.field(found.sequence)
    cell = next((cell for cell in field.cells if cell.cell_id == cell_id), None) if field else None
    if found is None or field is None or cell is None:
        return None
    standings = store.ledger.standings(found.specimen_id, of=cell_id)
    words = store.ledger.words(found.specimen_id, standings)
    return CellDetail(
        record=_record(field, cell, Known(standings, words, {cell_id} if found.picture else set())),
        found=cell,
        field_width=field.width,
        field_height=field.height,
        source=field.source,
        captured_at=field.captured_at,
    )


def _record(field: FieldResult, cell: Cell, known: Known) -> CellRecord:
    own = known.standings.get(cell.cell_id) or standing(cell)
    word = known.words.get(counting_sighting(cell.cell_id, known.standings))
    others = [label for label in cell.probabilities if label != cell.label]
    second = max(others, key=cell.probabilities.__getitem__, default=None)
    seen_before = own.same_as is not None
    person_label = None if word is None else word.label
    excluded = word is not None and word.label is None
    ruler = None if field.scale is None else field.scale.micrometres_per_pixel
    if word is None or cell.cut_by_edge or own.aside in COUNTED_ELSEWHERE:
        counted = own.aside is None and not seen_before
    else:
        counted = not seen_before and person_label is not None and counts(person_label)
    return CellRecord(
        cell_id=cell.cell_id,
        field_id=field.field_id,
        sequence=field.sequence,
        specimen_id=field.specimen_id,
        label=person_label or cell.label,
        model_label=cell.label,
        probability=cell.probability,
        second_label=second,
        second_probability=None if second is None else cell.probabilities[second],
        confidence=cell.confidence,
        rejected=cell.rejected,
        cut_by_edge=cell.cut_by_edge,
        flags=cell.flags,
        counted=counted,
        seen_before=seen_before,
        aside=own.aside,
        doubtful=own.doubtful and not seen_before and word is None,
        person_label=person_label,
        excluded=excluded,
        reviewed_by=None if word is None else word.operator,
        reviewed_at=None if word is None else read_time(word.at),
        box=cell.box,
        window=cell_window(cell.box, ruler),
        micrometres_per_pixel=ruler,
        picture=cell.cell_id in known.pictures,
    )
