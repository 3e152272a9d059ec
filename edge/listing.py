"""`leukoscope model` and `leukoscope results`: what a person wants to see of a bundle or of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.bundle import read_bundle
from edge.errors import StoreError
from edge.runtime import installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.messages import FieldResult


def show_model(path: Path) -> int:
    """Print what a bundle says of itself. Raises BundleError."""
    bundle = read_bundle(path)
    about = bundle.description
    table = Table(show_header=False, box=None, title=Text(f"{about.name}  ({path})"), title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    rows = {
        "sha256": bundle.sha256,
        "size": f"{path.stat().st_size} bytes",
        "created": about.created,
        "labels": ", ".join(about.labels),
        "preprocessing": about.preprocessing,
        "temperature": str(about.temperature),
        "rejects below": f"{100 * about.reject.minimum_probability:.0f} %",
        "golden inputs": str(len(about.goldens)),
        "trained on": _compact(about.training.get("data", {})),
        "photographs": f"{about.training.get('photographs', '?')}, "
        f"{about.training.get('photographs_held_out', '?')} of them held out",
        "measured": _compact(about.measured),
        "made with": _compact(about.tools),
        "intended use": about.intended_use,
        "limits": about.limits,
    }
    for name, text in rows.items():
        table.add_row(name, Text(text))
    Console().print(table)
    return 0


def verify_model(path: Path) -> int:
    """Run the golden inputs on every runtime that is installed. Raises BundleError or NoRuntimeError."""
    from edge.classifier import Classifier  # noqa: PLC0415 (OpenCV is not needed to look at a bundle)

    for runtime in installed() or ("auto",):
        classifier = Classifier.load(path, runtime=runtime)
        goldens = len(classifier.bundle.description.goldens)
        print(f"{path}: {goldens} golden inputs pass on {classifier.runtime_name}")  # noqa: T201
    return 0


def _compact(value: object) -> str:
    return msgspec.json.encode(value).decode().replace('"', "").strip("{}") or "-"


def list_results(path: Path, specimen: str | None) -> int:
    """Print every stored field, as a table or, where no person reads it, as tab-separated lines.

    Raises StoreError.
    """
    console = Console()
    columns = ("captured", "specimen", "source", "cells", "calls")
    table = Table(*columns, title=Text(str(path)), title_justify="left")
    for field in _fields(path, specimen):
        row = (
            field.captured_at.strftime("%Y-%m-%d %H:%M:%S"),
            field.specimen_id,
            field.source,
            str(len(field.cells)),
            ", ".join(cell.spoken() for cell in field.cells) or field.quality.reason or "-",
        )
        if console.is_terminal:
            table.add_row(*(Text(text) for text in row))
        else:
            print(*row, sep="\t")  # noqa: T201
    if console.is_terminal:
        console.print(table)
    return 0


def export_results(path: Path, specimen: str | None) -> int:
    """Print every stored field as a line of JSON, as it was stored. Raises StoreError."""
    for field in _fields(path, specimen):
        print(msgspec.json.encode(field).decode())  # noqa: T201
    return 0


def _fields(path: Path, specimen: str | None) -> Iterator[FieldResult]:
    from edge.store import Store  # noqa: PLC0415

    if not path.is_file():
        raise StoreError(f"{path}: there is no result store; has the daemon run yet?")
    with Store.open(path) as store:
        known = [entry.specimen_id for entry in store.specimens()]
        if specimen is not None and specimen not in known:
            raise StoreError(f"{path}: holds no specimen {specimen}; it has {', '.join(known) or 'none'}")
        for specimen_id in [specimen] if specimen else known:
            yield from store.fields(specimen_id)
