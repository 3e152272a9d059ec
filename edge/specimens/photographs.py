"""Photographs analysed by themselves: what is in each; nothing is stored and nothing is counted.

Those of one call are taken to be of one microscope: by their cells the model is aligned to it.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import cv2
import msgspec
import numpy as np

from edge.cameras.image_files import decode_image, read_file
from edge.cameras.image_folders import find_images, place_of, printable
from edge.drawing.heatmap import Style, draw
from edge.errors import CameraError, ConfigError, OutputError, UnreadableFrameError
from edge.naming.alignment import MOST, NOTHING, Told
from edge.outputs import MASKS, OVERLAYS, is_drawn_by, refuse_overwriting, signed_picture, write_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edge.analyzer import Analyzer, Field
    from edge.cameras.image_folders import ImageFile
    from edge.imaging.pixels import Pixels
    from edge.messages import Cell


class Drawing(NamedTuple):
    """How overlays are drawn. explain: the class whose evidence they show; None: the one called."""

    style: Style = "colours"
    explain: str | None = None
    suffix: Literal["jpg", "png"] = "jpg"


DRAWING = Drawing()

_FEWEST_PICTURES = 5  # fewer hardly tell anything of their microscope
_GOLDEN = 0.6180339887498949  # its multiples, less the whole, are spread evenly however many there are


class Photograph(NamedTuple):
    """What a photograph shows. pixels: uint8 RGB (height, width, 3). decode_ms: how long it took to read."""

    pixels: Pixels
    field: Field
    decode_ms: float

    def plain(self) -> dict[str, Any]:
        """As `leukoscope analyze --json` says it, without the name of the file."""
        field = self.field
        cells = [
            {key: value for key, value in msgspec.to_builtins(cell).items() if key != "cell_id"}
            for cell in field.cells
        ]
        return {
            "width": field.width,
            "height": field.height,
            "cells": cells,
            "quality": msgspec.to_builtins(field.quality),
            "scale": msgspec.to_builtins(field.scale),
            "red_cells": field.red_cells,
            "platelets": field.platelets,
            "alignment": msgspec.to_builtins(field.alignment),
            "timings_ms": {"decode": round(self.decode_ms, 3), **field.timings_ms},
        }


class Answer(NamedTuple):
    """What came of a file: the photograph, or the file that it is a copy of, or why it cannot be read."""

    file: str
    photograph: Photograph | None = None
    same_as: str | None = None
    error: str | None = None

    def plain(self) -> dict[str, Any]:
        """As `leukoscope analyze --json` says it."""
        if self.same_as is not None:
            return {"file": self.file, "same_as": self.same_as, "cells": []}
        if self.photograph is None:
            return {"file": self.file, "error": self.error}
        return {"file": self.file, **self.photograph.plain()}

    def spoken(self) -> str:
        """As a person reads it."""
        if self.same_as is not None:
            return f"{self.file}: the same picture as {self.same_as}: its cells count once"
        if self.photograph is None:
            return str(self.error)
        field = self.photograph.field
        if not field.quality.accepted:
            return f"{self.file}: not analysed: {field.quality.reason}"
        return f"{self.file}: {', '.join(_call(cell) for cell in field.cells) or 'no white cell'}"


class Job(NamedTuple):
    """An image to analyse, and where its mask and its overlay go; None: nowhere."""

    image: ImageFile
    mask: Path | None
    overlay: Path | None


def analyze_photograph(
    analyzer: Analyzer, data: bytes, path: Path, told: Told = NOTHING, red_cell: float | None = None
) -> Photograph:
    """What a picture file shows, of whichever microscope. Raises UnreadableFrameError, naming `path`.

    told: by cells of the same microscope, which the model is aligned to. red_cell: of this picture's field,
    where it was analysed before.
    """
    started = time.perf_counter()
    pixels = decode_image(data, path)
    decode_ms = 1000 * (time.perf_counter() - started)
    # One photograph after the other may be of any magnification.
    analyzer.restore(told=told, hold=True)
    return Photograph(pixels, analyzer.analyze(pixels, red_cell=red_cell), decode_ms)


def find_photographs(
    paths: Sequence[str], results: Sequence[Path | None] = ()
) -> tuple[list[ImageFile], list[Answer]]:
    """The images of folders, files and globs, in the order in which these are given; and what cannot be had.

    results: folders in which masks and overlays of an earlier call are no images.
    """
    folders = {place_of(folder) for folder in results if folder is not None}
    known = [is_drawn_by(MASKS), is_drawn_by(OVERLAYS)]
    found: dict[Path, ImageFile] = {}
    problems = []
    for given in paths:
        try:
            images = find_images((given,))
        except CameraError as error:
            problems.append(_problem(given, error))
            continue
        for image in images:
            place = place_of(image.path)
            if not (place.parent in folders and any(is_ours(place) for is_ours in known)):
                found.setdefault(place, image)
    return list(found.values()), problems


def plan(
    images: Sequence[ImageFile],
    masks: Path | None = None,
    overlays: Path | None = None,
    drawing: Drawing = DRAWING,
    *,
    force: bool = False,
) -> list[Job]:
    """Where the mask and the overlay of each image go. force: other files in the way are overwritten, too.

    Raises OutputError where a result would overwrite an image or, without `force`, any other file.
    """
    taken: set[str] = set()
    jobs = []
    for image in images:
        name = _free_name(image.path, taken)
        mask = None if masks is None else masks / f"{name}.png"
        overlay = None if overlays is None else overlays / f"{name}.{drawing.suffix}"
        jobs.append(Job(image, mask, overlay))
    _check_results(jobs, force=force)
    return jobs


def check_drawing(drawing: Drawing, labels: Sequence[str], *, drawn: bool) -> None:
    """Raise ConfigError for a drawing that nobody asked for, or of a class that the model does not know."""
    if not drawn and drawing != DRAWING:
        raise ConfigError(
            "--contours, --explain and --overlay-format are for drawings: give --overlays as well"
        )
    if drawing.explain is not None and drawing.explain not in labels:
        raise ConfigError(
            f"--explain {drawing.explain}: the model knows no such class, but {', '.join(labels)}"
        )


def analyze_photographs(
    jobs: Sequence[Job], analyzer: Analyzer, drawing: Drawing = DRAWING, *, apart: bool = False
) -> Iterator[Answer]:
    """What came of each file, as soon as it is known; its mask and its overlay are written by then.

    A file with the same bytes as one before it is the same picture. apart: the pictures are not all of one
    microscope. Raises OutputError.
    """
    for folder in {target.parent for job in jobs for target in (job.mask, job.overlay) if target is not None}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made a folder: {error.strerror}") from None
    seen: dict[bytes, Path] = {}
    told, red_cells = (NOTHING, {}) if apart else _told_by([job.image for job in jobs], analyzer)
    for job in jobs:
        path = job.image.path
        try:
            data = _contents(job.image)
            digest = hashlib.sha256(data).digest()
            first = seen.setdefault(digest, path)
            photograph = analyze_photograph(analyzer, data, path, told, red_cells.get(digest))
        except UnreadableFrameError as error:
            yield _problem(str(path), error)
            continue
        _write_pictures(job, photograph, drawing)
        same_as = None if first == path else printable(str(first))
        yield Answer(printable(str(path)), photograph, same_as)


def _told_by(images: Sequence[ImageFile], analyzer: Analyzer) -> tuple[Told, dict[bytes, float | None]]:
    """Return what some pictures' cells tell, enough to align the model by; nothing where they are few.

    And each of these pictures' `Field.red_cell`, by its digest, so that its scale is not looked for again.
    """
    logits: list[list[float]] = []
    red_cells: dict[bytes, float | None] = {}
    if len(images) < _FEWEST_PICTURES or not analyzer.aligns:
        return NOTHING, red_cells
    # Neighbours may be of one slide, or one class: wherever this ends, it has looked all over the pictures.
    for _, image in sorted(enumerate(images), key=lambda one: one[0] * _GOLDEN % 1):
        if len(logits) >= MOST:
            break
        with suppress(UnreadableFrameError):  # it is said when its turn comes
            data = _contents(image)
            digest = hashlib.sha256(data).digest()
            if digest not in red_cells:
                red_cells[digest] = None  # also where it cannot be decoded: its copies cannot either
                field = analyze_photograph(analyzer, data, image.path).field
                red_cells[digest] = field.red_cell
                # As the device learns from them.
                whole = (cell for cell in field.cells if not cell.cut_by_edge)
                logits += [list(cell.logits.values()) for cell in whole if cell.logits]
    return Told(logits), red_cells


def _contents(image: ImageFile) -> bytes:
    if image.problem is not None:
        raise UnreadableFrameError(image.problem)
    return read_file(image.path)


def _problem(file: str, error: Exception) -> Answer:
    return Answer(printable(file), error=printable(str(error)))


def _check_results(jobs: Sequence[Job], *, force: bool) -> None:
    inputs = [job.image.path for job in jobs]
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


def _call(cell: Cell) -> str:
    if cell.evidence_in_cell is None:
        return cell.spoken()
    return f"{cell.spoken()} [{100 * cell.evidence_in_cell:.0f} % of the evidence in the cell]"


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


def _write_pictures(job: Job, photograph: Photograph, drawing: Drawing) -> None:
    field = photograph.field
    if job.mask is not None:
        refused = np.zeros((field.height, field.width), np.uint8)
        _write(job.mask, field.masks.picture() if field.masks else refused, MASKS)
    if job.overlay is not None:
        drawn = draw(photograph.pixels, field, style=drawing.style, explain=drawing.explain)
        _write(job.overlay, np.asarray(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), np.uint8), OVERLAYS)


def _write(target: Path, picture: Pixels, command: str) -> None:
    done, content = cv2.imencode(target.suffix, picture)
    if not done:
        raise OutputError(f"{target}: cannot be written")
    write_result(target, signed_picture(content.tobytes(), command))
