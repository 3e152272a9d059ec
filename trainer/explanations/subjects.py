"""The cells that are explained: held out of training, cut as on the device, with their masks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.image_files import read_image
from edge.errors import UnreadableFrameError
from edge.masking import CROP_SIZE, FieldMasks, FoundCell, cut_crop
from trainer.data.crops import of_classes
from trainer.data.datasets import list_annotated, list_images
from trainer.data.fields import one_name_a_field
from trainer.data.images import AnnotatedImage, Box, DataError, LabelledImage
from trainer.data.photographs_of_sets import Contents, photographs_by_set
from trainer.data.shipped_finder import find_white_cells
from trainer.evaluation.finding import overlap

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.progress import Progress

    from edge.imaging.pixels import Pixels
    from edge.masking import Recipe
    from trainer.training.run import Run

    Mask = NDArray[np.bool_]

TRUTH = {"zheng1": ("nucleus", "cell"), "bccd/fields": ("cell",)}
"""Set with masks drawn by people -> what they outline. Those of bccd, named after nuclei, outline cells."""

_NUCLEUS, _CELL = 192, 64  # grey levels between those of masks: 255 nucleus, 128 cytoplasm, 0 the rest
_IN_SIGHT = 0.5  # of a cell that people drew, in the crop
_SEED = 5


@dataclass(frozen=True)
class Subject:
    """One cell. name: of its image. photograph: by which intervals are drawn. source: its data set.

    label: its class's number, or None where the set has no classes. pixels: uint8 (120, 120, 3). nucleus,
    cell: bool (120, 120), or None where nobody knows; the cell contains its nucleus.
    """

    name: str
    photograph: str
    source: str
    label: int | None
    pixels: Pixels
    nucleus: Mask | None
    cell: Mask | None


def held_out(run: Run, folder: Path, data: Path, progress: Progress) -> Iterator[Subject]:
    """Return cells that the run was not trained on, as long as there are any: classes and sets in turn.

    Within a class of a set each photograph comes once before any comes again. Masks are those of the finder
    that ships, whatever the run's recipe is. Under the study's split copies of the same photograph were
    trained on. Raises DataError.
    """
    asked = run.recipe.data
    kept = set(run.held_out if asked.split == "photographs" else run.tested)
    class_of = asked.class_of()
    groups: dict[tuple[int, int], dict[str, list[LabelledImage]]] = defaultdict(lambda: defaultdict(list))
    photographs = photographs_by_set(asked, data, folder, None, progress, Contents())
    for place, name in enumerate(asked.sets):
        fields = one_name_a_field(photographs[name])
        for image in of_classes(list_images(data, name, asked.own), tuple(class_of)):
            if (image.name if asked.split == "study" else fields[image.name]) in kept:
                groups[class_of[image.label], place][fields[image.name]].append(image)
    queues = {key: _in_turn(by_photograph) for key, by_photograph in groups.items()}
    order = sorted(queues, key=lambda key: (key[1], key[0]))
    while order:
        for key in tuple(order):
            found = next((s for s in map(_Cutter(asked.masking, asked.sets[key[1]]), queues[key]) if s), None)
            if found is None:
                order.remove(key)
                continue
            photograph, image, parts = found
            yield Subject(image.name, photograph, asked.sets[key[1]], key[0], *parts)


def with_true_masks(data: Path, name: str, masking: Recipe, seen: Collection[str]) -> Iterator[Subject]:
    """Return cells of a set of `TRUTH` with the masks that people drew, each photograph once, in mixed order.

    seen: names of photographs that are left out, as training showed them. Raises DataError.
    """
    images = list_annotated(data, name)
    fields = one_name_a_field({image.name: image.path.stem for image in images})
    for place in np.random.default_rng(_SEED).permutation(len(images)):
        image = images[place]
        if fields[image.name] in seen:
            continue
        frame = _read(image.path)
        masks = find_white_cells(frame, masking)
        cell = _of_truth(masks, image)
        if cell is None:
            continue
        truth = _true_masks(image, cell, TRUTH[name])
        if truth is not None:
            yield Subject(image.name, fields[image.name], name, None, cut_crop(frame, cell), *truth)


def in_crop(mask: Mask, cell: FoundCell) -> Mask:
    """Cut a mask of the frame, bool (height, width), as `edge.masking` cuts the crop: bool (120, 120)."""
    x, y, width, height = cell.crop
    rows, columns = mask.shape
    square = np.zeros((height, width), np.uint8)
    top, left, bottom, right = max(0, y), max(0, x), min(rows, y + height), min(columns, x + width)
    square[top - y : bottom - y, left - x : right - x] = mask[top:bottom, left:right]
    return np.asarray(cv2.resize(255 * square, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA) > 127)


class _Cutter:
    """Cuts an image's cell and its masks, or gives None where no cell is found."""

    def __init__(self, masking: Recipe, source: str) -> None:
        self._masking, self._source = masking, source

    def __call__(
        self, one: tuple[str, LabelledImage]
    ) -> tuple[str, LabelledImage, tuple[Pixels, Mask | None, Mask | None]] | None:
        photograph, image = one
        frame = _read(image.path)
        masks = find_white_cells(frame, self._masking)
        cell = _chosen(masks, image.box)
        if cell is None:
            return None
        return photograph, image, (cut_crop(frame, cell), *_own_masks(frame, masks, cell))


