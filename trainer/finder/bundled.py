"""What a bundle carries of a finder: its file, what is said of it, and golden pictures with their answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SimulatedConfig
from edge.finding import RED_CELL_PIXELS
from edge.finding.finder import Finder
from edge.models.bundle import FINDER as MEMBER
from edge.models.bundle import FinderDescription, FinderGolden
from trainer.finder.fields import DRAWN_RED_CELL
from trainer.finder.run import FINDER, read_record
from trainer.quantization.int8 import ExportError

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAINED = Path(__file__).with_name("trained")
"""The finder that ships, as its run left it."""

_GOLDENS = 2
_SURE = 0.6  # score of a golden's cells: runtimes differ by a little, and none is to fall below a threshold


class FinderPart(NamedTuple):
    """What is said of a finder, and the files that ride in the bundle, by name."""

    description: FinderDescription
    members: Mapping[str, bytes]


def finder_part(folder: Path) -> FinderPart:
    """Return what a bundle carries of the finder of a finished run.

    Raises ConfigError where the folder holds none, ExportError where it finds nothing on drawn slides, which
    no golden could then show.
    """
    record = read_record(folder)
    content = (folder / FINDER).read_bytes()
    finder = Finder(content, {"maps": record["output"]})
    goldens: list[FinderGolden] = []
    members = {MEMBER: content}
    camera = SimulatedCamera(SimulatedConfig(seed=20, noise=0))
    while len(goldens) < _GOLDENS:
        frame = camera.read()
        if frame is None:
            raise ExportError(f"{folder}: its finder is sure of no white cell on a drawn slide")
        scale = RED_CELL_PIXELS / DRAWN_RED_CELL
        picture = np.asarray(
            cv2.resize(frame.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
        white = finder.find(picture, 1.0).of("white cell", _SURE)
        if not len(white):
            continue
        ok, png = cv2.imencode(".png", picture[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
        if not ok:
            raise ExportError("a golden picture of the finder could not be encoded")
        name = f"golden/finder-{len(goldens)}.png"
        members[name] = png.tobytes()
        rows = np.column_stack([white.centres, white.diameters, white.scores]).round(3).tolist()
        goldens.append(FinderGolden(name, tuple((x, y, diameter, score) for x, y, diameter, score in rows)))
    description = FinderDescription(
        version=record["version"],
        sha256=record["sha256"],
        output=record["output"],
        thresholds=record["recipe"]["thresholds"],
        goldens=tuple(goldens),
        measured={"average_precision_in_training": record["average_precision"]},
        training={"data": record["data"], "left_out": record["left_out"], "tools": record["tools"]},
    )
    return FinderPart(description, members)
