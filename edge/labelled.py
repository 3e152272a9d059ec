"""Cells that an operator has named: a folder for each class, and in each image the largest cell is meant."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (part of the public signature)
from typing import TYPE_CHECKING

import numpy as np

from edge.cameras.image_files import read_image
from edge.cameras.image_folders import SUFFIXES, is_left_out
from edge.cameras.replay import ReplayCamera
from edge.config import ReplayConfig
from edge.errors import LeukoscopeError
from edge.masking import cut_crop, find_cells
from edge.quality import assess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.masking import Pixels, Recipe

MAX_IMAGES_OF_A_CLASS = 200
"""More take longer and teach the last layer hardly more; of more, as many are taken, evenly."""


class LabelledCellsError(LeukoscopeError):
    """The folder of labelled cells cannot be used: a wrong class, too few cells, one cell of two classes."""


@dataclass(frozen=True)
class LabelledCells:
    """crops: uint8 RGB (120, 120, 3) each. labels: int64 (cells,), places in the model's list of labels.

    remarks: a sentence for each image or class that was not taken as it was given.
    """

    crops: tuple[Pixels, ...]
    labels: NDArray[np.int64]
    remarks: tuple[str, ...]


def read_labelled(folder: Path, labels: Sequence[str], recipe: Recipe) -> LabelledCells:
    """Find the largest cell of each image in the folder's folders, which are named as the labels are.

    The case of the names is not minded. An image without a cell, or one that the device would not analyse,
    is left out with a remark, as is an image that is there twice: held back and learnt, it would flatter.

    Raises LabelledCellsError, CameraError for a folder without images, UnreadableFrameError for an image
    that cannot be read.
    """
    crops: list[Pixels] = []
    numbers: list[int] = []
    remarks: list[str] = []
    seen: dict[bytes, tuple[Path, int]] = {}
    for place, class_folder in _class_folders(folder, labels):
        files = ReplayCamera(ReplayConfig((str(class_folder),))).files
        if len(files) > MAX_IMAGES_OF_A_CLASS:
            remarks.append(f"{class_folder}: {MAX_IMAGES_OF_A_CLASS} of its {len(files)} images are taken")
            files = tuple(
                files[len(files) * k // MAX_IMAGES_OF_A_CLASS] for k in range(MAX_IMAGES_OF_A_CLASS)
            )
        for file in files:
            pixels = read_image(file)
            first, its_place = seen.setdefault(hashlib.sha256(pixels.tobytes()).digest(), (file, place))
            if its_place != place:
                raise LabelledCellsError(
                    f"{file}: is the same image as {first}, which is named {labels[its_place]}"
                )
            if first != file:
                remarks.append(f"{file}: is left out: it is the same image as {first}")
                continue
            crop = _largest(pixels, recipe)
            if isinstance(crop, str):
                remarks.append(f"{file}: is left out: {crop}")
                continue
            crops.append(crop)
            numbers.append(place)
    missing = [label for place, label in enumerate(labels) if place not in numbers]
    if missing:
        remarks.append(
            f"{folder}: has no {' and no '.join(missing)}: how right it is on them is not measured"
        )
    return LabelledCells(tuple(crops), np.array(numbers, np.int64), tuple(remarks))


def _class_folders(folder: Path, labels: Sequence[str]) -> list[tuple[int, Path]]:
    """Give the place of the label and the folder for each class, in the order of their names."""
    known = {label.casefold(): place for place, label in enumerate(labels)}
    wanted = f"a folder for each class is wanted: {', '.join(labels)}"
    found = []
    try:
        entries = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        raise LabelledCellsError(f"{folder}: there is no such folder") from None
    except OSError as error:
        raise LabelledCellsError(f"{folder}: cannot be read: {error.strerror}") from None
    for entry in entries:
        if is_left_out(entry.name):
            continue
        if entry.is_dir():
            if entry.name.casefold() not in known:
                raise LabelledCellsError(f"{entry}: is no class of the model; {wanted}")
            found.append((known[entry.name.casefold()], entry))
        elif entry.suffix.lower() in SUFFIXES:
            raise LabelledCellsError(f"{entry}: lies in no class's folder; {wanted}")
    if not found:
        raise LabelledCellsError(f"{folder}: {wanted}")
    return found


def _largest(pixels: Pixels, recipe: Recipe) -> Pixels | str:
    """Give the crop of the largest cell, or why there is none."""
    quality = assess(pixels)
    if not quality.accepted:
        return f"the device would not analyse it: {quality.reason}"
    masks = find_cells(pixels, recipe)
    return cut_crop(pixels, masks, masks.cells[0]) if masks.cells else "no white cell is found in it"
