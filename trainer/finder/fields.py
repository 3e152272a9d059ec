"""Fields ready to be drawn from: scaled so that a red cell has one size, with what lies where."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.image_files import read_image
from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SimulatedConfig
from edge.errors import UnreadableFrameError
from edge.finding import KINDS
from edge.finding.light import even
from trainer.data.images import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from edge.finding import Detections
    from trainer.data.images import AnnotatedImage, Kind

KEPT_RED_CELL = 36.0
"""Diameter in pixels that red cells are brought to at most: finer detail is never drawn."""

_LARGEST_SIDE = 900
DRAWN_RED_CELL = 100.0
"""Diameter of a red cell of a drawn slide, pixels."""


@dataclass(frozen=True)
class TrainingField:
    """One field of a set.

    pixels: uint8 RGB (h, w, 3), its light made even. red_cell: diameter of its red cells there, pixels.
    centres: float32 (n, 2), x and y. diameters: float32 (n,). kinds: int64 (n,), into `KINDS`. annotated:
    bool (3,), of which kinds all that the field shows are marked. microscope, group: whose it is, and which
    fields show the same. incomplete: some white cells are not marked. unsure: float32 (n, 3), middle and
    diameter of what may be an unmarked white cell: nothing is asked there.
    """

    pixels: NDArray[np.uint8]
    red_cell: float
    centres: NDArray[np.float32]
    diameters: NDArray[np.float32]
    kinds: NDArray[np.int64]
    annotated: NDArray[np.bool_]
    microscope: str
    group: str
    incomplete: bool = False
    unsure: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 3), np.float32))


def drawn_fields(seed: int, cells: int = 60) -> list[TrainingField]:
    """Return the fields of drawn slides: white cells are known, red cells and platelets not marked."""
    fields = []
    for number, stain in enumerate((1.0, 0.6, 1.4)):
        camera = SimulatedCamera(SimulatedConfig(seed=seed + number, cells=cells, stain=stain))
        while (frame := camera.read()) is not None:
            scale = KEPT_RED_CELL / DRAWN_RED_CELL
            pixels = cv2.resize(frame.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            white = [cell for cell in camera.truth(frame.name) if min(cell.nucleus_box[2:]) > 0]
            boxes = np.array([cell.box for cell in white], np.float32).reshape(-1, 4)
            fields.append(
                TrainingField(
                    even(np.asarray(pixels, np.uint8), KEPT_RED_CELL),
                    KEPT_RED_CELL,
                    (boxes[:, :2] + boxes[:, 2:] / 2) * scale,
                    np.sqrt(boxes[:, 2] * boxes[:, 3]) * scale,
                    np.zeros(len(white), np.int64),
                    np.array([kind == "white cell" for kind in KINDS]),
                    "drawn",
                    f"{seed + number} {frame.name}",  # slides have places of the same names
                )
            )
    return fields


def with_unsure(one: TrainingField, found: Detections, least: float = 0.3) -> TrainingField:
    """Return the field with what another finder takes for white cells, and nobody marked, as unsure.

    A set whose marks are not complete would teach that white cells are none.
    """
    white = found.of("white cell", least)
    own = one.centres[one.kinds == 0], one.diameters[one.kinds == 0]
    new = [
        (*centre, diameter)
        for centre, diameter in zip(white.centres, white.diameters, strict=True)
        if not any(np.hypot(*(centre - o)) < 0.5 * d for o, d in zip(*own, strict=True))
    ]
    return replace(one, unsure=np.array(new, np.float32).reshape(-1, 3))


def read_fields(
    images: Sequence[AnnotatedImage],
    *,
    red_cell: float,
    annotated: Collection[Kind],
    microscope: str,
    incomplete: bool = False,
) -> list[TrainingField]:
    """Return the fields of a set, scaled down to what is drawn from.

    red_cell: diameter of a red cell in the set's pictures, pixels. annotated: the kinds of which every one is
    marked. Raises DataError for an image that cannot be read.
    """
    marked = np.array([kind in annotated for kind in KINDS])
    fields = []
    for image in images:
        try:
            pixels = read_image(image.path)
        except UnreadableFrameError as error:
            raise DataError(str(error)) from None
        scale = min(1.0, KEPT_RED_CELL / red_cell, _LARGEST_SIDE / max(pixels.shape[:2]))
        if scale < 1:
            pixels = np.asarray(
                cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
            )
        boxes = np.array([(b.x, b.y, b.width, b.height) for b in image.boxes], np.float32).reshape(-1, 4)
        fields.append(
            TrainingField(
                even(pixels, red_cell * scale),
                red_cell * scale,
                (boxes[:, :2] + boxes[:, 2:] / 2) * scale,
                np.sqrt(boxes[:, 2] * boxes[:, 3]) * scale,
                np.array([KINDS.index(box.kind) for box in image.boxes], np.int64),
                marked,
                microscope,
                image.cell or image.name,
                incomplete,
            )
        )
    return fields
