"""`leukoscope model adapt`: what it prints, and the next command, which works."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from edge.adaptation.adapting import AdaptationError, Adapted, adapt, check_out
from edge.adaptation.labelled_cells import LabelledCells, LabelledCellsError, finder_of, read_labelled
from edge.cli.config_option import config_of_store
from edge.cli.progress_bar import progress_bar
from edge.config import SHIPPED_MODEL, load_config
from edge.errors import ConfigError, LeukoscopeError
from edge.naming.classifier import Classifier
from edge.specimens.adapting import adapt_to_named
from edge.updates.adapting_here import adapt_here, to_start_from
from edge.updates.device_key import sign_for_device

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from edge.adaptation.progress import Report
    from edge.adaptation.remark import Remark


def run_model_adapt(
    folder: Path | None,
    *,
    from_store: bool,
    specimens: Sequence[str],
    out: Path | None,
    model: Path | None,
    config: Path | None,
    as_json: bool,
    force: bool = False,
) -> int:
    """Adapt, say how right the model was and is, and what to do next. Raises as `adapt` does.

    folder: of named cells; None with from_store: those that people have named in the device's store, of these
    specimens, or of all. out: where the bundle goes; None: into use on the device. model: to start from, with
    `out` only. config: the device's, on which the new model is trusted; None: there is none here.
    """
    if (folder is None) != from_store or (specimens and not from_store) or (from_store and out is not None):
        raise ConfigError(
            "give a FOLDER of named cells, or --from-store for those that people have named on this device; "
            "--specimen is for --from-store, --out for a FOLDER"
        )
    try:
        with progress_bar() as report:
            if folder is None or out is None:
                made, following = _into_use(folder, specimens, model, config, report)
            else:
                made, following = _to_file(folder, out, model, config, report, force=force)
    except (AdaptationError, LabelledCellsError) as error:
        _remark(error.remarks)
        raise
    _remark(made.remarks)
    _say(made, out, following, as_json=as_json)
    return 0


def _into_use(
    folder: Path | None,
    specimens: Sequence[str],
    model: Path | None,
    config: Path | None,
    report: Report,
) -> tuple[Adapted, str]:
    if model is not None:
        raise ConfigError("--model: is for --out FILE; without it, the model of this device is adapted")
    if config is None:
        raise ConfigError(
            "there is no configuration here, so no device to adapt; name it with --config, or give --out FILE"
        )
    if folder is None:
        with config_of_store(config) as settings:
            made = adapt_to_named(settings, specimens, report)
    else:
        settings = load_config(config)
        made = adapt_here(settings, lambda parent: _read(folder, parent, report), report)
    return made, f"leukoscope model list --config {shlex.quote(str(config))}"


def _to_file(
    folder: Path, out: Path, model: Path | None, config: Path | None, report: Report, *, force: bool
) -> tuple[Adapted, str]:
    path = model or (SHIPPED_MODEL if config is None else to_start_from(load_config(config)))
    check_out(out, path, folder.rglob("*"), force=force)
    parent = Classifier.load(path)
    made = adapt(parent, _read(folder, parent, report), out, report)
    return made, _following(out, config)


def _read(folder: Path, parent: Classifier, report: Report) -> LabelledCells:
    return read_labelled(folder, parent.labels, finder_of(parent), report=report)


def _say(made: Adapted, out: Path | None, following: str, *, as_json: bool) -> None:
    if as_json:
        line: dict[str, Any] = {
            "file": None if out is None else str(out),
            "name": made.description.name,
            "sha256": made.sha256,
            "parent": made.description.parent,
            **made.record,
            "temperature": made.description.temperature,
            "remarks": [str(each) for each in made.remarks],
            "seconds": made.seconds,
            "next": following,
        }
        print(msgspec.json.encode(line).decode())
        return
    named = ", ".join(f"{count} {label}" for label, count in made.record["cells"].items())
    parent = f"{made.parent.description.name} ({made.parent.sha256[:12]})"
    print(f"named cells: {named}")
    print(f"each held back once: {made.before.spoken()} before,")
    print(f"                     {made.after.spoken()} after")
    if out is None:
        print(f"{made.description.name} ({made.sha256[:12]}): made from {parent} in {made.seconds} s;")
        print("it answers on this device from the next field on; `leukoscope model rollback` takes it back")
    else:
        print(f"{out}: written in {made.seconds} s; its parent is {parent}")
    print(f"next: {following}")


def _following(out: Path, config: Path | None) -> str:
    """Sign the new bundle for this device; return the command that installs it, else one that measures it."""
    otherwise = f"leukoscope measure OTHER-CELLS --model {shlex.quote(str(out))}"
    if config is None:
        return otherwise
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


def _remark(remarks: Iterable[Remark]) -> None:
    for remark in remarks:
        print(f"leukoscope: {remark}", file=sys.stderr)
