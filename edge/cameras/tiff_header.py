"""What a TIFF file says of itself: size, pages, kind of pixels, and whether all of it is there."""

from __future__ import annotations

import struct
from typing import NamedTuple

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _ORIENTATION, _FORMAT = 254, 256, 257, 258, 274, 339
_PIECES = ((273, 279), (324, 325))  # where strips lie and how long they are; the same of tiles
_TAGS = {_SUBFILE, _WIDTH, _HEIGHT, _BITS, _FORMAT, *_PIECES[0], *_PIECES[1]}
_ASIDE = 1 | 4  # a smaller copy, or a transparency mask
_FLOATING = 3
_MOST_PAGES = 10_000
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_SHORT = 3  # the kind of a value of two bytes

_Tags = dict[int, list[int]]


class TiffHeader(NamedTuple):
    """width, height: of the first page, pixels. bits: of a channel of a pixel. floating: no whole numbers.

    pages: smaller copies and masks are none.
    """

    width: int
    height: int
    pages: int
    bits: int
    floating: bool


def read_tiff_header(data: bytes) -> TiffHeader | None:
    """The header of a TIFF file; None where it is none or part of it is missing."""
    try:
        return _header(data)
    except (struct.error, LookupError):
        return None


def as_it_lies(data: bytes) -> bytes:
    """The same TIFF file without a turn for whoever shows it: its pixels are taken in the order they lie in.

    OpenCV heeds a TIFF's orientation even where it is told not to. What is no TIFF is given back as it is.
    """
    try:
        order = _ORDERS[data[:4]]
        first = struct.unpack_from(order + "I", data, 4)[0]
        for entry in range(struct.unpack_from(order + "H", data, first)[0]):
            place = first + 2 + 12 * entry
            if struct.unpack_from(order + "H", data, place)[0] == _ORIENTATION:
                upright = struct.pack(order + "HIHH", _SHORT, 1, 1, 0)
                return data[: place + 2] + upright + data[place + 12 :]
    except (struct.error, LookupError):
        pass
    return data


def _header(data: bytes) -> TiffHeader | None:
    order = _ORDERS[data[:4]]
    directories = _directories(data, order)
    for tags in directories:
        for where, size in _PIECES:
            pieces = zip(tags.get(where, ()), tags.get(size, ()), strict=False)
            if any(start + length > len(data) for start, length in pieces):
                return None
    first = directories[0]
    pages = sum(not tags.get(_SUBFILE, [0])[0] & _ASIDE for tags in directories)
    return TiffHeader(
        first[_WIDTH][0],
        first[_HEIGHT][0],
        pages,
        max(first.get(_BITS, ()), default=1),
        _FLOATING in first.get(_FORMAT, ()),
    )


def _directories(data: bytes, order: str) -> list[_Tags]:
    found: dict[int, _Tags] = {}
    at = struct.unpack_from(order + "I", data, 4)[0]
    while at and at not in found and len(found) < _MOST_PAGES:
        tags: _Tags = {}
        entries = struct.unpack_from(order + "H", data, at)[0]
        for entry in range(entries):
            place = at + 2 + 12 * entry
            tag, kind, count = struct.unpack_from(order + "HHI", data, place)
            if kind in {3, 4} and tag in _TAGS and tag not in tags:
                tags[tag] = _values(data, place + 8, order + ("H" if kind == 3 else "I"), count)
        found[at] = tags
        at = struct.unpack_from(order + "I", data, at + 2 + 12 * entries)[0]
    return list(found.values())


def _values(data: bytes, at: int, code: str, count: int) -> list[int]:
    if count * struct.calcsize(code) > 4:
        at = struct.unpack_from(code[0] + "I", data, at)[0]
    return [value for (value,) in struct.iter_unpack(code, data[at : at + count * struct.calcsize(code)])]
