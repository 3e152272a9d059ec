"""Fields that a finder is trained on, made up."""

from __future__ import annotations

import numpy as np

from trainer.finder.fields import TrainingField, with_unsure


def field(*, annotated=(True, True, True), microscope="one", unsure=None):
    """A pale field with a white cell in the middle and four red cells around it."""
    pixels = np.full((300, 400, 3), 230, np.uint8)
    centres = np.array([(200, 150), (80, 80), (320, 80), (80, 220), (320, 220)], np.float32)
    diameters = np.array([72, 36, 36, 36, 36], np.float32)
    rows, columns = np.mgrid[0:300, 0:400]
    for (x, y), diameter in zip(centres, diameters, strict=True):
        pixels[np.hypot(columns - x, rows - y) < diameter / 2] = (
            (120, 70, 160) if diameter > 40 else (220, 150, 150)
        )
    known = TrainingField(
        pixels, 36.0, centres, diameters, np.array([0, 1, 1, 1, 1]), np.array(annotated), microscope, "a"
    )
    return known if unsure is None else with_unsure(known, unsure)
