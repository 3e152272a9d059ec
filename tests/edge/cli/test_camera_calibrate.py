"""`leukoscope camera calibrate`: the light of an empty field measured, and taken out of every frame after."""

from __future__ import annotations

import json
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import cv2
import msgspec
import numpy as np
import pytest
from found_cells import find_cells
from samples import scripted

from edge.analyzer import CellCounter
from edge.cameras import Frame, FrameMetadata, open_camera
from edge.cameras.calibration.camera import UNCALIBRATED, CalibratedCamera
from edge.cameras.calibration.correction import Correction
from edge.cameras.calibration.empty_field import EmptyFieldError, levels, measure
from edge.cameras.calibration.exposure import TARGET, adjusted
from edge.cameras.calibration.file import read_calibration
from edge.cameras.controls import Controls
from edge.cli import main
from edge.config import (
    SHIPPED_MODEL,
    Config,
    MqttConfig,
    SimulatedConfig,
    SpecimenConfig,
    StoreConfig,
    load_config,
)
from edge.daemon.process import Daemon
from edge.errors import CameraError, UnreadableFrameError
from edge.models.bundle import read_bundle
from edge.store.fields import Store

if TYPE_CHECKING:
    from pathlib import Path

POOR_LIGHT = {"vignetting": 0.5, "warmth": 0.7}


def configured(path: Path, **values: object) -> Path:
    """Write a configuration of the simulated camera. JSON's strings and numbers are TOML as well."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"kind": "simulated", **values}.items()]
    path.write_text("[camera]\n" + "\n".join(lines) + "\n")
    return path


def calibrate(folder: Path, **values: object) -> int:
    config = configured(folder / "empty.toml", **{"empty": True, **values})
    return main(["camera", "calibrate", "--config", str(config), "--out", str(folder / "camera.json")])


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    """Return the calibration of a camera whose light is yellow and leaves half of it in the corners."""
    assert calibrate(tmp_path, **POOR_LIGHT) == 0
    return tmp_path / "camera.json"


def first(**values: object) -> Frame:
    frame = open_camera(SimulatedConfig(**values)).read()
    assert frame is not None
    return frame


def unevenness(pixels: np.ndarray) -> float:
    """Return the most over the least light of an empty field's corners, middle and channels."""
    places = [pixels[y : y + 40, x : x + 40] for y in (0, 220, 440) for x in (0, 300, 600)]
    means = np.array([place.mean((0, 1)) for place in places])
    return float(means.max() / means.min())


def test_an_empty_field_is_even_and_white_afterwards(calibration: Path) -> None:
    before = first(empty=True, **POOR_LIGHT)
    after = first(empty=True, **POOR_LIGHT, calibration=str(calibration))
    assert unevenness(before.pixels) > 2
    assert unevenness(after.pixels) < 1.02
    assert after.calibration == read_calibration(calibration).id
    assert before.calibration is None
    assert after.source_id == before.source_id, "corrected, it shows the same cells"


@pytest.mark.parametrize("given", ["site/light/camera.json", "/elsewhere/camera.json"])
def test_the_file_is_named_as_the_configuration_has_to_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    given = given.replace("/elsewhere", str(tmp_path / "elsewhere"))
    for folder in ("site/light", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)  # not the configuration's folder, from which its paths are meant
    configured(tmp_path / "site/empty.toml", empty=True)
    assert main(["camera", "calibrate", "--config", "site/empty.toml", "--out", given]) == 0
    named = capsys.readouterr().out.split('set camera.calibration = "')[1].split('"')[0]
    assert main(["config", "check", str(configured(tmp_path / "site/device.toml", calibration=named))]) == 0


def test_a_smear_looks_as_in_good_light(calibration: Path) -> None:
    good, poor, corrected = (
        first(seed=3, cells=9, noise=0.0, **light).pixels.astype(float)
        for light in ({"vignetting": 0.0}, POOR_LIGHT, {**POOR_LIGHT, "calibration": str(calibration)})
    )
    # As bright as each other: a calibration makes light even, and not the lamp stronger.
    off = [np.abs(each * good.mean() / each.mean() - good).mean() for each in (poor, corrected)]
    assert off[1] < off[0] / 5


