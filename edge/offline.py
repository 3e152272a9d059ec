"""`leukoscope analyze`: images in, lines out, nothing stored and nothing published."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import cv2
import msgspec
import numpy as np

from edge.analyzer import Analyzer, Field
from edge.cameras.image_files import read_image
from edge.cameras.replay import ReplayCamera
from edge.classifier import Classifier
from edge.config import SHIPPED_MODEL, ReplayConfig
from edge.errors import CameraError, ConfigError, OutputError, UnreadableFrameError
from edge.heatmap import Style, draw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge.masking import Pixels, Recipe
    from edge.messages import Cell


class Drawing(NamedTuple):
    """How overlays are drawn. explain: the class whose evidence they show; None: the one called."""

    style: Style = "colours"
    explain: str | None = None
    suffix: Literal["jpg", "png"] = "jpg"


DRAWING = Drawing()


def analyze_paths(
    paths: Sequence[str],
    *,
    as_json: bool,
    masks: Path | None,
    overlays: Path | None,
    recipe: Recipe,
    drawing: Drawing = DRAWING,
    model: Path | None,
    runtime: str,
) -> int:
    """Analyse folders, files and globs; print one line an image. Give 1 when any of them could not be read.

    Raises BundleError, NoRuntimeError, or ConfigError for a class that the model does not know, before the
    first image.
    """
    analyzer = Analyzer(Classifier.load(model or SHIPPED_MODEL, runtime=runtime), recipe)
    _check_drawing(drawing, overlays, analyzer.classifier.labels)
    for folder in (masks, overlays):
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"{folder}: cannot be made a folder: {error.strerror}") from None
    status = 0
    taken: set[str] = set()
    for given in paths:
        try:
            files = ReplayCamera(ReplayConfig((given,))).files
        except CameraError as error:
            _report_error(given, error, as_json=as_json)
            status = 1
            continue
        for file in files:
            try:
                line, field, pixels = _analyze_file(analyzer, file)
            except UnreadableFrameError as error:
                _report_error(str(file), error, as_json=as_json)
                status = 1
                continue
            name = _free_name(file, taken)
            if masks is not None:
                refused = np.zeros((field.height, field.width), np.uint8)
                _write_picture(masks / f"{name}.png", field.masks.picture() if field.masks else refused)
            if overlays is not None:
                drawn = draw(pixels, field, style=drawing.style, explain=drawing.explain)
                _write_picture(overlays / f"{name}.{drawing.suffix}", np.ascontiguousarray(drawn[:, :, ::-1]))
            text = msgspec.json.encode(line).decode() if as_json else _sentence(line["file"], field)
            print(text, flush=True)  # noqa: T201
    return status


def _analyze_file(analyzer: Analyzer, file: Path) -> tuple[dict[str, Any], Field, Pixels]:
    started = time.perf_counter()
    pixels = read_image(file)
    decoded = 1000 * (time.perf_counter() - started)
    field = analyzer.analyze(pixels)
    cells = [
        {key: value for key, value in msgspec.to_builtins(cell).items() if key != "cell_id"}
        for cell in field.cells
    ]
    line = {
        "file": _speakable(file),
        "width": field.width,
        "height": field.height,
        "cells": cells,
        "quality": msgspec.to_builtins(field.quality),
        "scale": msgspec.to_builtins(field.scale),
        "timings_ms": {"decode": round(decoded, 3), **field.timings_ms},
    }
    return line, field, pixels


def _sentence(file: str, field: Field) -> str:
    if not field.quality.accepted:
        return f"{file}: not analysed: {field.quality.reason}"
    return f"{file}: {', '.join(_call(cell) for cell in field.cells) or 'no white cell'}"


def _call(cell: Cell) -> str:
    if cell.evidence_in_cell is None:
        return cell.spoken()
    return f"{cell.spoken()} [{100 * cell.evidence_in_cell:.0f} % of the evidence in the cell]"


def _check_drawing(drawing: Drawing, overlays: Path | None, labels: Sequence[str]) -> None:
    if overlays is None and drawing != DRAWING:
        raise ConfigError(
            "--contours, --explain and --overlay-format are for drawings: give --overlays as well"
        )
    if drawing.explain is not None and drawing.explain not in labels:
        raise ConfigError(
            f"--explain {drawing.explain}: the model knows no such class, but {', '.join(labels)}"
        )


def _report_error(file: str, error: Exception, *, as_json: bool) -> None:
    if as_json:
        line = {"file": _speakable(file), "error": _speakable(str(error))}
        print(msgspec.json.encode(line).decode(), flush=True)  # noqa: T201
    print(f"leukoscope: {_speakable(str(error))}", file=sys.stderr)  # noqa: T201


def _free_name(file: Path, taken: set[str]) -> str:
    """Name what is written for a file after it; after its folders as well where the name is taken."""
    name, parents = file.stem, list(file.absolute().parent.parts[1:])
    while name in taken and parents:
        name = f"{parents.pop()}_{name}"
    number = 2
    while name in taken:  # one name with two suffixes, in one folder
        name = f"{file.stem}_{number}"
        number += 1
    taken.add(name)
    return name


def _speakable(path: Path | str) -> str:
    """Give a path as text that can be printed, also where the file's name is not UTF-8."""
    return str(path).encode(errors="surrogateescape").decode(errors="replace")


def _write_picture(target: Path, picture: Pixels) -> None:
    if not cv2.imwrite(str(target), picture):
        raise OutputError(f"{target}: cannot be written")
