"""Which photograph each image of a set is of: told by the set, by its bytes, or recovered from its copies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2

from trainer.data.cache import cache_folder, kept_at
from trainer.data.datasets import DATASETS, NONE, find_set, fingerprint, list_images
from trainer.data.images import DataError
from trainer.data.photographs import METHOD, find_photographs, read_groups, write_groups
from trainer.data.reading import images_in
from trainer.files import put_in_place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.progress import Progress

    from trainer.data.datasets import Dataset
    from trainer.data.images import LabelledImage
    from trainer.recipe import Data, OwnSet

PHOTOGRAPHS = "photographs.json"


@dataclass(frozen=True)
class Contents:
    """Files by what is in them, so that one is known again under another name, in any set.

    known: the sha256 of a file -> the photograph that it is of, and the first image with these bytes.
    same: the name of an image of one's own sets -> the name of that first image.
    """

    known: dict[str, tuple[str, LabelledImage]] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)


def photographs_by_set(
    asked: Data,
    data: Path,
    out: Path | None,
    given: Path | None,
    progress: Progress,
    contents: Contents,
    *,
    all_files: bool = False,
) -> dict[str, dict[str, str]]:
    """The photograph of each image of each of a recipe's sets, as `photographs_of` otherwise.

    The same file in a set of one's own and in any other is one photograph, whatever the order of the sets.
    all_files: look at registered sets' files also where no set is one's own.
    """
    look = all_files or any(name not in DATASETS for name in asked.sets)
    # One's own set may be copied from a registered one, whose names and slides are known.
    in_turn = sorted(asked.sets, key=lambda name: name not in DATASETS)
    return {
        name: photographs_of(
            name, data, out, given, progress, described=asked.own, contents=contents if look else None
        )
        for name in in_turn
    }


def photographs_of_sets(
    asked: Data, data: Path, out: Path | None, given: Path | None, progress: Progress, contents: Contents
) -> dict[str, str]:
    """The photograph of each image of all sets of a recipe, whose files are added to `contents`."""
    by_set = photographs_by_set(asked, data, out, given, progress, contents, all_files=True)
    return {image: photograph for groups in by_set.values() for image, photograph in groups.items()}


def photographs_of(
    name: str,
    data: Path,
    out: Path | None,
    given: Path | None,
    progress: Progress,
    *,
    described: Mapping[str, OwnSet] = NONE,
    contents: Contents | None = None,
) -> dict[str, str]:
    """The photograph of each image of a set: from the file given, or the run's own, or by recovering it.

    The run's folder `out`, where there is one, keeps what was used; what was recovered also serves the next
    run. described: the recipe's own sets. In a set that is not registered, the same file under two names is
    one photograph. contents: files of other sets; in any set one of them is the photograph that it is there,
    and the set's own are added.
    Raises DataError for a file that is not there, holds no groups, or leaves an image out, and for one file
    that is of two classes.
    """
    images = list_images(data, name, described)
    dataset = find_set(name, described, data)
    if not dataset.copies:
        if name not in DATASETS:
            return _by_content(images, Contents() if contents is None else contents)
        # An original has the name under which its copies in other sets know it, or a split would part them.
        parent = None if dataset.originals is None else data / dataset.originals
        groups = {i.name: i.group or (i.path.stem if i.path.parent == parent else i.name) for i in images}
        if contents is None:
            return groups
        told = [(image, _sha256(image), groups[image.name]) for image in images]
        known = contents.known
        groups |= {image.name: known[sha256][0] for image, sha256, _ in told if sha256 in known}
        known |= {sha256: (group, image) for image, sha256, group in told if sha256 not in known}
        return groups
    own = None if out is None else out / f"{name.replace('/', '-')}-{PHOTOGRAPHS}"
    if given is not None and not given.is_file():
        raise DataError(f"{given}: there is no such groups file")
    path = given or own
    groups = _groups(path) if path is not None and path.is_file() else {}
    # `audit` knows its images from the folder that it was given.
    groups |= {i.name: groups[short] for i in images if (short := i.name.partition("/")[2]) in groups}
    missing = [image.name for image in images if image.name not in groups]
    if missing and given is not None:
        raise DataError(f"{path}: says nothing of {missing[0]} and {len(missing) - 1} more images")
    if missing:
        path = _recovered(dataset, images, data, progress)
        groups = _groups(path)
    if own is not None and path is not None and path != own:
        if given is not None and own.exists() and _groups(own) != groups:
            raise DataError(f"{given}: differs from the groups that {out} has; give another --out")
        own.parent.mkdir(parents=True, exist_ok=True)
        put_in_place(own, path.read_bytes())
    return groups


def _groups(path: Path) -> dict[str, str]:
    try:
        return read_groups(path)
    except ValueError as error:
        raise DataError(str(error)) from None


def _by_content(images: Sequence[LabelledImage], contents: Contents) -> dict[str, str]:
    """Return each image the photograph of the first with the same bytes; add those to `contents`."""
    photographs = {}
    for image in images:
        photographs[image.name], same = contents.known.setdefault(
            _sha256(image), (image.group or image.name, image)
        )
        contents.same[image.name] = same.name
        if same.label != image.label:
            raise DataError(f"{image.path}: is the same image as {same.path}, which is of class {same.label}")
    return photographs


def _sha256(image: LabelledImage) -> str:
    try:
        return hashlib.sha256(image.path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{image.path}: cannot be read: {error.strerror}") from None


def originals_of(dataset: Dataset, data: Path) -> list[Path] | None:
    """The photographs behind a set's images, or None where they are not there."""
    folder = dataset.originals
    if not folder or not (data / folder).is_dir():
        return None
    return images_in(data / folder)


def _recovered(dataset: Dataset, images: Sequence[LabelledImage], data: Path, progress: Progress) -> Path:
    """Recover the photographs behind a set's images, unless that was done before; give the groups file."""
    originals = originals_of(dataset, data)
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
