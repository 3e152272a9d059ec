"""`leukoscope model` and `leukoscope results`: what a person wants to see of a bundle or of the store."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.cli.tables import print_rows
from edge.errors import ConfigError, StoreError
from edge.models.bundle import read_bundle
from edge.models.runtime import installed
from edge.models.words import estimate, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.messages import FieldResult
    from edge.store.fields import Store


def show_model(path: Path, why: str | None = None) -> int:
    """Print what a bundle says of itself. why: it is the one that answers here. Raises BundleError."""
    bundle = read_bundle(path)
    about = bundle.description
    table = Table(show_header=False, box=None, title=Text(f"{about.name}  ({path})"), title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    rows = {} if why is None else {"answers here": why}
    rows |= {
        "sha256": bundle.sha256,
        "size": f"{path.stat().st_size} bytes",
        "created": about.created,
        "labels": ", ".join(about.labels),
        "preprocessing": about.preprocessing,
        "temperature": str(about.temperature),
        "no answer": refusals(about),
        "golden inputs": str(len(about.goldens)),
        "trained on": _compact(about.training.get("data", {})),
        "photographs": f"{about.training.get('photographs', '?')}, "
        f"{about.training.get('photographs_held_out', '?')} of them held out",
        "measured": "\n".join(f"{name}: {_spoken(entry)}" for name, entry in about.measured.items()) or "-",
        "made with": _compact(about.tools),
        "intended use": about.intended_use,
        "limits": about.limits,
    }
    if about.parent is not None:
        rows["calibrated from"] = f"{about.parent.name}, {about.parent.sha256}"
    if about.calibration is not None:
        rows["calibration"] = _compact(about.calibration)
    for name, text in rows.items():
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


def _spoken(entry: object) -> str:
    """Say what was measured, as the trainer writes it; anything else as it is."""
    if not isinstance(entry, dict) or not isinstance(entry.get("photograph_accuracy"), dict):
        return _compact(entry)
    parts = [
        f"{entry['photographs']} photographs",
        f"right {estimate(entry['photograph_accuracy'])} %",
        f"macro recall {estimate(entry.get('photograph_macro_recall'))} %",
        f"as float {estimate(entry.get('agreement'))} %",
    ]
    rejecting = entry.get("rejecting")
    if rejecting:
        parts.append(
            f"with refusals {estimate(rejecting['called'])} % of known cells called, "
            f"{estimate(rejecting['wrong_calls'])} % of calls wrong"
        )
    return ", ".join(parts)


def _compact(value: object) -> str:
    text = msgspec.json.encode(value).decode().replace('"', "")
    return (text[1:-1] if isinstance(value, dict) else text) or "-"


def list_results(path: Path, specimen: str | None) -> int:
    """Print every stored field, as a table or, where no person reads it, as tab-separated lines.

    Raises StoreError.
    """
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
            for field in _fields(path, specimen)
        ),
        title=str(path),
    )
    from edge.store.fields import Store  # noqa: PLC0415

    with Store.open(path) as store:
        refused, reason = store.refused()
        waiting = store.backlog()
    if waiting:
        text = f"{waiting} of them wait for the broker"
        text += f"; {refused} it has refused, the last one: {reason}" if refused else ""
        print(f"leukoscope: {text}", file=sys.stderr)
    return 0


def republish_results(path: Path, since: str | None, specimen: str | None) -> int:
    """Let what was delivered wait again, for the daemon to send as historical; say how many those are.

    since: ISO 8601; without a zone it is meant as this machine has it. Raises StoreError, ConfigError.
    """
    if since is None and specimen is None:
        raise ConfigError("results republish: say which: --since TIME, --specimen ID, or both")
    try:
        moment = None if since is None else datetime.fromisoformat(since).astimezone()
    except (ValueError, OverflowError):
        raise ConfigError(
            f"--since {since}: is no time; write it as 2026-05-01 or 2026-05-01T08:00Z"
        ) from None
    with _opened(path, specimen) as (store, _):
        count = store.republish(since=moment, specimen_id=specimen)
    what = "1 result waits" if count == 1 else f"{count} results wait"
    when = "by a running daemon within 5 minutes, else by its next run"
    print(f"{what} to be sent again as historical: {when}")
    return 0


def export_results(path: Path, specimen: str | None) -> int:
    """Print every stored field as a line of JSON, as it was stored. Raises StoreError."""
    for field in _fields(path, specimen):
        print(msgspec.json.encode(field).decode())
    return 0


def _fields(path: Path, specimen: str | None) -> Iterator[FieldResult]:
    with _opened(path, specimen) as (store, specimens):
        for specimen_id in specimens:
            yield from store.fields(specimen_id)


@contextmanager
def _opened(path: Path, specimen: str | None) -> Iterator[tuple[Store, list[str]]]:
    """Open a store that is there; give it with the specimen that is meant, or with all of them."""
    from edge.store.database import expect_store  # noqa: PLC0415
    from edge.store.fields import Store  # noqa: PLC0415

    expect_store(path)
    with Store.open(path) as store:
        known = [entry.specimen_id for entry in store.specimens()]
        if specimen is not None and specimen not in known:
            raise StoreError(f"{path}: holds no specimen {specimen}; it has {', '.join(known) or 'none'}")
        yield store, known if specimen is None else [specimen]
