"""Specimens and their cells, to read: what the page shows, and what other programs take away."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct
from starlette.exceptions import HTTPException

from edge.messages import Differential
from edge.specimens.records import (
    CellDetail,
    CellRecord,
    CellWord,
    HistoryEntry,
    SignedReport,
    SpecimenSummary,
)
from edge.specimens.tables import cells_table, classes_table
from edge.web.api.endpoint import Call, Content, Endpoint, known_specimen
from edge.web.api.map_picture import map_picture

_A_PAGE = 500
_KEPT = {"cache-control": "private, max-age=86400, immutable"}  # a cell's id is never another's


class After(Struct, frozen=True):
    """From where on, and how many: cells of whole fields, so that a few more may come."""

    after: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = _A_PAGE


class Search(Struct, frozen=True):
    """The latest of those whose id has this in it."""

    search: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class AsSigned(Struct, frozen=True):
    """As it was signed as this revision, instead of as it stands."""

    revision: (
        Annotated[int, Meta(ge=0, le=2**53, description="one that was signed; `history` has them")] | None
    ) = None


class CellPage(Struct, frozen=True):
    """Cells in their order. next: what to give as `after` for those that follow; null: these are the last."""

    cells: list[CellRecord]
    next: int | None


def specimens(call: Call) -> list[SpecimenSummary]:
    """Specimens in a line each, the latest first."""
    service, wanted = call.app.service, call.query
    found = [each for each in reversed(service.entries()) if wanted.search in each.specimen_id]
    lines: list[SpecimenSummary] = service.specimens(found[: wanted.limit])
    return lines


def specimen(call: Call) -> dict[str, Any]:
    """The differential as it is published, with `summary`: the same in a line, and `was_signed`."""
    name, service = known_specimen(call), call.app.service
    plain: dict[str, Any] = msgspec.to_builtins(service.differential(name))
    plain["summary"] = service.specimen(name)
    plain["was_signed"] = service.entry(name).was_signed
    return plain


def cells(call: Call) -> CellPage:
    """The cells of a specimen, with what the model and what people call each."""
    name, limit = known_specimen(call), call.query.limit
    found = call.app.service.cells(name, after=call.query.after, limit=limit)
    return CellPage(found, found[-1].sequence if len(found) >= limit else None)


def cell(call: Call) -> CellDetail:
    """One cell with its map, its probabilities, and where it lay."""
    found: CellDetail | None = call.app.service.cell(call.path["cell_id"])
    if found is None:
        raise HTTPException(404, "there is no such cell")
    return found


def picture(call: Call) -> Content:
    """A cell's picture in true colours, 160 x 160 pixels."""
    found = call.app.service.picture(call.path["cell_id"])
    if found is None:
        raise HTTPException(404, "there is no picture of this cell")
    return Content(found, "image/jpeg", _KEPT)


def heat_map(call: Call) -> Content:
    """A cell's map, to lay over its picture: transparent where there is no evidence."""
    found = cell(call)
    if found.found.heatmap is None:
        raise HTTPException(404, "there is no map of this cell")
    return Content(
        map_picture(found.found.heatmap, found.found.crop, found.record.window), "image/png", _KEPT
    )


def history(call: Call) -> list[HistoryEntry]:
    """All that was done to a specimen, the oldest first."""
    found: list[HistoryEntry] = call.app.service.history(known_specimen(call))
    return found


def words(call: Call) -> list[CellWord]:
    """All that people have said of a specimen's cells, the oldest first."""
    found: list[CellWord] = call.app.service.words(known_specimen(call))
    return found


def classes(call: Call) -> list[str]:
    """The classes that a person may call a cell, the model's first."""
    return list(call.app.service.classes())


def report(call: Call) -> dict[str, Any]:
    """A differential as it was signed, and what has superseded it; without a revision, as it stands."""
    plain: dict[str, Any] = msgspec.to_builtins(_report(call))
    return {"superseded": None, **plain}


def report_csv(call: Call) -> Content:
    """A row a class, for spreadsheets; of a revision, as it was signed."""
    said = _report(call)
    return _file(classes_table(said), f"{said.specimen_id}{_revision(call)}-report.csv")


def cells_csv(call: Call) -> Content:
    """A row a cell, for spreadsheets; of a revision, as they were when it was signed, where still kept."""
    name, service, revision = known_specimen(call), call.app.service, call.query.revision
    cells = service.cells(name, limit=None) if revision is None else service.signed_cells(name, revision)
    return _file(cells_table(cells), f"{name}{_revision(call)}-cells.csv")


def _report(call: Call) -> Differential:
    name, service, revision = known_specimen(call), call.app.service, call.query.revision
    found: Differential = (
        service.differential(name) if revision is None else service.signed_report(name, revision)
    )
    return found


def _revision(call: Call) -> str:
    return "" if call.query.revision is None else f"-revision-{call.query.revision}"


def _file(text: str, name: str) -> Content:
    # Ids of release 0.1 may have any sign in them.
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return Content(text, "text/csv; charset=utf-8", {"content-disposition": disposition})


class Specimen(Differential, frozen=True, kw_only=True):
    """A differential with the same in a line. was_signed: it is to be used, and a change takes a reason."""

    summary: SpecimenSummary
    was_signed: bool


_ONE = "/specimens/{specimen_id}"
ENDPOINTS = (
    Endpoint("GET", "/specimens", specimens, "All specimens", list[SpecimenSummary], query=Search),
    Endpoint("GET", _ONE, specimen, "A specimen's differential", Specimen),
    Endpoint("GET", f"{_ONE}/cells", cells, "Its cells", CellPage, query=After),
    Endpoint("GET", f"{_ONE}/history", history, "What was done to it", list[HistoryEntry]),
    Endpoint("GET", f"{_ONE}/words", words, "What people have said of its cells", list[CellWord]),
    Endpoint(
        "GET", f"{_ONE}/report", report, "As it was signed", SignedReport, query=AsSigned, errors=(409,)
    ),
    Endpoint(
        "GET", f"{_ONE}/report.csv", report_csv, "A row a class", "text/csv", query=AsSigned, errors=(409,)
    ),
    Endpoint(
        "GET", f"{_ONE}/cells.csv", cells_csv, "A row a cell", "text/csv", query=AsSigned, errors=(409,)
    ),
    Endpoint("GET", "/cells/{cell_id}", cell, "A cell", CellDetail, tags=("cells",)),
    Endpoint("GET", "/cells/{cell_id}/picture.jpg", picture, "Its picture", "image/jpeg", tags=("cells",)),
    Endpoint("GET", "/cells/{cell_id}/map.png", heat_map, "Its map", "image/png", tags=("cells",)),
    Endpoint("GET", "/classes", classes, "Names that a cell may have", list[str], tags=("cells",)),
)
