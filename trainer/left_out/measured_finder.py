"""How a finder finds on a data set, as on the device: its own ruler, its thresholds, each cell once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich.table import Table

from edge.cameras.image_files import read_image
from edge.differential.intervals import exact
from edge.errors import UnreadableFrameError
from edge.finding.cells import CellFinder
from edge.finding.finder import Finder
from trainer.data.datasets import find_set, list_annotated
from trainer.data.images import DataError
from trainer.evaluation.metrics import Estimate
from trainer.finder.measuring import squares
from trainer.finder.run import FINDER, read_record
from trainer.left_out.figures import finding_figures
from trainer.left_out.in_turn import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from trainer.data.images import AnnotatedImage
    from trainer.evaluation.finding import Rectangle


_CAPTION = "per cent, int8, as on the device; 95 % intervals over groups: slides, or originals"


Seen = Literal["in training", "others of its microscope in training", "never seen"]


@dataclass(frozen=True)
class FinderMeasurement:
    """What a finder reached on one set.

    figures: shares of 0 to 1, with 95 % intervals over groups: "found" and "precision" of white cells, or, in
    a set without any, "fields with a white cell", which is to be 0. seen: whether these fields were in
    training, or others of their microscope; of a set of which some were kept from it, those are measured.
    micrometres_per_pixel, spread: what the ruler said at the end, or None where nothing told it.
    """

    name: str
    counts: Mapping[str, int]
    figures: Mapping[str, Estimate]
    seen: Seen
    micrometres_per_pixel: float | None
    spread: float | None


def measure_finder(
    folder: Path,
    data: Path,
    name: str,
    *,
    each_alone: bool = False,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> FinderMeasurement:
    """Measure the finder of a run, in int8, on all fields of a set, in the order of their names.

    each_alone: the scale is looked for anew in each field, as of pictures of many microscopes; otherwise the
    set is one specimen. progress: fields done, of how many.
    Raises ConfigError where the folder holds no finder, DataError for the set.
    """
    record = read_record(folder)
    finder = Finder((folder / FINDER).read_bytes(), {"maps": record["output"]})
    cells = CellFinder(finder, record["recipe"]["thresholds"])
    images = list_annotated(data, name)
    unseen = [image for image in images if image.path.stem in record["recipe"]["data"]["unseen"]]
    images = unseen or images
    found: list[Sequence[Rectangle]] = []
    for done, image in enumerate(images, 1):
        if each_alone:
            cells.restore()
        found.append(_white_cells(cells, image))
        progress(done, len(images))
    if any(box.kind == "white cell" for image in images for box in image.boxes):
        figures, counts = finding_figures(images, found)
    else:
        wrong = sum(bool(boxes) for boxes in found)
        low, high = exact(wrong, len(images))
        figures = {"fields with a white cell": Estimate(wrong / len(images), low / 100, high / 100)}
        counts = {"fields": len(images)}
    ruler = cells.ruler
    microscopes = {find_set(one).microscope for one in record["data"]}
    seen: Seen = "never seen"
    if find_set(name).microscope in microscopes:
        seen = (
            "others of its microscope in training" if unseen or name not in record["data"] else "in training"
        )
    return FinderMeasurement(name, counts, figures, seen, ruler.micrometres_per_pixel, ruler.spread)


def _white_cells(cells: CellFinder, image: AnnotatedImage) -> list[Rectangle]:
    try:
        white = cells.find(read_image(image.path)).white
    except UnreadableFrameError as error:
        raise DataError(str(error)) from None
    return squares(white)


def finder_table(found: Sequence[FinderMeasurement]) -> Table:
    """Return the table, readable at 80 columns."""
    table = Table("data set", "measured on", "figures", "ruler, um a pixel", caption=_CAPTION)
    for one in found:
        counts = ", ".join(f"{count:,} {what}" for what, count in one.counts.items())
        figures = "\n".join(f"{name} {percent(value)}" for name, value in one.figures.items())
        scale = "-" if one.micrometres_per_pixel is None else f"{one.micrometres_per_pixel:.3f}"
        spread = "" if one.spread is None else f" ({100 * one.spread:.0f} % apart)"
        table.add_row(one.name, f"{counts}\n{one.seen}", figures, scale + spread)
    return table
