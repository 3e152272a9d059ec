"""What the finder is trained on: pieces of fields, turned and scaled, and the maps that they should give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge.finding import KINDS, RED_CELL_PIXELS, STRIDE
from trainer.finder.drawn_in import draw_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.finder.fields import TrainingField
    from trainer.finder.recipe import Drawing

SIDE = 192
"""Side of a canvas, pixels of the working picture."""

PLACES = SIDE // STRIDE
TARGETS = 10
"""Maps of a target: one a kind, the weight of each, log of the diameter, middle to the right and down, and
where these three are asked for."""

_WHITE = KINDS.index("white cell")
_SPREAD = 0.14  # of a thing's diameter: how far from its middle a peak may lie
_LEAST_SPREAD = 0.55  # places
_ASKED = 0.28  # of a thing's diameter: how far from its middle size and middle are asked for
_MIDDLE = 0.2  # of a thing's diameter: nothing else has its middle there
_FULL = 0.9  # share of a canvas
_SEEN = 0.5  # of a thing's middle half that must be left where something is drawn over it


def draw_canvas(
    fields: Sequence[TrainingField], chances: NDArray[np.float64], rng: np.random.Generator, drawing: Drawing
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return one canvas, uint8 (192, 192, 3), and its targets, float32 (24, 24, 10).

    chances: float64, how often each field is drawn; they add up to 1.
    """
    pixels = np.empty((SIDE, SIDE, 3), np.uint8)
    pixels[:] = _beyond(rng)
    weights = np.ones((PLACES, PLACES, len(KINDS)), np.float32)
    things: list[tuple[float, float, float, int]] = []
    covered = np.zeros((SIDE, SIDE), np.uint8)
    for number in range(drawing.most if rng.random() < drawing.mosaic else 1):
        if number and (covered > 0).mean() > _FULL:
            break
        field = fields[int(rng.choice(len(fields), p=chances))]
        matrix, factor = _placed(field, rng, drawing, second=number > 0)
        size = (SIDE, SIDE)
        mask: NDArray[Any] = cv2.warpAffine(
            np.full(field.pixels.shape[:2], 255, np.uint8), matrix, size, flags=cv2.INTER_NEAREST
        )
        mask &= ~covered
        source = field.pixels
        if factor < 0.6:  # without, what is drawn small would be speckled
            source = np.asarray(cv2.blur(source, (round(1 / factor),) * 2), np.uint8)
        warped = cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        pixels[mask > 0] = warped[mask > 0]
        shown = cv2.resize(mask, (PLACES, PLACES), interpolation=cv2.INTER_AREA) > 0
        weights[shown] = np.minimum(weights[shown], field.annotated.astype(np.float32))
        covered |= mask
        for x, y, diameter in field.unsure:
            middle = matrix[:, :2] @ (x, y) + matrix[:, 2]
            _forget(weights, middle, float(diameter) * factor)
        moved = field.centres @ matrix[:, :2].T + matrix[:, 2]
        for (x, y), diameter, kind in zip(moved, field.diameters * factor, field.kinds, strict=True):
            if 0 <= x < SIDE and 0 <= y < SIDE and mask[int(y), int(x)]:
                things.append((float(x), float(y), float(diameter), int(kind)))
    if rng.random() < drawing.drawn_in:
        drawn = draw_in(pixels, rng)
        things = [thing for thing in things if _is_seen(thing, drawn)]
    return pixels, targets(things, weights, one_kind=drawing.one_kind)


def _forget(weights: NDArray[np.float32], middle: NDArray[np.float64], diameter: float) -> None:
    """Ask nothing of white cells where one may lie, in place."""
    rows, columns = (np.mgrid[0:PLACES, 0:PLACES] + 0.5) * STRIDE
    weights[np.hypot(columns - middle[0], rows - middle[1]) < 0.7 * diameter, _WHITE] = 0.0


def _is_seen(thing: tuple[float, float, float, int], drawn: NDArray[np.bool_]) -> bool:
    x, y, diameter, _ = thing
    reach = max(2.0, diameter / 3)
    window = drawn[max(0, int(y - reach)) : int(y + reach) + 1, max(0, int(x - reach)) : int(x + reach) + 1]
    return bool(window.mean() < 1 - _SEEN)


def _beyond(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the colour beyond a field: black, white, or bare glass under some lamp."""
    kind = rng.integers(3)
    if kind < 2:
        return np.full(3, 255 * kind, np.uint8)
    return np.clip(rng.normal(215, 15) + rng.normal(0, 8, 3), 0, 255).astype(np.uint8)


def _placed(
    field: TrainingField, rng: np.random.Generator, drawing: Drawing, *, second: bool
) -> tuple[NDArray[np.float64], float]:
    """Return the affine matrix (2, 3) from a field to the canvas, and the scale in it."""
    factor = RED_CELL_PIXELS / field.red_cell * float(np.exp(rng.uniform(-drawing.scale, drawing.scale)))
    angle = rng.integers(4) * np.pi / 2 + (rng.uniform(-np.pi, np.pi) if rng.random() < 0.5 else 0.0)
    mirror = 1 if rng.random() < 0.5 else -1
    cos, sin = factor * np.cos(angle), factor * np.sin(angle)
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    height, width = field.pixels.shape[:2]
    white = np.flatnonzero(field.kinds == _WHITE)
    if len(white) and rng.random() < 0.7:
        focus = field.centres[rng.choice(white)]
    else:
        focus = np.array([rng.uniform(0, width), rng.uniform(0, height)])
    at = rng.uniform(0.1, 0.9, 2) * SIDE if not second else rng.uniform(0, 1, 2) * SIDE
    return np.column_stack([linear, at - linear @ focus]), factor


def targets(
    things: Sequence[tuple[float, float, float, int]],
    weights: NDArray[np.float32],
    *,
    one_kind: bool = False,
) -> NDArray[np.float32]:
    """Return the maps that a canvas with these things should give, float32 (24, 24, 10).

    things: x, y, diameter in pixels of the canvas, and the kind. weights: float32 (24, 24, 3), where each
    kind is known. one_kind: where the middle of one lies it is known that no other kind does.
    """
    result = np.zeros((PLACES, PLACES, TARGETS), np.float32)
    result[:, :, 3:6] = weights
    rows, columns = np.mgrid[0:PLACES, 0:PLACES] + 0.5
    nearest = np.full((PLACES, PLACES), np.inf)
    for x, y, diameter, kind in things:
        across, down = x / STRIDE - columns, y / STRIDE - rows
        apart = np.hypot(across, down)
        spread = max(_LEAST_SPREAD, _SPREAD * diameter / STRIDE)
        heat = np.exp(-0.5 * (apart / spread) ** 2)
        peak = (min(PLACES - 1, int(y / STRIDE)), min(PLACES - 1, int(x / STRIDE)))
        heat[peak] = 1.0
        np.maximum(result[:, :, kind], heat, out=result[:, :, kind])
        # What is marked is known, whatever else of its kind is not.
        result[peak[0], peak[1], 3 + kind] = 1.0
        if one_kind:
            result[apart < max(_LEAST_SPREAD, _MIDDLE * diameter / STRIDE), 3:6] = 1.0
        asked = (apart < max(0.75, _ASKED * diameter / STRIDE)) & (apart < nearest)
        asked[peak] |= apart[peak] < nearest[peak]
        nearest[asked] = apart[asked]
        result[asked, 6] = np.log(diameter / RED_CELL_PIXELS)
        result[asked, 7] = across[asked]
        result[asked, 8] = down[asked]
        result[asked, 9] = 1.0
    return result
