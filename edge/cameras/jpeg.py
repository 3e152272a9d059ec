"""JPEG pictures, decoded by a libjpeg that reports missing data: OpenCV fills it in and says nothing.

For whole pictures both give the same pixels, bit for bit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import cv2
import numpy as np
import simplejpeg

from edge.cameras.image_header import end_of_jpeg

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_UNUSUAL_LAYOUT = "Could not determine subsampling"
_FOUR_COLOURS = frozenset({"CMYK", "YCCK"})
_ERASED = bytes(32)
_HUFFMAN_TABLES, _START_OF_SCAN, _FILLING = 0xC4, 0xDA, 0xFF
_SEQUENTIAL = frozenset({0xC0, 0xC1})  # of the markers that begin a frame


class DamagedJpegError(Exception):
    """Part of a JPEG picture is missing or is not what was written; the text is libjpeg's."""


def decode_jpeg(data: bytes) -> NDArray[np.uint8]:
    """The pixels of a whole JPEG picture, uint8 RGB (height, width, 3), turned by no orientation tag.

    Raises DamagedJpegError. Of a picture in a layout that only OpenCV reads, damage is not seen.
    """
    try:
        if simplejpeg.decode_jpeg_header(data)[2] in _FOUR_COLOURS:
            simplejpeg.decode_jpeg(data, "CMYK")  # is it whole: only OpenCV makes RGB of it
            return _by_opencv(data)
        pixels = np.asarray(simplejpeg.decode_jpeg(data))
    except ValueError as error:
        message = str(error)
    else:
        if _ERASED in data and _is_erased(data):
            raise DamagedJpegError("part of it was overwritten with zeros")
        return pixels
    if _UNUSUAL_LAYOUT in message:
        return _by_opencv(data)
    padding = _EXTRANEOUS.search(message)
    if padding and _is_padding(data, int(padding[1])):
        return np.asarray(simplejpeg.decode_jpeg(data, strict=False))
    raise DamagedJpegError(message)


def _is_padding(data: bytes, count: int) -> bool:
    """Whether this many bytes before the end are all the same: many cameras pad their pictures so."""
    end = end_of_jpeg(data)
    return len(set(data[end - count : end])) == 1


def _is_erased(data: bytes) -> bool:
    """Whether there are zeros in the scan that no encoder has written.

    Zero bits are the first code of each Huffman table. A long run of them is genuine only for an even area,
    and only if that code means "no change" in every table.
    """
    at, sequential, even = 2, False, True
    while (marker := data[at + 1]) != _START_OF_SCAN:
        if marker == _FILLING:
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        sequential = sequential or marker in _SEQUENTIAL
        if marker == _HUFFMAN_TABLES:
            even = even and _mean_no_change(data[at + 4 : at + 2 + length])
        at += 2 + length
    return sequential and not even and _ERASED in data[at : end_of_jpeg(data, at)]


def _mean_no_change(tables: bytes) -> bool:
    at = 0
    while at < len(tables):
        if tables[at + 17] != 0:
            return False
        at += 17 + sum(tables[at + 1 : at + 17])
    return True


def _by_opencv(data: bytes) -> NDArray[np.uint8]:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise DamagedJpegError("cannot be decoded")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
