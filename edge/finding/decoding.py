"""From the finder's maps to cells: peaks, their middles and diameters, each thing once.

The network is fully convolutional and knows no anchors: at every eighth pixel it says how sure it is that the
middle of a white cell, a red cell or a platelet lies there, how large it is, and where exactly its middle is
(Zhou et al. 2019, Objects as Points).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

KINDS = ("white cell", "red cell", "platelet")
"""What the finder finds, in the order of its maps."""

STRIDE = 8
"""Pixels of the working picture between two places of the maps."""

RED_CELL_PIXELS = 24.0
"""Diameter of a red cell in the working picture, to which the ruler sets the scale."""

MAPS = 6
"""Maps of the network: one a kind (logits), log of the diameter in red cells, middle to right and down."""

_SAME = 0.5  # of the larger diameter: two middles closer than that belong to one thing
_NEVER = 1 - 1e-9  # a score that nothing reaches
_STEEPEST = 3.0  # limit for the log of a diameter in red cells: exp of more could overflow


@dataclass(frozen=True, slots=True)
class Detections:
    """What was found, the surest first; all arrays have one entry a thing.

    kinds: int64, into `KINDS`. scores: float32, 0 to 1. centres: float32 (n, 2), x and y in pixels of the
    frame. diameters: float32, pixels of the frame. overflow: there was more than can be listed;
    white_overflow: also of white cells.
    """

    kinds: NDArray[np.int64]
    scores: NDArray[np.float32]
    centres: NDArray[np.float32]
    diameters: NDArray[np.float32]
    overflow: bool = False
    white_overflow: bool = False

    def of(self, kind: str, least: float = 0.0) -> Detections:
        """Return those of one kind with at least this score."""
        return self._chosen((self.kinds == KINDS.index(kind)) & (self.scores >= least))

    def without(self, left_out: Sequence[bool]) -> Detections:
        """Return those that are not left out, of one entry a thing."""
        return self._chosen(~np.array(left_out, np.bool_))

    def _chosen(self, mask: NDArray[np.bool_]) -> Detections:
        return Detections(
            self.kinds[mask],
            self.scores[mask],
            self.centres[mask],
            self.diameters[mask],
            self.overflow,
            self.white_overflow,
        )

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.scores)


def decode(
    maps: NDArray[np.float32], scale: float, least: float | Mapping[str, float] = 0.1, most: int = 1000
) -> Detections:
    """Return the things that the maps show, the surest first, each once.

    maps: float32 (h, w, 6), as `MAPS` says. scale: pixels of the working picture to one of the frame.
    least: score below which nothing is looked at, of all kinds or by kind; a kind that is not named is not
    looked at. most: how many are looked at: white cells before others, then the surest.
    """
    logits = np.ascontiguousarray(maps[:, :, : len(KINDS)])
    peak = cv2.dilate(logits, np.ones((3, 3), np.uint8))
    by_kind = dict.fromkeys(KINDS, least) if isinstance(least, float) else least
    # Before overlaps are resolved: what is not sure enough to be found must not hide another kind.
    floors = np.array([by_kind.get(kind, _NEVER) for kind in KINDS])
    floor = np.log(floors / (1 - floors)).astype(np.float32)
    rows, columns, kinds = np.nonzero((logits >= peak) & (logits >= floor))
    found = logits[rows, columns, kinds]
    others = kinds != KINDS.index("white cell")
    chosen = np.lexsort((-found, others))[:most]
    order = chosen[np.argsort(-found[chosen], kind="stable")]
    rows, columns, kinds = rows[order], columns[order], kinds[order]
    there = maps[rows, columns]
    diameters = RED_CELL_PIXELS * np.exp(np.clip(there[:, 3], -_STEEPEST, _STEEPEST))
    centres = np.stack([columns + 0.5 + there[:, 4], rows + 0.5 + there[:, 5]], axis=1) * STRIDE
    kept = _each_once(centres.astype(np.float32), diameters.astype(np.float32), kinds)
    scores = 1 / (1 + np.exp(-found[order][kept]))
    return Detections(
        kinds[kept].astype(np.int64),
        scores.astype(np.float32),
        (centres[kept] / scale).astype(np.float32),
        (diameters[kept] / scale).astype(np.float32),
        overflow=len(found) > most,
        white_overflow=np.count_nonzero(~others) > most,
    )


def _each_once(centres: NDArray[Any], diameters: NDArray[Any], kinds: NDArray[Any]) -> NDArray[np.intp]:
    """Return which things to keep, given in the order of their scores: those that overlap no surer one.

    Things of different kinds exclude each other only if they are of similar size: a platelet may lie at the
    rim of a red cell.
    """
    count = len(kinds)
    if not count:
        return np.empty(0, np.intp)
    # In float32, one axis at a time: a thousand things take some megabytes, and the device has little memory.
    x, y = centres.T
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    larger = np.maximum(diameters[:, None], diameters[None])
    smaller = np.minimum(diameters[:, None], diameters[None])
    alike = (kinds[:, None] == kinds[None]) | (smaller > 0.5 * larger)
    rivals = (apart < _SAME * np.where(kinds[:, None] == kinds[None], larger, smaller)) & alike
    kept: list[int] = []
    gone = np.zeros(count, np.bool_)
    for number in range(count):
        if not gone[number]:
            kept.append(number)
            gone |= rivals[number]
    return np.array(kept, np.intp)
