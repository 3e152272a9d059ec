"""`leukoscope model adapt`: what it prints, and the next command, which works."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import msgspec

from edge.adaptation.adapting import CalibrationError, calibrate
from edge.adaptation.labelled_cells import LabelledCellsError
from edge.cli.progress_bar import progress_bar
from edge.errors import LeukoscopeError
from edge.updates.device_key import sign_for_device

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def run_calibrate(
    folder: Path,
    *,
    out: Path,
    model: Path | None,
    config: Path | None,
    as_json: bool,
    force: bool = False,
) -> int:
    """Refit, say how right it was and is, and what to do next. Raises as `calibrate` does.

    config: the device's, on which the new model is then trusted; None: there is none here.
    """
    try:
        with progress_bar() as report:
            made = calibrate(folder, out=out, model=model, force=force, report=report)
    except (CalibrationError, LabelledCellsError) as error:
        _remark(error.remarks)
        raise
    _remark(made.remarks)
    following = _following(out, config)
    if as_json:
        line = {
            "file": str(out),
            "name": made.description.name,
            "sha256": made.sha256,
            "parent": made.description.parent,
            **made.record,
            "temperature": made.description.temperature,
            "remarks": made.remarks,
            "seconds": made.seconds,
            "next": following,
        }
        print(msgspec.json.encode(line).decode())
        return 0
    named = ", ".join(f"{count} {label}" for label, count in made.record["cells"].items())
    about = f"{made.parent.description.name} ({made.parent.sha256[:12]})"
    print(f"labelled cells: {named}")
    print(f"each held back once: {made.before.spoken()} before,")
    print(f"                     {made.after.spoken()} after")
    print(f"{out}: written in {made.seconds} s; its parent is {about}")
    print(f"next: {following}")
    return 0


def _following(out: Path, config: Path | None) -> str:
    """Sign the new bundle for this device; return the command that installs it, else one that measures it."""
    otherwise = f"leukoscope measure OTHER-CELLS --model {shlex.quote(str(out))}"
    if config is None:
        return otherwise
    from edge.config import load_config  # noqa: PLC0415

    try:
        settings = load_config(config)
        if settings.model.path:
            reason = f"{config}: model.path names another model; make it {out.absolute()}"
            print(f"leukoscope: not installed: {reason}", file=sys.stderr)
            return otherwise
        sign_for_device(out, settings)
    except LeukoscopeError as error:
        print(f"leukoscope: not signed for this device: {error}", file=sys.stderr)
        return otherwise
    return f"leukoscope model install {shlex.quote(str(out))} --config {shlex.quote(str(config))}"


def _remark(remarks: Iterable[str]) -> None:
    for remark in remarks:
        print(f"leukoscope: {remark}", file=sys.stderr)
