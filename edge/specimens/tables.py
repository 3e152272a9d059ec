"""A specimen as tables for spreadsheets: a row a class, and a row a cell."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge.messages import Differential
    from edge.specimens.records import CellRecord

Value = str | int | float | bool | None

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def classes_table(differential: Differential) -> str:
    """Return the differential as CSV (RFC 4180, UTF-8 with a mark for spreadsheets), a row a class.

    Percentages with their 95 % intervals; a class that the model has no name for has no figures.
    """
    about = (
        differential.specimen_id,
        differential.state,
        "yes" if differential.simulated else "no",
        differential.counted,
        differential.target,
        differential.wbc_count,
        None if differential.signature is None else differential.signature.operator,
        None if differential.signature is None else differential.signature.at.isoformat(),
    )
    rows: list[Sequence[Value]] = []
    for each in differential.classes:
        absolute = each.absolute
        found = (None, None, None) if absolute is None else (absolute.value, absolute.low, absolute.high)
        rows.append((*about, each.label, each.count, each.percent, each.low, each.high, *found))
    rows += [(*about, label, *(None,) * 7) for label in differential.not_assessed]
    return written(
        (
            *("specimen", "state", "simulated", "counted", "target", "wbc_10e9_per_l", "signed_by"),
            *("signed_at", "class", "cells", "percent", "percent_low", "percent_high"),
            *("10e9_per_l", "10e9_per_l_low", "10e9_per_l_high"),
        ),
        rows,
    )


def cells_table(cells: Iterable[CellRecord]) -> str:
    """Return cells as CSV, a row a cell: what the model called it, what a person did, and what it counts as.

    counted_as is empty where it does not count, so that a table of it is the differential.
    """
    return written(
        (
            *("specimen", "cell", "field", "sequence", "counted_as", "counted", "model_class"),
            *("probability", "second_class", "second_probability", "person_class", "excluded"),
            *("reviewed_by", "reviewed_at", "rejected", "cut_by_edge", "seen_before", "flags"),
            *("x", "y", "width", "height", "micrometres_per_pixel"),
        ),
        (
            (
                *(cell.specimen_id, cell.cell_id, cell.field_id, cell.sequence),
                cell.label if cell.counted else None,
                *(cell.counted, cell.model_label, cell.probability, cell.second_label),
                *(cell.second_probability, cell.person_label, cell.excluded, cell.reviewed_by),
                None if cell.reviewed_at is None else cell.reviewed_at.isoformat(),
                *(cell.rejected, cell.cut_by_edge, cell.seen_before, "; ".join(cell.flags)),
                *(*cell.box, cell.micrometres_per_pixel),
            )
            for cell in cells
        ),
    )


def written(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    """Return rows as CSV. A text that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    text.write("\ufeff")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return text.getvalue()


def _cell(value: Value) -> str | int | float:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str() if value.startswith(_FORMULA):
            return f"'{value}"
        case _:
            return value
