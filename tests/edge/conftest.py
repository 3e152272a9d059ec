"""Fixtures of the device's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from device import Device


def pytest_collection_modifyitems(items):
    # A socket or file that nobody closed is only found when it is collected, where its error is nobody's.
    strict = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(strict)


@pytest.fixture
def device(tmp_path):
    made = Device(tmp_path)
    yield made
    if made.publisher is not None:
        made.close(0)
    made.store.close()
