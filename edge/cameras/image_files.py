"""Picture files as pixels: read correctly, or refused with the reason."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.image_header import image_size, is_webp
from edge.cameras.jpeg import DamagedJpegError, decode_jpeg
from edge.cameras.opencv import quieten
from edge.cameras.tiff_header import as_it_lies, read_tiff_header
from edge.errors import UnreadableFrameError
from edge.outputs import drawn_by

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAX_PIXELS = 64_000_000  # 192 MB as RGB: more would exhaust a small device
MAX_BYTES = 512_000_000

_JPEG = b"\xff\xd8\xff"
_BIG_TIFF = b"II+\0", b"MM\0+"
_DEPTHS = 8, 10, 12, 14, 16  # bits that a camera has
_ANIMATED = 2
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})
_AS_RGB = hasattr(cv2, "IMREAD_COLOR_RGB")  # OpenCV 4.11 and later
# Followed, an orientation tag would rotate the picture, and the boxes would not fit the file's own pixels.
_FLAGS = (
    (cv2.IMREAD_COLOR_RGB if _AS_RGB else cv2.IMREAD_COLOR)
    | cv2.IMREAD_IGNORE_ORIENTATION
    | cv2.IMREAD_ANYDEPTH
)
_DEEP = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION | cv2.IMREAD_ANYDEPTH

quieten()


def read_image(path: Path) -> NDArray[np.uint8]:
    """A picture file as uint8 RGB, (height, width, 3). Raises UnreadableFrameError naming it."""
    return decode_image(read_file(path), path)


def read_file(path: Path) -> bytes:
    """The bytes of a file that is not too large to be a picture. Raises UnreadableFrameError naming it."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
            raise UnreadableFrameError(f"{path}: is a pipe or a device; a picture is read from a file")
        if status.st_size > MAX_BYTES:
            raise UnreadableFrameError(f"{path}: is larger than {MAX_BYTES // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFrameError(f"{path}: cannot be read: {error.strerror}") from error


def decode_image(data: bytes, path: Path) -> NDArray[np.uint8]:
    """The bytes of the file at `path` as uint8 RGB, (height, width, 3).

    Of pictures with more than 8 bits a channel the upper 8 of those that are used. Raises
    UnreadableFrameError naming the file and what is wrong with it, also for what `analyze` has drawn.
    """
    if drawn := drawn_by(data):
        raise UnreadableFrameError(f"{path}: was drawn by `{drawn}`: it is a result, no picture of a slide")
    if _is_heif(data):
        return _heif(data, path)
    size = image_size(data)
    if size is None:
        raise UnreadableFrameError(f"{path}: {_why_no_image(data)}")
    _check_size(path, *size)
    if problem := _unusual(data):
        raise UnreadableFrameError(f"{path}: {problem}")
    return _jpeg(data, path) if data.startswith(_JPEG) else _by_opencv(data, path)


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnreadableFrameError(
            f"{path}: {width}x{height} is more than {MAX_PIXELS // 1_000_000} megapixels"
        )


def _why_no_image(data: bytes) -> str:
    if data.startswith(_BIG_TIFF):
        return "is a BigTIFF, which is not read; save it as an ordinary TIFF, PNG or JPEG"
    return "is not an image that can be read"


def _unusual(data: bytes) -> str | None:
    """Return why a complete file is not a picture of one field; None if it is."""
    tiff = read_tiff_header(data)
    if tiff is not None and tiff.pages > 1:
        return f"holds {tiff.pages} pages; save each that shows a field as a picture of its own"
    if tiff is not None and (tiff.floating or tiff.bits > 16):
        kind = "floating point numbers" if tiff.floating else f"{tiff.bits} bits"
        return f"its pixels are {kind}; save it with 8 or 16 bits a channel"
    if is_webp(data) and data[12:16] == b"VP8X" and data[20] & _ANIMATED:
        return "is animated; save each picture that shows a field by itself"
    return None


def _jpeg(data: bytes, path: Path) -> NDArray[np.uint8]:
    try:
        return decode_jpeg(data)
    except DamagedJpegError as error:
        raise UnreadableFrameError(f"{path}: the picture is damaged: {error}") from None


def _by_opencv(data: bytes, path: Path) -> NDArray[np.uint8]:
    data = as_it_lies(data)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        raise UnreadableFrameError(f"{path}: is not an image that can be read")
    if pixels.dtype == np.uint16:  # decoded again: OpenCV 4.11 takes no notice of the flag there
        deep = cv2.imdecode(np.frombuffer(data, np.uint8), _DEEP)
        return _upper_bits(np.asarray(cv2.cvtColor(deep, cv2.COLOR_BGR2RGB), np.uint16))
    if not _AS_RGB:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return np.asarray(pixels, np.uint8)


def _upper_bits(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return the upper 8 bits of those in use: many cameras fill only the lower 10, 12 or 14 of 16 bits."""
    most = int(pixels.max())
    bits = next(bits for bits in _DEPTHS if most < 1 << bits)
    return (pixels >> (bits - 8)).astype(np.uint8)


def _is_heif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in _HEIF


def _heif(data: bytes, path: Path) -> NDArray[np.uint8]:
    try:
        import pillow_heif  # noqa: PLC0415 (an extra, and only they need it)
    except ImportError:
        raise UnreadableFrameError(
            f"{path}: to read HEIC pictures, install pillow-heif: pip install 'leukoscope[heic]'"
        ) from None
    try:
        picture = pillow_heif.open_heif(data, bgr_mode=False)
        _check_size(path, *picture.size)
        image = picture.to_pillow()
        return np.asarray(image.convert("RGB"), np.uint8)
    except UnreadableFrameError:
        raise
    except Exception as error:  # noqa: BLE001 (it raises whatever its library has)
        raise UnreadableFrameError(f"{path}: the picture cannot be read: {error}") from None
