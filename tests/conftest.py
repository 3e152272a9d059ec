"""Fixtures that all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from mqtt_partners import MOSQUITTO, Listener, Mosquitto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


# How long one example takes says nothing on a machine that has other things to do.
settings.register_profile("leukoscope", deadline=None)
settings.load_profile("leukoscope")


@pytest.fixture
def idle_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Return a broker that is not started yet."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder)
    yield broker
    broker.kill()


@pytest.fixture
def broker(idle_broker: Mosquitto) -> Mosquitto:
    """Return a running broker."""
    idle_broker.start()
    return idle_broker


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Return a function that starts a listener on a broker."""
    listeners: list[Listener] = []

    def start(broker: Mosquitto, name: str = "listener") -> Listener:
        listeners.append(Listener(broker, name))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()
