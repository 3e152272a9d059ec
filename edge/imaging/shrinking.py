"""Pictures made smaller, with the same answer on every processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def shrunk(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture, uint8 (height, width, 3), made as small as `size`, (width, height) in pixels.

    Each pixel is the mean of the area that it covers. OpenCV rounds a mean that lies halfway between two grey
    levels to one of them on one processor and to the other on another: at some scales one pixel in fifteen
    does, and the networks answer otherwise. In 256ths of a level halves are told, and all go to the even one.
    """
    fine = cv2.resize(np.multiply(pixels, 256, dtype=np.uint16), size, interpolation=cv2.INTER_AREA)
    levels = np.asarray(fine, np.uint16)  # 255 * 256, and what is added, is less than 2**16
    return np.asarray((levels + 127 + ((levels >> 8) & 1)) >> 8, np.uint8)