def test_the_file_says_of_which_camera_it_is_and_when_it_was_made(calibration: Path) -> None:
    plain = json.loads(calibration.read_text())
    assert (plain["sensor"], plain["width"], plain["height"]) == ("simulated", 640, 480)
    made = datetime.fromisoformat(plain["made_at"])
    assert abs((datetime.now(UTC) - made).total_seconds()) < 600
    assert len(calibration.read_bytes()) < 10_000


def test_what_cannot_be_calibrated_from_is_refused_with_the_reason_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = {
        "the field is not empty": {"empty": False, "cells": 4},
        "too dark": {"illumination": 0.2},
        "clipped": {"illumination": 1.6},
        "too uneven": {"vignetting": 0.9},
    }
    for reason, values in refused.items():
        assert calibrate(tmp_path, **values) == 1, reason
        (line,) = capsys.readouterr().err.splitlines()
        assert reason in line
        assert not (tmp_path / "camera.json").exists()


def test_one_white_cell_is_seen_and_so_is_one_red_one_and_dust_is_not() -> None:
    count_cells = CellCounter(read_bundle(SHIPPED_MODEL))
    rng = np.random.default_rng(0)
    empty = np.clip(205 + rng.normal(0, 2, (480, 640, 3)), 0, 255).astype(np.uint8)
    dusty = cv2.circle(empty.copy(), (500, 90), 4, (90, 90, 90), -1)
    assert np.ptp(measure([empty, dusty], count_cells).flat_field) < 0.02
    white = cv2.circle(empty.copy(), (300, 200), 45, (190, 170, 200), -1)
    white = cv2.circle(white, (300, 200), 25, (110, 60, 140), -1)
    red = cv2.circle(empty.copy(), (300, 200), 23, (200, 150, 150), -1)
    for seen in (white, red):
        with pytest.raises(EmptyFieldError, match="the field is not empty"):
            measure([seen], count_cells)


