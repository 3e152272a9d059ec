"""Rows for whoever reads them: a table for a person, tab-separated lines with a header for a program."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print rows as a table or, where no person reads it, a header and each row as it comes."""
    console = Console()
    if not console.is_terminal:
        each = iter(rows)
        first = next(each, None)  # before the header: of what cannot be read, there is an error and no table
        print(*columns, sep="\t")
        for row in each if first is None else chain([first], each):
            print(*row, sep="\t")
        return
    table = Table(title=None if title is None else Text(title), title_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold")  # an id or a file's name that is cut off can not be typed
    for row in rows:
        table.add_row(*(Text(text) for text in row))
    console.print(table)
