"""Class activation maps over the picture they explain, for people: crop, outlines, map, call, evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import cv2
import numpy as np

from edge.drawing.overlay import (
    FAINT,
    INK,
    LEGEND,
    LINE,
    WARNING,
    coloured,
    label,
    legend,
    outlined,
    padded,
    scale_bar,
    strip,
    window,
    with_contours,
    with_line,
    write,
)
from edge.masking import cut_crop
from edge.naming.evidence import OUTSIDE, masks_in_crop, over_crop, over_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.analyzer import Field
    from edge.imaging.pixels import Pixels
    from edge.masking import FieldMasks
    from edge.messages import Cell

Style = Literal["colours", "contours"]

_LEAST_FRAME = 640  # width of the frame's picture; smaller ones are drawn larger
_MOST_FRAME = 1280
_LEAST_TILE = 180  # side of a cell's pictures, pixels: its nucleus's lobes read
_TITLE = 3  # lines of text above a cell's pictures
_NEAR_BLANK = 1e-6
_HALF = 0.5
_WORTH_SAYING = 0.005  # a probability that is not 0 % when it is rounded
_GAP = 8  # pixels of paper between the frames and the cells


class _Explained(NamedTuple):
    """One cell's map as it is drawn: float32 (rows, columns) from 0 to 1, its class, and what is said."""

    number: int
    label: str
    strength: NDArray[np.float32]
    caption: str = ""


def draw(pixels: Pixels, field: Field, *, style: Style = "colours", explain: str | None = None) -> Pixels:
    """Draw a field: the frame with its cells outlined and named and their maps, and each cell beside it.

    Of each cell there is what the camera saw, what the network sees, and the evidence on that.

    pixels: uint8 RGB (height, width, 3). explain: the class whose evidence is shown, instead of the one
    called. Gives uint8 RGB. Raises ValueError for a class the model does not know.
    """
    if field.masks is None:
        return with_line(pixels, f"not analysed: {field.quality.reason}")
    explained = [_explained(field, number, explain) for number in range(len(field.cells))]
    frame = _frame(pixels, field, field.masks, explained, style)
    if not explained:
        return with_line(frame, "no white cell")
    columns, tile = _layout(len(explained), frame.shape[0])
    cells = [
        _cell(_Drawn(pixels, field, field.masks, style, tile), number, one, alone=len(explained) == 1)
        for number, one in enumerate(explained)
    ]
    beside = [
        np.vstack([*cells[k::columns], legend(cells[0].shape[1], style)] if k == 0 else cells[k::columns])
        for k in range(columns)
    ]
    tall = max(frame.shape[0], *(part.shape[0] for part in beside))
    gap = strip(_GAP, 1)
    return np.asarray(np.hstack([padded(part, tall) for part in (frame, gap, *beside)]), np.uint8)


