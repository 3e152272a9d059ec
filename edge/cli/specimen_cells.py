"""`leukoscope specimen cells|review|history`: its cells, what people say of them, and who did what."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from edge.cli.config_option import config_of_store
from edge.cli.specimen_orders import request
from edge.cli.tables import print_rows
from edge.errors import SpecimenError
from edge.messages.commands import ReviewCells
from edge.specimens.service import SpecimenService
from edge.specimens.words import standing_in_words

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from edge.specimens.records import CellRecord

_LEAST = 6  # characters of a cell's id that a person has to type: its end, for its beginning is the time
_SHOWN = 8
_PAGE = 500


def list_cells(options: argparse.Namespace) -> int:
    """Print a specimen's cells, a row each. Raises SpecimenError, StoreError, ConfigError."""
    with config_of_store(options.config) as config:
        cells = _all_cells(SpecimenService(config), options.specimen_id)
    if not options.all:
        cells = [cell for cell in cells if not cell.seen_before]
    if options.doubtful:
        cells = [cell for cell in cells if cell.doubtful]
    short = sys.stdout.isatty()
    columns = ("cell", "field", "class", "%", "second", "counts", "notes")
    print_rows(columns, (_row(cell, short=short) for cell in cells))
    return 0


def review_cells(options: argparse.Namespace) -> int:
    """Name cells as a person sees them, and say how the specimen stands.

    Raises SpecimenError, StoreError, ConfigError.
    """
    with config_of_store(options.config) as config:
        return _review(SpecimenService(config), options)


def _review(service: SpecimenService, options: argparse.Namespace) -> int:
    known = [cell.cell_id for cell in _all_cells(service, options.specimen_id)]
    action = "relabel" if options.label is not None else options.review
    given = {
        "specimen_id": options.specimen_id,
        "cell_ids": tuple(_cell_id(text, known) for text in options.cell),
        "action": action,
        "label": options.label,
        "operator": options.operator,
        "reason": options.reason,
    }
    specimen = service.review(request(given, ReviewCells))
    summary = service.specimen(specimen.specimen_id)
    print(
        f"{standing_in_words(specimen)}; {summary.cells} cells count, "
        f"{summary.reviewed} looked at by people, {summary.renamed} of them renamed, "
        f"{summary.doubtful} doubtful to be looked at"
    )
    return 0


def show_history(config: Path, specimen_id: str) -> int:
    """Print what was done to a specimen, the oldest first. Raises SpecimenError, StoreError, ConfigError."""
    with config_of_store(config) as read:
        entries = SpecimenService(read).history(specimen_id)
    rows = (
        (
            *(f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.operator or "-", entry.what, entry.why or "-"),
            str(entry.revision),
        )
        for entry in entries
    )
    print_rows(("when (UTC)", "who", "what", "why", "revision"), rows)
    return 0


def _all_cells(service: SpecimenService, specimen_id: str) -> list[CellRecord]:
    cells: list[CellRecord] = []
    while page := service.cells(specimen_id, after=cells[-1].sequence if cells else -1, limit=_PAGE):
        cells += page
    return cells


def _cell_id(text: str, known: list[str]) -> str:
    """Return the id that a person means by its end. Raises SpecimenError."""
    if text in known:
        return text
    meant = [cell_id for cell_id in known if cell_id.endswith(text)] if len(text) >= _LEAST else []
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise SpecimenError(f"--cell {text}: {len(meant)} cells end like that: give more of the id")
    raise SpecimenError(
        f"--cell {text}: there is no such cell here; give its id, or the last {_LEAST} characters of it or "
        "more, as `leukoscope specimen cells` lists them"
    )


def _row(cell: CellRecord, *, short: bool) -> tuple[str, ...]:
    second = "-"
    if cell.second_label is not None and cell.second_probability is not None:
        second = f"{cell.second_label} {100 * cell.second_probability:.0f}"
    notes = [*cell.flags]
    if cell.seen_before:
        notes.append("seen before")
    elif cell.aside is not None and cell.reviewed_by is None:
        notes.append(cell.aside)
    if cell.reviewed_by is not None:
        said = "not a white cell" if cell.excluded else cell.person_label or ""
        same = said == cell.model_label
        notes.append(f"{'confirmed' if same else f'was {cell.model_label}'} by {cell.reviewed_by}")
    elif cell.doubtful:
        notes.append("to be looked at")
    return (
        cell.cell_id[-_SHOWN:] if short else cell.cell_id,
        str(cell.sequence),
        "not a white cell" if cell.excluded else cell.label,
        f"{100 * cell.probability:.0f}",
        second,
        "yes" if cell.counted else "no",
        "; ".join(notes) or "-",
    )