def _in_turn(by_photograph: dict[str, list[LabelledImage]]) -> Iterator[tuple[str, LabelledImage]]:
    rng = np.random.default_rng(_SEED)
    names = sorted(by_photograph)
    queues = {n: [by_photograph[n][i] for i in rng.permutation(len(by_photograph[n]))] for n in names}
    for turn in range(max(map(len, queues.values()), default=0)):
        for name in (names[i] for i in rng.permutation(len(names))):
            if turn < len(queues[name]):
                yield name, queues[name][turn]


def _chosen(masks: FieldMasks, box: Box | None) -> FoundCell | None:
    if box is None:
        return masks.cells[0] if masks.cells else None
    wanted = (box.x, box.y, box.width, box.height)
    best = max(masks.cells, key=lambda cell: overlap(wanted, cell.box), default=None)
    return best if best is not None and overlap(wanted, best.box) > 0 else None


def _own_masks(frame: Pixels, masks: FieldMasks, cell: FoundCell) -> tuple[Mask | None, Mask | None]:
    """The finder's masks of the cell in its crop: the study's recipe knows a nucleus by colour only."""
    if masks.recipe == "study":
        masks = find_white_cells(frame)
    best = max(range(len(masks.cells)), key=lambda k: overlap(cell.box, masks.cells[k].box), default=None)
    if best is None or overlap(cell.box, masks.cells[best].box) == 0:
        return None, None
    height, width = masks.frame_size
    of_frame = [
        np.asarray(cv2.resize(part.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0)
        for part in (masks.labels == 2 * best + 2, (masks.labels + 1) // 2 == best + 1)
    ]
    nucleus, whole = (in_crop(mask, cell) for mask in of_frame)
    return (nucleus, whole) if nucleus.any() else (None, None)


def _of_truth(masks: FieldMasks, image: AnnotatedImage) -> FoundCell | None:
    """Return a whole cell that a box confirms, in a set with boxes; else the largest."""
    if not image.boxes:
        return masks.cells[0] if masks.cells else None
    boxes = [(b.x, b.y, b.width, b.height) for b in image.boxes if b.kind == "white cell"]
    for cell in masks.cells:
        if cell.complete and any(overlap(box, cell.box) > 0.3 for box in boxes):
            return cell
    return None


def _true_masks(
    image: AnnotatedImage, cell: FoundCell, kinds: Sequence[str]
) -> tuple[Mask | None, Mask | None] | None:
    """Return nucleus and cell in the crop, of the cell that was found; None where truth shows none there.

    Nor where most of the cell lies outside the crop: what was found is then a scrap of it.
    """
    truth = None if image.mask is None else cv2.imread(str(image.mask), cv2.IMREAD_GRAYSCALE)
    if truth is None:
        raise DataError(f"{image.mask or image.path}: there is no such mask, or it cannot be read")
    count, parts = cv2.connectedComponents((truth >= _CELL).astype(np.uint8))
    x, y, width, height = cell.nucleus_box
    inside = np.bincount(parts[y : y + height, x : x + width].ravel(), minlength=count)
    inside[0] = 0
    if not inside.any():
        return None
    own = parts == int(inside.argmax())
    left, top, across, down = cell.crop
    in_sight = own[max(0, top) : max(0, top + down), max(0, left) : max(0, left + across)].sum()
    if in_sight < _IN_SIGHT * own.sum():
        return None
    whole = in_crop(np.asarray(own), cell)
    nucleus = in_crop(np.asarray(own & (truth >= _NUCLEUS)), cell) if "nucleus" in kinds else None
    return nucleus, whole


def _read(path: Path) -> Pixels:
    try:
        return read_image(path)
    except UnreadableFrameError as error:
        raise DataError(str(error)) from None
