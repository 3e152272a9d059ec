"""Files that a command writes where its user says: never over an input, nor over what is no result of it.

An earlier result is known by what stands in it: a picture by a note that names the command, a bundle or a
calibration by its own description.
"""

from __future__ import annotations

import os
import stat
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from edge.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MASKS = "leukoscope analyze --masks"
OVERLAYS = "leukoscope analyze --overlays"
DEMO = "leukoscope demo --picture"

_NOTE_WITHIN = 512  # bytes from the beginning of the file
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_FIRST = 33  # bytes: the signature and the chunk IHDR, before which nothing may stand
_JPEG_APP0 = b"\xff\xd8\xff\xe0"


def refuse_overwriting(
    targets: Iterable[Path],
    *,
    inputs: Iterable[Path],
    is_earlier_result: Callable[[Path], bool],
    command: str,
    force: bool = False,
) -> None:
    """See that each target may be written: it is not there, or is an earlier result of the command.

    force: it may be any other file, too, but never an input. A link to an input is one. Raises OutputError
    naming the file.
    """
    read = {identity for path in inputs if (identity := _identity(path)) is not None}
    for target in targets:
        identity = _identity(target)
        if identity is None:
            continue
        if identity in read:
            raise OutputError(f"{target}: is an input, which a result never overwrites; give another place")
        if not stat.S_ISREG(target.stat().st_mode):
            raise OutputError(f"{target}: is there already and is no file; give another place")
        if not (force or is_earlier_result(target)):
            raise OutputError(
                f"{target}: is there already and was not written by `{command}`; "
                "give another place, or --force to overwrite it"
            )


def write_result(path: Path, content: bytes) -> None:
    """Write a file in one step, in place of a former one. Raises OutputError."""
    # Short: with more added to it, a long name of a picture would be longer than a file system takes.
    partial = path.with_name(f".{zlib.crc32(os.fsencode(path.name)):08x}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None


def signed_picture(content: bytes, command: str) -> bytes:
    """A PNG or JPEG file with a note in it that the command has drawn it."""
    note = command.encode("ascii")
    if content.startswith(_PNG):
        chunk = b"tEXtSoftware\0" + note
        chunk = len(chunk[4:]).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        return content[:_PNG_FIRST] + chunk + content[_PNG_FIRST:]
    at = 4 + int.from_bytes(content[4:6], "big") if content.startswith(_JPEG_APP0) else 2
    return content[:at] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + content[at:]


def drawn_by(content: bytes) -> str | None:
    """The command that has drawn a picture file, by its first bytes; None where none of ours has."""
    beginning = content[:_NOTE_WITHIN]
    return next((command for command in (MASKS, OVERLAYS) if command.encode("ascii") in beginning), None)


def is_drawn_by(command: str) -> Callable[[Path], bool]:
    """What knows the pictures that a command has drawn."""

    def known(path: Path) -> bool:
        try:
            with path.open("rb") as file:
                return command.encode("ascii") in file.read(_NOTE_WITHIN)
        except OSError:
            return False

    return known


def last_change(path: Path) -> tuple[int, int] | None:
    """Return what differs after each change of a file that is put in place whole; None where none is."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
