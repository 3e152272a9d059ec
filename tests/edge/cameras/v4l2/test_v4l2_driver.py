"""The real OpenCV on a V4L2 driver that is ours: a camera calibrated, locked, unplugged, and meddled with."""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemons import REPOSITORY, toml
from mqtt_partners import PATIENCE_S, wait_for
from service_manager import Manager, spawn

from edge.cameras.calibration.file import CameraCalibration, read_calibration
from edge.config import Config, MqttConfig, SpecimenConfig, StoreConfig, UsbConfig
from edge.specimens.calibrating import CalibrationOrders

if TYPE_CHECKING:
    from collections.abc import Iterator

DRIVER = Path(__file__).with_name("v4l2_driver.c")


class Number(IntEnum):
    """Where a number of the driver's state stands, as v4l2_driver.c has it."""

    THERE = 0
    EXPOSURE_AUTO = 1
    EXPOSURE = 2
    GAIN = 3
    WHITE_AUTO = 4
    KELVIN = 5
    STUBBORN = 6
    LINES = 7
    REFUSED = 8


class Microscope:
    """A device that other processes meet at `node`, and whose state is here to be seen and changed."""

    def __init__(self, folder: Path) -> None:
        self.node = folder / "video0"
        self.node.symlink_to("/dev/null")  # a device, as far as anybody can tell from its path
        state = folder / "state"
        state.write_bytes(bytes(4 * len(Number)))
        library = folder / "driver.so"
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler: the driver cannot be made")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(DRIVER), "-ldl"], check=True)
        self.environment = {
            "LD_PRELOAD": str(library),
            "LEUKOSCOPE_V4L2_NODE": str(self.node),
            "LEUKOSCOPE_V4L2_STATE": str(state),
        }
        with state.open("r+b") as file:
            self._state = mmap.mmap(file.fileno(), 0)
        self[Number.STUBBORN] = -1
        self[Number.LINES] = 1
        self.plug()

    def __getitem__(self, number: Number) -> int:
        (value,) = struct.unpack_from("=i", self._state, 4 * number)
        return int(value)

    def __setitem__(self, number: Number, value: int) -> None:
        struct.pack_into("=i", self._state, 4 * number, value)

    def plug(self) -> None:
        """Let it be there, with everything automatic."""
        automatic = {Number.EXPOSURE_AUTO: 3, Number.EXPOSURE: 157, Number.WHITE_AUTO: 1, Number.KELVIN: 5200}
        for number, value in {**automatic, Number.GAIN: 64, Number.THERE: 1}.items():
            self[number] = value

    def unplug(self) -> None:
        self[Number.THERE] = 0

    @property
    def settings(self) -> list[int]:
        """Automatic and value of the exposure, the gain, automatic and value of the white balance."""
        return [self[number] for number in list(Number)[1:6]]

    def calibrate(self, folder: Path) -> tuple[subprocess.CompletedProcess[str], CameraCalibration]:
        config, out = folder / "empty.toml", folder / "camera.json"
        config.write_text(f'[camera]\nkind = "usb"\ndevice = "{self.node}"\n')
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "edge.cli",
                *("camera", "calibrate", "--config", str(config), "--out", str(out)),
            ],
            env={**os.environ, **self.environment},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done, read_calibration(out)


@pytest.fixture
def microscope(tmp_path: Path) -> Microscope:
    return Microscope(tmp_path)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path)
    yield made
    made.close()


