"""A camera's calibration, made for a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_server import HEIGHT, WIDTH

from edge.cameras.calibration.file import COLUMNS, ROWS, CameraCalibration, write_calibration

if TYPE_CHECKING:
    from pathlib import Path


def made_with(sensor: str, path: Path) -> Path:
    """Write the calibration of a camera whose left half is half as bright in green."""
    even = ((1.0,) * COLUMNS,) * ROWS
    left = ((2.0,) * (COLUMNS // 2) + (1.0,) * (COLUMNS - COLUMNS // 2),) * ROWS
    calibration = CameraCalibration(
        sensor=sensor,
        width=WIDTH,
        height=HEIGHT,
        made_at="2026-05-01T08:00:00Z",
        white_balance=(1.0, 1.0, 1.0),
        flat_field=(even, left, even),
    )
    write_calibration(path, calibration.named())
    return path
