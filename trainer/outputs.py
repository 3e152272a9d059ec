"""Where `leukoscope-train` may write: over no input, nor over what it has not written itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edge.errors import BundleError
from edge.models.bundle import read_bundle
from edge.outputs import refuse_overwriting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_BEGINNING = 4096  # bytes of a file in which a mark is looked for


def refuse_output(
    path: Path,
    command: str,
    is_earlier_result: Callable[[Path], bool],
    *,
    inputs: Iterable[Path] = (),
    force: bool = False,
) -> None:
    """See that a command may write the file: it is not there, or is an earlier result of the same command.

    force: it may be any other file, too, but never one of `inputs`. Raises OutputError naming it.
    """
    if path.is_file() and is_earlier_result(path):
        return  # though it may lie in a folder of inputs, as a bundle does in its run's
    refuse_overwriting(
        [path],
        inputs=inputs,
        is_earlier_result=is_earlier_result,
        command=f"leukoscope-train {command}",
        force=force,
    )


def files_below(folders: Iterable[Path]) -> Iterator[Path]:
    """All files of folders, as inputs that nothing may overwrite."""
    for folder in folders:
        yield from folder.rglob("*")


def has_mark(mark: str) -> Callable[[Path], bool]:
    """What knows a text file of ours: the mark stands near its beginning."""

    def known(path: Path) -> bool:
        with path.open("rb") as file:
            return mark.encode() in file.read(_BEGINNING)

    return known


def is_json_of(kind: type[msgspec.Struct]) -> Callable[[Path], bool]:
    """What knows a JSON file that holds such a record."""

    def known(path: Path) -> bool:
        try:
            msgspec.json.decode(path.read_bytes(), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        return True

    return known


def is_exported(path: Path) -> bool:
    """Whether a file is a bundle that `leukoscope-train export` has made, and none fitted on a device."""
    try:
        about = read_bundle(path).description
    except BundleError:
        return False
    return "recipe" in about.training and about.adaptation is None
