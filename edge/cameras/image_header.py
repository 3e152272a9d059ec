"""Width and height of an image file before a pixel is decoded, and whether the file is complete.

OpenCV fills the missing part of a cut-off file with grey and says nothing, and it would allocate any size
that a header asks for. Both are checked here first.
"""

from __future__ import annotations

import re
import struct
import zlib

from edge.cameras.tiff_header import read_tiff_header

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG markers without a length
_FRAME_STARTS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
_START_OF_IMAGE, _END_OF_IMAGE = 0xD8, 0xD9
_FIRST_WITH_LENGTH = 0xC0  # lower markers are not in use today, and occur only in damaged pictures
# A scan's own 0xFF is followed by 0, a restart marker ends nothing, and 0xFF before a marker only fills up.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def image_size(data: bytes) -> tuple[int, int] | None:
    """The (width, height) of a JPEG, PNG, BMP, TIFF or WebP file; None where it is none or is cut off."""
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data)
        if data.startswith(b"BM"):
            return _bmp(data)
        if data.startswith((b"II*\0", b"MM\0*")):
            tiff = read_tiff_header(data)
            return None if tiff is None else (tiff.width, tiff.height)
        if is_webp(data):
            return _webp(data)
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
            return size if end_of_jpeg(data, at) >= 0 else None
        else:
            if marker in _FRAME_STARTS:
                height, width = struct.unpack_from(">HH", data, at + 5)
                size = (width, height)
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def end_of_jpeg(data: bytes, at: int = 2) -> int:
    """Return where a JPEG picture's end-of-image marker is; -1 if it has none. at: a marker to begin from.

    Only the first picture counts: phones add others behind it, such as a preview, a depth or a gain map. A
    second start-of-image before the end belongs to one of those, so the first picture is cut off.
    """
    while found := _MARKER.search(data, at):
        marker = data[found.end() - 1]
        if marker == _END_OF_IMAGE:
            return found.start()
        if marker == _START_OF_IMAGE:
            return -1
        at = found.end()
        if marker >= _FIRST_WITH_LENGTH:
            at += int.from_bytes(data[at : at + 2], "big")
    return -1


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


def is_webp(data: bytes) -> bool:
    """Whether this begins as a WebP file does."""
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def _webp(data: bytes) -> tuple[int, int] | None:
    if len(data) < 8 + struct.unpack_from("<I", data, 4)[0]:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = data[24:27] + b"\0", data[27:30] + b"\0"
        return struct.unpack("<I", width)[0] + 1, struct.unpack("<I", height)[0] + 1
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF
