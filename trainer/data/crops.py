"""Crops: the cells of a data set, cut by `edge.masking` as on the device, and kept for the next run."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.image_files import read_image
from edge.errors import UnreadableFrameError
from edge.masking import CROP_SIZE, CROPS, FieldMasks, FoundCell, Recipe, cut_crop, study
from edge.masking.crops import cut_cell
from trainer.data.cache import kept_at
from trainer.data.datasets import fingerprint
from trainer.data.images import Box, DataError, LabelledImage
from trainer.data.shipped_finder import find_white_cells, finder_version

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.imaging.pixels import Pixels


@dataclass(frozen=True)
class Crops:
    """Cells cut from a data set.

    pixels: uint8 (n, side, side, 3), where side is 120 times the context that was asked for.
    labels: int64 (n,), into `classes`. names: the image each was cut from. missed: images without a cell.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    missed: tuple[str, ...]


def of_classes(images: Sequence[LabelledImage], classes: Collection[str]) -> list[LabelledImage]:
    """Return the images whose class is asked for: a set may hold more classes than a recipe wants."""
    return [image for image in images if image.label in classes]


def cut_crops(
    images: Sequence[LabelledImage],
    classes: Sequence[str],
    *,
    recipe: Recipe = "found",
    context: float = 1.0,
    progress: Callable[[int], None] = lambda _done: None,
) -> Crops:
    """Cut the cell of every image of these classes: the one in the image's box, or else the largest.

    recipe: "found" cuts where the image's box is; without a box, where the finder that ships finds the cell
    in the middle, or else the largest. Raises DataError for an image that cannot be read.
    """
    images = of_classes(images, classes)
    side = round(CROP_SIZE * context)
    pixels = np.empty((len(images), side, side, 3), np.uint8)
    labels: list[int] = []
    names: list[str] = []
    missed: list[str] = []
    for done, image in enumerate(images):
        frame = _read(image.path)
        crop = _found_crop(frame, image, context) if recipe == "found" else _study_crop(frame, image)
        if crop is not None:
            pixels[len(names)] = crop
            labels.append(classes.index(image.label))
            names.append(image.name)
        else:
            missed.append(image.name)
        progress(done + 1)
    return Crops(
        pixels[: len(names)], np.array(labels, np.int64), tuple(names), tuple(classes), tuple(missed)
    )


def _study_crop(frame: Pixels, image: LabelledImage) -> Pixels | None:
    masks = study.find(frame)
    cell = _cell(masks, image.box)
    return None if cell is None else cut_crop(frame, cell)


def _found_crop(frame: Pixels, image: LabelledImage, context: float) -> Pixels | None:
    box = image.box or middle_box(frame) or _largest_box(frame)
    if box is None:
        return None
    centre = (box.x + box.width / 2, box.y + box.height / 2)
    return cut_cell(frame, centre, math.sqrt(box.width * box.height), context=context)


def middle_box(frame: Pixels) -> Box | None:
    """Return the box of the cell in whose picture the middle of a frame lies, or None, by a finder."""
    height, width = frame.shape[:2]
    over = [cell for cell in find_white_cells(frame).cells if _holds(cell.box, width / 2, height / 2)]
    return _largest(over)


def _largest_box(frame: Pixels) -> Box | None:
    return _largest(find_white_cells(frame).cells)


def _largest(cells: Sequence[FoundCell]) -> Box | None:
    return Box("white cell", *max(cells, key=lambda cell: cell.box[2] * cell.box[3]).box) if cells else None


def _holds(box: tuple[int, int, int, int], x: float, y: float) -> bool:
    return 0 <= x - box[0] < box[2] and 0 <= y - box[1] < box[3]


def whole_images(
    images: Sequence[LabelledImage], classes: Sequence[str], context: float
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Scale whole images to the crops' size, for a protocol in which an image without a cell counts as well.

    Of an image with a box, what is in the box: the rest may show other cells. All are of these classes.
    Gives pixels uint8 (n, side, side, 3) and labels int64 (n,). Raises DataError for an unreadable image.
    """
    side = round(CROP_SIZE * context)
    pixels = np.empty((len(images), side, side, 3), np.uint8)
    for row, image in zip(pixels, images, strict=True):
        frame, box = _read(image.path), image.box
        if box is not None:
            frame = frame[box.y : box.y + box.height, box.x : box.x + box.width]
        small = cv2.resize(frame, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
        before = (side - CROP_SIZE) // 2
        after = side - CROP_SIZE - before
        row[:] = cv2.copyMakeBorder(small, before, after, before, after, cv2.BORDER_REPLICATE)
    return pixels, np.array([classes.index(image.label) for image in images], np.int64)


def cached_crops(
    cache: Path,
    images: Sequence[LabelledImage],
    classes: Sequence[str],
    *,
    recipe: Recipe,
    context: float,
    progress: Callable[[int], None] = lambda _done: None,
) -> tuple[Crops, str]:
    """Cut the crops, or take them from the folder `cache`; give them with the fingerprint of all images."""
    data_hash = fingerprint(images)
    cut_by = [CROPS[recipe], *([finder_version()] if recipe == "found" else [])]
    key = hashlib.sha256(
        json.dumps([data_hash, list(classes), cut_by, context, cv2.__version__]).encode()
    ).hexdigest()[:16]
    path = cache / f"crops-{key}.npz"
    with suppress(OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):  # damaged: cut again
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            crops = Crops(
                stored["pixels"],
                stored["labels"],
                tuple(stored["names"].tolist()),
                tuple(classes),
                tuple(stored["missed"].tolist()),
            )
        progress(len(of_classes(images, classes)))
        return crops, data_hash
    crops = cut_crops(images, classes, recipe=recipe, context=context, progress=progress)
    with kept_at(path) as partial:
        np.savez(
            partial,
            pixels=crops.pixels,
            labels=crops.labels,
            names=np.array(crops.names),
            missed=np.array(crops.missed),
        )
    return crops, data_hash


def _read(path: Path) -> Pixels:
    try:
        return read_image(path)
    except UnreadableFrameError as error:
        raise DataError(str(error)) from None


def _cell(masks: FieldMasks, box: Box | None) -> FoundCell | None:
    if box is None:
        return masks.cells[0] if masks.cells else None
    # A neighbour reaches into the box, but its nucleus does not: its crop would bear another cell's label.
    inside = [cell for cell in masks.cells if _holds_middle(box, cell.nucleus_box)]
    return max(inside, key=lambda cell: _overlap(box, cell.box), default=None)


def _holds_middle(box: Box, other: tuple[int, int, int, int]) -> bool:
    x, y, width, height = other
    return 0 <= x + width / 2 - box.x < box.width and 0 <= y + height / 2 - box.y < box.height


def _overlap(box: Box, other: tuple[int, int, int, int]) -> float:
    """Return the intersection over union."""
    x, y, width, height = other
    across = max(0, min(box.x + box.width, x + width) - max(box.x, x))
    down = max(0, min(box.y + box.height, y + height) - max(box.y, y))
    shared = across * down
    return shared / (box.width * box.height + width * height - shared)
