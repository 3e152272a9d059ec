"""Where the real images are, for the tests that want them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("LEUKOSCOPE_DATA", Path(__file__).parents[2] / "shared" / "data"))


def real_images(*folder: str) -> Path:
    """Return a folder of real images, or skip the test saying why."""
    path = DATA.joinpath(*folder)
    if not path.is_dir():
        pytest.skip(f"no real images: {path} is not there; set LEUKOSCOPE_DATA")
    return path


def field_cases(*folder: str) -> Path:
    """Return a folder of the cases from the field, beside the real images, or skip the test saying why."""
    path = DATA.parent.joinpath("cases", *folder)
    if not path.is_dir():
        pytest.skip(
            f"no cases from the field: {path} is not there; set LEUKOSCOPE_DATA to the data beside it"
        )
    return path
