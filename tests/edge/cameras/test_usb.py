"""What is said of a device or a stream that is not what the configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from devices import StreamDevice
from stream_server import HEIGHT, WIDTH, number_of, numbered
from watching import following

from edge.cameras import open_camera
from edge.cameras.usb import UsbGrabber
from edge.config import UsbConfig
from edge.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stream() -> Iterator[StreamDevice]:
    made = StreamDevice()
    made.plug()
    yield made
    made.close()


def refusal(config: UsbConfig) -> str:
    grabber = UsbGrabber(config)
    with pytest.raises(CameraError) as caught:
        grabber.open()
    grabber.close()
    grabber.close()
    return str(caught.value)


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    assert refusal(UsbConfig(str(tmp_path / "video0"))).endswith(
        "video0: is not there; plug it in, or see what is with `leukoscope camera list`"
    )
    assert refusal(UsbConfig(200)).startswith("/dev/video200: is not there")


def test_a_video_file_as_a_device(tmp_path: Path) -> None:
    (tmp_path / "film.avi").write_bytes(b"RIFF")
    assert 'for a video set kind = "video"' in refusal(UsbConfig(str(tmp_path / "film.avi")))


def test_a_device_that_is_no_camera() -> None:
    assert "/dev/null: cannot be used" in refusal(UsbConfig("/dev/null"))


def test_a_size_that_it_does_not_have(stream: StreamDevice) -> None:
    wrong = msgspec.structs.replace(stream.config, width=1280, height=960)
    assert f"gives {WIDTH}x{HEIGHT} and not 1280x960; set camera.width and camera.height" in refusal(wrong)


def test_a_size_that_nobody_asked_for_is_the_streams_own(stream: StreamDevice) -> None:
    camera = open_camera(UsbConfig(stream.config.node))
    assert following(camera).pixels.shape == (HEIGHT, WIDTH, 3)
    camera.close()


def test_a_picture_is_the_one_that_was_sent(stream: StreamDevice) -> None:
    camera = open_camera(stream.config)
    pixels = following(camera).pixels
    camera.close()
    sent = numbered(number_of(pixels))
    assert abs(pixels.astype(int) - sent).mean() < 5
    assert abs(pixels[-40:].mean((0, 1)) - (250, 0, 0)).max() < 8
