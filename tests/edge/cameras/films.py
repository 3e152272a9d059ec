"""Films whose every picture has its number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


COUNT = 30


def film(path: Path, *, codec: str = "FFV1", seed: int = 0, rate: float = 50) -> Path:
    """Write a film of noise, with the picture's number as a grey square in the corner."""
    rng = np.random.default_rng(seed)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), rate, (64, 48))
    for number in range(COUNT):
        picture = rng.integers(0, 60, (48, 64, 3), np.uint8)
        picture[:16, :16] = 8 * number
        writer.write(picture)
    writer.release()
    return path
