"""`leukoscope calibrate`: a bundle whose last layer is refitted to an operator's own cells, on the device.

The network stays as it is up to its features. Its last layer is fitted anew to the features of the labelled
cells (`edge.refit`), written into the flatbuffer (`edge.last_layer`), and the new bundle names its parent.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edge import __version__
from edge.bundle import Parent, read_bundle
from edge.calibrated_bundle import Int8Model, with_last_layer, write_proved
from edge.classifier import Classifier
from edge.config import SHIPPED_MODEL
from edge.errors import BundleError, LeukoscopeError, OutputError
from edge.labelled import LabelledCells, LabelledCellsError, read_labelled
from edge.last_layer import LastLayer
from edge.masking import PREPROCESSING
from edge.outputs import refuse_overwriting
from edge.refit import (
    FOLDS,
    Chosen,
    Dense,
    Figures,
    LabelledFeatures,
    choose_penalty,
    fit_temperature,
    held_back_logits,
    refit,
    stronger,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge.bundle import Bundle, Description
    from edge.masking import Pixels
    from edge.refit import Floats

MAX_ROWS = 1000
"""Cells times their turned copies: beyond it the fit would no longer be a matter of seconds."""

_MAX_STEPS_OFF = 1.5
"""By how many of their steps int8 logits may miss features @ weights + bias; rounding alone gives 0.5."""


class CalibrationError(LeukoscopeError):
    """The refitted model is refused: it is no better, or is not what was fitted. Nothing was written."""


def calibrate(folder: Path, *, out: Path, model: Path | None, as_json: bool, force: bool = False) -> int:
    """Refit the last layer of a bundle to the cells in `folder`, and write the bundle that comes of it.

    model: the parent (default: the bundle that ships). Its file is not touched; `out` is written at the very
    end, in one step, over an earlier refitted bundle or, with `force`, over any file that is not read here.
    Raises LabelledCellsError, CameraError, BundleError, NoRuntimeError, OutputError, and
    CalibrationError where the refitted layer is no better on cells that were held back.
    """
    started = time.perf_counter()
    parent_path = model or SHIPPED_MODEL
    _check_out(out, parent_path, folder, force=force)
    parent = Classifier.load(parent_path)
    try:
        start = _last_layer(parent.bundle)
        cells = _read(folder, parent)
        features, logits = _features(parent, cells)
        _check_layer(parent.bundle, start, features, logits)
        before = Figures.of(logits[:, 0], cells.labels, parent.bundle.description.temperature)
        after = Figures.of(held_back_logits(features, start), cells.labels)
        _gate(before, after)
        chosen = choose_penalty(features, start)
        fitted = refit(features, start, stronger(chosen.penalty))[-1]
        int8 = with_last_layer(parent.bundle, fitted, fitted.logits(features.features), cells.crops)
        compared = _compared(int8, fitted.logits(features.features[:, 0]), parent.bundle)
    except BundleError as error:
        raise BundleError(f"{parent_path}: {error}") from None
    record = {
        "cells": {parent.labels[c]: int((cells.labels == c).sum()) for c in np.unique(cells.labels)},
        "held_back": f"each cell once, in {FOLDS} folds; the penalty chosen in each from the other cells",
        "before": _figures(before, parent.labels),
        "after": _figures(after, parent.labels),
        "penalty": chosen.penalty,
        "copies": features.features.shape[1],
        **compared,
    }
    description = _description(parent, record, chosen, cells)
    try:
        sha256 = write_proved(out, parent.bundle, int8.model, description)
    except BundleError as error:
        raise CalibrationError(f"{error}; nothing is written") from None
    seconds = round(time.perf_counter() - started, 1)
    if as_json:
        line = {
            "file": str(out),
            "name": description.name,
            "sha256": sha256,
            "parent": description.parent,
            **record,
            "temperature": description.temperature,
            "remarks": cells.remarks,
            "seconds": seconds,
        }
        print(msgspec.json.encode(line).decode())  # noqa: T201
        return 0
    named = ", ".join(f"{(cells.labels == c).sum()} {parent.labels[c]}" for c in after.recall)
    about = f"{parent.bundle.description.name} ({parent.bundle.sha256[:12]})"
    print(f"labelled cells: {named}")  # noqa: T201
    print(f"held back, each once in {FOLDS} folds: {_spoken(before)} before, {_spoken(after)} after")  # noqa: T201
    print(f"{out}: written in {seconds} s; its parent is {about}")  # noqa: T201
    return 0


def _check_out(out: Path, parent: Path, folder: Path, *, force: bool) -> None:
    """Refuse a place where nothing can be written before any work is done."""
    if not out.parent.is_dir():
        raise OutputError(f"{out}: cannot be written: there is no such folder")
    if out.exists() and not out.is_file():
        raise OutputError(f"{out}: cannot be written: it is there, and is no file")
    if out.exists() and parent.exists() and out.samefile(parent):
        raise OutputError(f"{out}: is the model to start from, which stays as it is: give another name")
    refuse_overwriting(
        [out],
        inputs=folder.rglob("*"),
        is_earlier_result=_is_refitted,
        command="leukoscope calibrate",
        force=force,
    )


def _is_refitted(path: Path) -> bool:
    try:
        return read_bundle(path).description.calibration is not None
    except BundleError:
        return False


def _gate(before: Figures, after: Figures) -> None:
    if not after.better_than(before):
        raise CalibrationError(
            "on labelled cells that were held back the refitted model is no better: "
            f"{_spoken(before)} before, {_spoken(after)} after; nothing is written"
        )


def _last_layer(bundle: Bundle) -> Dense:
    layer = LastLayer(bytearray(bundle.model), bundle.description.outputs)
    return Dense(layer.dense.kernel(), layer.dense.offsets())


def _read(folder: Path, parent: Classifier) -> LabelledCells:
    description = parent.bundle.description
    recipe = next((name for name, made in PREPROCESSING.items() if made == description.preprocessing), None)
    if recipe is None:
        raise BundleError(
            f"was trained on crops of recipe {description.preprocessing}, which is not known here"
        )
    cells = read_labelled(folder, description.labels, recipe)
    for remark in cells.remarks:
        print(f"leukoscope: {remark}", file=sys.stderr)  # noqa: T201
    classes, counts = np.unique(cells.labels, return_counts=True)
    named = [f"{count} of {parent.labels[c]}" for c, count in zip(classes, counts, strict=True)]
    if len(classes) < 2 or counts.min() < FOLDS:
        raise LabelledCellsError(
            f"{folder}: too few labelled cells: {', '.join(named) or 'none'}; "
            f"at least {FOLDS} of a class are needed, and two classes"
        )
    return cells


def _features(parent: Classifier, cells: LabelledCells) -> tuple[LabelledFeatures, Floats]:
    """Give the features and the logits, float64 (cells, copies, classes), of each cell and its copies."""
    copies = max(1, min(8, MAX_ROWS // len(cells.crops)))
    answers = [[parent.raw_outputs(turned) for turned in _turned(crop)[:copies]] for crop in cells.crops]
    features, logits = (
        np.array([[answer[name] for answer in row] for row in answers], np.float64)
        for name in ("features", "logits")
    )
    return LabelledFeatures(features, cells.labels), logits


def _turned(crop: Pixels) -> list[Pixels]:
    """Give a crop mirrored and turned, eight in all, itself first, then those that differ most."""
    mirrored = crop[:, ::-1]
    ways = [
        (crop, 0),
        (crop, 2),
        (mirrored, 0),
        (mirrored, 2),
        (crop, 1),
        (crop, 3),
        (mirrored, 1),
        (mirrored, 3),
    ]
    return [np.ascontiguousarray(np.rot90(pixels, quarter)) for pixels, quarter in ways]


def _check_layer(bundle: Bundle, start: Dense, features: LabelledFeatures, logits: Floats) -> None:
    """See that what was read as the last layer gives the logits, on these very cells."""
    layer = LastLayer(bytearray(bundle.model), bundle.description.outputs).dense
    expected = np.clip(start.logits(features.features), *layer.output_range())
    off = float(np.abs(expected - logits).max() / layer.output_scale[0])
    if not off <= _MAX_STEPS_OFF:  # also where it is no number
        raise BundleError(f"its logits are {off:.1f} steps off from what its last layer gives")


def _compared(int8: Int8Model, expected: Floats, parent: Bundle) -> dict[str, float]:
    """Compare the int8 file with the float layer on the labelled cells. Raises CalibrationError."""
    off = float(np.abs(int8.logits - expected).max())
    if not off <= parent.description.tolerance:
        raise CalibrationError(
            f"the refitted layer is {off:.2f} logits off in int8 from what was fitted; nothing is written"
        )
    agreement = float((int8.logits.argmax(axis=1) == expected.argmax(axis=1)).mean())
    return {"int8_agreement": round(agreement, 4), "int8_logits_off": round(off, 4)}


def _description(
    parent: Classifier, record: dict[str, Any], chosen: Chosen, cells: LabelledCells
) -> Description:
    about = parent.bundle.description
    limit = "Its last layer was refitted to labelled cells of one microscope: it is meant for that one."
    return msgspec.structs.replace(
        about,
        name=f"{about.name.removesuffix('-calibrated')}-calibrated",
        parent=Parent(parent.bundle.sha256, about.name),
        calibration=record | {"runtime": parent.runtime_name, "leukoscope": __version__},
        measured={"labelled cells, each held back once": record["after"]},
        temperature=fit_temperature(chosen.logits, cells.labels),
        confusion=None,  # the parent's: the new layer errs elsewhere
        limits=about.limits if limit in about.limits else f"{about.limits} {limit}",
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _figures(figures: Figures, labels: Sequence[str]) -> dict[str, Any]:
    return {
        "macro_recall": round(figures.macro_recall, 4),
        "right": figures.right,
        "of": figures.cells,
        "log_loss": round(figures.log_loss, 4),
        "recall": {labels[c]: round(share, 4) for c, share in figures.recall.items()},
    }


def _spoken(figures: Figures) -> str:
    return f"{figures.right} of {figures.cells} right, macro recall {100 * figures.macro_recall:.1f} %"
