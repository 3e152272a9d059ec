"""The frames that the daemon analyses, read beside it: a dashboard on this machine can show the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import msgspec
import numpy as np

from edge.config import ReplayConfig
from edge.errors import UnreadableFrameError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.config import SimulatedConfig

_KEPT = 4  # fields come in the order of the frames; a few are sent again after a start


class Frames:
    """The frames of a folder or of the simulated slide, by the names that fields give them."""

    def __init__(self, camera: ReplayConfig | SimulatedConfig) -> None:
        from edge.cameras.replay import ReplayCamera  # noqa: PLC0415
        from edge.cameras.simulation.camera import SimulatedCamera  # noqa: PLC0415

        at_once = msgspec.structs.replace(camera, frames_per_second=0.0)
        self._camera = (
            ReplayCamera(at_once) if isinstance(at_once, ReplayConfig) else SimulatedCamera(at_once)
        )
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def picture(self, source: str, crop: tuple[int, int, int, int], side: int) -> NDArray[np.uint8] | None:
        """Return a square crop (x, y, width, height) of a frame, uint8 RGB (side, side, 3); None: unknown."""
        while source not in self._kept:
            try:
                frame = self._camera.read()
            except UnreadableFrameError:
                continue
            if frame is None:
                return None
            self._kept[frame.name] = frame.pixels
            while len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        pixels = self._kept[source]
        x, y, width, height = crop
        before = max(0, -x, -y, x + width - pixels.shape[1], y + height - pixels.shape[0])
        if before:
            pixels = np.asarray(
                cv2.copyMakeBorder(pixels, before, before, before, before, cv2.BORDER_REPLICATE), np.uint8
            )
        cut = pixels[y + before : y + before + height, x + before : x + before + width]
        return np.asarray(cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
