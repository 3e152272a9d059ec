"""Parameter randomisation (Adebayo et al. 2018): do the maps change when what was learnt is taken away?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from trainer.explanations import measures, proof
from trainer.explanations.baselines import MEAN, cascade, centre_blob
from trainer.explanations.gradcam import GradCam
from trainer.explanations.records import Randomisation, Unreached
from trainer.explanations.work import GRADCAM, PLUS, SEED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras

    from trainer.explanations.deadline import Deadline
    from trainer.explanations.gradcam import CamMaps
    from trainer.explanations.measures import Map
    from trainer.explanations.work import Cells

_LEAST = 4  # images; of fewer no interval says anything


def randomise(
    model: keras.Model,
    cells: Cells,
    numbers: Sequence[int],
    deadline: Deadline,
    report: Callable[[int, int], None] = lambda _done, _of: None,
) -> tuple[Randomisation | None, tuple[Unreached, ...]]:
    """Draw the weights anew from the head down, and compare each method's map with its first one.

    numbers: of the cells, most wanted first; as many are taken as the time is enough for, since a cascade
    that ends half way says nothing of its end. report: steps done, of how many. The class explained stays the
    one that was called at first.
    """
    wanted = len(numbers)
    steps = sum(1 for layer in model.layers if layer.weights and not _is_norm(layer))
    if wanted == 0 or deadline.over:
        return None, (Unreached("randomisation: cells", 0, wanted),)
    started = time.perf_counter()
    # The first call traces and allocates; the second tells what a cell costs.
    trial = list(numbers[:_LEAST])
    cam = GradCam(model)
    called = np.array(cells.called, np.int64)
    cam.maps(cells.pixels(trial), called[trial])
    started = time.perf_counter()
    cam.maps(cells.pixels(trial), called[trial])
    each = (time.perf_counter() - started) / len(trial)
    count = min(wanted, int(deadline.left / (1.5 * each * (steps + 1))))
    if count < min(_LEAST, wanted):
        return None, (Unreached("randomisation: cells", 0, wanted),)
    chosen = list(numbers[:count])
    pixels, classes = cells.pixels(chosen), called[chosen]
    first = _by_method(cam.maps(pixels, classes))
    names, pearson, spearman = [], [], []
    changed: GradCam | None = None
    for name, network in cascade(model, SEED):
        if deadline.over:
            return None, (Unreached(f"randomisation of {count} cells: steps", len(names), steps),)
        changed = changed or GradCam(network)
        now = _by_method(changed.maps(pixels, classes))
        names.append(name)
        pearson.append(_compared(first, now, measures.pearson))
        spearman.append(_compared(first, now, measures.spearman))
        report(len(names), steps)
    height, width = next(iter(first.values())).shape[1:]
    blob = centre_blob((height, width))
    found = proof.randomisation(
        names,
        {method: np.array([step[method] for step in pearson]) for method in first},
        {method: np.array([step[method] for step in spearman]) for method in first},
        {method: np.array([measures.pearson(one, blob) for one in maps]) for method, maps in first.items()},
        [cells.photographs[i] for i in chosen],
    )
    less = (Unreached("randomisation: cells", count, wanted),) if count < wanted else ()
    return found, less


def _by_method(maps: CamMaps) -> dict[str, Map]:
    return {GRADCAM: maps.gradcam, PLUS: maps.plus, MEAN: maps.mean}


def _compared(
    first: dict[str, Map], now: dict[str, Map], alike: Callable[[Map, Map], float]
) -> dict[str, list[float]]:
    return {
        method: [alike(one, other) for one, other in zip(maps, now[method], strict=True)]
        for method, maps in first.items()
    }


def _is_norm(layer: keras.layers.Layer) -> bool:
    return type(layer).__name__ == "BatchNormalization"
