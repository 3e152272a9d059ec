"""`leukoscope analyze`: images in, lines out, nothing stored and nothing published."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from edge.analyzer import Analyzer
from edge.config import SHIPPED_MODEL
from edge.naming.classifier import Classifier
from edge.specimens.photographs import (
    DRAWING,
    Answer,
    Drawing,
    analyze_photographs,
    check_drawing,
    find_photographs,
    plan,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge.masking import Recipe


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
    force: bool = False,
    apart: bool = False,
) -> int:
    """Analyse folders, files and globs; print one line an image. Give 1 when any of them could not be read.

    What an earlier call has drawn into `masks` and `overlays` is drawn again, and is no image to analyse. A
    file with the same bytes as one before it is named as the same picture; its line has no cells.
    force: other files in the way are overwritten, too. apart: the images are not all of one
    microscope.

    Raises OutputError where a result would overwrite an image or, without `force`, any other file;
    BundleError, NoRuntimeError, or ConfigError for a class that the model does not know: before the first
    image.
    """
    images, problems = find_photographs(paths, (masks, overlays))
    for problem in problems:
        _print(problem, as_json=as_json)
    jobs = plan(images, masks, overlays, drawing, force=force)
    analyzer = Analyzer(Classifier.load(model or SHIPPED_MODEL, runtime=runtime), recipe)
    check_drawing(drawing, analyzer.classifier.labels, drawn=overlays is not None)
    status = 1 if problems else 0
    for answer in analyze_photographs(jobs, analyzer, drawing, apart=apart):
        _print(answer, as_json=as_json)
        if answer.error is not None:
            status = 1
    return status


def _print(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(answer.plain()).decode(), flush=True)
    elif answer.error is None:
        print(answer.spoken(), flush=True)
    if answer.error is not None:
        print(f"leukoscope: {answer.error}", file=sys.stderr)
