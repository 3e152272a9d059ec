"""Class activation maps over the picture they explain, for people: crop, outline, map, call, probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.masking import CROP_SIZE, cut_crop

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.analyzer import Field
    from edge.masking import FieldMasks, FoundCell, Pixels
    from edge.messages import Cell, Heatmap

_TILE = 240  # side of a cell's picture; twice the crop, so that a grid of 15x15 reads
_LINE = 22
_CELL = (0, 150, 60)
_NUCLEUS = (230, 30, 30)
_INK = (20, 20, 20)
_PAPER = (250, 250, 250)
_FAINT = (110, 110, 110)
_OPACITY = 0.6
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def over_crop(heatmap: Heatmap) -> NDArray[np.float32]:
    """Give the map at the crop's size: float32 (120, 120), 0 to 1, where 1 is its peak.

    The grid's values stand for the middles of its squares, so it is interpolated between them.
    """
    grid = np.frombuffer(heatmap.data, np.uint8).reshape(heatmap.shape).astype(np.float32) / 255
    size = (CROP_SIZE, CROP_SIZE)
    return np.asarray(cv2.resize(grid, size, interpolation=cv2.INTER_LINEAR), np.float32)


def draw(pixels: Pixels, field: Field) -> Pixels:
    """Draw a field: the frame with its cells outlined and numbered, and beside it each cell with its map.

    pixels: uint8 RGB (height, width, 3). Gives uint8 RGB, larger than the frame.
    """
    if field.masks is None:
        return _with_line(pixels, f"not analysed: {field.quality.reason}")
    frame = pixels.copy()
    thickness = max(1, field.width // 320)
    picture = field.masks.picture()
    for level, colour in ((0, _CELL), (128, _NUCLEUS)):
        contours, _ = cv2.findContours(
            (picture > level).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(frame, contours, -1, colour, thickness, cv2.LINE_AA)
    for number, cell in enumerate(field.cells, start=1):
        x, y = cell.box[:2]
        _write(frame, str(number), (x + 2, max(14, y - 4)), _INK, 0.5 * max(1.0, field.width / 640))
    rows = [
        _row(pixels, field.masks, found, cell, number)
        for number, (found, cell) in enumerate(zip(field.masks.cells, field.cells, strict=True), start=1)
    ]
    if not rows:
        return _with_line(frame, "no white cell")
    column = np.vstack([*rows, _legend(rows[0].shape[1])])
    tall = max(frame.shape[0], column.shape[0])
    return np.asarray(np.hstack([_padded(frame, tall), _padded(column, tall)]), np.uint8)


def _row(pixels: Pixels, masks: FieldMasks, found: FoundCell, cell: Cell, number: int) -> Pixels:
    crop = cut_crop(pixels, masks, found)
    plain = np.asarray(cv2.resize(crop, (_TILE, _TILE), interpolation=cv2.INTER_CUBIC), np.uint8)
    mapped = plain
    if cell.heatmap is not None:
        strength = np.asarray(cv2.resize(over_crop(cell.heatmap), (_TILE, _TILE)), np.float32)
        opacity = (_OPACITY * np.sqrt(np.clip(strength, 0, 1)))[..., None]
        mapped = np.asarray(plain * (1 - opacity) + _coloured(strength) * opacity, np.uint8)
    title = np.full((2 * _LINE, 2 * _TILE, 3), _PAPER, np.uint8)
    _write(title, f"{number}  {cell.label}  {100 * cell.probability:.0f} %", (6, _LINE - 5), _INK, 0.6)
    second = sorted(cell.probabilities.items(), key=lambda item: -item[1])[1]
    remark = f"next: {second[0]} {100 * second[1]:.0f} %"
    if not cell.complete:
        remark += "; cut by the edge, not counted"
    elif cell.rejected:
        remark += f"; {cell.rejected}, not counted"
    _write(title, remark, (6, 2 * _LINE - 7), _FAINT, 0.45)
    return np.asarray(np.vstack([title, np.hstack([plain, mapped])]), np.uint8)


def _coloured(strength: NDArray[np.float32]) -> Pixels:
    """Colour by viridis, which rises evenly in lightness: float32 (h, w) in 0 to 1 -> uint8 RGB."""
    levels = np.asarray(np.clip(strength * 255, 0, 255), np.uint8)
    return np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[:, :, ::-1], np.uint8)


def _legend(width: int) -> Pixels:
    strip = np.full((2 * _LINE, width, 3), _PAPER, np.uint8)
    ramp = np.linspace(0, 1, width // 2, dtype=np.float32)[None].repeat(12, axis=0)
    left = width // 4
    strip[6:18, left : left + width // 2] = _coloured(ramp)
    _write(strip, "no evidence", (6, 17), _FAINT, 0.42)
    _write(strip, "strongest", (left + width // 2 + 6, 17), _FAINT, 0.42)
    _write(
        strip, "outlines: red nucleus, green cell. Not a medical device.", (6, 2 * _LINE - 7), _FAINT, 0.42
    )
    return strip


def _with_line(frame: Pixels, text: str) -> Pixels:
    line = np.full((_LINE, frame.shape[1], 3), _PAPER, np.uint8)
    _write(line, text, (6, _LINE - 6), _INK, 0.5)
    return np.asarray(np.vstack([frame, line]), np.uint8)


def _padded(picture: Pixels, height: int) -> Pixels:
    missing = height - picture.shape[0]
    return np.asarray(
        cv2.copyMakeBorder(picture, 0, missing, 0, 0, cv2.BORDER_CONSTANT, value=_PAPER), np.uint8
    )


def _write(
    picture: Pixels, text: str, place: tuple[int, int], colour: tuple[int, int, int], size: float
) -> None:
    cv2.putText(picture, text, place, _FONT, size, colour, 1, cv2.LINE_AA)
