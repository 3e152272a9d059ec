"""Splits over photographs, never over their copies; and, to show what that is worth, the study's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from edge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def hold_out_photographs(
    labels: NDArray[np.int64], photographs: Sequence[str], share: float, seed: int
) -> NDArray[np.bool_]:
    """Choose about `share` of each class's photographs, at least one where there are two; True: held out.

    labels: int64 (n,). photographs: n names, of photographs or slides; all copies of one photograph, and all
    cells of one slide, go to the same side. What one class has chosen counts for every class that it shows.
    No class is left without a photograph to train on, even if less is held out then.
    """
    names = np.array(photographs)
    rng = np.random.default_rng(seed)
    of_class = {label: np.unique(names[labels == label]).tolist() for label in np.unique(labels).tolist()}
    shown: dict[str, list[int]] = {}
    for label, own in of_class.items():
        for name in own:
            shown.setdefault(name, []).append(label)
    left = {label: len(own) for label, own in of_class.items()}
    chosen: set[str] = set()
    for label, own in of_class.items():
        count = 0 if share == 0 or len(own) < 2 else min(len(own) - 1, max(1, round(share * len(own))))
        for name in rng.permutation(own).tolist():
            if len(own) - left[label] >= count:
                break
            if name not in chosen and all(left[other] > 1 for other in shown[name]):
                chosen.add(name)
                for other in shown[name]:
                    left[other] -= 1
    return np.isin(names, sorted(chosen))


def grouped_fold(
    labels: NDArray[np.int64], photographs: Sequence[str], folds: int, fold: int, seed: int
) -> NDArray[np.bool_]:
    """Choose the images of fold number `fold` (from 0), of photographs dealt into `folds`; True: in it.

    Every photograph is in one fold, with all its copies; classes are spread as evenly as that allows.
    Raises ConfigError when a class has fewer photographs than there are folds.
    """
    names = np.array(photographs)
    for label in np.unique(labels):
        count = len(np.unique(names[labels == label]))
        if count < folds:
            raise ConfigError(
                f"data.folds is {folds}, but class number {label} has only {count} photographs to deal"
            )
    dealt = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, names)
    chosen = np.zeros(len(labels), np.bool_)
    chosen[[test for _, test in dealt][fold]] = True
    return chosen


def deal_as_the_study(
    labels: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Deal each class into 70/15/15 by chance; give training, validation and test, bool (n,) each.

    This leaks by design: copies of one photograph come to lie in all three. The shares are rounded down class
    by class, which gives the study's own counts (8,714 / 1,865 / 1,865 of 12,444).
    """
    rng = np.random.default_rng(seed)
    part = np.zeros(len(labels), np.int8)
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        count = len(own) * 15 // 100
        part[own[:count]] = 1
        part[own[count : 2 * count]] = 2
    return part == 0, part == 1, part == 2


def photograph_weights(photographs: Sequence[str]) -> NDArray[np.float64]:
    """Each image the weight by which all copies of one photograph together count once: float64 (n,)."""
    _, inverse, copies = np.unique(np.array(photographs), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / copies[inverse], np.float64)


def draw_probabilities(
    labels: NDArray[np.int64],
    photographs: Sequence[str],
    balance: float,
    sets: NDArray[np.int64] | None = None,
    set_balance: float = 0.0,
) -> NDArray[np.float64]:
    """Return each image's chance of being drawn, summing to 1: each photograph counts once, not once a copy.

    balance: 1 draws all classes equally often, 0 each as often as it has photographs. sets: int64 (n,), the
    data set, and so the microscope, of each image. set_balance: as balance, of the sets within a class.
    """
    weight = photograph_weights(photographs)
    if sets is not None:
        for label in np.unique(labels):
            for one in np.unique(sets[labels == label]):
                _temper(weight, (labels == label) & (sets == one), set_balance)
    for label in np.unique(labels):
        _temper(weight, labels == label, balance)
    return np.asarray(weight / weight.sum(), np.float64)


def _temper(weight: NDArray[np.float64], part: NDArray[np.bool_], balance: float) -> None:
    """Scale a part's weights so that its total becomes 1 at balance 1, and stays as it is at balance 0."""
    total = weight[part].sum()
    weight[part] *= total ** (1 - balance) / total
