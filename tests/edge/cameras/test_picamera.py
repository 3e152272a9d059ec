"""The real picamera2 on libcamera's virtual camera, where both are set up; and what is said where not."""

from __future__ import annotations

import importlib.util
import re
import signal
import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import virtual_camera
from mqtt_partners import PATIENCE_S, wait_for
from watching import descriptors, following, frames_of

from edge.cameras import open_camera, sensor_of
from edge.cameras.controls import Controls
from edge.cameras.picamera import holdable, metadata_of
from edge.config import PicameraConfig
from edge.errors import CameraError

if TYPE_CHECKING:
    from edge.cameras.picamera import PicameraCamera

WIDTH, HEIGHT = virtual_camera.SIZE
COMMAND = [sys.executable, virtual_camera.__file__]


@pytest.fixture
def camera() -> PicameraCamera:
    virtual_camera.required()
    made = open_camera(PicameraConfig(width=WIDTH, height=HEIGHT))
    yield made
    made.close()


def test_without_picamera2_the_way_to_it_is_said_at_once() -> None:
    if importlib.util.find_spec("picamera2") is not None:
        pytest.skip("picamera2 is installed")
    with pytest.raises(CameraError, match="apt install python3-picamera2"):
        open_camera(PicameraConfig())


def test_the_metadata_of_a_request_is_read_as_far_as_it_goes() -> None:
    whole = {"ExposureTime": 7999, "AnalogueGain": 1.5, "ColourGains": (2.0, 1.25), "SensorTimestamp": 12}
    taken = metadata_of({**whole, "Lux": 3.0})
    assert (taken.exposure_us, taken.analogue_gain, taken.sensor_timestamp_ns) == (7999, 1.5, 12)
    assert taken.colour_gains == (2.0, 1.25)
    assert metadata_of({}).exposure_us is None


def test_settings_are_asked_for_as_far_as_the_camera_has_them_and_within_its_limits() -> None:
    wanted = Controls(20, 1.0, (2.0, 1.5))
    assert holdable(wanted, {}) == Controls()
    has = {"ExposureTime": (26, 0, None), "AnalogueGain": (1.12, 16.0, None)}
    assert holdable(wanted, has) == Controls(26, 1.12, None)
    has = {"ExposureTime": (1, 66_666, None), "ColourGains": (0.0, 32.0, None)}
    assert holdable(Controls(70_000, None, (2.0, 1.5)), has) == Controls(66_666, None, (2.0, 1.5))


def test_pictures_come_in_the_size_that_was_asked_for_and_are_of_their_own_moment(camera) -> None:
    frames = [following(camera), *islice(frames_of(camera), 20)]
    assert {frame.pixels.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}
    stamps = [frame.metadata.sensor_timestamp_ns for frame in frames]
    assert stamps == sorted(set(stamps))
    assert sensor_of(camera)


def test_the_low_resolution_picture_shows_what_the_large_one_shows(camera) -> None:
    frame = following(camera)
    small = camera.preview()
    if small is None:
        pytest.skip("the virtual camera is set up without a small size")
    assert small.shape[1] < WIDTH
    assert np.abs(small.mean((0, 1)) - frame.pixels.mean((0, 1))).max() < 40


def test_stopped_and_started_again_it_is_not_configured_again_and_leaves_nothing_behind(camera) -> None:
    from picamera2 import Picamera2

    following(camera)
    camera.close()
    configured = Picamera2.configure_
    counts = []
    try:
        Picamera2.configure_ = None  # whoever would configure falls over it
        for _ in range(24):
            another = open_camera(PicameraConfig(width=WIDTH, height=HEIGHT))
            following(another)
            another.close()
            counts.append((descriptors(), threading.active_count()))
    finally:
        Picamera2.configure_ = configured
    assert max(counts[-8:]) <= max(counts[:8]), counts


def test_a_size_that_the_pipeline_does_not_give_is_refused_with_the_one_it_gives(tmp_path) -> None:
    virtual_camera.required()
    config = tmp_path / "camera.toml"
    config.write_text('[camera]\nkind = "picamera2"\nwidth = 642\nheight = 482\n')
    asked = (
        "import virtual_camera as v; v.prepare(); from pathlib import Path; "
        "from edge.cameras import open_camera; from edge.config import load_config; "
        f"open_camera(load_config(Path({str(config)!r})).camera).read()"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(virtual_camera.__file__).parent,
        timeout=PATIENCE_S,
    )
    assert re.search(r"gives \d+x\d+ and not 642x482; set camera.width", done.stderr)


def test_a_daemon_counts_from_it_until_it_is_stopped(tmp_path, broker, listen) -> None:
    virtual_camera.required()
    config = tmp_path / "device.toml"
    config.write_text(
        f'device_id = "test-1"\n[camera]\nkind = "picamera2"\nwidth = {WIDTH}\nheight = {HEIGHT}\n'
        f'[specimen]\nid = "S"\nlifecycle = "source"\n[mqtt]\nhost = "{broker.host}"\nport = {broker.port}\n'
    )
    listener = listen(broker)
    daemon = subprocess.Popen([*COMMAND, "run", "--config", str(config)], stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: len(listener.fields()) >= 5, "five fields")
        daemon.send_signal(signal.SIGTERM)
        _, said = daemon.communicate(timeout=PATIENCE_S)
    finally:
        daemon.kill()
        daemon.wait()
    assert daemon.returncode == 0, said
    for field in listener.fields().values():
        assert (field.width, field.height) == (WIDTH, HEIGHT)
        assert field.source.startswith("picamera2 0 frame ")
        assert field.quality.accepted, "the virtual camera's pictures are to be of a smear"