def _layout(cells: int, height: int) -> tuple[int, int]:
    """In how many columns the cells stand, and how large their pictures are, so that they fill the height."""
    room = height - LEGEND * LINE
    if cells == 1:
        return 1, max(_LEAST_TILE, (room - (_TITLE + 2) * LINE) // 2)
    for columns in range(1, cells + 1):
        tile = room // -(-cells // columns) - (_TITLE + 1) * LINE
        if tile >= _LEAST_TILE:
            # A single row of cells beside the frames would make a very wide picture.
            return columns, min(tile, height // 2 - (_TITLE + 1) * LINE)
    return cells, _LEAST_TILE


class _Drawn(NamedTuple):
    """What a cell is drawn from. tile: side of each of its pictures."""

    pixels: Pixels
    field: Field
    masks: FieldMasks
    style: Style
    tile: int


def _explained(field: Field, number: int, explain: str | None) -> _Explained:
    """Scale a cell's map by the highest evidence for the called or the shown class, so that both compare."""
    call, cell = field.calls[number], field.cells[number]
    labels = list(cell.probabilities)
    shown = call.called if explain is None else labels.index(explain)
    peaks = [float(np.maximum(call.maps[:, :, k], 0).max()) for k in (call.called, shown)]
    strength = np.maximum(call.maps[:, :, shown], 0) / max(*peaks, _NEAR_BLANK)
    if peaks[1] <= _NEAR_BLANK:
        return _Explained(number + 1, labels[shown], strength, f"nothing speaks for {labels[shown]}")
    if shown == call.called:
        return _Explained(number + 1, labels[shown], strength)
    than = f"; its peak is {peaks[1] / peaks[0]:.2g} of {call.label}'s" if peaks[0] > _NEAR_BLANK else ""
    return _Explained(number + 1, labels[shown], strength, f"shown: what speaks for {labels[shown]}{than}")


def _frame(
    pixels: Pixels, field: Field, masks: FieldMasks, explained: list[_Explained], style: Style
) -> Pixels:
    """Draw the frame twice, one above the other: outlined and numbered, and with the maps where they lie."""
    scale = (
        max(1, round(_LEAST_FRAME / field.width)) if field.width < _MOST_FRAME else _MOST_FRAME / field.width
    )
    size = (round(field.width * scale), round(field.height * scale))
    smooth = cv2.INTER_CUBIC if scale >= 1 else cv2.INTER_AREA
    large = np.asarray(cv2.resize(pixels, size, interpolation=smooth), np.uint8)
    picture = np.asarray(cv2.resize(masks.picture(), size, interpolation=cv2.INTER_LINEAR), np.uint8)
    plain = outlined(large, picture, max(1, size[0] // 640))
    for number, cell in enumerate(field.cells, start=1):
        x, y, _, height = (scale * side for side in cell.box)
        named = (
            f"{number} {cell.label}"
            if not cell.cut_by_edge and not cell.rejected
            else f"{number} ({cell.label})"
        )
        label(plain, named, (round(x), round(y) - 5 if y > LINE else round(y + height) + 16))
    if not explained:
        return plain
    strength = np.zeros((field.height, field.width), np.float32)
    for found, one in zip(masks.cells, explained, strict=True):
        np.maximum(strength, over_field(one.strength, found, masks.frame_size), out=strength)
    mapped = _mapped(large, np.asarray(cv2.resize(strength, size), np.float32), style)
    return np.asarray(np.vstack([plain, outlined(mapped, picture, 1)]), np.uint8)


def _cell(drawn: _Drawn, number: int, one: _Explained, *, alone: bool) -> Pixels:
    """A cell's pictures, named, below what is said of it; of a cell that is alone, two by two."""
    cell, tile = drawn.field.cells[number], drawn.tile
    crop = cut_crop(drawn.pixels, drawn.masks.cells[number])
    smooth = cv2.INTER_CUBIC
    plain = np.asarray(cv2.resize(crop, (tile, tile), interpolation=smooth), np.uint8)
    strength = np.asarray(cv2.resize(over_crop(one.strength), (tile, tile)), np.float32)
    shown = _mapped(plain, strength, drawn.style)
    mapped = outlined(shown, _own_masks(drawn.masks, number, tile), 1)
    true = np.asarray(
        cv2.resize(window(drawn.pixels, cell.crop), (tile, tile), interpolation=smooth), np.uint8
    )
    scale = drawn.field.scale
    if scale is not None:
        across = cell.crop[2] * scale.micrometres_per_pixel
        scale_bar(true, tile / across, guessed=scale.is_guess)
    pictures = [
        with_line(true, "as the camera saw it"),
        with_line(plain, "as the model sees it"),
        with_line(mapped, f"evidence for {one.label}"),
    ]
    told = _title(cell, one, 2 * tile if alone else 3 * tile)
    if not alone:
        return np.asarray(np.vstack([told, np.hstack(pictures)]), np.uint8)
    contours = with_line(
        outlined(plain, _own_masks(drawn.masks, number, tile), 2), "what was found: red nucleus, green cell"
    )
    rows = [np.hstack([pictures[0], contours]), np.hstack(pictures[1:])]
    return np.asarray(np.vstack([told, *rows]), np.uint8)


def _title(cell: Cell, one: _Explained, width: int) -> Pixels:
    title = strip(width, _TITLE)
    write(title, f"{one.number}  {cell.label}, {100 * cell.probability:.0f} %", (6, LINE - 5), INK, 0.62)
    second = sorted(cell.probabilities.items(), key=lambda item: -item[1])[1]
    remarks = (
        [f"or {second[0]}, {100 * second[1]:.0f} %"]
        if second[1] >= _WORTH_SAYING
        else ["nothing else is likely"]
    )
    if cell.cut_by_edge:
        remarks.append("cut by the edge, not counted")
    elif cell.rejected:
        remarks.append(f"{cell.rejected}, not counted")
    write(title, "; ".join(remarks), (6, 2 * LINE - 7), FAINT, 0.46)
    doubt = OUTSIDE in cell.flags
    told = one.caption or spoken_evidence(cell.evidence_in_cell, cell.evidence_in_nucleus)
    write(title, told, (6, 3 * LINE - 8), WARNING if doubt else FAINT, 0.46)
    return title


def _own_masks(masks: FieldMasks, number: int, tile: int) -> Pixels:
    cell, nucleus = masks_in_crop(masks, number)
    levels = (128 * cell + 127 * nucleus).astype(np.uint8)
    return np.asarray(cv2.resize(levels, (tile, tile), interpolation=cv2.INTER_LINEAR), np.uint8)


def spoken_evidence(in_cell: float | None, in_nucleus: float | None) -> str:
    """Where the evidence lies, as one says it at the microscope. in_nucleus: None where none was seen."""
    if in_cell is None:
        return "nothing in the picture speaks for this call"
    inside = f"{100 * in_cell:.0f} %"
    if in_cell < _HALF:
        return f"most of the evidence lies outside the cell; {inside} in it: look at it yourself"
    if in_nucleus is None:
        where = "no nucleus was seen"
    elif in_nucleus >= in_cell / 2:
        where = "most of it in the nucleus"
    else:
        where = "most of it in the cytoplasm"
    return f"most of the evidence lies in the cell ({inside}), {where}"


def _mapped(picture: Pixels, strength: NDArray[np.float32], style: Style) -> Pixels:
    return with_contours(picture, strength) if style == "contours" else coloured(picture, strength)
