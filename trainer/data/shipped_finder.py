"""White cells of pictures that nobody has drawn boxes in: as the finder sees them that ships."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from edge.config import SHIPPED_MODEL
from edge.finding.cells import CellFinder
from edge.finding.ruler import SCALE_RULE
from edge.masking import FieldMasks, Recipe, outline_found, study
from edge.models.bundle import read_bundle

if TYPE_CHECKING:
    from edge.imaging.pixels import Pixels


@cache
def _finder() -> CellFinder:
    return CellFinder.of_bundle(read_bundle(SHIPPED_MODEL))


@cache
def finder_version() -> str:
    """Return by what the finder is known in what is kept of its answers: another one sees other cells.

    That is its network, and the rule by which a picture's scale is looked for.
    """
    described = read_bundle(SHIPPED_MODEL).description.finder
    return "" if described is None else f"{described.sha256[:16]}-{SCALE_RULE}"


def find_white_cells(pixels: Pixels, recipe: Recipe = "found") -> FieldMasks:
    """Return the white cells of a picture, uint8 RGB (height, width, 3), the largest first, with outlines.

    Each picture is looked at by itself, in the scale that its own cells tell. recipe: "study" finds as the
    study does. Raises BundleError where the bundle that ships has no finder.
    """
    if recipe == "study":
        return study.find(pixels)
    finder = _finder()
    finder.restore()
    return outline_found(pixels, finder.find(pixels))
