"""What a run is trained and measured on: crops with the photograph of each, from data set to arrays."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edge.labels import did_you_mean
from trainer.data.arrays import Samples
from trainer.data.cache import cache_folder
from trainer.data.crops import cached_crops, of_classes, whole_images
from trainer.data.datasets import DATASETS, differs_from_release, find_set, list_images
from trainer.data.fields import one_name_a_field
from trainer.data.images import DataError
from trainer.data.own_sets import changed_since_first_use
from trainer.data.photographs import UNKNOWN
from trainer.data.photographs_of_sets import Contents, originals_of, photographs_by_set

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.progress import Progress

    from trainer.data.images import LabelledImage
    from trainer.recipe import Recipe


@dataclass(frozen=True)
class Loaded:
    """A recipe's samples, and what became of its images.

    in_test_sets: bool (n,), which samples come from the recipe's test sets. hashes: each set's sha256.
    left_out: images of the recipe's classes that are not used. uncut: images without a cell, used whole.
    missed: class -> its images without a cell, used or not.
    """

    samples: Samples
    in_test_sets: NDArray[np.bool_]
    hashes: dict[str, str]
    left_out: int
    uncut: int
    missed: Mapping[str, int]


def load_samples(
    recipe: Recipe,
    data: Path,
    out: Path | None,
    photographs: Path | None,
    progress: Progress,
    *,
    every_class: bool = True,
    contents: Contents | None = None,
) -> Loaded:
    """Cut all crops of the recipe's classes in its sets and name the photograph of each.

    A set that is not its known release is used, and said to differ; so is one of the recipe's own that is not
    as `out`, a run's folder, has it from its first use, which is recorded there; None: nothing is.
    contents: files that are known already. The same file in a set of one's own and in any other is one
    photograph anyway.
    A class that no set has is an error, unless every_class is False: what a model knows need not all be in
    what it is measured on.
    An image without a cell is left out, or scaled whole to 120x120, as the recipe says. Under the study's
    split an image passes for a photograph of its own. Otherwise images whose photograph is unknown are left
    out: a copy of one could stand on both sides of the split. Under the split by folders, so are images of a
    field that the test sets show as well. A photograph to leave out that is none of the sets' is an error.
    Raises DataError.
    """
    _with_originals(recipe, data, photographs)
    parts: list[Samples] = []
    hashes: dict[str, str] = {}
    known: set[str] = set()
    files = Contents() if contents is None else contents
    listed = _listed(recipe, data, every_class=every_class)
    images_in_all = uncut = 0
    missed_of: Counter[str] = Counter()
    class_of = recipe.data.class_of()
    own_classes = tuple(class_of)
    for name, images in listed:
        wanted = of_classes(images, own_classes)
        images_in_all += len(wanted)
        bar = progress.add_task(f"cutting cells of {name}", total=len(wanted), note="")
        crops, hashes[name] = cached_crops(
            cache_folder() / "crops",
            images,
            own_classes,
            recipe=recipe.data.masking,
            context=recipe.data.context,
            progress=lambda done, bar=bar: progress.update(bar, completed=done),  # type: ignore[misc]
        )
        missed, whole = set(crops.missed), recipe.data.missed == "whole"
        then = "used whole" if whole else "left out"
        for told in (*_known(name, images, hashes[name], out), *_without_a_cell(name, wanted, missed, then)):
            progress.console.print(told, markup=False, soft_wrap=True)
        missed_of.update(recipe.data.classes[class_of[i.label]] for i in wanted if i.name in missed)
        part = Samples(crops.pixels, crops.labels, crops.names)
        if whole:
            uncut += len(missed)
            pixels, labels = whole_images(
                [image for image in images if image.name in missed], own_classes, recipe.data.context
            )
            part = joined([part, Samples(pixels, labels, crops.missed)])
        part = Samples(part.pixels, np.array([*class_of.values()])[part.labels], part.photographs)
        parts.append(part)
    if recipe.data.split != "study":
        groups_of = photographs_by_set(
            recipe.data, data, out, photographs, progress, files, all_files=contents is not None
        )
        for place, (name, images) in enumerate(listed):
            groups = groups_of[name]
            # An original counts without its copies, too: a part of a set may be just what is wanted.
            originals = originals_of(find_set(name, recipe.data.own, data), data)
            known |= {*groups.values(), *(path.stem for path in originals or ())}
            parts[place] = _by_photograph(parts[place], groups, _cells(images, files), recipe)
    strange = [photograph for photograph in recipe.data.leave_out if photograph not in known]
    if strange:
        raise DataError(
            f"recipe {recipe.name}: data.leave_out names {strange[0]}, which is no photograph of "
            f"{', '.join(recipe.data.sets)}"
        )
    tests = [name in recipe.data.test_sets for name in recipe.data.sets]
    if recipe.data.split == "folders":
        tested = {n for part, test in zip(parts, tests, strict=True) if test for n in part.photographs}
        parts = [
            part if test else part.chosen(~named(part, tested))
            for part, test in zip(parts, tests, strict=True)
        ]
    counts = [len(part.labels) for part in parts]
    samples = replace(joined(parts), sets=np.repeat(np.arange(len(parts)), counts))
    in_test_sets = np.repeat(tests, counts)
    left_out = images_in_all - len(samples.labels)
    return Loaded(samples, in_test_sets, hashes, left_out, uncut, dict(missed_of))


def _with_originals(recipe: Recipe, data: Path, photographs: Path | None) -> None:
    """Refuse sets of copies whose common photographs could not be told: a split would part them unseen."""
    if recipe.data.split == "study" or photographs is not None:
        return
    sets = {name: find_set(name, recipe.data.own, data) for name in recipe.data.sets}
    copies = [name for name, dataset in sets.items() if dataset.copies]
    lacking = {sets[name].originals or sets[name].folder for name in copies}
    lacking = {folder for folder in lacking if not (data / folder).is_dir()}
    if lacking and (len(copies) > 1 or recipe.data.leave_out):
        raise DataError(
            f"{data / min(lacking)}: the photographs behind {', '.join(copies)} are not there; without them "
            "nobody can tell which images of these sets show the same cell"
        )


def _listed(recipe: Recipe, data: Path, *, every_class: bool) -> list[tuple[str, list[LabelledImage]]]:
    """List every set of the recipe, by name, before time is spent on any. Raises DataError."""
    listed = [(name, list_images(data, name, recipe.data.own)) for name in recipe.data.sets]
    named: dict[str, str] = {}
    for name, images in listed:
        for image in images if name not in DATASETS else ():
            if named.setdefault(image.name, name) != name:
                raise DataError(
                    f"{name}: has an image {image.name}, and so has {named[image.name]}; give one of the two "
                    "sets another name, [data.own.NAME]"
                )
    labels = {image.label for _, images in listed for image in images}
    lacking = [label for label in recipe.data.class_of() if label not in labels]
    if lacking and (every_class or not labels & set(recipe.data.class_of())):
        raise DataError(
            f"recipe {recipe.name}: the class {lacking[0]} has no image in {', '.join(recipe.data.sets)}"
            f"{_strange(labels, recipe)}"
        )
    return listed


def _cells(images: Sequence[LabelledImage], contents: Contents) -> dict[str, str]:
    """Return the cell of each image, "" for one that stands alone: the same file twice shows one cell."""
    return {image.name: image.cell and contents.same.get(image.name, image.cell) for image in images}


def _strange(labels: Collection[str], recipe: Recipe) -> str:
    """Name the classes that the images have and the recipe has not, with what may have been meant."""
    wanted = tuple(recipe.data.class_of())
    strange = sorted(set(labels) - set(wanted))
    return (
        f", whose other classes are {', '.join(strange)}{did_you_mean(strange[0], wanted)}" if strange else ""
    )


def _known(name: str, images: Sequence[LabelledImage], sha256: str, out: Path | None) -> list[str]:
    """Say how a set differs from what is known of it; of one's own that is its first use in `out`."""
    if name in DATASETS:
        told = differs_from_release(name, images, sha256)
        return [] if told is None else [told]
    if out is None:
        return []
    return [told for told in changed_since_first_use(out, name, images, sha256) if told is not None]


