"""White cells as the bundle that ships finds them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from edge.config import SHIPPED_MODEL
from edge.finding.cells import CellFinder
from edge.masking import outline_found
from edge.models.bundle import read_bundle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.masking import FieldMasks


@cache
def finder() -> CellFinder:
    return CellFinder.of_bundle(read_bundle(SHIPPED_MODEL))


def find_cells(pixels: NDArray[np.uint8]) -> FieldMasks:
    """Return the white cells of a picture, looked at by itself."""
    finder().restore()
    return outline_found(pixels, finder().find(pixels))
