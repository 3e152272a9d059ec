"""Do two folders, or the two sides of a random split, share photographs? An audit of augmented copies."""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import msgspec
import numpy as np
from msgspec import Struct

from edge.cameras.image_files import read_image
from edge.cameras.image_folders import is_left_out
from edge.errors import LeukoscopeError, OutputError
from trainer.data.images import DataError
from trainer.data.photographs import SCHEMA as GROUPS_SCHEMA
from trainer.data.photographs import UNKNOWN, find_photographs, shared_photographs, write_groups
from trainer.data.reading import images_below, images_in
from trainer.outputs import has_mark, is_json_of, refuse_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

GROUPS = "photographs.json"
REPORT = "audit.json"
_PAIRS_DRAWN = 12
_TEST_SHARE = 0.15


class SetCount(Struct, frozen=True):
    """One folder: its images, those with a known photograph, and how many photographs these are."""

    folder: str
    images: int
    assigned: int
    photographs: int
    same_bytes: int


class Leak(Struct, frozen=True):
    """Two sides that should share no photograph, and the share of `b`'s images whose photograph is in `a`."""

    a: str
    b: str
    photographs: int
    images_of_b: int
    share_of_b: float


class Audit(Struct, frozen=True):
    """What an audit found. `random_split` is what a stratified split of all images would leak."""

    originals: bool
    sets: tuple[SetCount, ...]
    leaks: tuple[Leak, ...]
    random_split: Leak

    @property
    def assigned_share(self) -> float:
        """The share of all images whose photograph is known."""
        return sum(s.assigned for s in self.sets) / sum(s.images for s in self.sets)


@dataclass(frozen=True)
class _Images:
    paths: list[Path]
    folders: dict[str, list[Path]]


def audit(
    directory: Path,
    out: Path,
    *,
    originals: Path | None = None,
    force: bool = False,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Recover the photograph behind every image below `directory`; compare its first-level folders.

    Writes into `out`: the groups, the report as JSON, and pairs of leaking images drawn side by side. Without
    `originals` the copies are clustered among themselves. force: in place of any files of these names.

    Raises DataError where there is nothing to compare, PhotographError for an image that cannot be read,
    OutputError for a file in the way that is no earlier report.
    """
    images = _listed(directory)
    known = _originals(originals)
    if out.resolve().is_relative_to(directory.resolve()):
        raise OutputError(
            f"{out}: lies in what is audited, and would be read as a part of it; give another --out"
        )
    for name, is_earlier in ((REPORT, is_json_of(Audit)), (GROUPS, has_mark(GROUPS_SCHEMA))):
        refuse_output(out / name, "audit", is_earlier, force=force)
    matches = find_photographs(images.paths, known, progress)
    out.mkdir(parents=True, exist_ok=True)
    write_groups(out / GROUPS, matches, directory)
    groups = {
        path: m.photograph if m.photograph is not None else UNKNOWN + path.relative_to(directory).as_posix()
        for path, m in matches.items()
    }
    leaks = []
    for a, b in itertools.combinations(images.folders, 2):
        leak = _leak(a, b, groups, images.folders[a], images.folders[b])
        leaks.append(leak)
        if leak.photographs:
            _draw_pairs(out / f"leak-{a}-{b}.png", groups, images.folders[a], images.folders[b])
    training, test = _random_split(images.paths, seed)
    found = Audit(
        originals=known is not None,
        sets=tuple(_count(name, paths, groups) for name, paths in images.folders.items()),
        leaks=tuple(leaks),
        random_split=_leak("random training part", "random test part", groups, training, test),
    )
    if found.random_split.photographs:
        _draw_pairs(out / "leak-random-split.png", groups, training, test)
    (out / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    return found


def _listed(directory: Path) -> _Images:
    if not directory.is_dir():
        raise DataError(f"{directory}: there is no such folder")
    folders: dict[str, list[Path]] = {}
    for folder in sorted(p for p in directory.iterdir() if p.is_dir() and not is_left_out(p.name)):
        paths = images_below(folder)
        if paths:
            folders[folder.name] = paths
    if not folders:
        raise DataError(f"{directory}: holds no folder with images")
    return _Images([path for paths in folders.values() for path in paths], folders)


def _originals(folder: Path | None) -> list[Path] | None:
    if folder is None:
        return None
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder of originals")
    found = images_in(folder)
    if not found:
        raise DataError(f"{folder}: holds no original")
    return found


def _count(name: str, paths: Sequence[Path], groups: Mapping[Path, str]) -> SetCount:
    known = [groups[p] for p in paths if not groups[p].startswith(UNKNOWN)]
    digests = {hashlib.sha256(p.read_bytes()).digest() for p in paths}
    return SetCount(name, len(paths), len(known), len(set(known)), len(paths) - len(digests))


def _leak(a: str, b: str, groups: Mapping[Path, str], in_a: Sequence[Path], in_b: Sequence[Path]) -> Leak:
    shared = shared_photographs({str(p): groups[p] for p in in_a}, {str(p): groups[p] for p in in_b})
    images = sum(len(photograph.in_b) for photograph in shared)
    return Leak(a, b, len(shared), images, round(images / len(in_b), 4) if in_b else 0.0)


def _random_split(paths: Sequence[Path], seed: int) -> tuple[list[Path], list[Path]]:
    """Split images, not photographs, within each class folder: what leaks."""
    rng = np.random.default_rng(seed)
    by_class: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_class[path.parent.name].append(path)
    training: list[Path] = []
    test: list[Path] = []
    for _, own in sorted(by_class.items()):
        order = rng.permutation(len(own))
        held = round(_TEST_SHARE * len(own))
        test += [own[i] for i in order[:held]]
        training += [own[i] for i in order[held:]]
    return training, test


def _draw_pairs(path: Path, groups: Mapping[Path, str], in_a: Sequence[Path], in_b: Sequence[Path]) -> None:
    """Draw copies of shared photographs beside each other: left from the one side, right from the other."""
    first: dict[str, Path] = {}
    for image in in_a:
        first.setdefault(groups[image], image)
    drawn: set[str] = set()
    rows: list[NDArray[np.uint8]] = []
    for image in in_b:
        photograph = groups[image]
        if photograph in first and photograph not in drawn:
            drawn.add(photograph)
            rows.append(np.hstack([_thumbnail(first[photograph]), _thumbnail(image)]))
        if len(rows) == _PAIRS_DRAWN:
            break
    if not cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)):
        raise LeukoscopeError(f"{path}: the picture cannot be written")


def _thumbnail(path: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(read_image(path), (320, 240), interpolation=cv2.INTER_AREA), np.uint8)