def _without_a_cell(
    name: str, images: Sequence[LabelledImage], missed: Collection[str], then: str
) -> list[str]:
    """Say in how many images of each class no cell was found, where there are any, and what they are then."""
    of = Counter(image.label for image in images)
    lacking = Counter(image.label for image in images if image.name in missed)
    told = ", ".join(f"{count} of {of[label]} {label}" for label, count in sorted(lacking.items()))
    return [f"{name}: no cell is found in {told} images, which are {then}"] if told else []


def _by_photograph(part: Samples, groups: dict[str, str], cells: dict[str, str], recipe: Recipe) -> Samples:
    """Return the samples whose photograph is known and wanted, each by the name of its field, or slide."""
    names = [groups[image] for image in part.photographs]
    usable = np.array([not n.startswith(UNKNOWN) and n not in recipe.data.leave_out for n in names], np.bool_)
    fields = one_name_a_field(groups)
    names = [fields[image] for image in part.photographs]
    shown = tuple(cells[image] or name for image, name in zip(part.photographs, names, strict=True))
    return Samples(part.pixels, part.labels, tuple(names), cells=shown).chosen(usable)


def joined(parts: Sequence[Samples]) -> Samples:
    """Return the samples of all parts (at least one), one after the other."""
    return Samples(
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([part.labels for part in parts]),
        tuple(name for part in parts for name in part.photographs),
        cells=tuple(name for part in parts for name in part.shown()),
    )


def named(samples: Samples, names: Collection[str]) -> NDArray[np.bool_]:
    """Tell which samples are of one of these photographs: bool (n,)."""
    wanted = set(names)
    return np.array([name in wanted for name in samples.photographs], np.bool_)
