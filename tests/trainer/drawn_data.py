"""A data set in the layout of the real one, drawn here: photographs, and rotated copies of them."""

from __future__ import annotations

import shutil
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SimulatedConfig
from trainer.data.datasets import DATASETS
from trainer.recipe import load_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from edge.imaging.pixels import Pixels
    from trainer.data.readers import ClassFolders

CLASSES = ("eosinophil", "lymphocyte", "monocyte", "neutrophil")


def draw_data(data: Path, *, photographs: int = 3, copies: int = 2, tests: int = 0, first: int = 0) -> Path:
    """Write TRAIN with `photographs` a class and TEST with `tests`, all in `copies`; and the originals.

    Without `tests` there is no TEST. Another `first` gives other photographs, under other names.
    """
    originals = data / "bccd" / "JPEGImages"
    originals.mkdir(parents=True)
    # The recipe that ships wants to know the photographs that it leaves out. Blank, they are no copy's.
    for name in load_recipe("clinic").data.leave_out:
        cv2.imwrite(str(originals / f"{name}.jpg"), np.full((480, 640, 3), 255, np.uint8))
    drawn: dict[str, int] = defaultdict(int)
    seed = first
    while any(drawn[label] < photographs + tests for label in CLASSES):
        seed += 1
        for label, picture in _lone_cells(seed):
            if drawn[label] >= photographs + tests:
                continue
            drawn[label] += 1
            name = f"{label}-{first + drawn[label]}"
            cv2.imwrite(str(originals / f"{name}.jpg"), picture)
            small = cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA)
            part = "TRAIN" if drawn[label] <= photographs else "TEST"
            folder = data / "blood-cell-images" / part / label.upper()
            folder.mkdir(parents=True, exist_ok=True)
            for copy in range(copies):
                turn = cv2.getRotationMatrix2D((160, 120), 8 * copy, 1)
                cv2.imwrite(str(folder / f"{name}-{copy}.jpeg"), cv2.warpAffine(small, turn, (320, 240)))
    return data


@cache
def _lone_cells(seed: int) -> list[tuple[str, Pixels]]:
    """The frames of a drawn slide with one whole cell, BGR, and that cell's class. Drawn once a session."""
    camera = SimulatedCamera(SimulatedConfig(seed=seed, cells=40))
    found = []
    while frame := camera.read():
        whole = [cell for cell in camera.truth(frame.name) if cell.complete]
        if len(whole) == 1:
            found.append((whole[0].label, cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)))
    return found


def draw_other_sets(data: Path, cells: int = 2) -> None:
    """Add what more the recipes name: `pbc`, `cells` a class, and TEST_SIMPLE, which is made from TEST."""
    folders = data / "blood-cell-images"
    shutil.copytree(folders / "TEST", folders / "TEST_SIMPLE")
    classes = cast("ClassFolders", DATASETS["pbc"].reader).classes
    wanted = [(folder, number) for number in range(cells) for folder in classes]
    camera = SimulatedCamera(SimulatedConfig(seed=77, cells=200))
    while wanted and (frame := camera.read()):
        for cell in camera.truth(frame.name):
            if not (cell.complete and wanted):
                continue
            # The class of a drawn cell does not matter here: nobody asks what these runs have learnt.
            folder, number = wanted.pop(0)
            x, y = (max(120, round(v)) for v in cell.center)
            cut = frame.pixels[y - 120 : y + 120, x - 120 : x + 120]
            (data / "pbc" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(data / "pbc" / folder / f"{number}.jpg"), cv2.cvtColor(cut, cv2.COLOR_RGB2BGR))
    assert not wanted, "the slide has too few cells"