def test_a_calibration_finds_the_exposure_and_the_file_says_what_the_device_granted(microscope, tmp_path):
    microscope[Number.LINES] = 7
    done, made = microscope.calibrate(tmp_path)
    assert microscope.settings == [1, made.exposure_us // 100, 0, 0, made.temperature_k]
    assert made.exposure_us % 700 == 0, "only whole lines were to be had"
    assert made.exposure_us == pytest.approx(100 * 205 / 1.6, abs=500)
    assert (made.driver_gain, made.temperature_k) == (0, 5200)
    assert f"exposure: {made.exposure_us} us; red, green and blue are at" in done.stdout
    assert microscope[Number.REFUSED] == 0, "nothing was set while it was automatic"


def test_keys_of_the_configuration_are_held_and_the_rest_is_left_as_it_is(microscope, tmp_path):
    config = tmp_path / "device.toml"
    config.write_text(f'[camera]\nkind = "usb"\ndevice = "{microscope.node}"\nexposure_us = 6000\ngain = 5\n')
    with subprocess.Popen(
        [sys.executable, "-m", "edge.cli", "camera", "focus", "--config", str(config)],
        env={**os.environ, **microscope.environment},
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as shown:
        assert shown.stdout is not None
        assert float(shown.stdout.readline()) >= 0
        assert microscope.settings == [1, 60, 5, 1, 5200]
        shown.send_signal(signal.SIGTERM)
        assert shown.wait(PATIENCE_S) == 0


def test_a_daemon_measures_when_it_is_asked_to_and_lets_the_camera_be_as_it_was_until_that_is_used(
    microscope, tmp_path, manager
):
    config = Config(
        UsbConfig(str(microscope.node)),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(port=1, drain_s=0),
    )
    orders = CalibrationOrders(config)

    def measured():
        order = orders.measure()
        wait_for(lambda: orders.state().order == order and orders.state().state != "measuring", "the light")
        assert orders.state().state == "measured", orders.state().sentence
        return orders.state().measured

    path, log = toml(config, tmp_path / "device.toml"), tmp_path / "log"
    with spawn(path, manager, log, **microscope.environment) as daemon:
        try:
            found = measured()
            assert found.exposure_us == pytest.approx(100 * 205 / 1.6, abs=500)
            automatic = [3, found.exposure_us // 100, 64, 1, 5200]
            wait_for(lambda: microscope.settings == automatic, "what was found to be put back")
            orders.discard(found.calibration_id)
            orders.use(measured().calibration_id)
            made = orders.in_use()
            locked = [1, made.exposure_us // 100, made.driver_gain, 0, made.temperature_k]
            wait_for(lambda: microscope.settings == locked, "the camera to be set")
            measured()
            wait_for(lambda: microscope.settings == locked, "the camera to be set again")
        finally:
            daemon.kill()


def test_a_daemon_keeps_a_camera_to_its_calibration(microscope, tmp_path, manager, broker, listen):
    _, made = microscope.calibrate(tmp_path)
    wanted = microscope.settings
    microscope.plug()
    assert microscope.settings != wanted
    listener = listen(broker)
    config = Config(
        UsbConfig(str(microscope.node), calibration=str(tmp_path / "camera.json")),
        device_id="test-1",
        specimen=SpecimenConfig(id="S", lifecycle="source"),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(host=broker.host, port=broker.port, health_interval_s=1),
    )

    def notice() -> str:
        health = listener.of("health")
        return health[-1].notices.get("camera", "") if health else ""

    def not_held() -> int:
        health = listener.of("health")
        return health[-1].fields_refused.get("camera settings not held", 0) if health else 0

    def goes_on() -> None:
        # Fields of before may still be on their way.
        wait_for(lambda: microscope.settings == wanted, "the camera to be set")
        before = len(listener.fields())
        wait_for(lambda: len(listener.fields()) >= before + 3, "more fields")
        assert microscope.settings == wanted

    path, log = toml(config, tmp_path / "device.toml"), tmp_path / "log"
    with spawn(path, manager, log, **microscope.environment) as daemon:
        try:
            goes_on()
            assert not_held() == 0
            microscope.unplug()
            wait_for(notice, "the camera to be missed")
            microscope.plug()
            goes_on()
            microscope[Number.EXPOSURE_AUTO] = 3
            wait_for(not_held, "the meddling to be noticed")
            goes_on()
            microscope.unplug()
            wait_for(notice, "the camera to be missed again")
            microscope[Number.STUBBORN] = Number.EXPOSURE_AUTO
            microscope.plug()
            wait_for(lambda: "exposure stays automatic" in notice(), "the camera to be refused")
            microscope[Number.STUBBORN] = -1
            goes_on()
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(PATIENCE_S) in {0, 1}
        finally:
            daemon.kill()
    assert {field.calibration for field in listener.fields().values()} == {made.id}
