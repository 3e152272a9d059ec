"""Which cells a bundle was trained on, also where they are cut a little larger, smaller, or to one side.

In a folder of one's own a picture of the training sets is cut by the scale that it is thought to have, not by
the one that its set is known to have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.masking import CROP_SIZE
from edge.naming.seen_cells import HASH_BYTES, hash_crops, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIZES = range(96, 145, 6)  # pixels that are taken for the 120 of a crop
_SHIFTS = (-7, 0, 7)  # pixels to either side

# Of 49 pictures of raabin in a folder, some 42 of which were trained on, 10 are known as they are cut, 30 so.
# Of 121 cells of other microscopes and photographs, which differ by 12 of 126 bits at least, none is.
_SAME = 10


def seen_nearly(crops: NDArray[np.uint8], seen: bytes) -> NDArray[np.bool_]:
    """Return which crops look like a cell that was hashed into `seen`, turned by quarters or mirrored: (n,).

    crops: uint8 RGB (n, s, s, 3), the device's crop in their middle, and as much around it as there is.
    """
    if len(seen) < HASH_BYTES or not len(crops):
        return np.zeros(len(crops), np.bool_)
    known = np.unpackbits(unpack(seen), axis=1).astype(np.float32)
    return np.array([_least_distance(crop, known) <= _SAME for crop in crops], np.bool_)


def _least_distance(crop: NDArray[np.uint8], known: NDArray[np.float32]) -> float:
    """Return by how many bits the nearest known cell, (n, bits), differs from a crop, however it is cut."""
    windows = []
    for size in _SIZES:
        room = len(crop) - size
        starts = sorted({min(max(0, room // 2 + shift), room) for shift in _SHIFTS} if room >= 0 else ())
        for top in starts:
            for left in starts:
                window = crop[top : top + size, left : left + size]
                windows.append(cv2.resize(window, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA))
    looks = [
        np.asarray(np.rot90(side, quarter), np.uint8)
        for window in windows
        for side in (window, window[:, ::-1])
        for quarter in range(4)
    ]
    bits = np.unpackbits(hash_crops(looks), axis=1).astype(np.float32)
    apart = bits.sum(axis=1)[:, None] + known.sum(axis=1)[None] - 2 * bits @ known.T
    return float(apart.min())
