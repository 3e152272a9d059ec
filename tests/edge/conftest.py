"""Fixtures of the device's tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from daemons import draw
from device import Device
from service_manager import Manager

from edge.config import Config, MqttConfig, ReplayConfig, SpecimenConfig, StoreConfig
from edge.people import pins


def pytest_collection_modifyitems(items):
    # A socket or file that nobody closed is only found when it is collected, where its error is nobody's.
    strict = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(strict)


@pytest.fixture
def mount_disk(tmp_path):
    """Return a function that mounts a disk of its own at `tmp_path / "disk"`; who may not mount skips."""
    disk = tmp_path / "disk"

    def mount(options: str = "size=50%") -> Path:
        disk.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=False, capture_output=True
        )
        if done.returncode:
            pytest.skip("no file system can be mounted here")
        return disk

    yield mount
    if disk.is_mount():
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture(scope="session", autouse=True)
def shipped_pin_cost():
    """What the tests' own PINs cost a 64th of: signing in to their pages would take minutes."""
    shipped = pins.COST
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pins, "COST", shipped - 6)
        yield shipped


@pytest.fixture
def device(tmp_path):
    made = Device(tmp_path)
    yield made
    if made.publisher is not None:
        made.close(0)
    made.store.close()


@pytest.fixture
def images(tmp_path):
    draw(tmp_path / "images", 12)
    return tmp_path / "images"


@pytest.fixture
def config(tmp_path, idle_broker, images):
    return Config(
        ReplayConfig((str(images),)),
        device_id="test-1",
        specimen=SpecimenConfig(id="S"),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(host=idle_broker.host, port=idle_broker.port),
    )


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path)
    yield made
    made.close()
