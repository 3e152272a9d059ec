"""The maps of all methods for the cells that are explained, made as far as time allows."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from trainer.evaluation.metrics import softmax
from trainer.explanations.baselines import CENTRE, MEAN, RANDOM, REDRAWN, centre_blob, random_maps, redrawn
from trainer.explanations.blackbox import LimeMaps, Shap, lime_maps
from trainer.explanations.gradcam import GradCam
from trainer.explanations.measures import deletion_and_insertion
from trainer.explanations.records import Cost, Unreached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import keras
    from numpy.typing import NDArray

    from trainer.explanations.deadline import Deadline
    from trainer.explanations.device import Device
    from trainer.explanations.measures import Map, Predictor
    from trainer.explanations.subjects import Subject

GRADCAM, PLUS, DEVICE, LIME, SHAP = "Grad-CAM", "Grad-CAM++", "int8 map of the device", "LIME", "SHAP"
METHODS = {"gradcam": GRADCAM, "gradcam++": PLUS, "device": DEVICE, "lime": LIME, "shap": SHAP}
"""Name on the command line -> name in the tables."""

SEED = 11
_BATCH = 16
_DRAWS = 4  # networks of other weights; each explains every fourth cell


@dataclass
class Cells:
    """Cells of one group with what was made of them, by number; what a method did not reach is not there.

    called, probability: by int8, of the likeliest class, from softmax at temperature 1.
    """

    subjects: list[Subject] = field(default_factory=list)
    called: list[int] = field(default_factory=list)
    probability: list[float] = field(default_factory=list)
    maps: dict[str, dict[int, Map]] = field(default_factory=dict)

    @property
    def photographs(self) -> tuple[str, ...]:
        """The photograph of each cell."""
        return tuple(subject.photograph for subject in self.subjects)

    def pixels(self, numbers: Iterable[int]) -> NDArray[np.uint8]:
        """Return crops of these numbers, uint8 (n, 120, 120, 3)."""
        return np.stack([self.subjects[i].pixels for i in numbers])

    def put(self, method: str, number: int, grid: Map) -> None:
        """Keep a map, float32 (h, w)."""
        self.maps.setdefault(method, {})[number] = grid


class Maker:
    """Makes the maps; keeps count of the time that each method took and of what was not reached."""

    def __init__(
        self,
        model: keras.Model,
        device: Device,
        methods: Sequence[str],
        predict: Predictor,
        classes: Sequence[str],
        turns: int = 1,
    ) -> None:
        """Take the float network, the int8 file, names of `METHODS`' tables, and whom LIME and SHAP ask.

        turns: in how many quarter turns both look at a cell.
        """
        self.cam = GradCam(model, turns)
        self._redrawn = [GradCam(redrawn(model, SEED + draw), turns) for draw in range(_DRAWS)]
        self._device, self._methods, self._classes = device, methods, classes
        self.predict = predict
        self._shap: Shap | None = None
        self._spent: dict[str, tuple[int, float]] = {}
        self.lime: dict[int, LimeMaps] = {}
        self.shap: dict[int, NDArray[np.float32]] = {}

    def costs(self) -> tuple[Cost, ...]:
        """Return the mean time of each method so far."""
        return tuple(Cost(name, n, seconds / n) for name, (n, seconds) in self._spent.items())

    def fast(
        self, subjects: Iterable[Subject], wanted: int, deadline: Deadline, advance: Callable[[int], None]
    ) -> Cells:
        """Make the maps that take one pass, and the baselines, for at most `wanted` cells."""
        cells = Cells()
        waiting: list[Subject] = []
        for subject in subjects:
            if deadline.over or len(cells.subjects) + len(waiting) >= wanted:
                break
            waiting.append(subject)
            if len(waiting) == _BATCH:
                self._fast(cells, waiting)
                advance(len(waiting))
                waiting = []
        if waiting:
            self._fast(cells, waiting)
            advance(len(waiting))
        return cells

    def _fast(self, cells: Cells, subjects: Sequence[Subject]) -> None:
        first = len(cells.subjects)
        pixels = np.stack([subject.pixels for subject in subjects])
        started = time.perf_counter()
        answered = self._device.answer(pixels)
        self._note(DEVICE, len(pixels), started)
        called = answered.called()
        started = time.perf_counter()
        cam = self.cam.maps(pixels, called)
        self._note(GRADCAM, len(pixels), started)
        grid = (cam.gradcam.shape[1], cam.gradcam.shape[2])
        arrays = {
            GRADCAM: cam.gradcam,
            PLUS: cam.plus,
            RANDOM: random_maps(len(pixels), grid, SEED + first),
            CENTRE: np.repeat(centre_blob(grid)[None], len(pixels), axis=0),
            MEAN: cam.mean,
            REDRAWN: self._of_redrawn(pixels, called, first),
        }
        if answered.maps is not None:
            arrays[DEVICE] = answered.evidence(called)
        for name, values in arrays.items():
            if name in METHODS.values() and name not in self._methods and name != GRADCAM:
                continue
            for k, one in enumerate(values):
                cells.put(name, first + k, one)
        cells.subjects += subjects
        cells.called += called.tolist()
        cells.probability += softmax(answered.logits).max(axis=1).tolist()

    def _of_redrawn(
        self, pixels: NDArray[np.uint8], called: NDArray[np.int64], first: int
    ) -> NDArray[np.float32]:
        parts: dict[int, Map] = {}
        for draw, cam in enumerate(self._redrawn):
            own = [k for k in range(len(pixels)) if (first + k) % _DRAWS == draw]
            if own:
                parts |= dict(zip(own, cam.maps(pixels[own], called[own]).gradcam, strict=True))
        return np.stack([parts[k] for k in range(len(pixels))])

    def slow(
        self,
        method: str,
        cells: Cells,
        numbers: Sequence[int],
        deadline: Deadline,
        advance: Callable[[], None],
    ) -> Unreached | None:
        """Make LIME's or SHAP's maps of these cells that are not made yet; say what was not reached."""
        wanted = [i for i in numbers if i not in cells.maps.get(method, {})]
        if method == SHAP and wanted and self._shap is None and not deadline.over:
            self._shap = Shap(self.predict, self._classes, cells.subjects[0].pixels.shape)
        for done, number in enumerate(wanted):
            if deadline.over:
                return Unreached(f"{method}: cells", len(numbers) - len(wanted) + done, len(numbers))
            started = time.perf_counter()
            called, crop = cells.called[number], cells.subjects[number].pixels
            if method == LIME:
                self.lime[number] = lime_maps(crop, self.predict)
                cells.put(LIME, number, self.lime[number].grid(called))
            elif self._shap is not None:
                self.shap[number] = self._shap.values(crop)
                cells.put(SHAP, number, np.maximum(self.shap[number][:, :, called], 0))
            self._note(method, 1, started)
            advance()
        return None

    def curves(self, cells: Cells, number: int) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return the deletion and insertion curve of each method that has a map of a cell."""
        subject, called = cells.subjects[number], cells.called[number]
        return {
            name: deletion_and_insertion(found[number], subject.pixels, called, self.predict, SEED + number)
            for name, found in cells.maps.items()
            if number in found
        }

    def _note(self, method: str, images: int, started: float) -> None:
        count, seconds = self._spent.get(method, (0, 0.0))
        self._spent[method] = (count + images, seconds + time.perf_counter() - started)


def firsts_of(cells: Cells) -> list[int]:
    """Return the first cell of each class, by class."""
    first: dict[int, int] = {}
    for number, subject in enumerate(cells.subjects):
        if subject.label is not None:
            first.setdefault(subject.label, number)
    return [first[label] for label in sorted(first)]


def in_order(cells: Cells) -> list[int]:
    """Return all cells, one of each class first: where time is short, these are what is wanted most."""
    firsts = firsts_of(cells)
    return [*firsts, *(i for i in range(len(cells.subjects)) if i not in firsts)]
