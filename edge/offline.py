"""`leukoscope analyze`: images in, lines out, nothing stored and nothing published."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np

from edge.analyzer import Analyzer, Field
from edge.cameras.replay import ReplayCamera, read_image
from edge.classifier import Classifier
from edge.config import SHIPPED_MODEL, ReplayConfig
from edge.errors import CameraError, OutputError, UnreadableFrameError
from edge.heatmap import draw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge.masking import Pixels, Recipe


def analyze_paths(
    paths: Sequence[str],
    *,
    as_json: bool,
    masks: Path | None,
    overlays: Path | None,
    recipe: Recipe,
    model: Path | None,
    runtime: str,
) -> int:
    """Analyse folders, files and globs; print one line an image. Give 1 when any of them could not be read.

    Raises BundleError or NoRuntimeError before the first image.
    """
    analyzer = Analyzer(Classifier.load(model or SHIPPED_MODEL, runtime=runtime), recipe)
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
            name = file.stem if file.stem not in taken else f"{file.parent.name}_{file.stem}"
            taken.add(name)
            if masks is not None and field.masks is not None:
                _write_picture(masks / f"{name}.png", field.masks.picture())
            if overlays is not None:
                drawn = draw(pixels, field)
                _write_picture(overlays / f"{name}.jpg", np.ascontiguousarray(drawn[:, :, ::-1]))
            print(msgspec.json.encode(line).decode() if as_json else _sentence(line), flush=True)  # noqa: T201
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
        "file": str(file),
        "width": field.width,
        "height": field.height,
        "cells": cells,
        "quality": msgspec.to_builtins(field.quality),
        "timings_ms": {"decode": round(decoded, 3), **field.timings_ms},
    }
    return line, field, pixels


def _sentence(line: dict[str, Any]) -> str:
    if not line["quality"]["accepted"]:
        return f"{line['file']}: not analysed: {line['quality']['reason']}"
    if not line["cells"]:
        return f"{line['file']}: no white cell"
    calls = [
        f"{cell['label']} {100 * cell['probability']:.0f} %"
        + ("" if cell["complete"] else " (cut by the edge)")
        + (f" ({cell['rejected']})" if cell["rejected"] else "")
        for cell in line["cells"]
    ]
    return f"{line['file']}: {', '.join(calls)}"


def _report_error(file: str, error: Exception, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode({"file": file, "error": str(error)}).decode(), flush=True)  # noqa: T201
    print(f"leukoscope: {error}", file=sys.stderr)  # noqa: T201


def _write_picture(target: Path, picture: Pixels) -> None:
    if not cv2.imwrite(str(target), picture):
        raise OutputError(f"{target}: cannot be written")
