"""Files with pictures in them, whole and spoilt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def encoded(suffix: str, *, value: int = 0, size: tuple[int, int] = (24, 16)) -> bytes:
    """Return an image file whose left half is red and whose right half is blue, `value` green in both."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[:, : size[0] // 2, 2] = 250
    picture[:, size[0] // 2 :, 0] = 250
    picture[..., 1] = value
    done, data = cv2.imencode(suffix, picture)
    assert done
    return data.tobytes()


def put(path: Path, data: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(".png") if data is None else data)
    return path
