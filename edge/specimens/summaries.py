"""A specimen in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.specimens.records import SpecimenSummary
from edge.store.specimen import read_time
from edge.store.specimens import lacks_cells

if TYPE_CHECKING:
    from edge.store.fields import Store
    from edge.store.specimen import Specimen


def summary_of(store: Store, specimen: Specimen, target: int) -> SpecimenSummary:
    """Return a specimen in one line. target: cells wanted where it does not say. Raises StoreError."""
    name = specimen.specimen_id
    fields, cells = store.ledger.counted(name)
    reviewed = store.ledger.reviewed(name)
    notes = [specimen.ended] if specimen.ended and specimen.state in {"stopped", "complete"} else []
    notes += [specimen.discarded.why] if specimen.discarded else []
    notes += [change.what for change in specimen.changes]
    return SpecimenSummary(
        specimen_id=name,
        specimen_uuid=specimen.uuid,
        revision=specimen.revision,
        state=specimen.state,
        simulated=specimen.simulated,
        started_at=read_time(specimen.started_at),
        stopped_at=None if specimen.stopped_at is None else read_time(specimen.stopped_at),
        target=specimen.target or target,
        wbc_count=specimen.wbc_count,
        fields=fields,
        cells=cells,
        lacks_cells=lacks_cells(specimen, cells, target),
        doubtful=store.ledger.unseen_doubts(name),
        reviewed=len(reviewed),
        renamed=sum(not cell.agrees for cell in reviewed),
        waiting=specimen.waiting,
        signature=specimen.signature,
        notes=tuple(dict.fromkeys(notes)),
    )
