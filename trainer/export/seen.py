"""What a bundle knows again of the cells that its network was trained on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from edge.naming.seen_cells import hash_crops, pack
from trainer.training.fitting import centre

if TYPE_CHECKING:
    from trainer.data.arrays import Samples

_COPIES = 4
"""Of a photograph that is there in many copies, turned by any angle: each looks another way."""


def hashes_of(samples: Samples) -> bytes:
    """The hashes of training crops, a few a cell, as a bundle carries them."""
    taken: Counter[str] = Counter()
    chosen = []
    # Not by `photographs`: that is a slide's name for all of its cells, and each of them was seen.
    for number, cell in enumerate(samples.shown()):
        taken[cell] += 1
        if taken[cell] <= _COPIES:
            chosen.append(number)
    return pack(hash_crops(centre(samples.pixels[np.array(chosen, np.int64)])))
