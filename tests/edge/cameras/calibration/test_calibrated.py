"""A live camera behind a calibration: it may come late, and another may be there in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from calibrations import made_with
from devices import StreamDevice
from stream_server import HEIGHT, WIDTH
from watching import complaint, following

from edge.cameras.calibration.camera import CalibratedCamera
from edge.cameras.calibration.correction import (
    read_calibration,
)
from edge.cameras.live import AWAY
from edge.config import UsbConfig
from edge.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def device() -> Iterator[StreamDevice]:
    made = StreamDevice()
    yield made
    made.close()


def test_one_that_comes_late_is_waited_for_and_then_corrected(device: StreamDevice, tmp_path: Path) -> None:
    camera = CalibratedCamera(device.camera(), made_with(device.config.node, tmp_path / "camera.json"))
    assert complaint(camera, AWAY)
    device.plug()
    frame = following(camera)
    assert frame.calibration is not None
    assert frame.pixels.shape == (HEIGHT, WIDTH, 3)
    assert frame.pixels.dtype == np.uint8
    camera.close()
    assert camera.read() is None


def test_one_that_turns_out_to_be_another_is_refused_at_its_first_picture(
    device: StreamDevice, tmp_path: Path
) -> None:
    camera = CalibratedCamera(device.camera(), made_with("Other Microscope", tmp_path / "camera.json"))
    assert complaint(camera, AWAY)
    device.plug()
    with pytest.raises(CameraError, match="made with the camera 'Other Microscope', and this is 'http://"):
        following(camera)
    camera.close()


def test_the_longest_address_that_a_camera_may_have_fits_its_calibration(tmp_path: Path) -> None:
    address = UsbConfig("http://pi/".ljust(1000, "x")).node
    assert read_calibration(made_with(address, tmp_path / "camera.json")).sensor == address
