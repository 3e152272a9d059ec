"""Fixtures of the tests of delivering."""

from __future__ import annotations

import pytest
from delivery_desk import Desk
from far_end import FarEnd
from mqtt_partners import free_port
from paper_connection import StoppedClock
from scripted_broker import ScriptedBroker

from edge.mqtt import connection as connecting
from edge.mqtt import delivery as delivering
from edge.store import fields


@pytest.fixture
def scripted():
    brokers = []

    def start(behave, **keywords):
        broker = ScriptedBroker("127.0.0.1", free_port("127.0.0.1"), behave, **keywords)
        broker.host, broker.port = broker._server.getsockname()  # noqa: SLF001
        brokers.append(broker)
        return broker

    yield start
    for broker in brokers:
        broker.__exit__()


@pytest.fixture
def far():
    with FarEnd() as end:
        yield end


@pytest.fixture
def clock(monkeypatch):
    made = StoppedClock()
    monkeypatch.setattr(connecting, "time", made)
    monkeypatch.setattr(delivering, "time", made)
    monkeypatch.setattr(fields, "time", made)
    return made


@pytest.fixture
def desk(tmp_path, clock):
    made = Desk(tmp_path / "results.db", clock)
    yield made
    made.store.close()
