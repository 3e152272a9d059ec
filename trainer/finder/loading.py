"""The fields that a finder's recipe names, read and ready to be drawn from."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import msgspec

from edge.cameras.image_files import read_image
from edge.errors import ConfigError, UnreadableFrameError
from edge.labels import did_you_mean
from trainer.data.cache import cache_folder, kept_at
from trainer.data.crops import middle_box
from trainer.data.datasets import DATASETS, find_set, fingerprint, list_annotated, list_images
from trainer.data.images import AnnotatedImage, Box, DataError, Kind
from trainer.data.shipped_finder import finder_version
from trainer.finder.fields import drawn_fields, read_fields

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from trainer.data.dataset import Dataset
    from trainer.data.images import LabelledImage
    from trainer.finder.fields import TrainingField
    from trainer.finder.recipe import FinderRecipe

_PLATELET = "platelet"


def load_fields(
    recipe: FinderRecipe, data: Path, left_out: Collection[str] = ()
) -> tuple[list[TrainingField], dict[str, str]]:
    """Return the training fields of a recipe, and the hash of each set's images.

    data: the directory of the data sets. left_out: microscopes of which nothing is used.
    Raises ConfigError for a set that must not be trained on, and for a picture of `unseen` that is not there;
    DataError for a set that is not there.
    """
    fields: list[TrainingField] = []
    hashes: dict[str, str] = {}
    strange = set(recipe.data.unseen)
    # All of them are looked up first: reading what stands before a misspelt one takes minutes.
    sets = {name: _trainable(name) for name in (*recipe.data.fields, *recipe.data.cells)}
    for name, (dataset, red_cell) in sets.items():
        if dataset.microscope in left_out:
            continue
        images: Sequence[AnnotatedImage]
        annotated: tuple[Kind, ...] = dataset.annotated
        if name in recipe.data.cells:
            cells = list_images(data, name)
            strange -= {image.path.stem for image in cells}
            hashes[name] = fingerprint(cells)
            images, annotated = boxed(cells, hashes[name]), ("white cell",)
        else:
            images = list_annotated(data, name)
            strange -= {image.path.stem for image in images}
            hashes[name] = fingerprint(images)
        fields += read_fields(
            [image for image in images if image.path.stem not in recipe.data.unseen],
            red_cell=red_cell,
            annotated=annotated,
            microscope=dataset.microscope,
            incomplete=name in recipe.data.incomplete,
        )
    # Of a microscope left out no picture is listed, so its names are not known.
    if strange and not left_out:
        raise ConfigError(
            f"recipe {recipe.name}: data.unseen names {min(strange)}, and no picture of its sets is called "
            "so: names stand there without folder and ending"
        )
    if recipe.data.drawn is not None:
        fields += drawn_fields(recipe.data.drawn)
    if not fields:
        raise DataError(f"recipe {recipe.name}: no field is left to train on")
    return fields, hashes


def check_left_out(recipe: FinderRecipe, left_out: Collection[str]) -> None:
    """See that each is a microscope of the recipe's sets. Raises ConfigError naming one that is not."""
    names = (*recipe.data.fields, *recipe.data.cells)
    known = sorted({find_set(name).microscope for name in names} - {""})
    for one in left_out:
        if one not in known:
            meant = did_you_mean(one, tuple(known))
            raise ConfigError(
                f"{one}: is no microscope of recipe {recipe.name}, whose are {', '.join(known)}{meant}"
            )


def boxed(cells: Sequence[LabelledImage], sha256: str) -> list[AnnotatedImage]:
    """Return pictures of one cell with its box, as the finder that ships sees it, or without.

    A picture in whose middle it finds nothing is left out. What was found is kept for the next run.
    sha256: the images' fingerprint.
    """
    key = hashlib.sha256(f"{sha256} {finder_version()}".encode()).hexdigest()[:16]
    path = cache_folder() / f"boxes-{key}.json"
    found = _kept_boxes(path)
    if found is None:
        found = {cell.name: box for cell in cells if (box := _middle_box(cell)) is not None}
        with kept_at(path) as partial:
            partial.write_text(json.dumps(found), encoding="utf-8")
    return [
        AnnotatedImage(
            cell.path, cell.name, (Box(_kind(cell), *found[cell.name]),), None, cell.group, cell.cell
        )
        for cell in cells
        if cell.name in found
    ]


def _kept_boxes(path: Path) -> dict[str, tuple[int, int, int, int]] | None:
    """Return the boxes that a former run has kept; None where there are none, or the file is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, tuple[int, int, int, int]])
    except (OSError, msgspec.MsgspecError):
        return None


def _kind(cell: LabelledImage) -> Kind:
    return "platelet" if _PLATELET in {cell.label, cell.detail} else "white cell"


def _middle_box(cell: LabelledImage) -> tuple[int, int, int, int] | None:
    try:
        pixels = read_image(cell.path)
    except UnreadableFrameError as error:
        raise DataError(str(error)) from None
    box = middle_box(pixels)
    return None if box is None else (box.x, box.y, box.width, box.height)


def _trainable(name: str) -> tuple[Dataset, float]:
    """Return a set and the diameter of its red cells, pixels. Raises ConfigError for one to be left out."""
    if name not in DATASETS:
        raise ConfigError(
            f"{name}: is no data set that a finder can be trained on{did_you_mean(name, tuple(DATASETS))}"
        )
    dataset = find_set(name)
    if not dataset.training:
        raise ConfigError(f"{name}: is for measuring only ({dataset.licence}); take it out of the recipe")
    if dataset.red_cell is None:
        raise ConfigError(f"{name}: the size of its red cells is not known, so it has no scale")
    return dataset, dataset.red_cell
