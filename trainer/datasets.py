"""Data sets as data: where their images lie, how their folders spell the classes, who made them.

Adding one is an entry in `DATASETS`. Crops are cut by `edge.masking`, as on the device.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.replay import read_image
from edge.errors import LeukoscopeError, UnreadableFrameError
from edge.masking import CROP_SIZE, PREPROCESSING, Recipe, cut_crop, find_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"}


class DataError(LeukoscopeError):
    """A data set is missing, or a class in it is missing, empty or unknown."""

    exit_status = 2


@dataclass(frozen=True)
class Dataset:
    """One set of single-cell images: a folder a class.

    folder: below the data directory. classes: folder name -> label. originals: folder of the photographs
    that its images are copies of, or None where every image is a photograph of its own.
    """

    folder: str
    classes: dict[str, str]
    licence: str
    source: str
    copies: bool = False
    originals: str | None = None


_KAGGLE = {c.upper(): c for c in ("eosinophil", "lymphocyte", "monocyte", "neutrophil")}

DATASETS: dict[str, Dataset] = {
    f"blood-cell-images/{part}": Dataset(
        folder=f"blood-cell-images/{part}",
        classes=_KAGGLE,
        licence="MIT",
        source="Kaggle, paultimothymooney/blood-cells",
        copies=part != "TEST_SIMPLE",
        originals="bccd/JPEGImages",
    )
    for part in ("TRAIN", "TEST", "TEST_SIMPLE")
}


@dataclass(frozen=True)
class LabelledImage:
    """An image file, its class, and the name by which groups and reports know it."""

    path: Path
    label: str
    name: str


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


def list_images(data: Path, name: str) -> list[LabelledImage]:
    """List a registered data set's images below the directory `data`, sorted by class and name.

    Raises DataError when the set, one of its classes, or all images of a class are not there, or when a
    folder in it is no class that the set has.
    """
    if name not in DATASETS:
        raise DataError(f"{name}: no such data set; known: {', '.join(sorted(DATASETS))}")
    dataset = DATASETS[name]
    folder = data / dataset.folder
    if not folder.is_dir():
        raise DataError(f"{folder}: the data set {name} is not there; give its parent folder with --data")
    strange = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name not in dataset.classes)
    if strange:
        raise DataError(f"{folder}: holds {strange[0]}, which is no class of {name}")
    images = []
    for spelling, label in sorted(dataset.classes.items()):
        found = sorted(p for p in (folder / spelling).glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        if not found:
            raise DataError(f"{folder / spelling}: holds no image of the class {label}")
        images += [LabelledImage(p, label, p.relative_to(data).as_posix()) for p in found]
    return images


def cut_crops(
    images: Sequence[LabelledImage],
    classes: Sequence[str],
    *,
    recipe: Recipe = "adaptive",
    context: float = 1.0,
    progress: Callable[[int], None] = lambda _done: None,
) -> Crops:
    """Cut the largest cell of every image. Raises DataError for an image that cannot be read."""
    side = round(CROP_SIZE * context)
    pixels = np.empty((len(images), side, side, 3), np.uint8)
    labels: list[int] = []
    names: list[str] = []
    missed: list[str] = []
    for done, image in enumerate(images):
        try:
            frame = read_image(image.path)
        except UnreadableFrameError as error:
            raise DataError(str(error)) from None
        masks = find_cells(frame, recipe)
        if masks.cells:
            pixels[len(names)] = cut_crop(frame, masks, masks.cells[0], context=context)
            labels.append(classes.index(image.label))
            names.append(image.name)
        else:
            missed.append(image.name)
        progress(done + 1)
    return Crops(
        pixels[: len(names)], np.array(labels, np.int64), tuple(names), tuple(classes), tuple(missed)
    )


def whole_images(
    images: Sequence[LabelledImage], classes: Sequence[str], context: float
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Scale whole images to the crops' size, for a protocol in which an image without a cell counts as well.

    Gives pixels uint8 (n, side, side, 3) and labels int64 (n,). Raises DataError for an unreadable image.
    """
    side = round(CROP_SIZE * context)
    pixels = np.empty((len(images), side, side, 3), np.uint8)
    for row, image in zip(pixels, images, strict=True):
        try:
            row[:] = cv2.resize(read_image(image.path), (side, side), interpolation=cv2.INTER_AREA)
        except UnreadableFrameError as error:
            raise DataError(str(error)) from None
    return pixels, np.array([classes.index(image.label) for image in images], np.int64)


def fingerprint(images: Sequence[LabelledImage]) -> str:
    """Give the sha256 over every image's name and bytes: what a model says it was trained on."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(f"{image.name}\0{image.label}\0".encode())
        digest.update(hashlib.sha256(image.path.read_bytes()).digest())
    return digest.hexdigest()


def cached_crops(
    cache: Path,
    images: Sequence[LabelledImage],
    classes: Sequence[str],
    *,
    recipe: Recipe,
    context: float,
    progress: Callable[[int], None] = lambda _done: None,
) -> tuple[Crops, str]:
    """Cut the crops, or take them from the folder `cache`; give them with the images' fingerprint."""
    data_hash = fingerprint(images)
    key = hashlib.sha256(
        json.dumps([data_hash, list(classes), PREPROCESSING[recipe], context, cv2.__version__]).encode()
    ).hexdigest()[:16]
    path = cache / f"crops-{key}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            crops = Crops(
                stored["pixels"],
                stored["labels"],
                tuple(stored["names"].tolist()),
                tuple(classes),
                tuple(stored["missed"].tolist()),
            )
        progress(len(images))
        return crops, data_hash
    crops = cut_crops(images, classes, recipe=recipe, context=context, progress=progress)
    cache.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        pixels=crops.pixels,
        labels=crops.labels,
        names=np.array(crops.names),
        missed=np.array(crops.missed),
    )
    partial.replace(path)
    return crops, data_hash
