"""`leukoscope measure`: how right the model is on one's own microscope, as a page of figures or as JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.adaptation.measurement import measure, to_json
from edge.cli.progress_bar import progress_bar
from edge.config import SHIPPED_MODEL
from edge.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from edge.adaptation.counted_share import CountedShare
    from edge.adaptation.measurement import ClassMeasurement, Measurement
    from edge.specimens.records import MeasuredCalls


def run_measure(folder: Path, *, model: Path | None, config: Path | None, as_json: bool) -> int:
    """Measure, and print what came of it. Raises as `measure` does, and ConfigError.

    model: the bundle; None: the one that answers on the device of `config`, else the one that ships.
    """
    path = model or _answering(config)
    with progress_bar() as report:
        found = measure(folder, path, report)
    for remark in found.remarks:
        print(f"leukoscope: {remark}", file=sys.stderr)
    if as_json:
        print(to_json(found))
        return 0
    _show(found)
    return 0


def run_measure_named(config: Path | None, *, model: Path | None, as_json: bool) -> int:
    """Print how right the answering model was on cells that people have named. Raises LeukoscopeError."""
    from edge.cli.config_option import config_of_store, find_config  # noqa: PLC0415
    from edge.specimens.service import SpecimenService  # noqa: PLC0415

    if model is not None:
        raise ConfigError("--model: only calls that were made can be compared with names, by the model here")
    with config_of_store(config or find_config(aloud=True)) as read:
        found = SpecimenService(read).measured_calls()
    if found is None:
        raise StoreError("there is no result store, or no model that can be read, so nothing to compare")
    if as_json:
        print(msgspec.json.encode(found).decode())
        return 0
    _show_calls(found)
    return 0


def _show_calls(found: MeasuredCalls) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{found.model.name} ({found.model.sha256[:12]}) on {found.cells} cells that people have named since",
        markup=False,
    )
    if not found.cells:
        return
    for name, share, of in (
        ("called", found.called, "of those"),
        ("wrong", found.wrong_calls, "of the calls"),
    ):
        console.print(f"{name:<7} {share.count} of {share.of}, {_percent(share)} ({_interval(share)}) {of}")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("class", "right", "recall %", "95 %", "refused"):
        table.add_column(column, justify="left" if column == "class" else "right", no_wrap=True)
    for one in found.classes:
        share = one.right
        table.add_row(
            one.label,
            f"{share.count} of {share.of}",
            _percent(share, unit=""),
            _interval(share),
            str(one.refused),
        )
    console.print(table)
    console.print(
        "right: before any refusal. People look at doubtful cells first: of all cells more are right.\n"
        "Not a medical device."
    )


def _answering(config: Path | None) -> Path:
    if config is None:
        return SHIPPED_MODEL
    from edge.config import load_config  # noqa: PLC0415
    from edge.updates.choice import answering  # noqa: PLC0415

    return answering(load_config(config)).path


def _show(found: Measurement) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{found.model.name} ({found.model.sha256[:12]}) on {found.folder}: "
        f"{found.images} images, {found.cells} cells",
        markup=False,
    )
    figures = Table.grid(padding=(0, 2))
    for _ in range(4):
        figures.add_column(justify="right")
    figures.add_column()
    for name, share, meaning in (
        ("right", found.right, "before any refusal"),
        ("called", found.called, "the rest it refuses"),
        ("wrong", found.wrong_calls, "of all that it calls"),
    ):
        figures.add_row(name, f"{share.count} of {share.of}", _percent(share), _interval(share), meaning)
    console.print(figures)
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column, justify in (
        ("class", "left"),
        ("right", "right"),
        ("recall %", "right"),
        ("95 %", "right"),
        ("refused", "right"),
        ("called instead", "left"),
    ):
        table.add_column(column, justify=justify, no_wrap=column != "called instead")  # type: ignore[arg-type]
    for one in found.classes:
        table.add_row(
            one.label,
            f"{one.recall.count} of {one.recall.of}",
            _percent(one.recall, unit=""),
            _interval(one.recall),
            str(one.refused),
            Text(_instead(one)),
        )
    console.print(table)
    console.print(f"macro recall {found.macro_recall:.1f} %: each class the same")
    console.print(
        f"Intervals: {found.interval}, as if each cell were of another slide;\n"
        "of fewer slides they are wider than shown. Not a medical device."
    )
    if found.seen:
        console.print(
            Text(
                f"{found.seen} of the {found.cells} cells look like ones that the model was trained on or "
                "fitted to:\non these it is flattered. Measure on others.",
                "bold yellow",
            )
        )


def _percent(share: CountedShare, unit: str = " %") -> str:
    return "-" if share.percent is None else f"{share.percent:.1f}{unit}"


def _interval(share: CountedShare) -> str:
    return f"{share.low:.1f} to {share.high:.1f}"


def _instead(one: ClassMeasurement) -> str:
    others = [f"{count} {label}" for label, count in one.called.items() if label != one.label]
    if one.without_cell:
        others.append(f"{one.without_cell} without a cell")
    return ", ".join(others)
