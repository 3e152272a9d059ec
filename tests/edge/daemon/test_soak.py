"""A long outage, spoilt inputs by the hundred; by the ten thousand with LEUKOSCOPE_SOAK=1 (`make soak`)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mqtt_partners import wait_for
from spoilt_inputs import CONFIG

from edge.cameras.image_files import read_image
from edge.config import SHIPPED_MODEL, load_config
from edge.daemon.health import Machine
from edge.errors import BundleError, ConfigError, UnreadableFrameError
from edge.models.bundle import read_bundle
from edge.mqtt.commands import Commands

SOAK = os.environ.get("LEUKOSCOPE_SOAK") == "1"
RESULTS = 10_000 if SOAK else 600
EXAMPLES = 10_000 if SOAK else 100

pytestmark = pytest.mark.timeout(1200 if SOAK else 300)


def test_an_outage_of_many_results(idle_broker, device, listen):
    machine = Machine(Path("/"))
    # Known to the broker before: the device may be back sooner than the listener.
    idle_broker.start()
    listener = listen(idle_broker)
    idle_broker.save()
    idle_broker.kill()
    device.start(idle_broker)
    device.add(50)
    before = machine.memory_rss_mb()
    ids = [*device.add(RESULTS)]
    device.say_differential()
    grown = machine.memory_rss_mb() - before
    idle_broker.start("max_queued_messages 0")
    began = time.monotonic()
    wait_for(lambda: listener.of("result/differential"), "the live count")
    live_after_s = time.monotonic() - began
    wait_for(lambda: len(listener.fields()) == RESULTS + 50, "the backlog", 600)
    took = time.monotonic() - began
    assert [name for name in listener.fields() if name in set(ids)] == ids, "oldest first"
    assert {each.counted for each in listener.of("result/differential")} == {RESULTS + 50}
    results = [topic for topic, *_ in listener.seen if topic.startswith("result/")]
    assert results.index("result/differential") < RESULTS, "the live count does not wait for the backlog"
    assert grown < 30
    print(f"{RESULTS} results: +{grown:.1f} MB, live after {live_after_s:.2f} s, all after {took:.1f} s")  # noqa: T201


def test_bytes_that_reach_the_card_for_each_result(device):
    def written() -> tuple[int, int]:
        lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
        return int(lines["wchar"]), int(lines["write_bytes"])

    device.add(20)
    before = written()
    device.add(500)
    handed, stored_ = ((now - then) / 500e3 for now, then in zip(written(), before, strict=True))
    print(f"a result of 1 kB: {handed:.1f} kB handed to the kernel, {stored_:.1f} kB to the disk")  # noqa: T201
    assert handed < 64


fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=2000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def spoilt(good: bytes) -> st.SearchStrategy[bytes]:
    """Return bytes of any kind, and good ones cut short or with a piece replaced."""
    places = st.integers(0, len(good))
    cut = st.builds(lambda at: good[:at], places)
    changed_ = st.builds(
        lambda at, new: good[:at] + new + good[at + len(new) :], places, st.binary(max_size=64)
    )
    return st.binary(max_size=2000) | cut | changed_


@given(content=spoilt(CONFIG))
@fuzzed
def test_whatever_is_in_a_configuration_file(tmp_path, content):
    path = tmp_path / "f.toml"
    path.write_bytes(content)
    with contextlib.suppress(ConfigError):
        load_config(path)


@example(name="ping", content=b'{"\x80":""}')
@given(name=st.text(max_size=100), content=spoilt(b'{"correlation_id": "1"}'))
@fuzzed
def test_whatever_is_sent_as_a_command(name, content):
    answer = Commands("d").answer(name, content)
    assert answer.ok is (answer.error is None)


@given(content=spoilt(SHIPPED_MODEL.read_bytes() if SHIPPED_MODEL.is_file() else b"TFL3"))
@fuzzed
def test_whatever_is_in_a_bundle(tmp_path, content):
    path = tmp_path / "f.tflite"
    path.write_bytes(content)
    with contextlib.suppress(BundleError):
        read_bundle(path)


def drawn_png() -> bytes:
    import cv2
    import numpy as np

    return cv2.imencode(".png", np.full((40, 50, 3), 200, np.uint8))[1].tobytes()


@given(content=spoilt(drawn_png()))
@fuzzed
def test_whatever_is_in_an_image(tmp_path, content):
    path = tmp_path / "f.png"
    path.write_bytes(content)
    with contextlib.suppress(UnreadableFrameError):
        assert read_image(path).ndim == 3


def test_reading_whatever_comes_takes_little_memory():
    script = Path(__file__).with_name("spoilt_inputs.py")
    done = subprocess.run(
        [sys.executable, str(script), str(EXAMPLES)],
        capture_output=True,
        text=True,
        check=True,
        timeout=1200,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    print(f"peak {done.stdout.strip()} MB")  # noqa: T201
    assert float(done.stdout) < 300
