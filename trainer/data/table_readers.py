"""Readers of sets that come with one table: boxes.csv of fields, labels.csv of single cells; or with none.

Pictures lie in images/, in folders or not. Every error is a DataError naming the file, and a table's line.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from trainer.data.images import AnnotatedImage, Box, DataError, Kind, LabelledImage
from trainer.data.reading import box_of, images_or_error, kind_of, pixels_of, size_of, text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

_BOXES: Final = ("image", "x", "y", "width", "height", "kind", "label")
_KINDS: Final[dict[str, Kind]] = {kind: kind for kind in get_args(Kind)}
_LEAST_SIDE: Final = 8  # pixels; a smaller box is a slip of the mouse


@dataclass(frozen=True)
class BoxFields:
    """Fields whose boxes stand in boxes.csv: image, x, y, width, height (pixels), kind, label.

    without: images whose boxes are known to be wrong, passed over.
    """

    without: Collection[str] = ()

    def read(self, folder: Path, data: Path) -> list[AnnotatedImage]:
        """List the fields by name. Raises DataError."""
        boxes: dict[str, list[Box]] = {}
        for image, box, _ in _rows(folder):
            boxes.setdefault(image, []).append(box)
        return [
            AnnotatedImage(path := folder / "images" / image, path.relative_to(data).as_posix(), tuple(own))
            for image, own in sorted(boxes.items())
            if image not in self.without
        ]


@dataclass(frozen=True)
class BoxCells:
    """The white cells of boxes.csv that have a class. classes: class as in the file -> label."""

    classes: Mapping[str, str]

    def read(self, folder: Path, data: Path) -> list[LabelledImage]:
        """List the cells by label and name; of several in a field, each has its number in its name.

        Raises DataError.
        """
        white = [row for row in _rows(folder) if row[1].kind == "white cell"]
        several = Counter(image for image, _, _ in white)
        numbers: Counter[str] = Counter()
        cells = []
        for image, box, label in white:
            numbers[image] += 1
            if not label:
                continue
            if label not in self.classes:
                known = ", ".join(self.classes)
                raise DataError(f"{folder / 'boxes.csv'}: {image} is {label!r}, which is none of {known}")
            path = folder / "images" / image
            name = path.relative_to(data).as_posix()
            if several[image] > 1:
                name += f"#{numbers[image]}"
            cells.append(LabelledImage(path, self.classes[label], name, box))
        if not cells:
            raise DataError(f"{folder}: holds no white cell whose class is known")
        return sorted(cells, key=lambda cell: (cell.label, cell.name))


@dataclass(frozen=True)
class LabelTable:
    """Single cells whose classes stand in labels.csv: image, label. classes: as in the file -> label."""

    classes: Mapping[str, str]

    def read(self, folder: Path, data: Path) -> list[LabelledImage]:
        """List the cells by label and name. Raises DataError."""
        table = folder / "labels.csv"
        cells = []
        for where, row in _table(table, ("image", "label")):
            if row["label"] not in self.classes:
                raise DataError(f"{where} is {row['label']!r}, which is none of {', '.join(self.classes)}")
            path = folder / "images" / row["image"]
            if not path.is_file():
                raise DataError(f"{where} names {row['image']}, but there is no {path}")
            label = self.classes[row["label"]]
            detail = "" if row["label"] == label else row["label"]
            cells.append(LabelledImage(path, label, path.relative_to(data).as_posix(), detail=detail))
        if not cells:
            raise DataError(f"{table}: names no cell")
        return sorted(cells, key=lambda cell: (cell.label, cell.name))


@dataclass(frozen=True)
class EmptyFields:
    """Fields in which there is no white cell. without: images in which there is one, passed over."""

    without: Collection[str] = ()

    def read(self, folder: Path, data: Path) -> list[AnnotatedImage]:
        """List the fields by name. Raises DataError."""
        paths = images_or_error(folder / "images")
        return [
            AnnotatedImage(path, path.relative_to(data).as_posix())
            for path in paths
            if path.name not in self.without
        ]


def _rows(folder: Path) -> Iterator[tuple[str, Box, str]]:
    """Return image, box and label, which may be empty, of each row; sizes of images are read once."""
    sizes: dict[str, tuple[int, int]] = {}
    for where, row in _table(folder / "boxes.csv", _BOXES):
        image = row["image"]
        if image not in sizes:
            sizes[image] = size_of(folder / "images" / image)
        kind = kind_of(where, row["kind"], _KINDS)
        try:
            x, y, width, height = (float(row[key]) for key in ("x", "y", "width", "height"))
        except ValueError:
            raise DataError(f"{where} has no box of four numbers") from None
        edges = pixels_of(where, [x, y, x + width, y + height])
        for box in box_of(where, kind, edges, sizes[image]):
            if max(box.width, box.height) >= _LEAST_SIDE:
                yield image, box, row["label"]


def _table(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Return each row of a table, with what an error calls it."""
    rows = csv.DictReader(text_of(path, "table").splitlines())
    lacking = [column for column in columns if column not in (rows.fieldnames or ())]
    if lacking:
        raise DataError(f"{path}: has no column {lacking[0]}; wanted: {', '.join(columns)}")
    for row in rows:
        where = f"{path}: line {rows.line_num}"
        if None in row or any(row[column] is None for column in columns):
            raise DataError(f"{where} has not as many columns as the first line")
        yield where, row
