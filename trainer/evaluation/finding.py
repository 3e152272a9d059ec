"""How well white cells are found: masks and boxes of the finder that ships, beside those that people drew.

A fifth of each set, every image whose place in the order of names is divisible by five, is held back from
tuning the outlines. The finder itself was trained on most of these fields; `measure-finder` has others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import msgspec
import numpy as np
from msgspec import Struct
from rich.console import Group
from rich.table import Table
from rich.text import Text

from edge.cameras.image_files import read_image
from edge.errors import UnreadableFrameError
from trainer.data.datasets import DATASETS, list_annotated
from trainer.data.images import DataError
from trainer.data.shipped_finder import find_white_cells
from trainer.evaluation.bootstrap import over_draws
from trainer.evaluation.metrics import Estimate, estimate
from trainer.files import put_in_place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.console import RenderableType

    from edge.masking import FieldMasks
    from trainer.data.images import AnnotatedImage

Part = Literal["held", "tuning"]
Rectangle = tuple[int, int, int, int]

HELD_EVERY = 5
LEAST_OVERLAP = 0.3
"""Intersection over union of two boxes, from which they are of one cell."""

_NUCLEUS, _CELL = 192, 64  # grey levels between those of masks: 255 nucleus, 128 cytoplasm, 0 the rest
_AT_EDGE = 2  # pixels; boxes drawn by hand end a little before the frame does
_GOALS: dict[tuple[str, str], float] = {
    ("zheng1", "nucleus Dice"): 0.96,
    ("bccd/fields", "nucleus Dice"): 0.80,
    ("bccd/fields", "box recall"): 0.995,
    ("bccd/fields", "box precision"): 0.98,
    **{
        (name, figure): goal
        for name in ("fields-575", "fields-416")
        for figure, goal in (("box recall", 0.98), ("box precision", 0.95))
    },
}
SETS = {"zheng1": ("nucleus", "cell"), "bccd/fields": ("nucleus", "cell", "box"), "fields-575": ("box",)}
SETS["fields-416"] = SETS["fields-575"]


class FindingFigure(Struct, frozen=True):
    """One figure of one data set. estimate: with its 95 % interval by bootstrap over images.

    right, of: the counts behind a share of boxes; None for a mean of Dice coefficients. worst: names of the
    images that cost most of the figure. goal: what it is to reach, or None.
    """

    dataset: str
    figure: str
    images: int
    estimate: Estimate
    goal: float | None
    right: int | None
    of: int | None
    worst: tuple[str, ...]


class Finding(Struct, frozen=True):
    """What was measured on a part of every set that was there. absent: sets that were not."""

    part: Part
    figures: tuple[FindingFigure, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class _Sums:
    """What each image gives to a figure, float64 (n,): sum of `above` over sum of `below`."""

    above: NDArray[np.float64]
    below: NDArray[np.float64]


def measure_finding(
    data: Path, part: Part = "held", progress: Callable[[str, int, int], None] = lambda *_: None
) -> Finding:
    """Measure the default recipe on the sets that are below `data`. progress: set, images done, of how many.

    Raises DataError when none of the sets is there, or an image or annotation is not as it should be.
    """
    absent = tuple(name for name in SETS if not (data / DATASETS[name].folder).is_dir())
    if len(absent) == len(SETS):
        raise DataError(f"{data}: holds none of the data sets {', '.join(SETS)}")
    figures: list[FindingFigure] = []
    for name, kinds in SETS.items():
        if name not in absent:
            images = images_of_part(list_annotated(data, name), part)
            figures += _measured(name, kinds, images, progress)
    return Finding(part, tuple(figures), absent)


def images_of_part(images: Sequence[AnnotatedImage], part: Part) -> list[AnnotatedImage]:
    """Return the images held back from tuning, or all others, of a set's images by name."""
    return [image for place, image in enumerate(images) if (place % HELD_EVERY == 0) == (part == "held")]


def matches(truth: Sequence[Rectangle], found: Sequence[Rectangle]) -> dict[int, int]:
    """Pair boxes, [x, y, width, height], that are of one cell, the best first: place in truth -> in found."""
    pairs = [(overlap(t, f), i, j) for i, t in enumerate(truth) for j, f in enumerate(found)]
    taken: dict[int, int] = {}
    for share, i, j in sorted(pairs, reverse=True):
        if share >= LEAST_OVERLAP and i not in taken and j not in taken.values():
            taken[i] = j
    return taken


