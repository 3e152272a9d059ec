"""Where the white cells are: nucleus and cell masks, boxes, and the crops that the classifier sees.

Two recipes. `adaptive` (the default) finds every white cell of a field from the picture's own statistics.
`study` is the published one, kept to the letter: one cell, one fixed colour range, one camera.
The trainer makes its crops with this very code, so training and device cannot drift apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.masking import adaptive, study
from edge.masking.crops import cut_square
from edge.masking.field import CROP_SIZE, FieldMasks, Finding, FoundCell, Recipe

if TYPE_CHECKING:
    from edge.imaging.pixels import Pixels

__all__ = [
    "CROPS",
    "CROP_SIZE",
    "FOUND",
    "PREPROCESSING",
    "FieldMasks",
    "Finding",
    "FoundCell",
    "Recipe",
    "cut_crop",
    "find_cells",
]

PREPROCESSING: dict[Recipe, str] = {"adaptive": "adaptive/2", "study": "study/2"}
"""Version of each recipe's crops. It stands in the bundle: a model only reads crops of its own recipe."""


FOUND = "found/1"
"""Version of the crops that are cut where a finder, which is part of the bundle, finds cells."""

CROPS: dict[Finding, str] = {
    "adaptive": PREPROCESSING["adaptive"],
    "study": PREPROCESSING["study"],
    "found": FOUND,
}
"""Version of all crops, by how cells are found."""


def find_cells(
    pixels: Pixels, recipe: Recipe = "adaptive", micrometres_per_pixel: float | None = None
) -> FieldMasks:
    """Find the white cells of a frame (uint8 RGB, (height, width, 3)), the largest nucleus first.

    micrometres_per_pixel: of the frame, where it is known; otherwise its red cells tell (adaptive only).
    """
    if recipe == "study":
        return study.find(pixels)
    return adaptive.find(pixels, micrometres_per_pixel)


def cut_crop(pixels: Pixels, masks: FieldMasks, cell: FoundCell, *, context: float = 1.0) -> Pixels:
    """Return the classifier's input for one cell: uint8 RGB (120, 120, 3).

    `context` above 1 gives as much more of the surroundings at the same scale (adaptive only): what the
    trainer turns and shifts, it cuts back to 120x120 afterwards.
    """
    if masks.recipe == "study":
        return study.cut(pixels, cell)
    if cell.white is not None:
        return cut_square(pixels, cell.crop, cell.white, context=context)
    return adaptive.cut(pixels, masks, cell, context)
