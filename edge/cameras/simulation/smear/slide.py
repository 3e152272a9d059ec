"""The slide: white cells, red cells and platelets in their places, seen through any window.

A slide's pixel is a hundredth of a red cell, about 0.075 micrometres: the scale of a 640x480 camera behind a
100x lens. The same seed gives the same slide, whatever is looked at and in which order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.simulation.smear.crowd import LARGEST, Crowd
from edge.cameras.simulation.smear.forms import WhiteCell, white_cell
from edge.cameras.simulation.smear.layout import Disc, Layout, laid_out
from edge.cameras.simulation.smear.paint import painted
from edge.cameras.simulation.smear.stains import STEPS, WHITE, Textures, film

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Box = tuple[int, int, int, int]

# A healthy adult's blood, without the one basophil in a hundred, for which the shipped model has no class.
ADULT = {"neutrophil": 0.60, "lymphocyte": 0.28, "monocyte": 0.07, "eosinophil": 0.05}
FIELD = (640, 480)

_FORMS, _CROWD, _SCATTER = 1, 2, 3  # streams of random numbers that must not depend on each other


@dataclass(frozen=True, slots=True)
class TrueCell:
    """A white cell as it was drawn.

    label: its class. center: x, y. box, nucleus_box: x, y, width, height of the cell and of its nucleus.
    radius: from the center to the furthest point. complete: whether one view holds all of it.
    All in pixels, of the slide or of a view, whichever was asked for.
    """

    label: str
    center: tuple[float, float]
    box: Box
    nucleus_box: Box
    radius: float
    complete: bool = True


class Smear:
    """A slide of `columns` x `rows` views, each `field` (width, height) pixels large; draw one with `draw`.

    cells: the white cells, in pixels of the slide.
    """

    def __init__(
        self,
        seed: int,
        forms: tuple[WhiteCell, ...],
        layout: Layout,
        *,
        field: tuple[int, int] = FIELD,
        stain: float = 1.0,
    ) -> None:
        self.field = field
        self.columns, self.rows = layout.columns, layout.rows
        self.cells = tuple(
            TrueCell(
                form.label,
                (float(spot.x), float(spot.y)),
                _moved(form.box, spot.x, spot.y),
                _moved(form.nucleus_box, spot.x, spot.y),
                form.radius,
                spot.complete,
            )
            for form, spot in zip(forms, layout.spots, strict=True)
        )
        self._seed = seed
        self._forms = forms
        self._stain = stain
        rng = np.random.default_rng((seed, _CROWD))
        self._textures = Textures(rng)
        self._crowd = Crowd(rng, self._textures)
        self._film = film(rng)
        # Bounded, so that a slide of thousands of cells stays small: one view shows few, and never again.
        self._white_stamp = lru_cache(maxsize=16)(self._paint)
        self._stamps_of = lru_cache(maxsize=64)(self._scatter)
        self._cells_in: dict[tuple[int, int], list[int]] = {}
        for index, cell in enumerate(self.cells):
            for place in self._views_over(_grown(cell.box, LARGEST)):
                self._cells_in.setdefault(place, []).append(index)

    @classmethod
    def draw(
        cls,
        seed: int,
        cells: int,
        *,
        field: tuple[int, int] = FIELD,
        mix: Mapping[str, float] = ADULT,
        cut_share: float = 0.05,
        stain: float = 1.0,
    ) -> Smear:
        """Draw a slide.

        cells: how many white cells. field: width and height of a view, at least 640 x 480 pixels. mix: how
        often each class comes, in any unit; `basophil` is known too. cut_share: of the cells that lie across
        the edge between two views, 0 to 1. stain: factor to the density of all dyes.
        """
        rng = np.random.default_rng((seed, _FORMS))
        shares = np.array(list(mix.values()), float)
        labels = rng.choice(list(mix), cells, p=shares / shares.sum()).tolist()
        forms = tuple(white_cell(label, (seed, index)) for index, label in enumerate(labels))
        layout = laid_out(
            rng,
            [Disc(form.radius, 0.3 * min(form.nucleus_box[2:])) for form in forms],
            field=field,
            cut_share=cut_share,
        )
        return cls(seed, forms, layout, field=field, stain=stain)

    def transmittance(self, x: int, y: int, width: int, height: int) -> NDArray[np.float32]:
        """Return the share of the light that passes, float32 (height, width, 3), of a window on the slide.

        A window may reach over the slide's edge: there is more blood there, but no white cell.
        """
        down, across = self._film.shape[:2]
        tiles = (-(-height // down) + 1, -(-width // across) + 1, 1)
        density = np.tile(self._film, tiles)[y % down :, x % across :][:height, :width].copy()
        window = (x, y, width, height)
        shown: set[int] = set()
        for place in self._views_over(_grown(window, LARGEST)):
            for middle_x, middle_y, stamp in self._stamps_of(place):
                _add(density, stamp, middle_x - x, middle_y - y, squeeze=True)
            shown.update(self._cells_in.get(place, ()))
        for index in shown:
            if _overlap(_grown(self.cells[index].box, 16), window):
                middle = self.cells[index].center
                _add(density, self._white_stamp(index), int(middle[0]) - x, int(middle[1]) - y)
        light = density.astype(np.float32)
        light *= -self._stain / STEPS
        return np.asarray(cv2.exp(light, light), np.float32)

    def view(self, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """A window on the slide as uint8 RGB (height, width, 3), in even light, sharp, without noise."""
        light = self.transmittance(x, y, width, height)
        # Whole rows: numpy multiplies (..., 3) by (3,) three numbers at a time.
        rows = light.reshape(height, -1)
        rows *= np.tile(np.asarray(WHITE, np.float32), width)
        return np.asarray(cv2.convertScaleAbs(light), np.uint8)

    def cells_in(self, x: int, y: int, width: int, height: int) -> tuple[TrueCell, ...]:
        """The white cells that show in a window, in its pixels; the boxes of those it cuts end there."""
        window = (x, y, width, height)
        return tuple(
            replace(
                cell,
                center=(cell.center[0] - x, cell.center[1] - y),
                box=_moved(_common(cell.box, window), -x, -y),
                nucleus_box=_moved(_common(cell.nucleus_box, window), -x, -y),
                complete=_common(cell.box, window) == cell.box,
            )
            for cell in self.cells
            if _overlap(cell.box, window)
        )

    def _paint(self, index: int) -> NDArray[np.int16]:
        return painted(self._forms[index], self._textures)

    def _scatter(self, place: tuple[int, int]) -> list[tuple[int, int, NDArray[np.int16]]]:
        width, height = self.field
        column, row = place
        near = [self.cells[index] for index in self._cells_in.get(place, ())]
        keep_out = np.array([(*cell.center, cell.radius) for cell in near], float).reshape(-1, 3)
        # Seeds cannot be negative, places beside the slide are.
        rng = np.random.default_rng((self._seed, _SCATTER, column + 2**20, row + 2**20))
        return self._crowd.scatter(rng, (column * width, row * height, width, height), keep_out)

    def _views_over(self, box: Box) -> list[tuple[int, int]]:
        (x, y, width, height), (across, down) = box, self.field
        return [
            (column, row)
            for row in range(y // down, (y + height - 1) // down + 1)
            for column in range(x // across, (x + width - 1) // across + 1)
        ]


def _add(
    density: NDArray[np.int16], stamp: NDArray[np.int16], x: int, y: int, *, squeeze: bool = False
) -> None:
    """Add a stamp with its middle at x, y, as far as it lies inside.

    squeeze: where it lies on something, both are thinner there, as soft cells pressed together are.
    """
    height, width = stamp.shape[:2]
    left, top = x - width // 2, y - height // 2
    rows = slice(max(top, 0), min(top + height, density.shape[0]))
    columns = slice(max(left, 0), min(left + width, density.shape[1]))
    if rows.start < rows.stop and columns.start < columns.stop:
        here = density[rows, columns]
        laid = stamp[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        both = np.minimum(here, laid) if squeeze else None
        here += laid
        if both is not None:
            np.maximum(both, 0, out=both)
            here -= both - (both >> 3)


def _moved(box: Box, x: int, y: int) -> Box:
    return box[0] + x, box[1] + y, box[2], box[3]


def _grown(box: Box, by: int) -> Box:
    return box[0] - by, box[1] - by, box[2] + 2 * by, box[3] + 2 * by


def _common(one: Box, other: Box) -> Box:
    """Return the part that both boxes cover; without one, width or height is 0."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[0] + one[2], other[0] + other[2]), min(one[1] + one[3], other[1] + other[3])
    return left, top, max(0, right - left), max(0, bottom - top)


def _overlap(one: Box, other: Box) -> bool:
    return min(_common(one, other)[2:]) > 0
