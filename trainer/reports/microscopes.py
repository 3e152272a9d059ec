"""What there is to learn from, by microscope: a table for people of the registered data sets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from trainer.data.datasets import DATASETS, list_annotated, list_images
from trainer.data.images import DataError
from trainer.data.readers import LabelledReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from trainer.data.dataset import Dataset


@dataclass(frozen=True)
class SetRow:
    """A data set as it is on this disk.

    images: pictures. cells: by class, or boxes by kind where no class is known. distinct: of `cells`, how
    many are of different cells; the same where the set does not tell. missing: why it cannot be read.
    """

    name: str
    known: Dataset
    images: int = 0
    cells: tuple[tuple[str, int], ...] = ()
    distinct: tuple[tuple[str, int], ...] = ()
    groups: int = 0
    missing: str = ""


def set_rows(data: Path, names: Sequence[str] = tuple(DATASETS)) -> list[SetRow]:
    """Return the registered sets, those of one microscope together; one that cannot be read says why."""
    rows = [_row(name, data) for name in names]
    order = list(dict.fromkeys(row.known.microscope for row in rows))
    return sorted(rows, key=lambda row: order.index(row.known.microscope))


def microscope_table(rows: Sequence[SetRow]) -> Table:
    """Return the table, readable at 80 columns."""
    table = Table(show_lines=True, expand=False)
    table.add_column("set, microscope", width=18)
    table.add_column("cells (distinct)", width=19)
    table.add_column("train", width=5)
    table.add_column("what is wrong; licence")
    for row in rows:
        known = row.known
        of = "" if known.microscope == row.name else f"\nof {known.microscope}"
        name = Text.assemble(
            (_folded(row.name), "bold"), of, "" if row.missing else f"\n{row.images:,} pictures"
        )
        cells: Text | str = _told(row) if not row.missing else Text(row.missing, "red")
        may = Text("yes", "green") if known.training else Text("no", "red")
        table.add_row(name, cells, may, Text.assemble(known.faults, "\n", (known.licence, "dim")))
    return table


def _row(name: str, data: Path) -> SetRow:
    known = DATASETS[name]
    try:
        if isinstance(known.reader, LabelledReader):
            cells = list_images(data, name)
            labels = {(cell.label, cell.cell or cell.name) for cell in cells}
            return SetRow(
                name,
                known,
                len({cell.path for cell in cells}),
                _counts(cell.label for cell in cells),
                _counts(label for label, _ in labels),
                len({cell.group or cell.name for cell in cells}),
            )
        fields = list_annotated(data, name)
    except DataError as error:
        there = (data / known.folder).is_dir()
        return SetRow(name, known, missing=str(error) if there else "not there")
    boxes = _counts(box.kind for field in fields for box in field.boxes)
    return SetRow(
        name, known, len(fields), boxes, boxes, len({field.group or field.name for field in fields})
    )


def _folded(name: str) -> str:
    """Return a long name on two lines, the second its last part."""
    return name if len(name) <= 18 else name.replace("/", "/\n")


def _counts(labels: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(labels).items()))


def _told(row: SetRow) -> str:
    distinct = dict(row.distinct)
    return "\n".join(
        f"{count:,} {label}" + (f" ({distinct[label]:,})" if distinct[label] != count else "")
        for label, count in row.cells
    )
