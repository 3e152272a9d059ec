"""Between placement and storage on a frame's way: a picture of each cell, for people to look at."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from edge.store.pictures import CellPicture

if TYPE_CHECKING:
    from edge.cameras import Frame
    from edge.daemon.placement import PendingField


def with_portraits(frame: Frame, pending: PendingField) -> PendingField:
    """Return the field with a picture of each of its cells, to be stored with it.

    A cell that an earlier field shows better has its picture there.
    """
    field = pending.field
    shown_elsewhere = {one.cell_id for one in pending.cells or () if one.same_as is not None}
    cells = [cell for cell in field.cells if cell.cell_id not in shown_elsewhere]
    if not cells:
        return pending
    from edge.drawing.cell_picture import cell_picture  # noqa: PLC0415 (OpenCV: only who needs it loads it)

    began = time.perf_counter()
    ruler = None if field.scale is None else field.scale.micrometres_per_pixel
    pictures = tuple(CellPicture(cell.cell_id, cell_picture(frame.pixels, cell.box, ruler)) for cell in cells)
    timings = field.timings_ms | {"pictures": round(1000 * (time.perf_counter() - began), 3)}
    return pending._replace(field=msgspec.structs.replace(field, timings_ms=timings), pictures=pictures)
