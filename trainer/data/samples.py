"""What a run is trained and measured on: crops with the photograph of each, from data set to arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.labels import did_you_mean
from trainer.data.arrays import Samples
from trainer.data.cache import cache_folder, kept_at
from trainer.data.crops import cached_crops, of_classes, whole_images
from trainer.data.datasets import DATASETS, NONE, differs_from_release, find_set, fingerprint, list_images
from trainer.data.fields import one_name_a_field
from trainer.data.images import DataError
from trainer.data.own_sets import changed_since_first_use
from trainer.data.photographs import METHOD, UNKNOWN, find_photographs, read_groups, write_groups
from trainer.data.reading import images_in
from trainer.files import put_in_place

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.progress import Progress

    from trainer.data.datasets import Dataset
    from trainer.data.images import LabelledImage
    from trainer.recipe import OwnSet, Recipe

PHOTOGRAPHS = "photographs.json"


@dataclass(frozen=True)
class Loaded:
    """A recipe's samples, and what became of its images.

    in_test_sets: bool (n,), which samples come from the recipe's test sets. hashes: each set's sha256.
    left_out: images of the recipe's classes that are not used. uncut: images without a cell, used whole.
    """

    samples: Samples
    in_test_sets: NDArray[np.bool_]
    hashes: dict[str, str]
    left_out: int
    uncut: int


def load_samples(
    recipe: Recipe,
    data: Path,
    out: Path,
    photographs: Path | None,
    progress: Progress,
    *,
    every_class: bool = True,
    record: bool = True,
) -> Loaded:
    """Cut all crops of the recipe's classes in its sets and name the photograph of each.

    A set that is not its known release is used, and said to differ; so is one of the recipe's own that is not
    as `out` has it from its first use, which is recorded there unless `record` is False.
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
    images_in_all = uncut = 0
    class_of = recipe.data.class_of()
    own_classes = tuple(class_of)
    for name, images in _listed(recipe, data, every_class=every_class):
        wanted = len(of_classes(images, own_classes))
        images_in_all += wanted
        bar = progress.add_task(f"cutting cells of {name}", total=wanted, note="")
        crops, hashes[name] = cached_crops(
            cache_folder() / "crops",
            images,
            own_classes,
            recipe=recipe.data.masking,
            context=recipe.data.context,
            progress=lambda done, bar=bar: progress.update(bar, completed=done),  # type: ignore[misc]
        )
        for told in _known(name, images, hashes[name], out if record else None):
            progress.console.print(told, markup=False, soft_wrap=True)
        part = Samples(crops.pixels, crops.labels, crops.names)
        if recipe.data.missed == "whole":
            missed = set(crops.missed)
            uncut += len(missed)
            pixels, labels = whole_images(
                [image for image in images if image.name in missed], own_classes, recipe.data.context
            )
            part = joined([part, Samples(pixels, labels, crops.missed)])
        part = Samples(part.pixels, np.array([*class_of.values()])[part.labels], part.photographs)
        if recipe.data.split != "study":
            groups = photographs_of(name, data, out, photographs, progress, described=recipe.data.own)
            # An original counts without its copies, too: a part of a set may be just what is wanted.
            originals = _originals(find_set(name, recipe.data.own, data), data)
            known |= {*groups.values(), *(path.stem for path in originals or ())}
            part = _by_photograph(part, groups, {i.name: i.cell for i in images}, recipe)
        parts.append(part)
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
    return Loaded(samples, in_test_sets, hashes, images_in_all - len(samples.labels), uncut)


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
    labels = {image.label for _, images in listed for image in images}
    lacking = [label for label in recipe.data.class_of() if label not in labels]
    if lacking and (every_class or not labels & set(recipe.data.class_of())):
        raise DataError(
            f"recipe {recipe.name}: the class {lacking[0]} has no image in {', '.join(recipe.data.sets)}"
            f"{_strange(labels, recipe)}"
        )
    return listed


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


def photographs_of(
    name: str,
    data: Path,
    out: Path,
    given: Path | None,
    progress: Progress,
    *,
    described: Mapping[str, OwnSet] = NONE,
) -> dict[str, str]:
    """The photograph of each image of a set: from the file given, or the run's own, or by recovering it.

    The run's folder `out` keeps what was used; what was recovered also serves the next run. described: the
    recipe's own sets. In a set that is not registered, the same file under two names is one photograph.
    Raises DataError for a file that is not there, holds no groups, or leaves an image out, and for one file
    that is of two classes.
    """
    images = list_images(data, name, described)
    dataset = find_set(name, described, data)
    if not dataset.copies:
        if name not in DATASETS:
            return _by_content(images)
        # An original has the name under which its copies in other sets know it, or a split would part them.
        parent = None if dataset.originals is None else data / dataset.originals
        return {i.name: i.group or (i.path.stem if i.path.parent == parent else i.name) for i in images}
    own = out / f"{name.replace('/', '-')}-{PHOTOGRAPHS}"
    if given is not None and not given.is_file():
        raise DataError(f"{given}: there is no such groups file")
    path = given or own
    groups = _groups(path) if path.is_file() else {}
    # `audit` knows its images from the folder that it was given.
    groups |= {i.name: groups[short] for i in images if (short := i.name.partition("/")[2]) in groups}
    missing = [image.name for image in images if image.name not in groups]
    if missing and given is not None:
        raise DataError(f"{path}: says nothing of {missing[0]} and {len(missing) - 1} more images")
    if missing:
        path = _recovered(dataset, images, data, progress)
        groups = _groups(path)
    if path != own:
        if given is not None and own.exists() and _groups(own) != groups:
            raise DataError(f"{given}: differs from the groups that {out} has; give another --out")
        out.mkdir(parents=True, exist_ok=True)
        put_in_place(own, path.read_bytes())
    return groups


def _groups(path: Path) -> dict[str, str]:
    try:
        return read_groups(path)
    except ValueError as error:
        raise DataError(str(error)) from None


def _by_content(images: Sequence[LabelledImage]) -> dict[str, str]:
    """Return each image the name of the first with the same bytes: both are of one photograph."""
    first: dict[str, LabelledImage] = {}
    photographs = {}
    for image in images:
        same = first.setdefault(hashlib.sha256(image.path.read_bytes()).hexdigest(), image)
        if same.label != image.label:
            raise DataError(f"{image.path}: is the same image as {same.path}, which is of class {same.label}")
        photographs[image.name] = same.name
    return photographs


def _originals(dataset: Dataset, data: Path) -> list[Path] | None:
    """List the photographs behind a set's images, or give None where they are not there."""
    folder = dataset.originals
    if not folder or not (data / folder).is_dir():
        return None
    return images_in(data / folder)


def _recovered(dataset: Dataset, images: Sequence[LabelledImage], data: Path, progress: Progress) -> Path:
    """Recover the photographs behind a set's images, unless that was done before; give the groups file."""
    originals = _originals(dataset, data)
    made_from = [fingerprint(images), cv2.__version__, str(METHOD)]
    made_from += [f"{p.name} {hashlib.sha256(p.read_bytes()).hexdigest()}" for p in originals or ()]
    key = hashlib.sha256("\n".join(made_from).encode()).hexdigest()[:16]
    path = cache_folder() / f"{key}-{PHOTOGRAPHS}"
    if not path.exists():
        bar = progress.add_task(f"recovering the photographs of {dataset.folder}", total=len(images), note="")
        matches = find_photographs(
            [image.path for image in images],
            originals,
            lambda done, total: progress.update(bar, completed=done, total=total),
        )
        with kept_at(path) as partial:
            write_groups(partial, matches, data)
    return path
