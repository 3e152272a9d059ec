"""Which cells a model has seen: a hash of how each looks, so that it is not measured on them unnoticed.

The hashes lie in the bundle. They are of the crops, not of the files: a picture that was saved again, cut,
turned by quarters or mirrored is mostly known, and nobody can see a patient's cell in 126 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from edge.imaging.pixels import Pixels

    Hashes = NDArray[np.uint8]

HASH_BYTES = 16
MAX_HASHES = 6000
"""Of more cells, as many are kept, evenly: 96 KB."""

# Of 243 cells of one microscope no two differ by fewer than 22 of 126 bits. The same cell saved again as JPEG
# differs by at most 12 in two of three cases, and the same file by none.
_SAME = 12
_SIDE, _LOW = 32, 8


def hash_crops(crops: Iterable[Pixels]) -> Hashes:
    """The hash of each crop, uint8 RGB (120, 120, 3), as it lies: uint8 (n, 16)."""
    found = [_hash(crop) for crop in crops]
    return np.array(found, np.uint8).reshape(-1, HASH_BYTES)


def pack(hashes: Hashes, first: int = 0) -> bytes:
    """Hashes as a bundle carries them, at most `MAX_HASHES`: the `first` ones, and others evenly."""
    rest, room = hashes[first:], MAX_HASHES - first
    if len(rest) > room:
        rest = rest[np.arange(max(0, room)) * len(rest) // max(1, room)]
    return bytes(np.concatenate([hashes[:first], rest]).tobytes())


def unpack(seen: bytes) -> Hashes:
    """What `pack` made, uint8 (n, 16)."""
    return np.frombuffer(seen[: len(seen) // HASH_BYTES * HASH_BYTES], np.uint8).reshape(-1, HASH_BYTES)


def seen_before(crops: Sequence[Pixels], seen: bytes) -> NDArray[np.bool_]:
    """Which crops look like a cell that was hashed into `seen`, also turned by quarters or mirrored: (n,)."""
    if len(seen) < HASH_BYTES or not crops:
        return np.zeros(len(crops), np.bool_)
    known = unpack(seen)
    return np.array([_is_known(crop, known) for crop in crops], np.bool_)


def _is_known(crop: Pixels, known: Hashes) -> bool:
    return any(
        int(_BITS[known ^ _hash(np.rot90(side, quarter))].sum(axis=1, dtype=np.int64).min()) <= _SAME
        for side in (crop, crop[:, ::-1])
        for quarter in range(4)
    )


_BITS = np.array([number.bit_count() for number in range(256)], np.uint8)


def _hash(crop: Pixels) -> Hashes:
    """Which slow waves of lightness and of colour are above their median (a perceptual hash, DCT)."""
    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2GRAY), np.float32)
    colour = crop[..., 0].astype(np.float32) - crop[..., 2]
    return np.packbits(np.concatenate([_bits(grey), _bits(colour)]))


def _bits(channel: NDArray[np.float32]) -> NDArray[np.bool_]:
    small = cv2.resize(channel, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    waves = cv2.dct(small)[:_LOW, :_LOW].ravel()[1:]
    return np.asarray(waves > np.median(waves), np.bool_)
