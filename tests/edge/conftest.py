"""Fixtures of the device's tests."""

from __future__ import annotations

import pytest
from device import Device


@pytest.fixture
def device(tmp_path):
    made = Device(tmp_path)
    yield made
    if made.publisher is not None:
        made.close(0)
    made.store.close()
