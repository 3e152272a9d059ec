"""Data sets as data: where their images lie, in which layout, who made them, and what the known release is.

Adding one that all may have is an entry in `trainer.data.cell_sets` or `trainer.data.field_sets`: its layout
is one of `trainer.data.readers`. One of one's own needs none: it is a folder, or stands in the recipe
(`trainer.data.own_sets`).
"""

from __future__ import annotations

import difflib
import hashlib
import posixpath
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from trainer.data.cell_sets import CELLS
from trainer.data.dataset import UNLABELLED, Dataset
from trainer.data.field_sets import FIELDS
from trainer.data.images import AnnotatedImage, Box, DataError, LabelledImage
from trainer.data.own_sets import reader_of
from trainer.data.readers import AnnotatedReader, ClassFolders, LabelledReader
from trainer.recipe import OwnSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.recipe import Data

__all__ = [
    "DATASETS",
    "NONE",
    "UNLABELLED",
    "Dataset",
    "differs_from_release",
    "find_set",
    "fingerprint",
    "list_annotated",
    "list_images",
]

NONE: Mapping[str, OwnSet] = MappingProxyType({})
"""No sets of one's own."""

DATASETS: dict[str, Dataset] = {**CELLS, **FIELDS}


def find_set(name: str, own: Mapping[str, OwnSet] = NONE, data: Path | None = None) -> Dataset:
    """Return a data set: one of the recipe's own, a registered one, or a folder below the directory `data`.

    Without `data` a name that is neither of the first two is taken for such a folder. Raises DataError, in
    one sentence, for a name that is nothing of all this, or is registered and the recipe's own.
    """
    if name in own:
        if name in DATASETS:
            raise DataError(f"{name}: is the name of a registered data set; give [data.own.{name}] another")
        return _described_by(own[name], data)
    if name in DATASETS:
        return DATASETS[name]
    if data is None or (data / name).is_dir():
        return _described_by(OwnSet(name), data)
    known = sorted({*DATASETS, *own})
    near = difflib.get_close_matches(name, [*known, *_folders(data)], 1)
    raise DataError(
        f"{name}: is no data set and no folder in {data}"
        f"{f'; did you mean {near[0]}?' if near else ''} Known: {', '.join(known)}"
    )


def known_to(asked: Data) -> dict[str, Dataset | OwnSet]:
    """All sets that a recipe may name, by name: its own, folders among its `sets`, and those registered."""
    return {name: OwnSet(name) for name in map(posixpath.normpath, asked.sets)} | asked.own | DATASETS


def folder_of(name: str, data: Path) -> Path:
    """The folder of a data set, by its name or its path, whether it is there or not."""
    if name in DATASETS:
        return data / DATASETS[name].folder
    below = data / name
    return below if below.is_dir() and not name.startswith((".", "~")) else Path(name).expanduser()


def list_images(data: Path, name: str, own: Mapping[str, OwnSet] = NONE) -> list[LabelledImage]:
    """List a data set's images below the directory `data`, sorted by class and name.

    own: the sets that the recipe describes. Raises DataError when the set is not there, has no classes, or
    is not as its reader wants it.
    """
    dataset = find_set(name, own, data)
    reader = dataset.reader
    if not isinstance(reader, LabelledReader):
        known = ", ".join(sorted(n for n, d in DATASETS.items() if isinstance(d.reader, LabelledReader)))
        raise DataError(f"{name}: its cells have no class; data sets with classes: {known}")
    folder = _folder(data, name, dataset)
    if name not in DATASETS:
        below = not Path(dataset.folder).expanduser().is_absolute()
        images = reader.read(folder, data if below else folder)
        # By the set's name where it lies elsewhere, however that is spelt: a run knows its images by it.
        own_name = folder.name if Path(name).is_absolute() else posixpath.normpath(name)
        images = images if below else [replace(one, name=f"{own_name}/{one.name}") for one in images]
        return [
            replace(one, group=f"{own_name}/{one.group}", cell=one.name) if one.group else one
            for one in images
        ]
    images = reader.read(folder, data)
    grouping = dataset.grouping
    return images if grouping is None else grouping.without_contradictions(grouping.of(images))


def list_annotated(data: Path, name: str) -> list[AnnotatedImage]:
    """List the images with boxes or masks of a registered data set below the directory `data`, by name.

    Raises DataError when the set is not there, has neither, or is not as its reader wants it.
    """
    dataset = find_set(name, NONE, data)
    if not isinstance(dataset.reader, AnnotatedReader):
        known = ", ".join(sorted(n for n, d in DATASETS.items() if isinstance(d.reader, AnnotatedReader)))
        raise DataError(f"{name}: has neither boxes nor masks of fields; data sets with them: {known}")
    images = dataset.reader.read(_folder(data, name, dataset), data)
    return images if dataset.grouping is None else dataset.grouping.of(images)


def differs_from_release(
    name: str, images: Sequence[LabelledImage] | Sequence[AnnotatedImage], sha256: str
) -> str | None:
    """Say in one sentence how a registered set's images differ from the known release, or give None.

    sha256: the images' `fingerprint`. A difference is no error: a part of a set may be just what is wanted.
    """
    release = DATASETS[name]
    found = Counter(image.label if isinstance(image, LabelledImage) else UNLABELLED for image in images)
    labels = sorted(found.keys() | release.counts.keys())
    others = [
        f"{label} {found[label]:,} instead of {release.counts.get(label, 0):,}"
        for label in labels
        if found[label] != release.counts.get(label, 0)
    ]
    if others:
        where = "" if labels == [UNLABELLED] else f" ({', '.join(others)})"
        known = sum(release.counts.values())
        return f"{name}: {len(images):,} images, the known release has {known:,}{where}"
    if sha256 != release.sha256:
        return (
            f"{name}: as many images as the known release, but not the same ones: "
            f"sha256 {sha256[:12]} instead of {release.sha256[:12]}"
        )
    return None


def fingerprint(images: Sequence[LabelledImage] | Sequence[AnnotatedImage]) -> str:
    """Return the sha256 over every image's name, annotations and bytes: what a model says it was trained on.

    Raises DataError for a file that cannot be read.
    """
    digest = hashlib.sha256()
    for image in images:
        files: list[Path] = [image.path]
        if isinstance(image, LabelledImage):
            told = [image.name, image.label]
            told += [_described(image.box)] if image.box else []
        else:
            told = [image.name, *map(_described, image.boxes)]
            files += [image.mask] if image.mask else []
        digest.update("".join(f"{one}\0" for one in told).encode())
        for file in files:
            try:
                digest.update(hashlib.sha256(file.read_bytes()).digest())
            except OSError as error:
                raise DataError(f"{file}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def _described(box: Box) -> str:
    return f"{box.kind} {box.x} {box.y} {box.width} {box.height}"


def _described_by(own: OwnSet, data: Path | None) -> Dataset:
    """Return a set of one's own; without `data`, what can be said of it without looking."""
    folder = None if data is None else data / Path(own.folder).expanduser()
    reader = reader_of(own, folder) if folder is not None and folder.is_dir() else ClassFolders(own.classes)
    return Dataset(own.folder, reader, own.licence, own.source, {}, "", copies=own.copies)


def _folders(data: Path) -> list[str]:
    return [path.name for path in data.iterdir() if path.is_dir()] if data.is_dir() else []


def _folder(data: Path, name: str, dataset: Dataset) -> Path:
    folder = data / Path(dataset.folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder}: the data set {name} is not there; give its parent folder with --data")
    return folder