def test_a_file_that_was_altered_in_any_place_is_refused(calibration: Path) -> None:
    whole = json.loads(calibration.read_text())
    altered = {
        "id": "0123456789abcdef",
        "sensor": "another",
        "width": 641,
        "made_at": "2020-01-01T00:00:00Z",
        "exposure_us": 10,
        "colour_gains": [1.0, 1.5],
        "white_balance": [1.0, 1.0, 1.0001],
        "flat_field": [whole["flat_field"][0]] * 3,
    }
    for key, value in altered.items():
        calibration.write_text(json.dumps({**whole, key: value}))
        with pytest.raises(CameraError, match="was altered"):
            read_calibration(calibration)
    calibration.write_text(json.dumps(whole, indent=4))  # written otherwise, it says the same
    assert read_calibration(calibration).id == whole["id"]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", b"[1]", b'{"schema": "leukoscope.camera-calibration/2"}', None]
)
def test_what_is_no_calibration_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "camera.json").write_bytes(content)
    config = configured(tmp_path / "device.toml", calibration="camera.json")
    assert main(["config", "check", str(config)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "camera.json: " in line
    assert "camera calibration" in line


def test_another_size_or_another_camera_is_refused_at_the_start(calibration: Path, tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=r"made for frames of 640x480, and the camera gives 320x240"):
        first(width=320, height=240, calibration=str(calibration))
    writer = cv2.VideoWriter(
        str(tmp_path / "red.avi"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), 25, (640, 480)
    )
    writer.write(np.zeros((480, 640, 3), np.uint8))
    writer.release()
    config = tmp_path / "video.toml"
    config.write_text('[camera]\nkind = "video"\npath = "red.avi"\ncalibration = "camera.json"\n')
    with pytest.raises(CameraError, match=r"made with the camera 'simulated', and this is 'video'"):
        open_camera(load_config(config).camera)


def test_results_carry_the_calibrations_id(calibration: Path, tmp_path: Path) -> None:
    config = Config(
        SimulatedConfig(cells=3, calibration=str(calibration), **POOR_LIGHT),
        specimen=SpecimenConfig(id="S"),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(port=1, drain_s=0),
    )
    assert Daemon(config, load=scripted).run() == 3  # no broker: all is kept
    with Store.open(tmp_path / "results.db") as store:
        fields = list(store.fields("S"))
    assert fields
    assert {field.calibration for field in fields} == {read_calibration(calibration).id}


def test_a_slide_that_is_shown_again_calibrated_is_not_counted_twice(
    calibration: Path, tmp_path: Path
) -> None:
    def shown(**values: str) -> list[str]:
        config = Config(
            SimulatedConfig(cells=3, **POOR_LIGHT, **values),
            store=StoreConfig(str(tmp_path / "results.db")),
            mqtt=MqttConfig(port=1, drain_s=0),
        )
        assert Daemon(config, load=scripted).run() == 3  # no broker: all is kept
        with Store.open(tmp_path / "results.db") as store:
            (specimen,) = store.specimens()
            assert specimen.state == "complete"
            return [field.field_id for field in store.fields(specimen.specimen_id)]

    before = shown()
    assert before
    assert shown(calibration=str(calibration)) == before


def test_a_correction_costs_little_beside_finding_the_cells() -> None:
    camera = open_camera(SimulatedConfig(cells=20))
    pixels = next(
        frame.pixels for frame in iter(camera.read, None) if len(find_cells(frame.pixels).cells) > 1
    )
    correction = Correction(640, 480, (1.0, 1.1, 1.3), np.ones((3, 13, 17), np.float32))
    seconds: dict[str, list[float]] = {"correct": [], "find": []}
    for _ in range(15):  # in turns, so that what else the machine does meets both
        for name, work in (("correct", correction.apply), ("find", find_cells)):
            began = time.perf_counter()
            work(pixels)
            seconds[name].append(time.perf_counter() - began)
    ratio = min(seconds["correct"]) / min(seconds["find"])
    print(f"correcting takes {ratio:.3f} of the time of finding the cells")  # noqa: T201
    assert ratio < 0.2


class Sensor:
    """A microscope camera in front of an empty field: its settings take effect three frames later.

    lamp: light of red, green and blue. gamma: of its curve. longest: exposure, microseconds.
    """

    sensor = "drawn"
    has_colour_gains = True

    def __init__(
        self,
        lamp: tuple[float, float, float],
        gamma: float = 1.0,
        longest: int = 33_000,
        *,
        tells: bool = True,
    ) -> None:
        self.exposure_range_us = (50, longest)
        self.lamp = np.array(lamp)
        self.power = 1 / gamma
        self.tells = tells
        self.asked = Controls(20_000, 1.0, (1.0, 1.0))
        self.pending = deque([self.asked] * 3)
        self.rng = np.random.default_rng(0)

    def lock(self, controls: Controls) -> None:
        self.asked = controls

    def release(self) -> None:
        self.asked = Controls(20_000, 1.0, (1.0, 1.0))

    def read(self) -> Frame:
        self.pending.append(self.asked)
        taken = self.pending.popleft()
        assert taken.colour_gains is not None
        assert taken.exposure_us is not None
        exposure = taken.exposure_us // 19 * 19  # whole lines
        light = self.lamp * exposure / 10_000 * (taken.colour_gains[0], 1, taken.colour_gains[1])
        level = 255 * np.clip(light, 0, 1) ** self.power
        noisy = level + self.rng.normal(0, 1.5, (120, 160, 3))
        pixels = np.clip(noisy, 0, 255).astype(np.uint8)
        metadata = FrameMetadata(exposure, 1.0, taken.colour_gains) if self.tells else None
        return Frame(pixels, "drawn", datetime.now(UTC), metadata=metadata)

    def close(self) -> None:
        self.pending.clear()


@pytest.mark.parametrize("tells", [True, False], ids=["metadata", "no metadata"])
@pytest.mark.parametrize("gamma", [1.0, 2.2])
@pytest.mark.parametrize(
    "lamp", [(0.05, 0.1, 0.04), (0.9, 0.9, 0.9), (4.0, 5.0, 9.0), (20.0, 30.0, 14.0)], ids=str
)
def test_exposure_and_colour_gains_are_found_whatever_lamp_and_curve(
    lamp: tuple[float, float, float], gamma: float, tells: bool
) -> None:
    camera = Sensor(lamp, gamma, 400_000, tells=tells)
    found = adjusted(camera)
    assert found.exposure_us is not None
    # Too weak a lamp is not made up for by exposures in which a moving slide would smear.
    reached = min(TARGET, 255 * min(1, max(lamp) * 4) ** (1 / gamma))
    assert found.exposure_us <= 40_000
    for _ in range(5):
        seen = levels(camera.read().pixels)
    assert max(seen) == pytest.approx(reached, abs=12)
    assert max(seen) / min(seen) < 1.06
    assert found.colour_gains is not None
    if tells:
        assert found.exposure_us % 19 == 0, "what the sensor took, by which later frames are known"


class SteppedSensor(Sensor):
    """One that has an exposure for every so many percent only, and says which; its white it finds itself."""

    def __init__(self, lamp: tuple[float, float, float], percent: int) -> None:
        super().__init__(lamp)
        self.step = 1 + percent / 100
        self.held = Controls()
        self.finding = True

    @property
    def granted(self) -> Controls:
        return self.held

    def try_out(self, exposure_us: int | None, *, find_white: bool = False) -> None:
        assert exposure_us is not None
        exposure = round(self.step ** round(np.log(exposure_us) / np.log(self.step)))
        self.held = Controls(exposure, driver_gain=0, temperature_k=4600)
        self.asked = Controls(exposure, 1.0, (1.0, 1.0))
        self.finding = find_white


@pytest.mark.parametrize("lamp", [(0.9, 0.9, 0.7), (4.0, 5.0, 4.0)], ids=str)
@pytest.mark.parametrize("percent", [1, 15, 60])
def test_of_few_exposures_the_one_nearest_to_the_target_is_found(
    lamp: tuple[float, float, float], percent: int
) -> None:
    camera = SteppedSensor(lamp, percent)
    found = adjusted(camera)
    assert found == camera.granted
    assert not camera.finding, "a calibration's white stays"
    seen = [max(levels(camera.read().pixels)) for _ in range(5)][-1]
    level = 255 * max(lamp) * found.exposure_us / 10_000
    assert seen == pytest.approx(level, abs=8)
    for neighbour in (level / camera.step, level * camera.step):
        assert neighbour > 245 or abs(level - TARGET) < abs(neighbour - TARGET) + 8


def test_a_file_from_before_a_gain_in_steps_was_known_is_still_itself(calibration: Path) -> None:
    plain = json.loads(calibration.read_text())
    for later in ("driver_gain", "temperature_k"):
        assert plain.pop(later) is None
    calibration.write_text(json.dumps(plain))
    assert read_calibration(calibration).id == plain["id"]
    for later in ("driver_gain", "temperature_k"):
        calibration.write_text(json.dumps({**plain, later: 10}))
        with pytest.raises(CameraError, match="was altered"):
            read_calibration(calibration)


def test_a_calibrated_camera_is_locked_to_what_was_found(calibration: Path) -> None:
    made = msgspec.structs.replace(
        read_calibration(calibration),
        sensor="drawn",
        width=160,
        height=120,
        exposure_us=7_000,
        analogue_gain=1.0,
        colour_gains=(2.0, 1.5),
    ).named()
    calibration.write_bytes(msgspec.json.encode(made))
    sensor = Sensor((1, 1, 1))
    camera = CalibratedCamera(sensor, calibration)
    assert sensor.asked == Controls(7_000, 1.0, (2.0, 1.5))
    frame = camera.read()
    assert frame is not None
    assert frame.calibration == made.id
    sensor.sensor = "another"  # plugged in where the first one was
    with pytest.raises(UnreadableFrameError) as caught:
        camera.read()
    assert caught.value.reason == UNCALIBRATED
    sensor.sensor = "drawn"
    assert camera.read() is not None
