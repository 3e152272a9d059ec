"""The result of outlining: each cell's boxes, and the masks of a whole field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.imaging.pixels import BoxTuple, Pixels
    from edge.messages import Scale
    from edge.models.recipes import Recipe

CROP_SIZE = 120
"""Side of the classifier's input, pixels."""


@dataclass(frozen=True, slots=True)
class FoundCell:
    """One white cell. Boxes are [x, y, width, height] in pixels of the frame.

    box: the whole cell. nucleus_box: its nucleus, all lobes. crop: the square that is classified; it may
    pass the frame's edge. nucleus_area: pixels of the frame, 0 where no nucleus could be outlined. complete:
    False when the frame's edge cuts it. white: RGB of the glass around it; None under the study's recipe.
    """

    box: BoxTuple
    nucleus_box: BoxTuple
    crop: BoxTuple
    nucleus_area: int
    complete: bool
    white: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class FieldMasks:
    """All cells of a field, in the order in which they were found.

    labels: int32 (h, w) at working scale: 0 background, 2k+1 the cytoplasm and 2k+2 the nucleus of cell k.
    outside: bool (h, w), where there is no picture (the black corners of a rotated image), or None. scale:
    how large a pixel is; None under the study's recipe.
    """

    cells: tuple[FoundCell, ...]
    labels: NDArray[np.int32]
    outside: NDArray[np.bool_] | None
    frame_size: tuple[int, int]
    recipe: Recipe
    scale: Scale | None = None

    def picture(self) -> Pixels:
        """Return uint8 (height, width), as large as the frame: 255 nucleus, 128 the rest, 0 background."""
        small = np.zeros(self.labels.shape, np.uint8)
        small[self.labels > 0] = 128
        small[(self.labels > 0) & (self.labels % 2 == 0)] = 255
        height, width = self.frame_size
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