def overlap(one: Rectangle, other: Rectangle) -> float:
    """Return the intersection over union of two boxes, [x, y, width, height]."""
    across = max(0, min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0]))
    down = max(0, min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1]))
    return across * down / (one[2] * one[3] + other[2] * other[3] - across * down)


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return the Dice coefficient of two masks, bool (h, w); of two empty ones it is 1."""
    both = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / both if both else 1.0


def _measured(
    name: str,
    kinds: Sequence[str],
    images: Sequence[AnnotatedImage],
    progress: Callable[[str, int, int], None],
) -> list[FindingFigure]:
    if not images:
        raise DataError(f"{name}: has no image of this part")
    rows = []
    for done, image in enumerate(images):
        rows.append(_row(image, kinds))
        progress(name, done + 1, len(images))
    names = [image.name for image in images]
    columns = np.array(rows, np.float64).T
    figures = []
    if "nucleus" in kinds:
        figures.append(_figure(name, "nucleus Dice", names, _Sums(columns[0], np.ones(len(images)))))
    if "cell" in kinds:
        figures.append(_figure(name, "cell Dice", names, _Sums(columns[1], np.ones(len(images)))))
    if "box" in kinds:
        figures.append(_figure(name, "box recall", names, _Sums(columns[2], columns[3])))
        figures.append(_figure(name, "box precision", names, _Sums(columns[2], columns[4])))
        figures.append(_figure(name, "box recall, whole cells", names, _Sums(columns[2], columns[5])))
        figures.append(_figure(name, "box precision, whole cells", names, _Sums(columns[2], columns[6])))
    return figures


def _row(image: AnnotatedImage, kinds: Sequence[str]) -> tuple[float, ...]:
    """Return nucleus Dice, cell Dice, boxes matched, of the truth, found, and the last two of whole cells.

    What the set does not tell is 0. Of cells that the frame's edge cuts, which the device does not count and
    of which people mark some and leave out others, the last two have only those that are matched.
    """
    try:
        pixels = read_image(image.path)
    except UnreadableFrameError as error:
        raise DataError(str(error)) from None
    masks = find_white_cells(pixels)
    nucleus, cell = _dices(masks, image) if "nucleus" in kinds else (0.0, 0.0)
    if "box" not in kinds:
        return nucleus, cell, 0, 0, 0, 0, 0
    height, width = pixels.shape[:2]
    truth = [(box.x, box.y, box.width, box.height) for box in image.boxes if box.kind == "white cell"]
    pairs = matches(truth, [one.box for one in masks.cells])
    cut = [
        i
        for i, (x, y, w, h) in enumerate(truth)
        if min(x, y) <= _AT_EDGE or x + w >= width - _AT_EDGE or y + h >= height - _AT_EDGE
    ]
    incomplete = [j for j, one in enumerate(masks.cells) if not one.complete]
    whole_truth = len(truth) - len(set(cut) - set(pairs))
    whole_found = len(masks.cells) - len(set(incomplete) - set(pairs.values()))
    return nucleus, cell, len(pairs), len(truth), len(masks.cells), whole_truth, whole_found


def _dices(masks: FieldMasks, image: AnnotatedImage) -> tuple[float, float]:
    truth = None if image.mask is None else cv2.imread(str(image.mask), cv2.IMREAD_GRAYSCALE)
    if truth is None:
        raise DataError(f"{image.mask or image.path}: there is no such mask, or it cannot be read")
    picture = masks.picture()
    return dice(picture >= _NUCLEUS, truth >= _NUCLEUS), dice(picture >= _CELL, truth >= _CELL)


def _figure(dataset: str, figure: str, names: Sequence[str], sums: _Sums) -> FindingFigure:
    def shares(times: NDArray[np.float64]) -> NDArray[np.float64]:
        below = times @ sums.below
        return np.asarray((times @ sums.above / np.where(below > 0, below, 1))[:, None], np.float64)

    right, of = int(sums.above.sum()), int(sums.below.sum())
    is_share = figure.startswith("box")
    lost = sums.below - sums.above
    worst = [names[k] for k in np.argsort(-lost, kind="stable")[: None if is_share else 10] if lost[k] > 0]
    value = float(sums.above.sum() / max(1.0, sums.below.sum()))
    return FindingFigure(
        dataset=dataset,
        figure=figure,
        images=len(names),
        estimate=estimate(value, over_draws(shares, len(names), len(names))[:, 0]),
        goal=_GOALS.get((dataset, figure)),
        right=right if is_share else None,
        of=of if is_share else None,
        worst=tuple(worst),
    )


def table(finding: Finding) -> RenderableType:
    """Return the figures as a person reads them, each beside what it is to reach."""
    rows = Table("data set", "images", "figure", "measured (95 % interval)", "counts", "goal", box=None)
    for one in finding.figures:
        e = one.estimate
        measured = f"{e.value:.4f} ({e.low:.4f}-{e.high:.4f})"
        style = "" if one.goal is None else "green" if e.value >= one.goal else "red"
        counts = "" if one.of is None else f"{one.right} of {one.of}"
        goal = "-" if one.goal is None else f"{one.goal:g}"
        rows.add_row(one.dataset, str(one.images), one.figure, Text(measured, style), counts, goal)
    held = "held back from tuning" if finding.part == "held" else "that the masking was tuned on"
    told = [Text(f"Images {held}; intervals by bootstrap over images; boxes at IoU {LEAST_OVERLAP}.", "bold")]
    if "bccd/fields" not in finding.absent:
        told.append(Text("The masks of bccd outline whole cells, though they are named after nuclei."))
    if finding.absent:
        told.append(Text(f"Not there: {', '.join(finding.absent)}"))
    return Group(*told, rows)


def write_finding(path: Path, finding: Finding) -> None:
    """Write the figures as JSON, in place of a former file. Raises OSError."""
    put_in_place(path, msgspec.json.format(msgspec.json.encode(finding), indent=2) + b"\n")
