"""Width and height of an image file before a pixel is decoded, and whether all of it is there.

OpenCV fills what is missing of a cut-off file with grey and says nothing, and would allocate whatever a
header asks for; both are decided here.
"""

from __future__ import annotations

import struct
import zlib

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG markers without a length
_FRAME_STARTS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_PIECES = ((273, 279), (324, 325))  # where strips lie and how long they are; the same of tiles
_TIFF_TAGS = {_TIFF_WIDTH, _TIFF_HEIGHT, *_TIFF_PIECES[0], *_TIFF_PIECES[1]}


def image_size(data: bytes) -> tuple[int, int] | None:
    """Give (width, height) of a JPEG, PNG, BMP or TIFF file; None where it is none or is cut off."""
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data)
        if data.startswith(b"BM"):
            return _bmp(data)
        if data.startswith((b"II*\0", b"MM\0*")):
            return _tiff(data)
    except (struct.error, LookupError):
        pass
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    size = None
    at = 2
    while True:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker == _START_OF_SCAN:
            # Inside a scan 0xFF is stuffed, so this is the end of the image and nothing else. It is sought
            # from the end, where it is: from the start, that takes as long as to hash the file.
            return size if data.rfind(b"\xff\xd9", at) >= 0 else None
        else:
            if marker in _FRAME_STARTS:
                height, width = struct.unpack_from(">HH", data, at + 5)
                size = (width, height)
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _png(data: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack_from(">II", data, 16)
    at, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        # OpenCV shows a damaged chunk as if it were a picture.
        if zlib.crc32(memoryview(data)[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            return None
        at = end + 4
    return width, height


def _bmp(data: bytes) -> tuple[int, int] | None:
    start, header = struct.unpack_from("<II", data, 10)
    if header == 12:
        width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, depth, compression = struct.unpack_from("<iiHHI", data, 18)
    height = abs(height)
    row = (width * depth + 31) // 32 * 4
    if width <= 0 or (compression in {0, 3} and len(data) < start + row * height):
        return None
    return width, height


def _tiff(data: bytes) -> tuple[int, int] | None:
    order = "<" if data[0] == ord("I") else ">"
    tags = {}
    directory = struct.unpack_from(order + "I", data, 4)[0]
    for entry in range(struct.unpack_from(order + "H", data, directory)[0]):
        at = directory + 2 + 12 * entry
        tag, kind, count = struct.unpack_from(order + "HHI", data, at)
        if kind in {3, 4} and tag in _TIFF_TAGS and tag not in tags:
            tags[tag] = _tiff_values(data, at + 8, order + ("H" if kind == 3 else "I"), count)
    for where, size in _TIFF_PIECES:
        pieces = zip(tags.get(where, ()), tags.get(size, ()), strict=False)
        if any(start + length > len(data) for start, length in pieces):
            return None
    return tags[_TIFF_WIDTH][0], tags[_TIFF_HEIGHT][0]


def _tiff_values(data: bytes, at: int, code: str, count: int) -> list[int]:
    if count * struct.calcsize(code) > 4:
        at = struct.unpack_from(code[0] + "I", data, at)[0]
    return [value for (value,) in struct.iter_unpack(code, data[at : at + count * struct.calcsize(code)])]
