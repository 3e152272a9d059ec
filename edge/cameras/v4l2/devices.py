"""What cameras the kernel has, by sysfs, and what they can do, by themselves (V4L2: linux/videodev2.h)."""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ioctl = Callable[[int, int, bytearray], object]

_QUERYCAP, _ENUM_FMT, _ENUM_FRAMESIZES = 0x80685600, 0xC0405602, 0xC02C564A
_CAPABILITY, _DEVICE_CAPS, _FORMAT, _FRAME_SIZE = 104, 88, 64, 44  # bytes; where the capabilities stand
_CAPTURE, _CAPTURE_PLANES = 0x1, 0x1000
_MEMORY_TO_MEMORY = 0x4000 | 0x8000  # a codec
# Drivers of the Raspberry Pi's connectors and image processor: what they give is a picture by libcamera only.
_PIS_OWN = {b"unicam", b"bcm2835-isp", b"rp1-cfe", b"pispbe"}
_DISCRETE = 1
_MOST = 64  # formats, and sizes of one: a driver that never says "no more" must not hold us


class PictureFormat(NamedTuple):
    """How a device gives pictures. code: four characters. sizes: width and height, the largest last."""

    code: str
    description: str
    sizes: tuple[tuple[int, int], ...]


class Listed(NamedTuple):
    """One camera. kind, device: as the configuration has them. why_not: why it cannot be used as it is."""

    kind: str
    device: str
    name: str
    also: tuple[str, ...] = ()
    formats: tuple[PictureFormat, ...] = ()
    why_not: str | None = None


def devices(root: Path = Path("/"), ioctl: Ioctl = fcntl.ioctl) -> Iterator[Listed]:
    """Return the V4L2 devices that take pictures by themselves, by number.

    One that may not be opened is given with what sysfs says of it. root: where /sys and /dev are. ioctl: what
    asks a driver; raises OSError.
    """
    names = _other_names(root / "dev")
    for number, folder in sorted(_numbered(root / "sys/class/video4linux")):
        node = root / f"dev/video{number}"
        shown = f"/dev/video{number}"
        plain = Listed(
            "usb", shown, _text(folder / "name") or "camera without a name", names.get(node.name, ())
        )
        try:
            descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK)
        except PermissionError:
            # Its second stream holds no pictures, as far as anybody can tell from outside.
            if _text(folder / "index") in {"", "0"}:
                yield plain._replace(why_not="may not be opened by this user; add it to the group video")
            continue
        except OSError as error:
            yield plain._replace(why_not=f"cannot be opened: {error.strerror}")
            continue
        try:
            kind = _kind(descriptor, ioctl)
            if kind is not None:
                yield plain._replace(formats=tuple(_formats(descriptor, kind, ioctl)))
        except OSError as error:
            yield plain._replace(why_not=f"does not answer: {error.strerror}")
        finally:
            os.close(descriptor)


def _numbered(folder: Path) -> Iterator[tuple[int, Path]]:
    with suppress(OSError):
        for each in folder.iterdir():
            number = each.name.removeprefix("video")
            if number.isdecimal() and number != each.name:
                yield int(number), each


def _other_names(dev: Path) -> dict[str, tuple[str, ...]]:
    """Return the names that udev made, by the device's own: those stay when its number does not."""
    found: dict[str, list[str]] = {}
    with suppress(OSError):
        for each in sorted([*dev.iterdir(), *(dev / "v4l/by-id").glob("*")]):
            if each.is_symlink() and (target := each.resolve().name).startswith("video"):
                found.setdefault(target, []).append(f"/dev/{each.relative_to(dev)}")
    return {target: tuple(names) for target, names in found.items()}


def _kind(descriptor: int, ioctl: Ioctl) -> int | None:
    """Return the kind of its pictures' buffers; None where it takes none. Raises OSError."""
    answer = bytearray(_CAPABILITY)
    ioctl(descriptor, _QUERYCAP, answer)
    (able,) = struct.unpack_from("=I", answer, _DEVICE_CAPS)
    if able & _MEMORY_TO_MEMORY or bytes(answer[:16]).rstrip(b"\0") in _PIS_OWN:
        return None
    return 1 if able & _CAPTURE else 9 if able & _CAPTURE_PLANES else None


def _formats(descriptor: int, kind: int, ioctl: Ioctl) -> Iterator[PictureFormat]:
    for answer in _enumerated(descriptor, _ENUM_FMT, _FORMAT, struct.pack("=I", kind), ioctl):
        code = bytes(answer[44:48])
        description = bytes(answer[12:44]).split(b"\0")[0].decode(errors="replace")
        sizes = sorted(_sizes(descriptor, code, ioctl), key=lambda size: size[0] * size[1])
        yield PictureFormat(code.decode("ascii", "replace").strip(), description, tuple(sizes))


def _sizes(descriptor: int, code: bytes, ioctl: Ioctl) -> Iterator[tuple[int, int]]:
    for answer in _enumerated(descriptor, _ENUM_FRAMESIZES, _FRAME_SIZE, code, ioctl):
        (way,) = struct.unpack_from("=I", answer, 8)
        if way == _DISCRETE:
            yield struct.unpack_from("=II", answer, 12)
            continue
        least_wide, most_wide, _, least_high, most_high, _ = struct.unpack_from("=6I", answer, 12)
        yield least_wide, least_high
        yield most_wide, most_high
        return


def _enumerated(descriptor: int, request: int, length: int, of: bytes, ioctl: Ioctl) -> Iterator[bytearray]:
    """Return the driver's answers, of this many bytes, to one request about `of`, until it says no more."""
    for index in range(_MOST):
        answer = bytearray(length)
        struct.pack_into("=I4s", answer, 0, index, of)
        try:
            ioctl(descriptor, request, answer)
        except OSError:
            return
        yield answer


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
