"""The live picture for the device's page: written into memory, and only while somebody looks."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge import identity
from edge.messages.live import PICTURE, STATE, WANTED, WANTED_S, LiveCell, LiveFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from edge.cameras import Frame
    from edge.messages import FieldResult
    from edge.messages.field import Box

log = logging.getLogger(__name__)

_LEAST_S = 0.2  # between two pictures
_WIDTH, _QUALITY = 640, 70

_NOT_LOOKED_THROUGH = {"blank", "motion", "out of focus"}
"""Refusals of pictures whose search takes longest, or while a person turns a knob or moves the slide."""


class Preview:
    """Shows frames to the page. folder: shared with it; None, or one that is not there: nothing is shown.

    look: gives the boxes of the white cells of a frame that is not counted.
    """

    def __init__(
        self, folder: Path | None, look: Callable[[NDArray[np.uint8]], Iterable[Box]] = lambda _: ()
    ) -> None:
        self._folder = folder
        self._look = look
        self._shown_at = float("-inf")
        self._number = 0

    @classmethod
    def of(cls, folder: str, look: Callable[[NDArray[np.uint8]], Iterable[Box]]) -> Preview:
        """Return the preview into a configured folder; empty: none."""
        return cls(Path(folder) if folder else None, look)

    def show(self, frame: Frame, field: FieldResult | None = None) -> None:
        """Write a frame, if somebody looks and the last one is a while ago. field: what was found in it.

        A frame that nobody counts is measured, so that a person can bring it into focus, and its cells are
        outlined without a name. Counting never fails by it.
        """
        if self._folder is None or not self._wanted(self._folder):
            return
        self._shown_at = time.monotonic()
        try:
            self._number += 1
            picture, state = as_jpeg(frame.pixels), msgspec.json.encode(self._state(frame, field))
            # At once, one after the other: who reads in between has what does not belong together.
            self._write(self._folder, PICTURE, picture)
            self._write(self._folder, STATE, state)
        except OSError as error:
            log.debug("the live picture cannot be written: %s", error)

    def _wanted(self, folder: Path) -> bool:
        if time.monotonic() - self._shown_at < _LEAST_S:
            return False
        try:
            asked_at = (folder / WANTED).stat().st_mtime
        except OSError:
            return False
        return abs(time.time() - asked_at) < WANTED_S

    def _state(self, frame: Frame, field: FieldResult | None) -> LiveFrame:
        height, width = frame.pixels.shape[:2]
        if field is None:
            from edge.quality.assessment import assess  # noqa: PLC0415 (OpenCV: only while somebody looks)

            quality = assess(frame.pixels)
        else:
            quality = field.quality
        if field is None or not quality.accepted:
            boxes = () if quality.reason in _NOT_LOOKED_THROUGH else self._look(frame.pixels)
            cells = tuple(LiveCell(box, "", 0.0, None) for box in boxes)
        else:
            cells = tuple(
                LiveCell(cell.box, cell.label, cell.probability, cell.rejected) for cell in field.cells
            )
        return LiveFrame(
            run_id=identity.RUN_ID,
            number=self._number,
            sequence=None if field is None else field.sequence,
            specimen_id=None if field is None else field.specimen_id,
            width=width,
            height=height,
            cells=cells,
            refused=quality.reason,
            focus=quality.focus,
            simulated=frame.simulated,
        )

    @staticmethod
    def _write(folder: Path, name: str, content: bytes) -> None:
        """Put it in place of the last one in one step: who reads sees one or the other."""
        new = folder / f"{name}.new"
        with open(new, "wb", opener=_for_the_page) as file:
            file.write(content)
        new.replace(folder / name)


def _for_the_page(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)


def as_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Return a frame as a JPEG of 640 pixels' width, at most."""
    import cv2  # noqa: PLC0415 (as above)
    import numpy as np  # noqa: PLC0415
    import simplejpeg  # noqa: PLC0415

    height, width = pixels.shape[:2]
    size = (_WIDTH, max(1, round(height * _WIDTH / width)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if width > _WIDTH else pixels
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(small), quality=_QUALITY, colorspace="RGB", colorsubsampling="420"
    )
    return encoded
