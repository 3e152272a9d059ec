"""From a camera's buffer, as its pipeline lays it out, to uint8 RGB. Arrays in, arrays out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from edge.cameras.live import SHORT
from edge.errors import CameraError, UnreadableFrameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

# libcamera names a format by its bits from high to low, so that in memory it is the other way round.
_PACKED = {
    "RGB888": (3, cv2.COLOR_BGR2RGB),
    "BGR888": (3, None),
    "XRGB8888": (4, cv2.COLOR_BGRA2RGB),
    "XBGR8888": (4, cv2.COLOR_RGBA2RGB),
}
_TWO_PLANES = {"NV12": (0, 1), "NV21": (1, 0)}  # where Cb and Cr stand in the second plane
_THREE_PLANES = {"YUV420": (0, 1), "YVU420": (1, 0)}  # which of the planes after the first they are
FORMATS = (*_PACKED, *_TWO_PLANES, *_THREE_PLANES)

_KR_KB = {"601": (0.299, 0.114), "709": (0.2126, 0.0722)}  # ITU-R BT.601 and BT.709, section 3 of each


class Layout(NamedTuple):
    """How one stream's buffers are laid out, as the pipeline granted it.

    format: libcamera's name. width, height: pixels. stride: bytes from one row to the next, of the first
    plane. colour_space: libcamera's name of it; it counts for the formats with brightness and colour apart.
    """

    format: str
    width: int
    height: int
    stride: int
    colour_space: str = "SMPTE170M"

    @classmethod
    def of(cls, stream: Mapping[str, Any], colour_space: object = "SMPTE170M") -> Layout:
        """Read a stream of picamera2's `camera_configuration()`. Raises CameraError for an unknown format."""
        width, height = stream["size"]
        given = str(stream["format"])
        if given not in FORMATS:
            raise CameraError(
                f"the camera's pipeline gives {given}, which is not known here; known: {', '.join(FORMATS)}"
            )
        return cls(given, int(width), int(height), int(stream["stride"]), str(colour_space))


def to_rgb(buffer: Bytes, layout: Layout) -> Bytes:
    """Return a buffer (uint8, flat) as a picture of its own, uint8 RGB (height, width, 3), C-contiguous.

    Raises UnreadableFrameError where the buffer is shorter than its layout.
    """
    if layout.format in _PACKED:
        depth, code = _PACKED[layout.format]
        rows = _plane(buffer, 0, layout.height, layout.stride, layout.width * depth)
        picture = rows.reshape(layout.height, layout.width, depth)
        return picture.copy() if code is None else np.asarray(cv2.cvtColor(picture, code), np.uint8)
    brightness = _plane(buffer, 0, layout.height, layout.stride, layout.width)
    across, down = -(-layout.width // 2), -(-layout.height // 2)
    start = layout.height * layout.stride
    if layout.format in _TWO_PLANES:
        pairs = _plane(buffer, start, down, layout.stride, 2 * across).reshape(down, across, 2)
        blue, red = (pairs[:, :, place] for place in _TWO_PLANES[layout.format])
    else:
        stride = layout.stride // 2
        planes = [_plane(buffer, start + n * down * stride, down, stride, across) for n in (0, 1)]
        blue, red = (planes[number] for number in _THREE_PLANES[layout.format])
    size = 2 * across, 2 * down
    fine = [cv2.resize(c, size)[: layout.height, : layout.width] for c in (blue, red)]
    return np.asarray(cv2.transform(cv2.merge([brightness, *fine]), _to_rgb(layout.colour_space)), np.uint8)


def _plane(buffer: Bytes, start: int, rows: int, stride: int, used: int) -> Bytes:
    """Return a plane's rows without their padding, which the last row of a buffer need not have."""
    end = start + (rows - 1) * stride + used
    if len(buffer) < end or stride < used:
        raise UnreadableFrameError(f"a picture of {len(buffer)} bytes is shorter than its layout", SHORT)
    whole = buffer[start : start + rows * stride]
    if len(whole) < rows * stride:
        whole = np.pad(whole, (0, rows * stride - len(whole)))
    return np.ascontiguousarray(whole.reshape(rows, stride)[:, :used])


def _to_rgb(colour_space: str) -> NDArray[np.float64]:
    """Return the matrix (3, 4) from Y, Cb, Cr, 1 to RGB: full range where it says so, else 16 to 235."""
    plain = colour_space.lower()
    red, blue = _KR_KB["709" if "709" in plain else "601"]
    green = 1 - red - blue
    full = "sycc" in plain or "jpeg" in plain or "full" in plain
    light, colour, black = (1.0, 1.0, 0.0) if full else (255 / 219, 255 / 224, 16.0)
    from_cr, from_cb = 2 * (1 - red) * colour, 2 * (1 - blue) * colour
    plain_rows = np.array(
        [
            [light, 0, from_cr],
            [light, -from_cb * blue / green, -from_cr * red / green],
            [light, from_cb, 0],
        ]
    )
    return np.hstack([plain_rows, plain_rows @ [[-black], [-128], [-128]]])
