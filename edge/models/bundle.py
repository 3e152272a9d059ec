"""A model bundle: one `.tflite` file with everything the device must know of it behind the flatbuffer.

What stands behind is a plain zip, as TFLite metadata has it, so any TFLite tool opens the model and any zip
tool the rest: `labels.txt`, `leukoscope.json` (`Description`), and the golden inputs as PNG.
"""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (part of the public signature)
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edge.errors import BundleError
from edge.models.confusion import Confusion  # noqa: TC001 (msgspec reads annotations at run time)
from edge.models.damage import DamageError, damage_in_words
from edge.models.known import KnownMicroscopes  # noqa: TC001 (msgspec reads annotations at run time)
from edge.models.reject import Reject  # noqa: TC001 (msgspec reads annotations at run time)

MAX_BYTES = 64 * 1024 * 1024
_DESCRIPTION = "leukoscope.json"
_LABELS = "labels.txt"
FINDER = "finder.tflite"
SEEN = "seen.bin"
_HEADER = 30  # bytes before each entry of a zip; the last four say how long the name and what follows it are
_DIRECTORY = b"PK\x01\x02"


class Golden(Struct, frozen=True):
    """An input with the answer that the exporter saw: all logits, and the map of the highest."""

    image: str
    logits: tuple[float, ...]
    map: tuple[float, ...]


class FinderGolden(Struct, frozen=True):
    """A working picture with the white cells that the exporter's runtime found in it, the surest first.

    cells: middle (x, y), diameter in pixels of the picture, and score of each.
    """

    image: str
    cells: tuple[tuple[float, float, float, float], ...]


class FinderDescription(Struct, frozen=True, kw_only=True):
    """What the bundle says of its finder: the network that tells where cells are.

    version: of its maps and of the scale that it wants; a device reads its own only. thresholds: the score
    from which a white cell counts as found, and a red cell or a platelet is counted; without one platelets
    are not looked for. measured: recall and
    precision by microscope.
    """

    version: str
    sha256: str
    output: str
    thresholds: dict[str, Annotated[float, Meta(gt=0, lt=1)]]
    goldens: Annotated[tuple[FinderGolden, ...], Meta(min_length=1)]
    measured: dict[str, Any] = {}
    training: dict[str, Any] = {}


class Parent(Struct, frozen=True):
    """The bundle that an adapted one was made from: its sha256, by which results named it, and its name."""

    sha256: str
    name: str


