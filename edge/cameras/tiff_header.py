"""What a TIFF file says of itself: size, pages, kind of pixels, and whether all of it is there."""

from __future__ import annotations

import struct
import sys
from array import array
from typing import NamedTuple

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _ORIENTATION, _FORMAT = 254, 256, 257, 258, 274, 339
_PIECES = ((273, 279), (324, 325))  # where strips lie and how long they are; the same of tiles
_TAGS = {_SUBFILE, _WIDTH, _HEIGHT, _BITS, _FORMAT, *_PIECES[0], *_PIECES[1]}
_ASIDE = 1 | 4  # a smaller copy, or a transparency mask
_FLOATING = 3
_MOST_PAGES = 10_000
_MOST_ENTRIES = 200_000  # of all directories, which may lie over each other and so be without an end
_MOST_VALUES = 1 << 20  # of a tag: as many tiles as the largest picture has, were they the smallest there are
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_SHORT, _LONG = 3, 4  # kinds of values, of two bytes and of four
_NATIVE = {"little": "<", "big": ">"}[sys.byteorder]

_Tags = dict[int, "array[int]"]


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
    at = struct.unpack_from(order + "I", data, 4)[0]
    first, following = _directory(data, order, at, _TAGS)
    for where, size in _PIECES:
        pieces = zip(first.get(where, ()), first.get(size, ()), strict=False)
        if any(start + length > len(data) for start, length in pieces):
            return None
    return TiffHeader(
        first[_WIDTH][0],
        first[_HEIGHT][0],
        _is_page(first) + _further_pages(data, order, {at}, following),
        max(first.get(_BITS, ()), default=1),
        _FLOATING in first.get(_FORMAT, ()),
    )


def _further_pages(data: bytes, order: str, seen: set[int], at: int) -> int:
    pages = entries = 0
    while at and at not in seen and len(seen) < _MOST_PAGES and entries < _MOST_ENTRIES:
        seen.add(at)
        entries += struct.unpack_from(order + "H", data, at)[0]
        tags, at = _directory(data, order, at, {_SUBFILE})
        pages += _is_page(tags)
    return pages


def _is_page(tags: _Tags) -> bool:
    return not tags.get(_SUBFILE, (0,))[0] & _ASIDE


def _directory(data: bytes, order: str, at: int, wanted: set[int]) -> tuple[_Tags, int]:
    """The values of those tags that are wanted, and where the next directory is."""
    tags: _Tags = {}
    entries = struct.unpack_from(order + "H", data, at)[0]
    for entry in range(entries):
        place = at + 2 + 12 * entry
        tag, kind, count = struct.unpack_from(order + "HHI", data, place)
        if kind in {_SHORT, _LONG} and tag in wanted and tag not in tags:
            tags[tag] = _values(data, place + 8, order, kind, count)
    return tags, struct.unpack_from(order + "I", data, at + 2 + 12 * entries)[0]


def _values(data: bytes, at: int, order: str, kind: int, count: int) -> array[int]:
    size = 2 if kind == _SHORT else 4
    if count * size > 4:
        at = struct.unpack_from(order + "I", data, at)[0]
    if count > _MOST_VALUES or at + count * size > len(data):
        raise LookupError
    values = array("H" if kind == _SHORT else "I", data[at : at + count * size])
    if order != _NATIVE:
        values.byteswap()
    return values
