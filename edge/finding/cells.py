"""The cells of a field, found at the scale that the specimen's ruler sets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from edge.errors import BundleError
from edge.finding.decoding import KINDS, RED_CELL_PIXELS
from edge.finding.drawn import is_drawn
from edge.finding.finder import Finder, Looks
from edge.finding.ruler import RED_CELL_UM, Reading, Ruler, differ, look_for_scale, reading_of
from edge.messages.field import FieldScale, Scale
from edge.models.recipes import finder_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from edge.finding.decoding import Detections
    from edge.models.bundle import Bundle

_LOWEST = {"white cell": 0.2}  # score from which a detection may be a golden cell
_GOLDEN_APART = 2.0  # pixels of the working picture that a golden cell's middle or diameter may be off
_GOLDEN_SCORE = 0.15

_SPARSE = 0.1  # share of a field that red cells cover; in 200 fields of five sets, three are below it
_MANY_WHITE, _ODD_SHARE = 5, 0.3  # white cells, and their share of the red: above both, perhaps only specks
_CLEARLY = 1.5  # times the area that red cells cover at the ruler's scale


@dataclass(frozen=True, slots=True)
class FoundCells:
    """What lies in one field.

    white, red: the white and the red cells, the surest first. platelets: how many, or None where the finder
    does not tell. scale: how large a pixel is. overflow: more than can be listed; white_overflow: white
    cells, too. red_cell: the diameter that a red cell was taken to have, pixels of the frame.
    """

    white: Detections
    red: Detections
    platelets: int | None
    scale: Scale
    overflow: bool
    white_overflow: bool
    red_cell: float


class CellFinder:
    """Finds the cells of a specimen's fields. Not thread-safe.

    thresholds: by kind, the score from which a cell counts as found; a kind without one is not looked for.
    ruler: what is known of the scale; it learns from each field.
    """

    def __init__(self, finder: Finder, thresholds: Mapping[str, float], ruler: Ruler | None = None) -> None:
        self.ruler = ruler or Ruler()
        self._finder = finder
        self._thresholds = dict(thresholds)

    @classmethod
    def of_bundle(
        cls, bundle: Bundle, *, threads: int = 1, runtime: str = "auto", ruler: Ruler | None = None
    ) -> CellFinder:
        """Return the finder of a bundle, after it has answered its golden pictures.

        Raises BundleError where the bundle has none, or one of another version, or it answers wrongly.
        """
        description = bundle.description.finder
        if description is None or bundle.finder is None or finder_problem(description):
            raise BundleError(f"{bundle.path}: {finder_problem(description)}")
        try:
            finder = Finder(bundle.finder, {"maps": description.output}, threads=threads, choice=runtime)
            for number, (golden, png) in enumerate(
                zip(description.goldens, bundle.finder_images, strict=True), start=1
            ):
                _check(finder, number, golden.cells, png)
        except BundleError as error:
            raise BundleError(f"{bundle.path}: {error}") from None
        return cls(finder, description.thresholds, ruler)

    def onlooker(self) -> CellFinder:
        """Return a finder with the same network that learns the scale for itself: this one is not changed."""
        return CellFinder(self._finder, self._thresholds, self.ruler if self.ruler.is_fixed else None)

    def find(self, pixels: NDArray[np.uint8], red_cell: float | None = None) -> FoundCells:
        """Return the cells of a frame, uint8 RGB (height, width, 3); the ruler reads its red cells.

        red_cell: this frame's `FoundCells.red_cell`, where it was looked at before: where the ruler knows no
        scale, it is not looked for again.
        """
        frame = Looks(self._finder, pixels)
        red_cell = self.ruler.red_cell or red_cell or look_for_scale(frame)
        found = self._at(red_cell, frame)
        reading = None if self.ruler.is_fixed else reading_of(found)
        of_another_scale = reading is not None and differ(reading.diameter, red_cell)
        if of_another_scale or self._says_little(found, reading, pixels):
            # If the lens was changed, the old scale may show nothing at all, or only specks.
            another = look_for_scale(frame)
            seen = self._at(another, frame)
            is_another = reading_of(seen) is not None and differ(another, red_cell)
            says_more = reading is None or _covered(seen) > _CLEARLY * _covered(found)
            if of_another_scale or (is_another and says_more):
                red_cell, found, of_another_scale = another, seen, True
        reading = self.ruler.read(found)
        white, red, platelets = (found.of(kind) for kind in KINDS)
        white = white.without(
            [is_drawn(pixels, *one) for one in zip(white.centres, white.diameters, strict=True)]
        )
        told = len(platelets) if KINDS[2] in self._thresholds else None
        known = self.ruler.red_cell or red_cell
        if of_another_scale and (self.ruler.is_settled or differ(known, red_cell)):
            scale = Scale(round(RED_CELL_UM / red_cell, 5), "red cells", field=_told(reading))
        else:
            scale = self._scale(red_cell, reading)
        return FoundCells(white, red, told, scale, found.overflow, found.white_overflow, red_cell)

    def _says_little(self, found: Detections, reading: Reading | None, pixels: NDArray[np.uint8]) -> bool:
        """Return whether what was found at the ruler's scale leaves it open whether that scale is right."""
        if self.ruler.is_fixed or self.ruler.red_cell is None:
            return False
        white, red = len(found.of("white cell")), len(found.of("red cell"))
        is_odd = white >= _MANY_WHITE and white > _ODD_SHARE * red
        is_sparse = _covered(found) < _SPARSE * pixels.shape[0] * pixels.shape[1]
        return is_odd or is_sparse or reading is None

    def _at(self, red_cell: float, frame: Looks) -> Detections:
        """Find in a frame whose red cells have this diameter, in pixels of it."""
        return frame.find(RED_CELL_PIXELS / red_cell, self._thresholds)

    def restore(self, scales: Iterable[Scale] = (), remembered: float | None = None) -> None:
        """Begin a specimen, or go on with it: rebuild its ruler from the scales of its fields.

        scales: of the fields so far, in their order. remembered: micrometres a pixel of the previous specimen
        with the same camera. A ruler that is configured stays.
        """
        if self.ruler.is_fixed:
            return
        self.ruler = Ruler(remembered)
        for scale in scales:
            if scale.settled:
                self.ruler.settle(scale.micrometres_per_pixel, scale.spread or 0.0)
            elif scale.field is not None:
                self.ruler.learn(Reading(scale.field.micrometres_per_pixel, scale.field.red_cells))

    def _scale(self, red_cell: float, reading: Reading | None) -> Scale:
        ruler = self.ruler
        known = ruler.micrometres_per_pixel
        by: Literal["configured", "red cells", "remembered", "white cells"] = "red cells"
        if not ruler.is_seen:
            by = "configured" if ruler.is_fixed else "white cells" if known is None else "remembered"
        spread = ruler.spread
        return Scale(
            round(RED_CELL_UM / red_cell if known is None else known, 5),
            by,
            None if spread is None else round(spread, 3),
            settled=ruler.is_settled,
            field=_told(reading),
        )


def _told(reading: Reading | None) -> FieldScale | None:
    return None if reading is None else FieldScale(reading.micrometres_per_pixel, reading.count)


def _covered(found: Detections) -> float:
    """Return the area that red cells cover, pixels of the frame; where they overlap it counts twice."""
    return float((found.of("red cell").diameters ** 2).sum() * math.pi / 4)


def _check(
    finder: Finder, number: int, cells: tuple[tuple[float, float, float, float], ...], png: bytes
) -> None:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise BundleError(f"golden picture {number} of the finder cannot be read")
    found = finder.find(np.asarray(picture[:, :, ::-1], np.uint8), 1.0, _LOWEST).of("white cell")
    for x, y, diameter, score in cells:
        apart = np.hypot(*(found.centres - (x, y)).T) + np.abs(found.diameters - diameter)
        right = (apart < 2 * _GOLDEN_APART) & (np.abs(found.scores - score) < _GOLDEN_SCORE)
        if not right.any():
            raise BundleError(
                f"the finder answers its golden picture {number} wrongly: no white cell at {x:.0f}, {y:.0f}"
            )
