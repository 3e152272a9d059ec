"""Class activation maps over the picture they explain, for people: crop, outlines, map, call, evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import cv2
import numpy as np

from edge.evidence import OUTSIDE, masks_in_crop, over_crop, over_field
from edge.masking import cut_crop
from edge.overlay_parts import (
    FAINT,
    INK,
    LINE,
    WARNING,
    coloured,
    legend,
    outlined,
    padded,
    strip,
    with_contours,
    with_line,
    write,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.analyzer import Field
    from edge.masking import FieldMasks, Pixels

Style = Literal["colours", "contours"]

_TILE = 300  # side of a cell's picture, pixels: the grid's squares and a nucleus's lobes both read
_LEAST_FRAME = 640  # width of the frame's picture; smaller ones are drawn larger
_NEAR_BLANK = 1e-6


class _Explained(NamedTuple):
    """One cell's map as it is drawn: float32 (rows, columns) from 0 to 1, and what is said of it."""

    strength: NDArray[np.float32]
    caption: str


def draw(pixels: Pixels, field: Field, *, style: Style = "colours", explain: str | None = None) -> Pixels:
    """Draw a field: the frame with its cells outlined and numbered and their maps, and each cell beside it.

    pixels: uint8 RGB (height, width, 3). explain: the class whose evidence is shown, instead of the one
    called. Gives uint8 RGB, larger than the frame. Raises ValueError for a class the model does not know.
    """
    if field.masks is None:
        return with_line(pixels, f"not analysed: {field.quality.reason}")
    explained = [_explained(field, number, explain) for number in range(len(field.cells))]
    frame = _frame(pixels, field, field.masks, explained, style)
    if not explained:
        return with_line(frame, "no white cell")
    rows = [_row(pixels, field, field.masks, number, one, style) for number, one in enumerate(explained)]
    # Cells stand in as many columns as keep the picture from growing much taller than the frames.
    columns = max(1, round(len(rows) * rows[0].shape[0] / max(frame.shape[0], 2 * rows[0].shape[0])))
    width = rows[0].shape[1]
    beside = [
        np.vstack([*rows[k::columns], legend(width, style)] if k == 0 else rows[k::columns])
        for k in range(columns)
    ]
    tall = max(frame.shape[0], *(part.shape[0] for part in beside))
    return np.asarray(np.hstack([padded(part, tall) for part in (frame, *beside)]), np.uint8)


def _explained(field: Field, number: int, explain: str | None) -> _Explained:
    """Scale a cell's map by the highest evidence for the called or the shown class, so that both compare."""
    call, cell = field.calls[number], field.cells[number]
    labels = list(cell.probabilities)
    shown = call.called if explain is None else labels.index(explain)
    peaks = [float(np.maximum(call.maps[:, :, k], 0).max()) for k in (call.called, shown)]
    strength = np.maximum(call.maps[:, :, shown], 0) / max(*peaks, _NEAR_BLANK)
    if peaks[1] <= _NEAR_BLANK:
        return _Explained(strength, f"nothing speaks for {labels[shown]}")
    if shown == call.called:
        return _Explained(strength, "")
    than = f"; its peak is {peaks[1] / peaks[0]:.2g} of {call.label}'s" if peaks[0] > _NEAR_BLANK else ""
    return _Explained(strength, f"shown: what speaks for {labels[shown]}{than}")


def _frame(
    pixels: Pixels, field: Field, masks: FieldMasks, explained: list[_Explained], style: Style
) -> Pixels:
    """Draw the frame twice, one above the other: outlined and numbered, and with the maps where they lie."""
    scale = max(1, round(_LEAST_FRAME / field.width))
    size = (field.width * scale, field.height * scale)
    large = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    picture = np.asarray(cv2.resize(masks.picture(), size, interpolation=cv2.INTER_LINEAR), np.uint8)
    thickness = max(1, size[0] // 640)
    plain = outlined(large, picture, thickness)
    for number, cell in enumerate(field.cells, start=1):
        x, y = cell.box[:2]
        write(
            plain, str(number), (scale * x + 2, max(16, scale * y - 4)), INK, 0.55 * max(1.0, size[0] / 900)
        )
    if not explained:
        return plain
    strength = np.zeros((field.height, field.width), np.float32)
    for found, one in zip(masks.cells, explained, strict=True):
        np.maximum(strength, over_field(one.strength, found, masks.frame_size), out=strength)
    mapped = _mapped(large, np.asarray(cv2.resize(strength, size), np.float32), style)
    return np.asarray(np.vstack([plain, outlined(mapped, picture, 1)]), np.uint8)


def _row(
    pixels: Pixels, field: Field, masks: FieldMasks, number: int, one: _Explained, style: Style
) -> Pixels:
    crop = cut_crop(pixels, masks, masks.cells[number])
    plain = np.asarray(cv2.resize(crop, (_TILE, _TILE), interpolation=cv2.INTER_CUBIC), np.uint8)
    strength = np.asarray(cv2.resize(over_crop(one.strength), (_TILE, _TILE)), np.float32)
    mapped = outlined(_mapped(plain, strength, style), _own_masks(masks, number), 1)
    cell = field.cells[number]
    title = strip(2 * _TILE, 3)
    write(title, f"{number + 1}  {cell.label}  {100 * cell.probability:.0f} %", (6, LINE - 5), INK, 0.62)
    second = sorted(cell.probabilities.items(), key=lambda item: -item[1])[1]
    remarks = [f"next: {second[0]} {100 * second[1]:.0f} %"]
    if not cell.complete:
        remarks.append("cut by the edge, not counted")
    elif cell.rejected:
        remarks.append(f"{cell.rejected}, not counted")
    write(title, "; ".join(remarks), (6, 2 * LINE - 7), FAINT, 0.46)
    doubt = OUTSIDE in cell.flags
    write(
        title,
        _evidence(one.caption, cell.evidence_in_cell, cell.evidence_in_nucleus, doubt=doubt),
        (6, 3 * LINE - 8),
        WARNING if doubt else FAINT,
        0.46,
    )
    return np.asarray(np.vstack([title, np.hstack([plain, mapped])]), np.uint8)


def _own_masks(masks: FieldMasks, number: int) -> Pixels:
    cell, nucleus = masks_in_crop(masks, number)
    levels = (128 * cell + 127 * nucleus).astype(np.uint8)
    return np.asarray(cv2.resize(levels, (_TILE, _TILE), interpolation=cv2.INTER_LINEAR), np.uint8)


def _evidence(caption: str, in_cell: float | None, in_nucleus: float | None, *, doubt: bool) -> str:
    if caption:
        return caption
    if in_cell is None:
        return "no evidence for the call at any place"
    nucleus = "no nucleus seen" if in_nucleus is None else f"{100 * in_nucleus:.0f} % in its nucleus"
    told = f"evidence: {100 * in_cell:.0f} % in the cell, {nucleus}"
    return f"{told}: mostly outside the cell" if doubt else told


def _mapped(picture: Pixels, strength: NDArray[np.float32], style: Style) -> Pixels:
    return with_contours(picture, strength) if style == "contours" else coloured(picture, strength)
