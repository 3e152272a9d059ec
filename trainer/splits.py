"""Splits over photographs, never over their copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def hold_out_photographs(
    labels: NDArray[np.int64], photographs: Sequence[str], share: float, seed: int
) -> NDArray[np.bool_]:
    """Choose about `share` of each class's photographs, at least one where there are two; True: held out.

    labels: int64 (n,). photographs: n names; all copies of one photograph go to the same side.
    """
    names = np.array(photographs)
    rng = np.random.default_rng(seed)
    chosen: set[str] = set()
    for label in np.unique(labels):
        own = np.unique(names[labels == label])
        count = 0 if share == 0 or len(own) < 2 else max(1, round(share * len(own)))
        chosen.update(rng.permutation(own)[:count].tolist())
    return np.isin(names, sorted(chosen))


def photograph_weights(photographs: Sequence[str]) -> NDArray[np.float64]:
    """Give each image the weight by which all copies of one photograph together count once: float64 (n,)."""
    _, inverse, copies = np.unique(np.array(photographs), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / copies[inverse], np.float64)


def draw_probabilities(
    labels: NDArray[np.int64], photographs: Sequence[str], balance: float
) -> NDArray[np.float64]:
    """Give each image's chance of being drawn, summing to 1: each photograph counts once, not once a copy.

    balance: 1 draws all classes equally often, 0 each as often as it has photographs.
    """
    weight = photograph_weights(photographs)
    for label in np.unique(labels):
        of_class = labels == label
        total = weight[of_class].sum()
        weight[of_class] *= total ** (1 - balance) / total
    return np.asarray(weight / weight.sum(), np.float64)
