"""What is listed fits a terminal of 80 columns and is whole; for a program it is lines with tabs."""

from __future__ import annotations

import pytest
from rich.console import Console

from edge.cli import tables


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(tables, "Console", lambda: Console(force_terminal=True, width=80, color_system=None))


@pytest.mark.usefixtures("terminal")
def test_on_80_columns_no_id_and_no_files_name_is_cut_off(capsys):
    name, specimen = "slides of monday/BloodImage_00000.jpg", "replay-72e03d41"
    columns = ("captured", "specimen", "source", "cells", "calls", "slide")
    row = ("2026-11-30 23:35:40", specimen, name, "1", "neutrophil 94 % (uncertain)", "SIMULATED")
    tables.print_rows(columns, [row])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    cells = zip(*(line.split("│")[1:-1] for line in lines if line.startswith("│")), strict=True)
    whole = ["".join("".join(cell).split()) for cell in cells]
    assert whole == ["".join(text.split()) for text in row]


def test_of_what_cannot_be_read_no_header_is_printed(capsys):
    def rows():
        raise OSError
        yield ()

    with pytest.raises(OSError):  # noqa: PT011 (its kind is all that is said of it)
        tables.print_rows(("captured", "cells"), rows())
    assert capsys.readouterr().out == ""
    tables.print_rows(("captured", "cells"), iter([("1", "2"), ("3", "4")]))
    assert capsys.readouterr().out == "captured\tcells\n1\t2\n3\t4\n"
    tables.print_rows(("captured", "cells"), iter([]))
    assert capsys.readouterr().out == "captured\tcells\n"
