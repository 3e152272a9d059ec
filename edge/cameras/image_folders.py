"""Which picture files a path stands for; every command looks into folders by this module."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge.config import expanded
from edge.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".heif"}
)
"""What is read, in either case."""

NOT_READ = frozenset(
    {".avif", ".gif", ".jp2", ".j2k", ".jpx", ".jxl", ".jxr", ".tga", ".psd", ".exr", ".hdr"}
    | {".pbm", ".pgm", ".ppm", ".pnm", ".dcm", ".dicom"}
    | {".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf", ".raw"}  # of cameras
    | {".svs", ".ndpi", ".scn", ".mrxs", ".bif", ".czi", ".lif", ".nd2", ".vsi", ".oib", ".oif", ".lsm"}
)
"""Pictures that cannot be read. They are named, not skipped silently: their cells would be missing."""

_LEFT_OUT = frozenset(
    {
        "@eadir",  # thumbnails, Synology
        "#recycle",
        "#snapshot",
        "@recycle",  # QNAP
        "@recently-snapshot",
        "$recycle.bin",  # Windows
        "recycler",
        "system volume information",
        "__macosx",
        "network trash folder",
        "temporary items",
        "lost+found",
    }
)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class ImageFile(NamedTuple):
    """A picture that was found.

    name: what it is called from here on: its path from the last part of the given folder on. problem: why it
    will not be read, a sentence; None if no reason is known so far.
    """

    path: Path
    name: str
    problem: str | None = None


def find_images(paths: Sequence[str]) -> list[ImageFile]:
    """The pictures that folders, files and globs stand for, each once, in the order of their paths.

    Folders are searched with all their subfolders for the usual suffixes. Left out are hidden files and
    folders, and a system's thumbnails and deleted files. A linked folder is followed once, but not if it
    leads back up. A file that is given itself is taken whatever its name is. A glob may hold `**`; if part of
    a glob is the exact name of something that is there, brackets and all, that is meant.

    Links that lead nowhere, and pictures of a kind that is not read, are in the list with their problems.

    Raises CameraError if a path is not there, holds no picture, cannot be searched, or is a pipe or a device.
    """
    found: dict[Path, ImageFile] = {}
    for given in paths:
        try:
            for image in _images(given):
                found.setdefault(place_of(image.path), image)
        except OSError as error:
            raise CameraError(f"{error.filename or given}: cannot be read: {error.strerror}") from error
    return sorted(found.values(), key=lambda image: image.path.parts)


def place_of(file: Path) -> Path:
    """Return where a file lies once all links are followed; it also works for links in a circle."""
    return Path(os.path.realpath(file))  # `resolve` raises RuntimeError there


def images_directly_in(folder: Path) -> list[ImageFile]:
    """The pictures of one folder and of none below it, by their names; otherwise as `find_images`.

    Raises OSError where the folder cannot be searched.
    """
    return [
        ImageFile(file, printable(file.name), problem)
        for file in _entries(folder)
        if not file.is_dir() and ((problem := _problem(file)) is not None or file.suffix.lower() in SUFFIXES)
    ]


def is_left_out(name: str) -> bool:
    """Whether a file or folder of this name is hidden, a thumbnail or deleted."""
    return name.startswith(".") or name.casefold() in _LEFT_OUT


def printable(name: str) -> str:
    """A file's name as text for messages, on one line.

    Bytes that are not UTF-8, line ends and terminal control codes may be in a name, but not in a message.
    """
    text = name.encode(errors="surrogateescape").decode(errors="replace")
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _images(given: str) -> Iterator[ImageFile]:
    path = expanded(given)
    if given and path.is_dir():
        matches = [path]
        nothing = "the folder holds no image"
    elif path.is_file():
        yield ImageFile(path, _name(path, path.parent))
        return
    elif glob.has_magic(given):
        matches = list(_expand(Path(path.anchor), path.relative_to(path.anchor).parts))
        nothing = "matches no image"
    elif given and path.exists():
        raise CameraError(
            f"{given}: is neither a file nor a folder; save what comes from it as a picture file first"
        )
    else:
        raise CameraError(f"{given or repr(given)}: there is no such file or folder")
    root = _fixed_part(path)
    images = [
        ImageFile(file, _name(file, root), problem)
        for match in matches
        for file in _files(match)
        if (problem := _problem(file)) is not None or (file.suffix.lower() in SUFFIXES and file.is_file())
    ]
    if not images:
        raise CameraError(f"{given}: {nothing} ({', '.join(sorted(SUFFIXES))})")
    yield from images


def _problem(file: Path) -> str | None:
    """The sentence for a file that would be a picture and is not read."""
    suffix = file.suffix.lower()
    if not file.exists():  # the link is there, or it would not have been found
        is_picture = suffix in SUFFIXES or suffix in NOT_READ or not suffix
        return f"{file}: is a link to {file.readlink()}, which is not there" if is_picture else None
    if suffix in NOT_READ and file.is_file():
        return f"{file}: pictures of the kind {suffix} are not read; save it as PNG, TIFF or JPEG"
    return None


def _files(path: Path) -> Iterator[Path]:
    """The path itself or, of a folder, all in it that is no folder."""
    if not path.is_dir():
        yield path
        return
    for folder in _folders(path):
        yield from (each for each in _entries(folder) if not each.is_dir())


def _folders(top: Path) -> Iterator[Path]:
    """Return a folder and all below it, each once, by its own name rather than a link's; links come last."""
    seen: set[tuple[int, int]] = set()
    waiting = [top]
    while waiting:
        links: list[Path] = []
        below = [waiting.pop(0)]
        while below:
            folder = below.pop()
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            yield folder
            for each in _entries(folder):
                if each.is_dir():
                    (links if each.is_symlink() else below).append(each)
        waiting += sorted(link for link in links if not _leads_back_up(link))


def _leads_back_up(link: Path) -> bool:
    return link.resolve() in link.absolute().parent.resolve().parents


def _entries(folder: Path) -> list[Path]:
    # A folder that cannot be opened is an error: otherwise its cells would be missing and nobody would know.
    return sorted(each for each in folder.iterdir() if not is_left_out(each.name))


def _expand(base: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    """What matches the parts of a glob below a folder."""
    if not parts:
        yield base
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        for folder in _folders(base) if base.is_dir() else ():
            yield from _expand(folder, rest)
    elif os.path.lexists(base / part):
        yield from _expand(base / part, rest)
    elif glob.has_magic(part) and base.is_dir():
        for each in _entries(base):
            if fnmatch.fnmatchcase(each.name, part):
                yield from _expand(each, rest)


def _fixed_part(path: Path) -> Path:
    """The path itself where it is a folder, else its part before the first wildcard."""
    if path.is_dir():
        return path
    fixed = Path(path.anchor)
    for part in path.relative_to(path.anchor).parts[:-1]:
        if glob.has_magic(part) and not os.path.lexists(fixed / part):
            break
        fixed /= part
    return fixed


def _name(file: Path, root: Path) -> str:
    # The name begins with the folder's, so that a file has the same name whether its folder, a glob or the
    # file itself was given. abspath, not resolve: a link keeps its own name.
    folder = os.path.abspath(root)  # noqa: PTH100
    return printable(Path(os.path.abspath(file)).relative_to(Path(folder).parent).as_posix())  # noqa: PTH100
