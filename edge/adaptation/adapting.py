"""`leukoscope model adapt`: a bundle whose last layer is fitted to named cells, on the device, in seconds.

The network stays as it is up to its features. Its last layer is fitted to the features of the named cells
(`edge.adaptation.refit`) and written into the flatbuffer (`edge.adaptation.last_layer`); when it does not
answer is set by the same cells (`edge.adaptation.refusal`); and the new bundle names its parent.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.adaptation.adapted_bundle import Int8Model, with_last_layer, write_proved
from edge.adaptation.labelled_cells import LabelledCells, LabelledCellsError
from edge.adaptation.last_layer import LastLayer
from edge.adaptation.progress import no_report
from edge.adaptation.record import adapted_description, figures_of
from edge.adaptation.refit import (
    FOLDS,
    Dense,
    Figures,
    LabelledFeatures,
    choose,
    held_back_logits,
    refit,
)
from edge.adaptation.remark import Remark, remark
from edge.errors import BundleError, LeukoscopeError, OutputError
from edge.models.bundle import read_bundle
from edge.models.runtime import Runtime
from edge.naming.seen_cells import hash_crops, pack, seen_before, unpack
from edge.outputs import refuse_overwriting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from edge.adaptation.progress import Report
    from edge.adaptation.refit import Floats
    from edge.imaging.pixels import Pixels
    from edge.models.bundle import Bundle, Description
    from edge.naming.classifier import Classifier

MAX_ROWS = 1000
"""Cells times their turned copies: beyond it the fit would no longer be a matter of seconds."""

_MAX_STEPS_OFF = 1.5
"""By how many of their steps int8 logits may miss features @ weights + bias; rounding alone gives 0.5."""


class AdaptationError(LeukoscopeError):
    """The adapted model is refused: it is no better, or is not what was fitted. Nothing was written.

    remarks: what is to be known of the named cells.
    """

    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class Adapted:
    """A bundle that was adapted and written.

    out: its file, and sha256. record: what it says of its adaptation. remarks: what is to be known of the
    named cells. before, after: on cells held back, of the parent and of the adapted model.
    """

    out: Path
    sha256: str
    description: Description
    parent: Bundle
    record: dict[str, Any]
    remarks: tuple[Remark, ...]
    before: Figures
    after: Figures
    seconds: float


def adapt(parent: Classifier, cells: LabelledCells, out: Path, report: Report = no_report) -> Adapted:
    """Fit the last layer of a bundle to named cells, and write the bundle that comes of it.

    The parent's file is not touched; `out` is written at the very end, in one step.
    Raises LabelledCellsError for too few cells, BundleError, NoRuntimeError, OutputError, and AdaptationError
    where the adapted model is no better on cells that were held back.
    """
    started = time.perf_counter()
    path = parent.bundle.path
    try:
        start = _last_layer(parent.bundle)
        cells = _enough(cells, parent)
        features, logits = _features(parent, cells, report)
        _check_layer(parent.bundle, start, cells.crops)
        before = Figures.of(logits[:, 0], cells.labels, parent.bundle.description.temperature)
        report("fitting", 0, 3)
        known = parent.bundle.description.reject.familiarity
        held_back = held_back_logits(features, start, known)
        after = Figures.of(held_back, cells.labels)
        _gate(before, after, cells.remarks)
        report("fitting", 1, 3)
        choice, _ = choose(features, start, known)
        fitted = refit(features, start, known, choice)
        int8 = with_last_layer(parent.bundle, fitted, features.features, cells.crops)
        compared = _compared(int8, fitted.logits(features.features[:, 0]), parent.bundle)
        report("fitting", 2, 3)
    except BundleError as error:
        raise BundleError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
    record = {
        "cells": {parent.labels[c]: int((cells.labels == c).sum()) for c in np.unique(cells.labels)},
        "held_back": f"each cell once, in {FOLDS} folds; what is chosen, chosen in each from the other cells",
        "before": figures_of(before, parent.labels),
        "after": figures_of(after, parent.labels),
        **{name: round(value, 4) for name, value in choice._asdict().items()},
        "copies": features.features.shape[1],
        **compared,
    }
    description = adapted_description(parent, record, held_back, features)
    hashes = hash_crops(cells.crops)
    seen = pack(np.concatenate([hashes, unpack(parent.bundle.seen)]), first=len(hashes))
    try:
        sha256 = write_proved(out, parent.bundle, int8.model, description, seen)
    except BundleError as error:
        raise AdaptationError(f"{error}; nothing is written") from None
    report("fitting", 3, 3)
    return Adapted(
        out,
        sha256,
        description,
        parent.bundle,
        record,
        cells.remarks,
        before,
        after,
        round(time.perf_counter() - started, 1),
    )


def check_out(out: Path, parent: Path, inputs: Iterable[Path], *, force: bool) -> None:
    """Refuse a place where nothing can be written before any work is done.

    inputs: files that are read. force: over any file but these. Raises OutputError.
    """
    if not out.parent.is_dir():
        raise OutputError(f"{out}: cannot be written: there is no such folder")
    if out.exists() and not out.is_file():
        raise OutputError(f"{out}: cannot be written: it is there, and is no file")
    if out.exists() and parent.exists() and out.samefile(parent):
        raise OutputError(f"{out}: is the model to start from, which stays as it is: give another name")
    refuse_overwriting(
        [out],
        inputs=inputs,
        is_earlier_result=_is_adapted,
        command="leukoscope model adapt",
        force=force,
    )


def _is_adapted(path: Path) -> bool:
    try:
        return read_bundle(path).description.adaptation is not None
    except BundleError:
        return False


def _gate(before: Figures, after: Figures, remarks: Sequence[Remark]) -> None:
    if not after.better_than(before):
        error = AdaptationError(
            "on named cells that were held back the adapted model is no better: "
            f"{before.spoken()} before, {after.spoken()} after; nothing is written"
        )
        error.remarks = tuple(remarks)
        raise error


def _last_layer(bundle: Bundle) -> Dense:
    layer = LastLayer(bytearray(bundle.model), bundle.description.outputs)
    return Dense(layer.dense.kernel(), layer.dense.offsets())


def _enough(cells: LabelledCells, parent: Classifier) -> LabelledCells:
    """The named cells of the classes that have enough of them, with a remark for each other class."""
    classes, counts = np.unique(cells.labels, return_counts=True)
    named = [f"{count} of {parent.labels[c]}" for c, count in zip(classes, counts, strict=True)]
    enough = classes[counts >= FOLDS]
    if len(enough) < 2:
        error = LabelledCellsError(
            f"{cells.source}: too few named cells: {', '.join(named) or 'none'}; "
            f"at least {FOLDS} of a class are needed, and two classes"
        )
        error.remarks = cells.remarks
        raise error
    remarks = [
        remark("too few", label=parent.labels[c], count=int(count), least=FOLDS)
        for c, count in zip(classes, counts, strict=True)
        if count < FOLDS
    ]
    cells = cells.of(enough)
    known = int(seen_before(cells.crops, parent.bundle.seen).sum())
    if known:
        remarks.append(remark("seen before", count=known, cells=len(cells.crops)))
    return replace(cells, remarks=(*cells.remarks, *remarks))


def _features(parent: Classifier, cells: LabelledCells, report: Report) -> tuple[LabelledFeatures, Floats]:
    """Return the features and the logits, float64 (cells, copies, classes), of each cell and its copies."""
    turns = parent.bundle.description.turns
    copies = max(1, MAX_ROWS // len(cells.crops))
    answers = []
    for done, crop in enumerate(cells.crops, 1):
        answers.append([parent.raw_outputs(copy) for copy in copies_of(crop, turns)[:copies]])
        report("asking the model", done, len(cells.crops))
    features, logits = (
        np.array([[answer[name] for answer in row] for row in answers], np.float64)
        for name in ("features", "logits")
    )
    return LabelledFeatures(features, cells.labels), logits


def copies_of(crop: Pixels, turns: int) -> list[Pixels]:
    """Return a crop mirrored and turned, itself first, then those that differ most: eight in all.

    turns: in how many quarter turns the model looks at each. Where it looks at all four, a turned copy tells
    it nothing new, and the crop and its mirror image are all.
    """
    mirrored = crop[:, ::-1]
    if turns == 4:
        return [crop, np.ascontiguousarray(mirrored)]
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


def _check_layer(bundle: Bundle, start: Dense, crops: Sequence[Pixels]) -> None:
    """See that what was read as the last layer gives the logits, on these very cells.

    Each as it stands: a mean over turns does not tell which of them went beyond the range of int8.
    """
    layer = LastLayer(bytearray(bundle.model), bundle.description.outputs).dense
    runtime = Runtime(bundle.model, bundle.description.outputs)
    answers = [runtime.run(crop) for crop in crops]
    features, logits = (
        np.array([answer[name] for answer in answers], np.float64) for name in ("features", "logits")
    )
    expected = np.clip(start.logits(features), *layer.output_range())
    off = float(np.abs(expected - logits).max() / layer.output_scale[0])
    if not off <= _MAX_STEPS_OFF:  # also where it is no number
        raise BundleError(f"its logits are {off:.1f} steps off from what its last layer gives")


def _compared(int8: Int8Model, expected: Floats, parent: Bundle) -> dict[str, float]:
    """Compare the int8 file with the float layer on the named cells. Raises AdaptationError."""
    off = float(np.abs(int8.logits - expected).max())
    if not off <= parent.description.tolerance:
        raise AdaptationError(
            f"the adapted layer is {off:.2f} logits off in int8 from what was fitted; nothing is written"
        )
    agreement = float((int8.logits.argmax(axis=1) == expected.argmax(axis=1)).mean())
    return {"int8_agreement": round(agreement, 4), "int8_logits_off": round(off, 4)}
