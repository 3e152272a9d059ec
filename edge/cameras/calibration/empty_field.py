"""What an empty field says about the light: how bright, how even, how white. Pictures in, figures out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from edge.cameras.calibration.correction import Correction
from edge.cameras.calibration.file import COLUMNS, MAX_GAIN, ROWS
from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DARKEST = 60.0
"""Level of the brightest channel below which the steps between grey levels would show once amplified."""

_WHITE = 254
_MAX_CLIPPED = 0.001  # share of the pixels: more, and the light's shape is cut off
_MIN_SHARE = 0.4  # of the brightest part's light, in the darkest
_MAX_COLOUR = 2.5  # the strongest channel over the weakest, after what the camera itself can balance
_BLOCKS = 64, 48  # across, down: small enough to see one red cell
_BLOCK = 4
_DEGREE = 4  # lens and lamp make no finer shapes
_TRIMMINGS = 3
_SEEN = 0.03  # a block this far off the smooth light shows something
_MAX_SEEN = 0.004  # share of the blocks; a speck of dust may be there, a red cell not


class EmptyFieldError(LeukoscopeError):
    """The field cannot be calibrated from. Nothing was written."""


class Light(NamedTuple):
    """The light of an empty field.

    level: of the brightest channel where it is brightest, 0 to 255. white_balance: gains of red, green, blue.
    flat_field: gains, (3, ROWS, COLUMNS). evenness: the least light over the most, of any channel. specks: of
    dust, which were passed over.
    """

    level: float
    white_balance: tuple[float, float, float]
    flat_field: NDArray[np.float32]
    evenness: float
    specks: int = 0


def levels(pixels: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Return how bright red, green and blue are where they are brightest, dust and noise aside, 0 to 255."""
    blocks = _blocks([pixels]).reshape(-1, 3)
    red, green, blue = (float(v) for v in np.percentile(blocks, 95, axis=0))
    return red, green, blue


def clipped(pixels: NDArray[np.uint8]) -> bool:
    """Say whether so many pixels are at white, in any channel, that the light cannot be measured."""
    return float((pixels.max(axis=2) >= _WHITE).mean()) > _MAX_CLIPPED


def measure(frames: Sequence[NDArray[np.uint8]], count_cells: Callable[[NDArray[np.uint8]], int]) -> Light:
    """Measure the light of an empty field in at least one frame, uint8 RGB (height, width, 3), all of a size.

    The light is a polynomial of fourth degree through the medians of small blocks, without those that lie
    far off it. On a camera's gamma curve a gain stays a gain, so the frames need not be linear.
    count_cells: how many white cells a frame shows, uint8 RGB, asked once the light in it is even.

    Raises EmptyFieldError, with the reason and a way out.
    """
    if any(clipped(pixels) for pixels in frames):
        raise EmptyFieldError("the field is clipped to white: dim the lamp, or shorten the exposure")
    blocks = _blocks(frames)
    brightest = float(np.percentile(blocks, 95, axis=(0, 1)).max())
    if brightest < DARKEST:
        raise EmptyFieldError(
            f"the field is too dark: its brightest channel is at {brightest:.0f} of 255, "
            f"at least {DARKEST:.0f} are needed; give more light, or a longer exposure"
        )
    terms = _terms(*(np.linspace(-1, 1, count) for count in _BLOCKS))
    fits = [_fitted(terms, blocks[:, :, channel].ravel()) for channel in range(3)]
    smooth = np.stack([(terms @ fit).reshape(blocks.shape[:2]) for fit in fits], axis=2)
    seen = np.abs(blocks / np.maximum(smooth, 1.0) - 1).max(axis=2) > _SEEN
    if float(seen.mean()) > _MAX_SEEN:
        raise EmptyFieldError(
            "the field is not empty: it shows more than the light's own shape (cells, dirt, or the edge of a "
            "diaphragm); move to clear glass, and clean it"
        )
    nodes = _terms(np.linspace(-1, 1, COLUMNS) * _reach(0), np.linspace(-1, 1, ROWS) * _reach(1))
    light = np.stack([(nodes @ fit).reshape(ROWS, COLUMNS) for fit in fits])
    peaks = light.max(axis=(1, 2))
    evenness = float((light.min(axis=(1, 2)) / peaks).min())
    if evenness < _MIN_SHARE:
        raise EmptyFieldError(
            f"the light is too uneven: its darkest part has {100 * max(evenness, 0):.0f} % of the brightest, "
            f"at least {100 * _MIN_SHARE:.0f} % are needed; centre the lamp and the condenser, and open the "
            "field diaphragm"
        )
    if peaks.max() / peaks.min() > _MAX_COLOUR or peaks.max() / light.min() > MAX_GAIN:
        raise EmptyFieldError(
            "the light is too coloured: red, green and blue are at "
            f"{', '.join(f'{peak:.0f}' for peak in peaks)} of 255; set the lamp or the camera's white balance"
        )
    flat_field = (peaks[:, None, None] / light).astype(np.float32)
    red, green, blue = (float(peaks.max() / peak) for peak in peaks)
    specks = cv2.connectedComponents(seen.astype(np.uint8))[0] - 1
    found = Light(float(peaks.max()), (red, green, blue), flat_field, evenness, specks)
    _check_for_cells(frames[-1], found, count_cells)
    return found


def _check_for_cells(
    pixels: NDArray[np.uint8], light: Light, count_cells: Callable[[NDArray[np.uint8]], int]
) -> None:
    height, width = pixels.shape[:2]
    even = Correction(width, height, light.white_balance, light.flat_field).apply(pixels)
    if cells := count_cells(even):
        seen = "a white cell is" if cells == 1 else f"{cells} white cells are"
        raise EmptyFieldError(f"the field is not empty: {seen} in it; move to clear glass")


def _blocks(frames: Sequence[NDArray[np.uint8]]) -> Floats:
    """Return the median of each small block of the frames' mean, (down, across, 3)."""
    across, down = _BLOCKS
    size = across * _BLOCK, down * _BLOCK
    # Frame by frame: sixteen large ones as floats would fill a small device.
    mean = sum(cv2.resize(f, size, interpolation=cv2.INTER_AREA).astype(np.float64) for f in frames)
    tiles = np.asarray(mean / len(frames)).reshape(down, _BLOCK, across, _BLOCK, 3)
    return np.asarray(np.median(tiles, axis=(1, 3)))


def _reach(axis: int) -> float:
    """Return where the frame's edge lies when the outermost blocks' centres lie at -1 and 1."""
    return _BLOCKS[axis] / (_BLOCKS[axis] - 1)


def _terms(x: Floats, y: Floats) -> Floats:
    """Return the polynomial's terms at each place of a grid, row by row: (len(y) * len(x), terms)."""
    across, down = (v.ravel() for v in np.meshgrid(x, y))
    powers = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    return np.stack([across**i * down**j for i, j in powers], axis=1)


def _fitted(terms: Floats, values: Floats) -> Floats:
    """Return the coefficients of least squares, without the values that lie far off."""
    kept = np.ones(len(values), bool)
    fit: Floats = np.zeros(terms.shape[1])
    for _ in range(_TRIMMINGS):
        fit = np.linalg.lstsq(terms[kept], values[kept], rcond=None)[0]
        off = np.abs(terms @ fit - values)
        kept = off <= max(3 * 1.4826 * float(np.median(off)), 0.5)
    return fit