class Description(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the bundle says of its model. Unknown keys are ignored, so that newer bundles can add some.

    parent, adaptation: of a bundle that `leukoscope model adapt` made, from which, with how many cells, and
    how right it was before and after. confusion: how it answers to what it was not trained on; without it no
    differential can be corrected for its errors. known: how cells of the microscopes that it knows answer.
    turns: in how many quarter turns each cell is looked at; the mean is the answer.
    """

    format: Literal["leukoscope.bundle/1"]
    name: str
    labels: Annotated[tuple[str, ...], Meta(min_length=2)]
    preprocessing: str
    model_sha256: str
    outputs: dict[str, str]  # logits, maps, features -> the tensor's name
    temperature: Annotated[float, Meta(gt=0)]
    reject: Reject
    goldens: Annotated[tuple[Golden, ...], Meta(min_length=1)]
    tolerance: Annotated[
        float, Meta(gt=0, description="of a golden's logits, in logits; of its map, relative to its peak")
    ]
    created: str
    intended_use: str
    limits: str
    training: dict[str, Any]
    measured: dict[str, Any]
    tools: dict[str, str]
    parent: Parent | None = None
    adaptation: dict[str, Any] | None = None
    confusion: Confusion | None = None
    finder: FinderDescription | None = None
    known: KnownMicroscopes | None = None
    turns: Literal[1, 4] = 1


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and is whole.

    model: the flatbuffer. sha256: of the whole file, by which results name it. golden_images: PNG bytes.
    finder: the finder's flatbuffer, or None where cells are found without one. finder_images: PNG bytes.
    seen: hashes of the cells it was trained on or fitted to (`edge.naming.seen_cells`); empty: nobody kept
    them.
    """

    path: Path
    description: Description
    model: bytes
    sha256: str
    golden_images: tuple[bytes, ...]
    finder: bytes | None = None
    finder_images: tuple[bytes, ...] = ()
    seen: bytes = b""


def read_bundle(path: Path) -> Bundle:
    """Read and check a bundle: its zip, its description, and that the flatbuffer is the one described.

    Raises BundleError with one sentence. Nothing of the file is executed here.
    """
    content = _content(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            start = min((entry.header_offset for entry in archive.infolist()), default=0)
            _check_directory(archive, content, start)
            description = msgspec.json.decode(_member(archive, _DESCRIPTION), type=Description)
            labels = _member(archive, _LABELS).decode().split()
            images = _images(archive, [golden.image for golden in description.goldens])
            own = description.finder
            finder = None if own is None else _member(archive, FINDER)
            finder_images = () if own is None else _images(archive, [golden.image for golden in own.goldens])
            seen = _member(archive, SEEN) if SEEN in archive.namelist() else b""
    except (
        zipfile.BadZipFile,
        KeyError,
        EOFError,
        NotImplementedError,
        OSError,
        RuntimeError,
        ValueError,
        struct.error,
        zlib.error,
    ) as error:
        # ValueError covers msgspec's errors, text that is no UTF-8, and zipfile's own on a broken directory;
        # RuntimeError an entry marked as encrypted, and JSON that is nested without end.
        damage = damage_in_words(error, _DESCRIPTION)
        raise BundleError(f"{path}: is damaged or is no Leukoscope model bundle: {damage}") from None
    model = content[:start]
    if hashlib.sha256(model).hexdigest() != description.model_sha256:
        raise BundleError(f"{path}: is damaged: the network is not the one that its description names")
    if own is not None:
        _check_finder(path, own, finder or b"")
    if not {"logits", "maps"} <= description.outputs.keys():
        raise BundleError(f"{path}: its description names no output for logits or for maps")
    if tuple(labels) != description.labels:
        raise BundleError(f"{path}: is damaged: its two lists of labels differ")
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise BundleError(f"{path}: names the label {twice} twice; each class needs a name of its own")
    _check_figures(path, description)
    return Bundle(
        path, description, model, hashlib.sha256(content).hexdigest(), images, finder, finder_images, seen
    )


def _content(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise BundleError(f"{path}: is not a file, so it is no model")  # a pipe would be waited for
        if status.st_size > MAX_BYTES:
            raise BundleError(f"{path}: is larger than {MAX_BYTES >> 20} MiB, which no bundle is")
        return path.read_bytes()
    except FileNotFoundError:
        raise BundleError(f"{path}: there is no such model file") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None


def _check_directory(archive: zipfile.ZipFile, content: bytes, start: int) -> None:
    """See that the zip's directory names all that is in it, by its own names.

    Else a damaged directory could lose a member that a bundle need not have, and nobody would miss it.
    Raises DamageError, BadZipFile.
    """
    at = start
    for entry in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
        archive.open(entry).close()  # compares the two names of the entry
        if entry.header_offset != at:
            raise DamageError("its list of parts leaves something out")
        at += _HEADER + sum(struct.unpack_from("<HH", content, at + _HEADER - 4)) + entry.compress_size
    if content[at : at + 4] != _DIRECTORY:
        raise DamageError("its list of parts leaves something out")


def _check_finder(path: Path, described: FinderDescription, finder: bytes) -> None:
    if hashlib.sha256(finder).hexdigest() != described.sha256:
        raise BundleError(f"{path}: is damaged: its finder is not the one that its description names")
    if not {"white cell", "red cell"} <= described.thresholds.keys():
        raise BundleError(f"{path}: its description names no threshold for white cells or for red cells")


def _check_figures(path: Path, described: Description) -> None:
    confusion, familiarity = described.confusion, described.reject.familiarity
    problem = None if familiarity is None else familiarity.problem()
    if confusion is not None:
        problem = confusion.problem() or problem
        if confusion.labels != described.labels:
            problem = problem or "its confusion matrix is of other labels"
    if problem is not None:
        raise BundleError(f"{path}: is damaged: {problem}")


def write_bundle(path: Path, model: bytes, description: Description, members: dict[str, bytes]) -> None:
    """Write a bundle, or nothing; the same contents give the same bytes. members: further files by name.

    Raises OSError.
    """
    buffer = io.BytesIO()
    buffer.write(model)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        entries = {
            _LABELS: "\n".join(description.labels).encode(),
            _DESCRIPTION: msgspec.json.format(msgspec.json.encode(description), indent=1),
            **members,
        }
        for name, data in entries.items():
            archive.writestr(_entry(name), data)
    partial = path.with_name(f"partial-{path.name}")
    try:
        partial.write_bytes(buffer.getvalue())
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # a fixed time: bundles can be compared by hash
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _found(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    try:
        return archive.getinfo(name)
    except KeyError:
        raise DamageError(f"it has no {name!r}") from None


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    entry = _found(archive, name)
    if entry.file_size > MAX_BYTES:
        raise DamageError(f"{name} in it unpacks to more than {MAX_BYTES >> 20} MiB")
    return archive.read(entry)


def _images(archive: zipfile.ZipFile, names: list[str]) -> tuple[bytes, ...]:
    if sum(_found(archive, name).file_size for name in names) > MAX_BYTES:
        raise DamageError(f"its golden inputs unpack to more than {MAX_BYTES >> 20} MiB")
    return tuple(_member(archive, name) for name in names)
