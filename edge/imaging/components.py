"""The connected pieces of a mask, numbered and measured within the window that holds them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.imaging.pixels import Pixels

    Window = tuple[slice, slice]

_FEW = 4  # pieces: up to so many comparisons are faster than a table


class Components(NamedTuple):
    """The connected pieces of a mask.

    window: rows and columns of the frame that hold them all. labels: int32, of the window's shape, 0 where
    there is no piece. boxes: [x, y, width, height] in the window, and areas, pixels: of each label, int32;
    those of label 0 are the gaps'.
    """

    window: Window
    labels: NDArray[np.int32]
    boxes: NDArray[np.int32]
    areas: NDArray[np.int32]

    def chosen(self, which: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return where the pieces of these labels, bool (labels,), are: bool, of the window's shape."""
        numbers = np.flatnonzero(which).tolist()
        # All of them, or few, as it is most often, need no table.
        if len(numbers) == len(which) - 1 and not which[0]:
            return self.labels > 0
        if not 0 < len(numbers) <= _FEW:
            return np.take(which, self.labels)
        chosen: NDArray[np.bool_] = self.labels == numbers[0]
        for number in numbers[1:]:
            chosen |= self.labels == number
        return chosen


def components_of(mask: Pixels) -> Components:
    """Find the connected pieces of a mask, uint8 (h, w), where it is not 0; corners connect as well."""
    window = _window(mask)
    if not mask[window].size:
        return _nothing(window)
    # Not sixteen bits: noise in a dark surround makes more pieces than 16 bits can number, and OpenCV would
    # then write beyond its tables.
    _, labels, measures, _ = cv2.connectedComponentsWithStats(mask[window], ltype=cv2.CV_32S)
    boxes = np.asarray(measures[:, : cv2.CC_STAT_AREA], np.int32)
    areas = np.array(measures[:, cv2.CC_STAT_AREA], np.int32)
    return Components(window, np.asarray(labels, np.int32), boxes, areas)


def _window(mask: Pixels) -> Window:
    x, y, w, h = cv2.boundingRect(mask)
    return slice(y, y + h), slice(x, x + w)


def _nothing(window: Window) -> Components:
    return Components(window, np.zeros((0, 0), np.int32), np.zeros((1, 4), np.int32), np.zeros(1, np.int32))
