"""Data sets of one's own: a folder with a folder a class, or a few lines of the recipe."""

from __future__ import annotations

import posixpath
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from edge.cameras.image_folders import is_left_out
from edge.labels import plain_name
from trainer.data.images import DataError, LabelledImage
from trainer.data.readers import ClassFolders, VocCells, VocFields
from trainer.data.reading import images_below
from trainer.files import put_in_place
from trainer.recipe import OwnSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.data.dataset import Dataset
    from trainer.data.readers import LabelledReader

RECORD = "sets.json"
"""In a run's folder: what each set of one's own was when the run first used it."""

_VOC = VocFields({"WBC": "white cell", "RBC": "red cell", "Platelets": "platelet"})


def reader_of(own: OwnSet, folder: Path) -> LabelledReader:
    """Return the reader of a set's layout. Raises DataError for a folder that holds no class."""
    if own.layout == "voc":
        classes = own.classes or {name: name for name in _VOC_CLASSES}
        return VocCells(_VOC, classes)
    slides = own.layout == "slide folders"
    if own.classes:
        return ClassFolders(own.classes, slides=slides)
    return ClassFolders(_classes_of(folder), others=True, slides=slides)


class FirstUse(Struct, frozen=True):
    """What a set of one's own was: its images by class, and the fingerprint over names, classes and bytes."""

    counts: dict[str, int]
    sha256: str


_VOC_CLASSES = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")


def set_of_path(
    given: str, data: Path, known: Mapping[str, Dataset | OwnSet]
) -> tuple[str, dict[str, OwnSet]]:
    """Return the name of a set given on the command line, and its description where it is a path.

    known: sets with a name. Their names, and folders below `data`, stay as they are, and the folder of one is
    that set, however it is spelt. A folder elsewhere, from where the command is run, is known by its last
    name, or where another set has that, by the last two, and so on.
    """
    plain = posixpath.normpath(given)
    if plain in known or (not given.startswith(("/", ".", "~")) and (data / plain).is_dir()):
        return plain, {}
    path = Path(given).expanduser()
    if not path.is_dir():
        return given, {}
    folder, root = path.resolve(), data.resolve()
    for name, one in known.items():
        if (data / Path(one.folder).expanduser()).resolve() == folder:
            return name, {}
    names = [folder.relative_to(root).as_posix()] if root in folder.parents else []
    names += ["/".join(folder.parts[-count:]) for count in range(1, len(folder.parts))]
    free = (
        name
        for name in names
        if name not in known and (not (data / name).is_dir() or (data / name).resolve() == folder)
    )
    name = next(free, str(folder))
    return name, {name: OwnSet(str(folder))}


def changed_since_first_use(
    out: Path, name: str, images: Sequence[LabelledImage], sha256: str
) -> tuple[str, str | None]:
    """Record a set in the run folder `out` on first use; return what it holds, and how that has changed.

    Two sentences; the second is None on first use and where nothing has changed. Raises DataError where the
    record cannot be read or written.
    """
    path = out / RECORD
    now = FirstUse(dict(sorted(Counter(image.label for image in images).items())), sha256)
    holds = f"{name}: {len(images):,} images: {_told(now.counts)}; sha256 {sha256[:12]}"
    try:
        record = msgspec.json.decode(path.read_bytes(), type=dict[str, FirstUse])
    except FileNotFoundError:
        record = {}
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(f"{path}: is not the record of a run's data sets ({error})") from None
    first = record.get(name)
    if first is None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            content = msgspec.json.encode(record | {name: now})
            put_in_place(path, msgspec.json.format(content, indent=1))
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
        return holds, None
    if first == now:
        return holds, None
    if first.counts != now.counts:
        return holds, f"{name}: has changed since this run first used it: then {_told(first.counts)}"
    return holds, f"{name}: as many images as when this run first used it, but not the same ones"


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {label}" for label, count in counts.items())


def _classes_of(folder: Path) -> dict[str, str]:
    """Return the class of each folder that holds images: its own name, in small letters."""
    for path in folder.iterdir():
        if not path.exists() and not is_left_out(path.name):
            raise DataError(f"{path}: is a link to {path.readlink()}, which is not there")
    found = {
        path.name: plain_name(path.name)
        for path in sorted(folder.iterdir())
        if path.is_dir() and not is_left_out(path.name) and images_below(path)
    }
    if not found:
        raise DataError(f"{folder}: holds no folder with images; a folder for each class is wanted")
    return found
