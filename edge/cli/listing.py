"""`leukoscope model` and `leukoscope results`: what a person wants to see of a bundle or of the store."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.cli.tables import print_rows
from edge.errors import ConfigError
from edge.models.bundle import read_bundle
from edge.models.runtime import installed
from edge.models.summary import summary

if TYPE_CHECKING:
    from pathlib import Path


def show_model(path: Path, why: str | None = None) -> int:
    """Print what a bundle says of itself. why: it is the one that answers here. Raises BundleError."""
    bundle = read_bundle(path)
    title = Text(f"{bundle.description.name}  ({path})")
    table = Table(show_header=False, box=None, title=title, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in summary(bundle, path.stat().st_size, why).items():
        table.add_row(name, Text(text))
    Console().print(table)
    return 0


def verify_model(path: Path) -> int:
    """Run the golden inputs on every runtime that is installed. Raises BundleError or NoRuntimeError."""
    from edge.naming.classifier import Classifier  # noqa: PLC0415 (OpenCV is not needed to look at a bundle)

    for runtime in installed() or ("auto",):
        classifier = Classifier.load(path, runtime=runtime)
        goldens = len(classifier.bundle.description.goldens)
        print(f"{path}: {goldens} golden inputs pass on {classifier.runtime_name}")
    return 0


def list_results(path: Path, specimen: str | None) -> int:
    """Print every stored field, as a table or, where no person reads it, as tab-separated lines.

    Returns 1 where one of them cannot be read back, and names it. Raises StoreError.
    """
    from edge.specimens.results import stored_fields, undelivered  # noqa: PLC0415 (a bundle is not stored)

    problems: list[str] = []
    print_rows(
        ("captured", "specimen", "source", "cells", "calls", "slide"),
        (
            (
                field.captured_at.strftime("%Y-%m-%d %H:%M:%S"),
                field.specimen_id,
                field.source,
                str(len(field.cells)),
                ", ".join(cell.spoken() for cell in field.cells) or field.quality.reason or "-",
                "SIMULATED" if field.simulated else "-",
            )
            for field in stored_fields(path, specimen, problems.append)
        ),
        title=str(path),
    )
    if text := undelivered(path).spoken():
        print(f"leukoscope: {text}", file=sys.stderr)
    return _named(problems)


def republish_results(path: Path, since: str | None, specimen: str | None) -> int:
    """Let what was delivered wait again, for the daemon to send as historical; say how many those are.

    since: ISO 8601; without a zone it is meant as this machine has it. Raises StoreError, ConfigError.
    """
    from edge.specimens.results import republish  # noqa: PLC0415 (as above)

    if since is None and specimen is None:
        raise ConfigError("results republish: say which: --since TIME, --specimen ID, or both")
    try:
        moment = None if since is None else datetime.fromisoformat(since).astimezone()
    except (ValueError, OverflowError):
        raise ConfigError(
            f"--since {since}: is no time; write it as 2026-05-01 or 2026-05-01T08:00Z"
        ) from None
    count = republish(path, moment, specimen)
    what = "1 result waits" if count == 1 else f"{count} results wait"
    when = "by a running daemon within 5 minutes, else by its next run"
    print(f"{what} to be sent again as historical: {when}")
    return 0


def export_results(path: Path, specimen: str | None) -> int:
    """Print every stored field as a line of JSON, as it was stored; otherwise as `list_results`."""
    from edge.specimens.results import stored_fields  # noqa: PLC0415 (as above)

    problems: list[str] = []
    for field in stored_fields(path, specimen, problems.append):
        print(msgspec.json.encode(field).decode())
    return _named(problems)


def _named(problems: list[str]) -> int:
    """Name what could not be read, behind all that could, and return the exit status."""
    for problem in problems:
        print(f"leukoscope: {problem}", file=sys.stderr)
    return 1 if problems else 0
