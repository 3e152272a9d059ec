"""How right the calls are, by the code that is timed and in the same run: a fast wrong answer is worthless.

MLPerf Tiny (Banbury et al. 2021) asks for both together.
"""

from __future__ import annotations

import logging
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.pictures import drawn
from edge.cameras.image_files import read_image
from edge.cameras.image_folders import SUFFIXES, is_left_out
from edge.differential.intervals import exact
from edge.errors import LeukoscopeError
from edge.labels import same_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.analyzer import Analyzer
    from edge.cameras.simulation.smear import TrueCell
    from edge.messages import Cell

log = logging.getLogger(__name__)

_DATA = "LEUKOSCOPE_DATA"
_TEST = Path("blood-cell-images/TEST_SIMPLE")


@dataclass(frozen=True)
class Meant:
    """A cell that is known. center: x, y in its picture; None where the largest cell is meant."""

    label: str
    center: tuple[float, float] | None = None


@dataclass(frozen=True)
class Accuracy:
    """Calls beside the truth.

    pictures: which. cells: those that are known. found: of these. right, wrong: called by their name, and by
    another's; the rest was refused. right_percent: of all that are known, with its exact 95 % interval.
    picture_ms: read, found and called, the median.
    """

    pictures: str
    cells: int
    found: int
    right: int
    wrong: int
    right_percent: float
    low_percent: float
    high_percent: float
    picture_ms: float


def measure(analyzer: Analyzer, labelled: Path | None, folder: Path, fields: int) -> Accuracy:
    """Call cells that are known.

    labelled: a folder for each class, whose images show one cell each, the largest. Else the test photographs
    of $LEUKOSCOPE_DATA, else a drawn slide. folder, fields: where that is drawn, and how much of it.

    Raises LeukoscopeError.
    """
    test = Path(os.environ.get(_DATA, "")) / _TEST
    if labelled is None and os.environ.get(_DATA) and test.is_dir():
        labelled = test
    if labelled is None:
        name = "drawn slide"
        known = [(file, _of_drawing(true)) for file, true in drawn(fields, folder)]
    else:
        name = "/".join(labelled.parts[-2:])
        known = _of_folders(labelled, analyzer.classifier.labels)
    times, cells, found, right, wrong = [], 0, 0, 0, 0
    for file, meant in known:
        started = time.perf_counter()
        calls = analyzer.analyze(read_image(file)).cells
        times.append(1000 * (time.perf_counter() - started))
        for one in meant:
            cells += 1
            call = _call(calls, one)
            if call is not None:
                found += 1
                right += call.rejected is None and call.label == one.label
                wrong += call.rejected is None and call.label != one.label
    low, high = exact(right, cells)
    return Accuracy(
        name,
        cells,
        found,
        right,
        wrong,
        round(100 * right / max(1, cells), 1),
        round(low, 1),
        round(high, 1),
        round(statistics.median(times), 3),
    )


def _call(calls: Sequence[Cell], meant: Meant) -> Cell | None:
    if meant.center is None:
        return calls[0] if calls else None
    x, y = meant.center
    over = (c for c in calls if c.box[0] <= x <= c.box[0] + c.box[2] and c.box[1] <= y <= c.box[1] + c.box[3])
    return next(over, None)


def _of_folders(folder: Path, labels: Sequence[str]) -> list[tuple[Path, list[Meant]]]:
    try:
        entries = [entry for entry in sorted(folder.iterdir()) if entry.is_dir()]
    except OSError as error:
        raise LeukoscopeError(f"{folder}: cannot be read: {error.strerror}") from None
    known = [(entry, label) for entry in entries if (label := same_class(entry.name, labels)) is not None]
    if not known:
        raise LeukoscopeError(f"{folder}: a folder for each class is wanted: {', '.join(labels)}")
    for entry in entries:
        if entry not in dict(known) and not is_left_out(entry.name):
            log.warning("%s: is no class of the model, and is passed over", entry)
    pictures = [
        (file, [Meant(label)])
        for entry, label in known
        for file in sorted(entry.iterdir())
        if file.suffix.lower() in SUFFIXES
    ]
    if not pictures:
        raise LeukoscopeError(f"{folder}: holds no picture in {', '.join(entry.name for entry, _ in known)}")
    return pictures


def _of_drawing(true: Sequence[TrueCell]) -> list[Meant]:
    return [Meant(cell.label, cell.center) for cell in true if cell.complete]
