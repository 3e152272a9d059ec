"""The daemon with a camera that is away at first, comes, dies and comes again; and with a film."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from calibrations import made_with
from daemons import run, stored, toml
from devices import StreamDevice
from films import COUNT, film
from mqtt_partners import PATIENCE_S, wait_for
from service_manager import Manager, spawn

from edge.cli import main
from edge.config import Config, MqttConfig, SpecimenConfig, StoreConfig, VideoConfig
from edge.daemon.process import TRY_LATER
from edge.store.database import claim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.messages import Health


@pytest.fixture
def stream() -> Iterator[StreamDevice]:
    made = StreamDevice()
    yield made
    made.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path)
    yield made
    made.close()


def test_a_camera_that_is_away_at_the_start_and_later(tmp_path, stream, manager, broker, listen):
    listener = listen(broker)
    config = Config(
        stream.config,
        device_id="test-1",
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(host=broker.host, port=broker.port, health_interval_s=1),
    )
    log = tmp_path / "log"

    def fed() -> int:
        return manager.hear().count("WATCHDOG=1")

    def complaint() -> str:
        health: list[Health] = listener.of("health")
        return health[-1].notices.get("camera", "") if health else ""

    with spawn(toml(config, tmp_path / "device.toml"), manager, log, WATCHDOG_USEC="4000000") as daemon:
        try:
            wait_for(lambda: "READY=1" in manager.hear(), "the daemon to be ready without a camera")
            wait_for(lambda: listener.state("status") == "online", "the daemon to hear commands")
            order = msgspec.json.encode({"correlation_id": "1", "specimen_id": "S-1"})
            listener.send("leukoscope/test-1/cmd/specimen/start", order)
            wait_for(lambda: listener.of("response/specimen/start"), "the specimen to be opened")
            assert_waits(fed, complaint, manager)

            stream.plug()
            wait_for(lambda: len(listener.fields()) >= 3, "the first fields")
            wait_for(lambda: not complaint(), "the complaint to be taken back")
            open_files = descriptors(daemon.pid)

            stream.set("short")
            wait_for(lambda: listener.of("health")[-1].fields_refused.get("short frame", 0) > 1, "the count")
            stream.set("flow")

            stream.unplug()
            wait_for(complaint, "the complaint")
            assert_waits(fed, complaint, manager)
            before = len(listener.fields())
            stream.plug()
            wait_for(lambda: len(listener.fields()) >= before + 3, "more fields")
            assert descriptors(daemon.pid) <= open_files + 1  # the store may be at work
            assert {each.specimen_id for each in listener.fields().values()} == {"S-1"}
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(PATIENCE_S) == 0
        finally:
            daemon.kill()
    said = log.read_text()
    assert 2 <= said.count("the stream does not answer") <= 5, "it is said when it goes, not at every attempt"
    assert said.count("the camera gives pictures again") in {2, 3}, "perhaps it was opened again"
    assert said.count("a picture was cut short") == 1


def assert_waits(fed, complaint, manager) -> None:
    """Hold that a daemon without a camera says so to everybody, and is fed for it."""
    already = fed()
    wait_for(lambda: fed() >= already + 1, "the watchdog to be fed")
    wait_for(lambda: "the stream does not answer" in complaint(), "health to say so")
    assert any(text.startswith("STATUS=waiting for the camera: http://") for text in manager.hear())


def descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def test_a_film_is_one_specimen_which_ends_with_it_and_each_picture_counts_once(tmp_path, broker, listen):
    listener = listen(broker)
    config = Config(
        VideoConfig(str(film(tmp_path / "slide.avi"))),
        device_id="test-1",
        specimen=SpecimenConfig(id="S", registration="off"),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(host=broker.host, port=broker.port),
    )
    assert run(config) == 0
    assert [each.source for each in stored(config)] == [f"slide.avi frame {n}" for n in range(1, COUNT + 1)]
    wait_for(lambda: listener.state("result/differential") == "complete", "the end")
    assert listener.counted() == COUNT
    assert run(config) == 0
    assert len(stored(config)) == COUNT


def test_a_film_that_is_cut_off_is_counted_as_far_as_it_goes_and_is_a_failure(tmp_path, broker):
    path = film(tmp_path / "slide.avi")
    os.truncate(path, path.stat().st_size // 2)
    config = Config(
        VideoConfig(str(path)),
        specimen=SpecimenConfig(id="S"),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(host=broker.host, port=broker.port),
    )
    assert run(config) == 1
    assert 5 < len(stored(config)) < COUNT


def test_a_film_of_a_picture_in_100_s_is_waited_for_by_the_watchdog(tmp_path, manager):
    config = Config(
        VideoConfig(str(film(tmp_path / "slide.avi", rate=0.01)), native_rate=True),
        specimen=SpecimenConfig(id="S"),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(port=1, drain_s=0),
    )
    log = tmp_path / "log"
    with spawn(toml(config, tmp_path / "device.toml"), manager, log, WATCHDOG_USEC="4000000") as daemon:
        wait_for(lambda: "STATUS=counting" in manager.hear(), "the first picture")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE_S) in {0, 3}
    assert "WATCHDOG_USEC=104000000" in manager.hear()


def test_a_live_camera_that_is_one_specimen_for_ever_is_said_to_be(
    tmp_path, stream, manager, broker, listen, capsys
):
    listener = listen(broker)
    config = Config(
        stream.config,
        device_id="test-1",
        specimen=SpecimenConfig(id="S", lifecycle="source"),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(host=broker.host, port=broker.port, health_interval_s=1),
    )
    path = toml(config, tmp_path / "device.toml")
    assert main(["config", "check", str(path)]) == 0
    assert "all that this live camera ever shows is one specimen" in capsys.readouterr().err
    log = tmp_path / "log"
    with spawn(path, manager, log) as daemon:
        wait_for(lambda: listener.of("health"), "health")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE_S) in {0, 1}
    assert 'for one specimen after another set "command"' in listener.of("health")[-1].notices["specimen"]
    assert log.read_text().count("all that this live camera ever shows is one specimen") == 1
    by_command = msgspec.structs.replace(config, specimen=SpecimenConfig())
    assert main(["config", "check", str(toml(by_command, path))]) == 0
    assert not capsys.readouterr().err


def test_a_live_run_that_cannot_go_on_is_started_again_by_the_service_manager(tmp_path, stream, broker):
    calibration = made_with("Other Microscope", tmp_path / "camera.json")
    store = tmp_path / "results.db"
    config = Config(
        msgspec.structs.replace(stream.config, calibration=str(calibration)),
        store=StoreConfig(str(store)),
        mqtt=MqttConfig(host=broker.host, port=broker.port),
    )
    command = [
        sys.executable,
        "-m",
        "edge.cli",
        "run",
        "--config",
        str(toml(config, tmp_path / "device.toml")),
    ]

    def ended() -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == TRY_LATER, done.stderr
        return done.stderr.splitlines()[-1]

    stream.plug()
    assert "was made with the camera 'Other Microscope'" in ended()
    stream.unplug()
    with claim(store):
        assert str(store) in ended()
    unit = (Path(__file__).parents[3] / "firmware_config/leukoscope.service").read_text()
    (never,) = (line for line in unit.splitlines() if line.startswith("RestartPreventExitStatus="))
    assert str(TRY_LATER) not in never.partition("=")[2].split()
    assert "Restart=on-failure" in unit
