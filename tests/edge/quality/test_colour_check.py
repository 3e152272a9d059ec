"""A picture without colour, or with red and blue swapped, is refused with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge.cameras.image_files import read_image
from edge.cli import main
from edge.quality.assessment import assess

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def smear(nuclei: int = 3) -> NDArray[np.uint8]:
    """A drawn field, RGB: salmon red cells and purple nuclei on bright glass, with noise."""
    rng = np.random.default_rng(5)
    picture = np.full((240, 320, 3), (228, 226, 224), np.uint8)
    for x, y in rng.integers(15, 225, (60, 2)):
        cv2.circle(picture, (int(x * 1.35), int(y)), 11, (222, 172, 158), -1, cv2.LINE_AA)
    for x, y in rng.integers(30, 210, (nuclei, 2)):
        cv2.circle(picture, (int(x * 1.35), int(y)), 16, (98, 52, 138), -1, cv2.LINE_AA)
    return np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp"])
def test_a_picture_without_colour_is_refused(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"x.{suffix}"
    assert cv2.imwrite(str(path), cv2.cvtColor(smear(), cv2.COLOR_RGB2GRAY))
    assert assess(read_image(path)).reason == "no colour"
    main(["analyze", str(path)])
    assert capsys.readouterr().out == f"{path}: not analysed: no colour\n"


def test_red_and_blue_swapped_are_refused_and_as_they_should_be_are_not() -> None:
    picture = smear()
    assert assess(picture).accepted
    assert assess(np.ascontiguousarray(picture[:, :, ::-1])).reason == "red and blue swapped"
    assert assess(smear(nuclei=0)).accepted, "red cells alone"
