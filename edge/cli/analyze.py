"""`leukoscope analyze`: images in, lines out, nothing stored and nothing published."""

from __future__ import annotations

import hashlib
import sys
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import cv2
import msgspec
import numpy as np

from edge.analyzer import Analyzer, Field
from edge.cameras.image_files import decode_image, read_file
from edge.cameras.image_folders import find_images, printable
from edge.config import SHIPPED_MODEL
from edge.drawing.heatmap import Style, draw
from edge.errors import CameraError, ConfigError, OutputError, UnreadableFrameError
from edge.naming.classifier import Classifier
from edge.outputs import MASKS, OVERLAYS, is_drawn_by, refuse_overwriting, signed_picture, write_result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge.cameras.image_folders import ImageFile
    from edge.imaging.pixels import Pixels
    from edge.masking import Recipe
    from edge.messages import Cell


class Drawing(NamedTuple):
    """How overlays are drawn. explain: the class whose evidence they show; None: the one called."""

    style: Style = "colours"
    explain: str | None = None
    suffix: Literal["jpg", "png"] = "jpg"


DRAWING = Drawing()


class _Job(NamedTuple):
    """An image to analyse, and where its mask and its overlay go."""

    image: ImageFile
    mask: Path | None
    overlay: Path | None


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
) -> int:
    """Analyse folders, files and globs; print one line an image. Give 1 when any of them could not be read.

    What an earlier call has drawn into `masks` and `overlays` is drawn anew, and is no image to analyse. A
    file with the same bytes as one before it is named as the same picture; its line has no cells.
    force: other files in the way are overwritten, too.

    Raises OutputError where a result would overwrite an image or, without `force`, any other file;
    BundleError, NoRuntimeError, or ConfigError for a class that the model does not know: before the first
    image.
    """
    images, status = _images(paths, (masks, overlays), as_json=as_json)
    jobs = _jobs(images, masks, overlays, drawing.suffix)
    _check_results(jobs, images, force=force)
    analyzer = Analyzer(Classifier.load(model or SHIPPED_MODEL, runtime=runtime), recipe)
    _check_drawing(drawing, overlays, analyzer.classifier.labels)
    for folder in (masks, overlays):
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"{folder}: cannot be made a folder: {error.strerror}") from None
    seen: dict[bytes, Path] = {}
    for job in jobs:
        path = job.image.path
        try:
            data = _contents(job.image)
            first = seen.setdefault(hashlib.sha256(data).digest(), path)
            analyzer.restore()  # pictures on a command line may be of any microscope
            line, field, pixels = _analyze_file(analyzer, path, data)
        except UnreadableFrameError as error:
            _report_error(str(path), error, as_json=as_json)
            status = 1
            continue
        if job.mask is not None:
            refused = np.zeros((field.height, field.width), np.uint8)
            _write_picture(job.mask, field.masks.picture() if field.masks else refused, MASKS)
        if job.overlay is not None:
            drawn = draw(pixels, field, style=drawing.style, explain=drawing.explain)
            _write_picture(job.overlay, np.ascontiguousarray(drawn[:, :, ::-1]), OVERLAYS)
        if first != path:
            line = {"file": line["file"], "same_as": printable(str(first)), "cells": []}
        text = msgspec.json.encode(line).decode() if as_json else _sentence(line, field)
        print(text, flush=True)
    return status


def _contents(image: ImageFile) -> bytes:
    if image.problem is not None:
        raise UnreadableFrameError(image.problem)
    return read_file(image.path)


def _images(
    paths: Sequence[str], results: Sequence[Path | None], *, as_json: bool
) -> tuple[list[ImageFile], int]:
    """The images of all paths, in the order in which these were given, and 1 where one could not be had."""
    folders = {folder.resolve() for folder in results if folder is not None}
    known = [is_drawn_by(MASKS), is_drawn_by(OVERLAYS)]
    found: dict[Path, ImageFile] = {}
    status = 0
    for given in paths:
        try:
            images = find_images((given,))
        except CameraError as error:
            _report_error(given, error, as_json=as_json)
            status = 1
            continue
        for image in images:
            place = image.path.resolve()
            if not (place.parent in folders and any(is_ours(place) for is_ours in known)):
                found.setdefault(place, image)
    return list(found.values()), status


def _jobs(images: Sequence[ImageFile], masks: Path | None, overlays: Path | None, suffix: str) -> list[_Job]:
    taken: set[str] = set()
    jobs = []
    for image in images:
        name = _free_name(image.path, taken)
        jobs.append(
            _Job(
                image,
                None if masks is None else masks / f"{name}.png",
                None if overlays is None else overlays / f"{name}.{suffix}",
            )
        )
    return jobs


def _check_results(jobs: Sequence[_Job], images: Sequence[ImageFile], *, force: bool) -> None:
    inputs = [image.path for image in images]
    masks = [job.mask for job in jobs if job.mask is not None]
    overlays = [job.overlay for job in jobs if job.overlay is not None]
    if twice := set(masks) & set(overlays):
        raise OutputError(
            f"{min(twice)}: would be both a mask and an overlay; give one of the two another folder"
        )
    for targets, command in ((masks, MASKS), (overlays, OVERLAYS)):
        refuse_overwriting(
            targets, inputs=inputs, is_earlier_result=is_drawn_by(command), command=command, force=force
        )


def _analyze_file(analyzer: Analyzer, file: Path, data: bytes) -> tuple[dict[str, Any], Field, Pixels]:
    started = time.perf_counter()
    pixels = decode_image(data, file)
    decoded = 1000 * (time.perf_counter() - started)
    field = analyzer.analyze(pixels)
    cells = [
        {key: value for key, value in msgspec.to_builtins(cell).items() if key != "cell_id"}
        for cell in field.cells
    ]
    line = {
        "file": printable(str(file)),
        "width": field.width,
        "height": field.height,
        "cells": cells,
        "quality": msgspec.to_builtins(field.quality),
        "scale": msgspec.to_builtins(field.scale),
        "red_cells": field.red_cells,
        "platelets": field.platelets,
        "timings_ms": {"decode": round(decoded, 3), **field.timings_ms},
    }
    return line, field, pixels


def _sentence(line: dict[str, Any], field: Field) -> str:
    file = line["file"]
    if "same_as" in line:
        return f"{file}: the same picture as {line['same_as']}: its cells count once"
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
        line = {"file": printable(file), "error": printable(str(error))}
        print(msgspec.json.encode(line).decode(), flush=True)
    print(f"leukoscope: {printable(str(error))}", file=sys.stderr)


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


def _write_picture(target: Path, picture: Pixels, command: str) -> None:
    done, content = cv2.imencode(target.suffix, picture)
    if not done:
        raise OutputError(f"{target}: cannot be written")
    write_result(target, signed_picture(content.tobytes(), command))
