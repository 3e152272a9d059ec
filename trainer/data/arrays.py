"""Crops as arrays, with what training must know of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Samples:
    """Crops with what training must know of them.

    pixels: uint8 (n, s, s, 3). labels: int64 (n,). photographs: n names. sets: int64 (n,), the number of the
    data set that each is of, or None where there is one. cells: n names of the cells that they show, or None
    where each photograph shows one: crops of one cell count once together.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    photographs: tuple[str, ...]
    sets: NDArray[np.int64] | None = None
    cells: tuple[str, ...] | None = None

    def shown(self) -> tuple[str, ...]:
        """Return the n names by which crops count once together."""
        return self.photographs if self.cells is None else self.cells

    def chosen(self, mask: NDArray[np.bool_]) -> Samples:
        """Return those where `mask` (n,) is True."""
        index = np.flatnonzero(mask)
        return Samples(
            self.pixels[index],
            self.labels[index],
            tuple(self.photographs[i] for i in index),
            None if self.sets is None else self.sets[index],
            None if self.cells is None else tuple(self.cells[i] for i in index),
        )
