"""Contact sheets: twenty cells of each class of each microscope, at one scale of the cell, in true colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from edge.cameras.image_files import read_image
from edge.errors import OutputError, UnreadableFrameError
from trainer.data.datasets import DATASETS, list_annotated, list_images
from trainer.data.images import Box, DataError, LabelledImage
from trainer.data.readers import LabelledReader
from trainer.data.shipped_finder import find_white_cells
from trainer.files import put_in_place
from trainer.outputs import has_mark, refuse_output
from trainer.reports.html import render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edge.imaging.pixels import Pixels
    from trainer.reports.microscopes import SetRow

PAGE: Final = "microscopes.html"
SHOWN: Final = 20
_SIDE: Final = 96  # pixels of a picture on the sheet
_CONTEXT: Final = 1.35  # of the box's longer side
_COLUMNS: Final = 10
_FIELD_HEIGHT: Final = 2 * _SIDE
_GREY: Final = 128  # beyond the picture's edge

_CAPTION: Final = (
    f"Up to {SHOWN} cells a class, each another cell where the set tells, spread over the whole set. A "
    f"cell's box fills the same part of every picture, 1 to {_CONTEXT}; where the set has no box, the cell "
    "as the device outlines it, else the middle of the picture. No colour is changed."
)


_TITLE = "Microscopes"


@dataclass(frozen=True)
class _Cut:
    """Where a cell is: in which picture, and in which box; None: not known."""

    path: Path
    box: Box | None


def write_sheets(
    rows: Sequence[SetRow], data: Path, out: Path, progress: Callable[[str], None] = lambda _: None
) -> Path:
    """Write a page with a sheet of each set that is there into the folder `out`; return the page's path.

    progress: called with each set's name before it is cut. Raises DataError for an image that cannot be
    read, OutputError: also where `out` holds other files and no page of this command, for its pictures would
    lie among them and over some.
    """
    _refuse_foreign(out)
    sections = []
    for row in rows:
        progress(row.name)
        sections.append((row, [] if row.missing else _sheets(row.name, data, out)))
    page = render("microscopes.html", title=_TITLE, caption=_CAPTION, sections=sections)
    _write(out / PAGE, page.encode())
    return out / PAGE


def _refuse_foreign(out: Path) -> None:
    page = out / PAGE
    refuse_output(page, "microscopes", has_mark(f"<title>{_TITLE}</title>"))
    if not page.is_file() and out.is_dir() and any(out.iterdir()):
        raise OutputError(f"{out}: holds other files; give a new folder, or that of an earlier page")


def _sheets(name: str, data: Path, out: Path) -> list[dict[str, str]]:
    """Write a sheet for each class of a set; return their titles and files."""
    sheets = []
    for label, cells in _classes(name, data).items():
        chosen = _spread(cells)
        file = f"{name}-{label}".replace("/", "-").replace(" ", "-") + ".jpg"
        _write(out / file, _jpeg(_sheet([_picture(one, label) for one in chosen])))
        sheets.append({"title": f"{label}: {len(chosen)} of {len(cells)}", "file": file})
    return sheets


def _classes(name: str, data: Path) -> dict[str, list[_Cut]]:
    """Return the cells of each class, one picture of each cell; a set without boxes has its fields."""
    found: dict[str, list[_Cut]] = {}
    if isinstance(DATASETS[name].reader, LabelledReader):
        seen = set()
        for cell in list_images(data, name):
            if (cell.label, _name(cell)) not in seen:
                seen.add((cell.label, _name(cell)))
                found.setdefault(cell.label, []).append(_Cut(cell.path, cell.box))
        return dict(sorted(found.items()))
    for field in list_annotated(data, name):
        for box in field.boxes:
            found.setdefault(box.kind, []).append(_Cut(field.path, box))
        if not field.boxes:
            found.setdefault("cell" if field.mask else "field", []).append(_Cut(field.path, None))
    return found


def _name(cell: LabelledImage) -> str:
    return cell.cell or cell.name


def _spread(cells: Sequence[_Cut]) -> list[_Cut]:
    if len(cells) <= SHOWN:
        return list(cells)
    return [cells[round(place)] for place in np.linspace(0, len(cells) - 1, SHOWN)]


def _picture(cut: _Cut, label: str) -> Pixels:
    try:
        pixels = read_image(cut.path)
    except UnreadableFrameError as error:
        raise DataError(str(error)) from None
    height, width = pixels.shape[:2]
    if label == "field":
        size = (round(width * _FIELD_HEIGHT / height), _FIELD_HEIGHT)
        return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    x, y, w, h = _box(pixels) if cut.box is None else (cut.box.x, cut.box.y, cut.box.width, cut.box.height)
    reach = max(1, round(max(w, h) * _CONTEXT / 2))
    wide = cv2.copyMakeBorder(pixels, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=(_GREY,) * 3)
    left, top = round(x + w / 2), round(y + h / 2)
    small = cv2.resize(
        wide[top : top + 2 * reach, left : left + 2 * reach], (_SIDE, _SIDE), interpolation=cv2.INTER_AREA
    )
    return np.asarray(small, np.uint8)


def _box(pixels: Pixels) -> tuple[int, int, int, int]:
    """Return the largest cell's box, as the device outlines it, or the middle of the picture."""
    cells = find_white_cells(pixels).cells
    if cells:
        return cells[0].box
    height, width = pixels.shape[:2]
    return (width // 6, height // 6, 2 * width // 3, 2 * height // 3)


def _sheet(pictures: Sequence[Pixels]) -> Pixels:
    """Return the pictures side by side, in rows as wide as ten cells."""
    height, width = pictures[0].shape[:2]
    columns = max(1, _COLUMNS * _SIDE // width)
    blank = np.full((height, width, 3), 255, np.uint8)
    tiles = [cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in pictures]
    tiles += [blank] * (-len(tiles) % min(columns, len(tiles)))
    columns = min(columns, len(tiles))
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])


def _jpeg(pixels: Pixels) -> bytes:
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return coded.tobytes()


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put_in_place(path, content)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None
