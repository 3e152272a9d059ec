"""The device that several of the cameras' tests plug and unplug."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from devices import ScriptedDevice

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def device() -> Iterator[ScriptedDevice]:
    made = ScriptedDevice()
    made.plug()
    yield made
    made.close()
