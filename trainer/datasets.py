"""Data sets as data: where their images lie, in which layout, who made them, and what the known release is.

Adding one that all may have is an entry in `DATASETS`: its layout is one of `trainer.readers`. One of one's
own needs none: it is a folder, or stands in the recipe (`trainer.own_sets`).
"""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from trainer.images import AnnotatedImage, Box, DataError, LabelledImage
from trainer.own_sets import OwnSet
from trainer.readers import (
    AnnotatedReader,
    ClassFolders,
    LabelledReader,
    MaskedImages,
    VocCells,
    VocFields,
    YoloFields,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NONE: Mapping[str, OwnSet] = MappingProxyType({})
"""No sets of one's own."""

UNLABELLED = "unlabelled"
"""Stands for the label in the counts of a set without classes."""


@dataclass(frozen=True)
class Dataset:
    """One set of images.

    folder: below the data directory. reader: of its layout. counts: label -> images of the known release, or
    labelled cells where an image shows several. sha256: `fingerprint` of the known release. copies: whether
    its images are copies of photographs, several of one; originals: folder of these, where it is known.
    """

    folder: str
    reader: LabelledReader | AnnotatedReader
    licence: str
    source: str
    counts: Mapping[str, int]
    sha256: str
    copies: bool = False
    originals: str | None = None


_FOUR = {c.upper(): c for c in ("eosinophil", "lymphocyte", "monocyte", "neutrophil")}
_BCCD = VocFields({"WBC": "white cell", "RBC": "red cell", "Platelets": "platelet"}, masks="NucleusMasks")
_TXL = YoloFields({"0": "white cell", "1": "red cell", "2": "platelet"})


def _blood_cell_images(part: str, counts: Mapping[str, int], sha256: str) -> dict[str, Dataset]:
    name = f"blood-cell-images/{part}"
    source = "Kaggle, paultimothymooney/blood-cells"
    entry = Dataset(
        name, ClassFolders(_FOUR), "MIT", source, counts, sha256, copies=True, originals="bccd/JPEGImages"
    )
    return {name: entry}


DATASETS: dict[str, Dataset] = {
    **_blood_cell_images(
        "TRAIN",
        {"eosinophil": 2497, "lymphocyte": 2483, "monocyte": 2478, "neutrophil": 2499},
        "e5ed52c92ac7ee87113eb0d46ac067dc2edfb9047f041db643043113acdb845b",
    ),
    **_blood_cell_images(
        "TEST",
        {"eosinophil": 623, "lymphocyte": 620, "monocyte": 620, "neutrophil": 624},
        "55af853aa7d7b3486b21bebd87a2586988b4bef41f05712a2ac7ab3c164332ff",
    ),
    **_blood_cell_images(
        "TEST_SIMPLE",
        {"eosinophil": 13, "lymphocyte": 6, "monocyte": 4, "neutrophil": 48},
        "2c5a1220ba102a6d6724a79c8e0bc56516abab1cbc0dcf560475a5bebc922cc0",
    ),
    # The photographs behind blood-cell-images. Of 364 fields 348 have white cells whose class is known.
    "bccd": Dataset(
        folder="bccd",
        reader=VocCells(VocFields(_BCCD.kinds), {**_FOUR, "BASOPHIL": "basophil"}),
        licence="MIT",
        source="GitHub, Shenggan/BCCD_Dataset",
        counts={"basophil": 2, "eosinophil": 87, "lymphocyte": 35, "monocyte": 20, "neutrophil": 210},
        sha256="3b8a44c1a9e054e3ab4657bd508ad28f2419b218bdd57313c21ac08a48a905cd",
        originals="bccd/JPEGImages",
    ),
    "bccd/fields": Dataset(
        folder="bccd",
        reader=_BCCD,
        licence="MIT, and so are the masks",
        source="GitHub, Shenggan/BCCD_Dataset; nucleus masks by P. P. Banik et al.",
        counts={UNLABELLED: 364},
        sha256="1ea2224ab115a98b0327c2e7255338444c6b7f8b15b728c4a3275e69b2052352",
    ),
    "pbc": Dataset(
        folder="pbc",
        reader=ClassFolders(
            {
                "basophil": "basophil",
                "eosinophil": "eosinophil",
                "erythroblast": "erythroblast",
                "ig": "immature granulocyte",
                "lymphocyte": "lymphocyte",
                "monocyte": "monocyte",
                "neutrophil": "neutrophil",
                "platelet": "platelet",
            }
        ),
        licence="CC BY 4.0",
        source="Acevedo et al. 2020, A dataset of microscopic peripheral blood cell images; "
        "3,650 of its images, the central 240x240 pixels of each",
        counts={
            "basophil": 550,
            "eosinophil": 550,
            "erythroblast": 300,
            "immature granulocyte": 300,
            "lymphocyte": 550,
            "monocyte": 550,
            "neutrophil": 550,
            "platelet": 300,
        },
        sha256="13d1857d273e08a299aaf079b1ecc9c433f186273b224934f00db092222edbe7",
    ),
    "fields-575": Dataset(
        folder="fields-575",
        reader=_TXL,
        licence="MIT",
        source="GitHub, lugan113/TXL-PBC_Dataset; 200 of its fields, 575x575",
        counts={UNLABELLED: 200},
        sha256="311aa96c8603afb6b65006ca506641eff48c4338e70e2e3792f78a3a256eee9e",
    ),
    "fields-416": Dataset(
        folder="fields-416",
        reader=_TXL,
        licence="MIT",
        source="GitHub, lugan113/TXL-PBC_Dataset; 110 of its fields, 416x416",
        counts={UNLABELLED: 110},
        sha256="a33d45630ab6bb19611ad28a5cee3db70f11672aa14e642d4b95210fad0a8d37",
    ),
    "zheng1": Dataset(
        folder="zheng1",
        reader=MaskedImages(),
        licence="research use",
        source="GitHub, zxaoyou/segmentation_WBC, Dataset 1; Zheng et al. 2018",
        counts={UNLABELLED: 300},
        sha256="c3b37be05c7fca93b6bb62df5059c94f6728bd12060afeb0d874d35719223dce",
    ),
}


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
    return reader.read(folder, data if folder.is_relative_to(data) else folder.parent)


def list_annotated(data: Path, name: str) -> list[AnnotatedImage]:
    """List the images with boxes or masks of a registered data set below the directory `data`, by name.

    Raises DataError when the set is not there, has neither, or is not as its reader wants it.
    """
    dataset = find_set(name, NONE, data)
    if not isinstance(dataset.reader, AnnotatedReader):
        known = ", ".join(sorted(n for n, d in DATASETS.items() if isinstance(d.reader, AnnotatedReader)))
        raise DataError(f"{name}: has neither boxes nor masks of fields; data sets with them: {known}")
    return dataset.reader.read(_folder(data, name, dataset), data)


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
    """Give the sha256 over every image's name, annotations and bytes: what a model says it was trained on.

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
    reader = own.reader(folder) if folder is not None and folder.is_dir() else ClassFolders(own.classes)
    return Dataset(own.folder, reader, own.licence, own.source, {}, "", copies=own.copies)


def _folders(data: Path) -> list[str]:
    return [path.name for path in data.iterdir() if path.is_dir()] if data.is_dir() else []


def _folder(data: Path, name: str, dataset: Dataset) -> Path:
    folder = data / Path(dataset.folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder}: the data set {name} is not there; give its parent folder with --data")
    return folder
