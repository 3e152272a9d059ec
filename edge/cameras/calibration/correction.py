"""What a camera's calibration does to a frame.

A light field that is not even, and a white that is not white, are divided out (flat-field correction as in
any text on quantitative microscopy, here with a smooth map and without a dark frame: at these exposures the
dark current is below one grey level).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.calibration.file import COLUMNS, ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.cameras.calibration.file import CameraCalibration


class Correction:
    """Makes the light of frames even and their white white. Thread-safe.

    white_balance: the gains of red, green and blue. flat_field: gains, three maps of ROWS x COLUMNS.
    """

    def __init__(
        self,
        width: int,
        height: int,
        white_balance: Sequence[float],
        flat_field: Sequence[Sequence[Sequence[float]]] | NDArray[np.float32],
    ) -> None:
        nodes = np.asarray(flat_field, np.float32) * np.asarray(white_balance, np.float32)[:, None, None]
        fine = _between(ROWS, height) @ nodes @ _between(COLUMNS, width).T
        self._gains = np.ascontiguousarray(np.moveaxis(fine, 0, 2), np.float32)

    @classmethod
    def of(cls, calibration: CameraCalibration) -> Correction:
        """Return what a calibration does to frames."""
        made = calibration
        return cls(made.width, made.height, made.white_balance, made.flat_field)

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Correct a frame, uint8 RGB (height, width, 3), into a new one. What passes 255 is 255.

        Raises ValueError for a frame of another size.
        """
        if pixels.shape != self._gains.shape:
            raise ValueError(f"a frame of {pixels.shape} for a correction of {self._gains.shape}")
        return np.asarray(cv2.multiply(pixels, self._gains, dtype=cv2.CV_8U), np.uint8)


def _between(nodes: int, pixels: int) -> NDArray[np.float32]:
    """Return the weights (pixels, nodes) of the two nodes that each pixel lies between."""
    places = np.linspace(0, nodes - 1, pixels)[:, None]
    return np.maximum(1 - abs(places - np.arange(nodes)), 0).astype(np.float32)
