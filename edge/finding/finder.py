"""The finder: a small int8 network over the whole field, at the scale that the ruler sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.errors import BundleError
from edge.finding.decoding import MAPS, RED_CELL_PIXELS, STRIDE, Detections, decode
from edge.finding.light import even
from edge.models.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_MULTIPLE = 2 * STRIDE
_LARGEST = 1600
"""Longest side of a working picture, pixels: no sensible scale needs a larger one."""


class Finder:
    """Finds white cells, red cells and platelets in frames. Not thread-safe.

    model: the flatbuffer. outputs: our name -> the tensor's name. choice: the runtime, as in `Runtime`.
    Raises NoRuntimeError, or BundleError if the network does not find cells.
    """

    def __init__(
        self, model: bytes, outputs: Mapping[str, str], *, threads: int = 1, choice: str = "auto"
    ) -> None:
        if "maps" not in outputs:
            raise BundleError("the finder has no output for its maps")
        self._runtime = Runtime(
            model, {"maps": outputs["maps"]}, threads=threads, choice=choice, any_size=True
        )
        self.runtime = f"{self._runtime.name} {self._runtime.version}"

    def find(
        self, pixels: NDArray[np.uint8], scale: float, least: float | Mapping[str, float] = 0.1
    ) -> Detections:
        """Return what lies in a frame, uint8 RGB (height, width, 3), as `Looks.find` does."""
        return Looks(self, pixels).find(scale, least)

    def maps(self, pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
        """Return the network's maps of a frame, float32 (h, w, 6), in a working picture of a size.

        size: width, height. Raises BundleError if the maps are not as this version expects them.
        """
        height, width = pixels.shape[:2]
        way = cv2.INTER_AREA if size[0] < width or size[1] < height else cv2.INTER_LINEAR
        small = np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8)
        small = even(small, RED_CELL_PIXELS)
        right, below = -size[0] % _MULTIPLE, -size[1] % _MULTIPLE
        padded = cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        maps = self._runtime.run(np.asarray(padded, np.uint8))["maps"]
        if maps.shape != (padded.shape[0] // STRIDE, padded.shape[1] // STRIDE, MAPS):
            raise BundleError(
                f"the finder gives maps of {maps.shape} for a picture of {padded.shape[:2]}; "
                f"this version reads {MAPS} maps at every {STRIDE}th pixel"
            )
        return maps


class Looks:
    """A finder's looks at one frame, uint8 RGB (height, width, 3), at several scales.

    The network runs once for each size of the working picture: scales that give the same size share its maps.
    """

    def __init__(self, finder: Finder, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels
        self._finder = finder
        self._maps: dict[tuple[int, int], NDArray[np.float32]] = {}

    def find(self, scale: float, least: float | Mapping[str, float] = 0.1) -> Detections:
        """Return what lies in the frame.

        scale: pixels of the working picture to one of the frame; above 1 the frame is enlarged. least: score
        below which nothing is listed, for all kinds or by kind. Raises BundleError if the maps are not as
        this version expects them.
        """
        height, width = self.pixels.shape[:2]
        scale = min(scale, _LARGEST / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if size not in self._maps:
            self._maps[size] = self._finder.maps(self.pixels, size)
        return decode(self._maps[size], scale, least)

    def middle(self) -> Looks:
        """Return looks at the middle quarter of the frame: half of its height and width."""
        height, width = self.pixels.shape[:2]
        quarter = self.pixels[height // 4 : height - height // 4, width // 4 : width - width // 4]
        return Looks(self._finder, np.ascontiguousarray(quarter))
