"""The connected pieces of a mask, numbered and measured within the window that holds them all.

A nucleus covers a twentieth of a field: what is asked of the pieces is asked where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from edge.imaging.pixels import BoxTuple, Pixels

    Window = tuple[slice, slice]

_APART = 0.7  # of the window that holds all pieces and what is around each: if their own windows take less
_FEW = 4  # pieces: so many comparisons take less time than a table
SHORTEST_STEP = 0.95
"""What OpenCV's 3x3 distances grow by from one pixel to the next at the least: 0.955, rounded down."""


_NO_BOXES = np.zeros((0, 4), np.int32)


class Components(NamedTuple):
    """What hangs together in a mask.

    window: rows and columns of the frame that hold them all. labels: uint16, of the window's shape, 0 where
    there is no piece. boxes: [x, y, width, height] in the window, and areas, pixels: of each label, int32;
    those of label 0 are the gaps'. `parts_of` measures no boxes.
    """

    window: Window
    labels: NDArray[np.uint16]
    boxes: NDArray[np.int32]
    areas: NDArray[np.int32]

    @property
    def places(self) -> list[BoxTuple]:
        """Boxes [x, y, width, height] in the frame, of the labels from 1 on."""
        rows, columns = self.window
        return [(x + columns.start, y + rows.start, w, h) for x, y, w, h in self.boxes[1:].tolist()]

    @property
    def largest(self) -> int:
        """Area of the largest piece, 0 where there is none."""
        return int(self.areas[1:].max(initial=0))

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
    """Find what hangs together in a mask, uint8 (h, w), where it is not 0; corners join as well."""
    window = _window(mask)
    if not mask[window].size:
        return _nothing(window)
    # Sixteen bits: half the memory to write takes half the time, and a field has never so many pieces.
    _, labels, measures, _ = cv2.connectedComponentsWithStats(mask[window], ltype=cv2.CV_16U)
    boxes = np.asarray(measures[:, : cv2.CC_STAT_AREA], np.int32)
    areas = np.array(measures[:, cv2.CC_STAT_AREA], np.int32)
    return Components(window, np.asarray(labels, np.uint16), boxes, areas)


def parts_of(mask: Pixels) -> Components:
    """Find what hangs together by its sides in a mask, uint8 (h, w), where it is not 0."""
    window = _window(mask)
    if not mask[window].size:
        return _nothing(window)
    count, found = cv2.connectedComponents(mask[window], connectivity=4, ltype=cv2.CV_16U)
    labels = np.asarray(found, np.uint16)
    if count == 2:
        area = cv2.countNonZero(labels)
        areas = np.array([labels.size - area, area], np.int32)
    else:
        # OpenCV's own statistics take twice as long as both steps together.
        counts = cv2.calcHist([labels], [0], None, [count], [0, count])
        areas = np.asarray(counts, np.int32)[:, 0]
    return Components(window, labels, _NO_BOXES, areas)


def each_piece(mask: Pixels) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """The window of each piece of a mask, uint8 (h, w), 0 or 1, and where in that it is: uint8, 0 or 1.

    The same as of `components_of`, which takes longer for few large ones. The mask is used up.
    """
    width = mask.shape[1]
    while cv2.countNonZero(left := (mask == 1).view(np.uint8)):
        y, x = divmod(int(left.argmax()), width)
        _, _, _, box = cv2.floodFill(mask, None, (x, y), (2,), flags=8)
        window = of_box((box[0], box[1], box[2], box[3]))
        here = mask[window] == 2
        mask[window][here] = 0
        yield window, here.view(np.uint8)


def whole_piece(mask: Pixels) -> tuple[Window, NDArray[np.uint8]]:
    """Return the same as `each_piece` of a mask of which it is known that it is one piece."""
    window = _window(mask)
    return window, mask[window]


def _window(mask: Pixels) -> Window:
    x, y, w, h = cv2.boundingRect(mask)
    return of_box((x, y, w, h))


def _nothing(window: Window) -> Components:
    return Components(window, np.zeros((0, 0), np.uint16), np.zeros((1, 4), np.int32), np.zeros(1, np.int32))


def of_box(box: BoxTuple) -> Window:
    """Return a box's rows and columns."""
    x, y, w, h = box
    return slice(y, y + h), slice(x, x + w)


def widened(window: Window, margin: int) -> tuple[Window, Window]:
    """Widen a window by so many pixels, as far as there are any; give it, and where in it the window lies."""
    rows, columns = window
    top, left = max(0, rows.start - margin), max(0, columns.start - margin)
    inner = (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
    return (slice(top, rows.stop + margin), slice(left, columns.stop + margin)), inner


def within(mask: Pixels, boxes: Sequence[BoxTuple], reach: float) -> tuple[Window, NDArray[np.bool_]]:
    """What is nearer than `reach`, by OpenCV's 3x3 distances, to what is not 0 in a mask, uint8 (h, w).

    boxes: of all that is not 0 in it, at least one. Gives a window and where in that it is. What lies far
    apart is looked at piece by piece.
    """
    height, width = mask.shape
    steps = int(reach / SHORTEST_STEP) + 2
    spans = [
        (max(0, y - steps), min(height, y + h + steps), max(0, x - steps), min(width, x + w + steps))
        for x, y, w, h in boxes
    ]
    tops, bottoms, lefts, rights = zip(*spans, strict=True)
    top, bottom, left, right = min(tops), max(bottoms), min(lefts), max(rights)
    whole = slice(top, bottom), slice(left, right)
    if sum(map(_area, spans)) > _APART * (bottom - top) * (right - left):
        return whole, _nearer(mask[whole], reach)
    near = np.zeros((bottom - top, right - left), np.bool_)
    for y0, y1, x0, x1 in spans:
        near[y0 - top : y1 - top, x0 - left : x1 - left] |= _nearer(mask[y0:y1, x0:x1], reach)
    return whole, near


def _nearer(mask: Pixels, reach: float) -> NDArray[np.bool_]:
    distance = np.asarray(cv2.distanceTransform((mask == 0).view(np.uint8), cv2.DIST_L2, 3), np.float32)
    return distance < reach


def _area(span: tuple[int, int, int, int]) -> int:
    top, bottom, left, right = span
    return (bottom - top) * (right - left)


def around(mask: Pixels, reach: float) -> Window:
    """Return the window of all within `reach` of what is not 0 in a mask, by OpenCV's 3x3 distances."""
    x, y, w, h = cv2.boundingRect(mask)
    steps = int(reach / SHORTEST_STEP) + 2
    return slice(max(0, y - steps), y + h + steps), slice(max(0, x - steps), x + w + steps)
