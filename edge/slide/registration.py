"""How far one frame lies from another on the slide: phase correlation, checked on the overlap. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Thumbnail = NDArray[np.int8]
    Sketch = NDArray[np.complex64]

_SIDE = 160  # of a thumbnail, the longer one: a red cell is still a dozen pixels across
_SIGN = np.uint8(128)  # turns int8 into a picture with mid grey for 0, which compresses well
_SMOOTH, _BROAD = 1.0, 8.0  # pixels: the first removes noise, the second vignetting and the lamp's level
_RIM = 4  # pixels: this close to a frame's edge the light could not be evened out well
_PEAKS = 4  # peaks of the correlation that are tried: with little overlap the highest is seldom the right one
_LEAST_OVERLAP = 0.12  # of a frame
_LARGE_OVERLAP = 0.25  # of a frame without its rim; in a smaller overlap every pixel is needed
_SKETCH = 5  # pixels of a thumbnail in one of a sketch: 32 a side, in which a white cell is still two pixels
_WHITENED = 0.75  # drawn slides: the best of 216 remembered frames is then always among the first three
_BATCH = 100  # sketches that are compared at once: more would only need more memory
_LEAST_LIKENESS = 0.82  # over the overlap; drawn slides: right shifts mostly 0.94 and more, wrong up to 0.80


class Shift(NamedTuple):
    """Where the second frame's corner lies in the first, pixels of the frame, and how alike both are there.

    likeness: correlation coefficient over the overlap, up to 1.
    """

    x: float
    y: float
    likeness: float


def thumbnail(pixels: NDArray[np.uint8]) -> Thumbnail:
    """Reduce a frame, uint8 RGB (height, width, 3), to what registration needs: int8, at most 160 a side.

    Its light and contrast are evened out, so that exposure and vignetting do not matter.
    """
    size = _size(*pixels.shape[:2])
    green = cv2.resize(cv2.extractChannel(pixels, 1), size, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(green, (0, 0), _SMOOTH).astype(np.float32)
    even = smooth - cv2.GaussianBlur(smooth, (0, 0), _BROAD)
    return np.asarray(np.clip(even * (32 / max(float(even.std()), 1e-3)), -127, 127), np.int8)


def _size(height: int, width: int) -> tuple[int, int]:
    """Return width and height of the thumbnail of a frame."""
    scale = min(1.0, _SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def packed(picture: Thumbnail) -> bytes:
    """Return a thumbnail as a PNG, three fifths of its size: without loss, and each one by itself."""
    return bytes(cv2.imencode(".png", np.bitwise_xor(picture.view(np.uint8), _SIGN))[1])


def unpacked(png: bytes, height: int, width: int) -> Thumbnail | None:
    """Return the thumbnail that `packed` was given; None if it is damaged or of a frame of another size."""
    read = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE) if png else None
    if read is None or read.shape[::-1] != _size(height, width):
        return None
    return np.asarray(np.bitwise_xor(read, _SIGN), np.uint8).view(np.int8)


def sketch(picture: Thumbnail) -> Sketch:
    """Return a coarse thumbnail's spectrum, padded so that no shift wraps around, and of norm 1."""
    height, width = picture.shape
    size = max(1, width // _SKETCH), max(1, height // _SKETCH)
    coarse = cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    spectrum = np.fft.rfft2(coarse - coarse.mean(), (2 * size[1], 2 * size[0]))
    # Partly whitened: otherwise frames with many cells would seem to fit everything.
    spectrum /= (np.abs(spectrum) + 1e-9) ** _WHITENED
    return np.asarray(spectrum / max(float(np.linalg.norm(spectrum)), 1e-9), np.complex64)


def alike(sketches: Sequence[Sketch], one: Sketch) -> NDArray[np.float64]:
    """Return how well each sketch, all of one shape, fits `one` at its best place: good only for ranking."""
    peaks = [
        np.fft.irfft2(np.stack(sketches[start : start + _BATCH]).conj() * one).max(axis=(1, 2))
        for start in range(0, len(sketches), _BATCH)
    ]
    return np.concatenate(peaks) if peaks else np.zeros(0)


def register(first: Thumbnail, second: Thumbnail, zoom: float) -> Shift | None:
    """Find the second frame's place in the first; None if no common part confirms one.

    zoom: pixels of the frame for one of the thumbnail. Phase correlation (Kuglin and Hines 1975) on padded
    pictures, so that no shift wraps around; then the highest peaks are compared on the pixels themselves.
    """
    if first.shape != second.shape:
        return None
    one, two = first.astype(np.float32), second.astype(np.float32)
    height, width = one.shape
    shape = 2 * height, 2 * width
    surface = _correlation(one, two)
    best: Shift | None = None
    for _ in range(_PEAKS):
        row, column = (int(v) for v in np.unravel_index(int(np.argmax(surface)), shape))
        y, x = row - (2 * height if row >= height else 0), column - (2 * width if column >= width else 0)
        likeness = _likeness(one, two, x, y)
        if likeness >= _LEAST_LIKENESS and (best is None or likeness > best.likeness):
            fine_x = _between(surface[row, [(column + k) % (2 * width) for k in (-1, 0, 1)]])
            fine_y = _between(surface[[(row + k) % (2 * height) for k in (-1, 0, 1)], column])
            best = Shift(zoom * (x + fine_x), zoom * (y + fine_y), likeness)
        rows = np.arange(row - 2, row + 3) % (2 * height)
        columns = np.arange(column - 2, column + 3) % (2 * width)
        surface[np.ix_(rows, columns)] = -np.inf
    return best


def _correlation(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float32]:
    """How well `two` fits `one` at each shift, float32, twice as large: negative shifts from the end."""
    # OpenCV's transform: a fifth of numpy's time.
    spectrum = cv2.mulSpectrums(_spectrum(one), _spectrum(two), 0, conjB=True)
    numbers = spectrum.view(np.complex64)[..., 0]
    # Only by the square root: fully whitened, blur and noise would decide.
    numbers /= np.sqrt(np.abs(numbers) + np.float32(1e-9))
    flags = cv2.DFT_INVERSE | cv2.DFT_REAL_OUTPUT | cv2.DFT_SCALE
    return np.asarray(cv2.dft(spectrum, flags=flags), np.float32)


def _spectrum(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = picture.shape
    padded = np.zeros((2 * height, 2 * width), np.float32)
    padded[:height, :width] = picture
    return np.asarray(cv2.dft(padded, flags=cv2.DFT_COMPLEX_OUTPUT, nonzeroRows=height), np.float32)


def _likeness(one: NDArray[np.float32], two: NDArray[np.float32], x: int, y: int) -> float:
    height, width = one.shape
    rows, columns = height - abs(y), width - abs(x)
    if rows <= 0 or columns <= 0 or rows * columns < _LEAST_OVERLAP * height * width:
        return -1.0
    a = one[max(0, y) : max(0, y) + rows, max(0, x) : max(0, x) + columns]
    b = two[max(0, -y) : max(0, -y) + rows, max(0, -x) : max(0, -x) + columns]
    if (rows - 2 * _RIM) * (columns - 2 * _RIM) > _LARGE_OVERLAP * height * width:
        a, b = a[_RIM:-_RIM, _RIM:-_RIM], b[_RIM:-_RIM, _RIM:-_RIM]
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))


def _between(values: NDArray[np.float32]) -> float:
    """Return the place of a parabola's top, -0.5 to 0.5, through three values with the highest amid them."""
    low, top, high = (float(v) for v in values)
    bend = low - 2 * top + high
    return min(0.5, max(-0.5, 0.5 * (low - high) / bend)) if np.isfinite(bend) and bend < 0 else 0.0
