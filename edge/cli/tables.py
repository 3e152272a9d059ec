"""Rows for whoever reads them: a table for a person, tab-separated lines with a header for a program."""

from __future__ import annotations

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
        print(*columns, sep="\t")
        for row in rows:
            print(*row, sep="\t")
        return
    table = Table(*columns, title=None if title is None else Text(title), title_justify="left")
    for row in rows:
        table.add_row(*(Text(text) for text in row))
    console.print(table)
