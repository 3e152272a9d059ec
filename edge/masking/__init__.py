"""Nucleus and cell of each white cell, its box, and the crop that the classifier sees.

Two recipes. `found` (the default): a finder, which is part of the bundle, says where the cells are, and each
is outlined there. `study` is the published one, kept to the letter: one cell, one fixed colour range, one
camera. The trainer makes its crops with this very code, so training and device cannot drift apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.masking import study
from edge.masking.crops import cut_square
from edge.masking.field import CROP_SIZE, FieldMasks, FoundCell
from edge.masking.outlines import outline_found
from edge.models.recipes import CROPS, Recipe

if TYPE_CHECKING:
    from edge.imaging.pixels import Pixels

__all__ = [
    "CROPS",
    "CROP_SIZE",
    "FieldMasks",
    "FoundCell",
    "Recipe",
    "cut_crop",
    "outline_found",
]


def cut_crop(pixels: Pixels, cell: FoundCell, *, context: float = 1.0) -> Pixels:
    """Return the classifier's input for one cell: uint8 RGB (120, 120, 3).

    `context` above 1 gives as much more of the surroundings at the same scale (not under the study's recipe):
    what the trainer turns and shifts, it cuts back to 120x120 afterwards.
    """
    if cell.white is None:
        return study.cut(pixels, cell)
    return cut_square(pixels, cell.crop, cell.white, context=context)
