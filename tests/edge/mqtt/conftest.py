"""Fixtures of the tests of delivering."""

from __future__ import annotations

import pytest
from delivery_desk import Desk
from paper_connection import StoppedClock

from edge.mqtt import delivery as delivering
from edge.store import fields


@pytest.fixture
def clock(monkeypatch):
    made = StoppedClock()
    monkeypatch.setattr(delivering, "time", made)
    monkeypatch.setattr(fields, "time", made)
    return made


@pytest.fixture
def desk(tmp_path, clock):
    made = Desk(tmp_path / "results.db", clock)
    yield made
    made.store.close()
