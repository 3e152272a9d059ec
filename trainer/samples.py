"""What a run is trained and measured on: crops with the photograph of each, from data set to arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainer.datasets import DATASETS, DataError, cached_crops, list_images, whole_images
from trainer.fields import one_name_a_field
from trainer.photographs import UNKNOWN, find_photographs, read_groups, write_groups
from trainer.training import Samples

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.progress import Progress

    from trainer.recipe import Recipe

PHOTOGRAPHS = "photographs.json"


@dataclass(frozen=True)
class Loaded:
    """A recipe's samples, and what became of its images.

    hashes: each set's sha256. left_out: images that are not used. uncut: images without a cell that are used
    whole.
    """

    samples: Samples
    hashes: dict[str, str]
    left_out: int
    uncut: int


def load_samples(
    recipe: Recipe, data: Path, out: Path, photographs: Path | None, progress: Progress
) -> Loaded:
    """Cut all crops of the recipe's sets and name the photograph of each.

    Under the study's split every image counts: it passes for a photograph of its own, and where no cell is
    found the whole image is scaled to 120x120. Otherwise such images are left out, as are those whose
    photograph is unknown: a copy of one could stand on both sides of the split. Raises DataError.
    """
    parts: list[Samples] = []
    hashes: dict[str, str] = {}
    left_out = uncut = 0
    for name in recipe.data.sets:
        images = list_images(data, name)
        bar = progress.add_task(f"cutting cells of {name}", total=len(images), note="")
        crops, hashes[name] = cached_crops(
            out / "crops",
            images,
            recipe.data.classes,
            recipe=recipe.data.masking,
            context=recipe.data.context,
            progress=lambda done, bar=bar: progress.update(bar, completed=done),  # type: ignore[misc]
        )
        if recipe.data.split == "study":
            missed = set(crops.missed)
            uncut += len(missed)
            pixels, labels = whole_images(
                [image for image in images if image.name in missed], recipe.data.classes, recipe.data.context
            )
            parts.append(
                Samples(
                    np.concatenate([crops.pixels, pixels]),
                    np.concatenate([crops.labels, labels]),
                    crops.names + crops.missed,
                )
            )
            continue
        groups = photographs_of(name, data, out, photographs, progress)
        usable = np.array(
            [
                not groups[n].startswith(UNKNOWN) and groups[n] not in recipe.data.leave_out
                for n in crops.names
            ]
        )
        fields = one_name_a_field(groups)
        left_out += len(images) - int(usable.sum())
        whole = Samples(crops.pixels, crops.labels, tuple(fields[n] for n in crops.names))
        parts.append(whole.chosen(usable))
    joined = Samples(
        np.concatenate([p.pixels for p in parts]),
        np.concatenate([p.labels for p in parts]),
        tuple(n for p in parts for n in p.photographs),
    )
    return Loaded(joined, hashes, left_out, uncut)


def named(samples: Samples, names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Tell which samples are of one of these photographs: bool (n,)."""
    wanted = set(names)
    return np.array([name in wanted for name in samples.photographs], np.bool_)


def photographs_of(
    name: str, data: Path, out: Path, given: Path | None, progress: Progress
) -> dict[str, str]:
    """Give the photograph of each image of a set, from a file or by recovering it; kept in the run's folder.

    Raises DataError for a file that is not there, holds no groups, or leaves an image out.
    """
    images = list_images(data, name)
    dataset = DATASETS[name]
    if not dataset.copies:
        return {image.name: image.name for image in images}
    path = given or out / f"{name.replace('/', '-')}-{PHOTOGRAPHS}"
    if not path.exists():
        if given is not None:
            raise DataError(f"{given}: there is no such groups file")
        folder = data / dataset.originals if dataset.originals else None
        originals = sorted(folder.glob("*.jp*g")) if folder and folder.is_dir() else None
        bar = progress.add_task(f"recovering the photographs of {name}", total=len(images), note="")
        matches = find_photographs(
            [image.path for image in images],
            originals,
            lambda done, total: progress.update(bar, completed=done, total=total),
        )
        write_groups(path, matches, data)
    try:
        groups = read_groups(path)
    except ValueError as error:
        raise DataError(str(error)) from None
    missing = [image.name for image in images if image.name not in groups]
    if missing:
        raise DataError(f"{path}: says nothing of {missing[0]} and {len(missing) - 1} more images")
    return groups
