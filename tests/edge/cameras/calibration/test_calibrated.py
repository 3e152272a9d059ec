"""A live camera behind a calibration: it may come late, and another may be there in its place."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from calibrations import made_with
from devices import StreamDevice
from stream_server import HEIGHT, WIDTH
from watching import complaint, following

from edge.cameras.calibration.camera import CalibratedCamera
from edge.cameras.calibration.file import read_calibration
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


def test_a_file_that_comes_later_is_used_from_the_next_picture_on(
    device: StreamDevice, tmp_path: Path
) -> None:
    path = tmp_path / "camera.json"
    camera = CalibratedCamera(device.camera(), path, needed=False)
    device.plug()
    assert following(camera).calibration is None
    assert not camera.renew()
    made_with(device.config.node, path)
    assert camera.renew()
    assert not camera.renew(), "once"
    used = following(camera).calibration
    assert used == read_calibration(path).id
    for content in (b"", path.read_bytes().replace(b"2026", b"2027")):
        path.write_bytes(content)
        assert not camera.renew()
        assert camera.problem is not None
        assert following(camera).calibration == used, "what is of no use changes nothing"
    path.unlink()
    assert not camera.renew()
    assert following(camera).calibration == used
    camera.close()


def test_one_of_another_camera_is_not_used_where_none_is_needed(device: StreamDevice, tmp_path: Path) -> None:
    camera = CalibratedCamera(
        device.camera(), made_with("Other Microscope", tmp_path / "camera.json"), needed=False
    )
    device.plug()
    assert following(camera).calibration is None
    assert camera.problem is not None
    assert "made with the camera 'Other Microscope'" in camera.problem
    camera.close()


OVER_AND_OVER = """
import sys
from pathlib import Path
from edge.cameras.calibration.file import read_calibration, write_calibration
both = [read_calibration(Path(name)) for name in sys.argv[2:]]
print("ready", flush=True)
while True:
    for each in both:
        write_calibration(Path(sys.argv[1]), each)
"""


def test_killed_while_it_is_put_in_place_it_is_the_former_or_the_new_one(tmp_path: Path) -> None:
    both = [made_with(name, tmp_path / name) for name in ("first", "second")]
    known = {read_calibration(each).id for each in both}
    path = made_with("first", tmp_path / "camera.json")
    for number in range(10):
        command = [sys.executable, "-c", OVER_AND_OVER, str(path), *map(str, both)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(0.007 * number)
            process.kill()
        assert read_calibration(path).id in known


def test_the_longest_address_that_a_camera_may_have_fits_its_calibration(tmp_path: Path) -> None:
    address = UsbConfig("http://pi/".ljust(1000, "x")).node
    assert read_calibration(made_with(address, tmp_path / "camera.json")).sensor == address
