"""Kills of the daemon and of its broker by the dozen; by the hundred with LEUKOSCOPE_SOAK=1 (`make soak`).

The broker is configured as the shipped one. What it acknowledged while a listener was away is on its disk a
moment after, not before: killed in between, it forgets. The device has done its part then, and `leukoscope
results republish` brings it again, as an operator would.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from daemons import REPOSITORY, SCRIPTED, count, draw, integrity, spawn, stored, toml, unpaired
from mqtt_partners import wait_for

SOAK = os.environ.get("LEUKOSCOPE_SOAK") == "1"
KILLS, BROKER_KILLS = (200, 50) if SOAK else (8, 2)
PATIENCE_S = 120.0
IN_ITS_START = 0.25
"""Share of the kills that come before the daemon has stored anything."""

pytestmark = pytest.mark.timeout(1200 if SOAK else 240)


def shipped() -> list[str]:
    """Return what the shipped broker's configuration says besides where to listen and to whom."""
    lines = (REPOSITORY / "firmware_config" / "mosquitto.conf").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "listener", "allow_anonymous"))]


def republish(path: Path) -> None:
    """Do what an operator does whose broker has lost something."""
    command = [
        sys.executable,
        "-m",
        "edge.cli",
        "results",
        "republish",
        "--config",
        path,
        "--since",
        "2020-01-01",
    ]
    subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True, timeout=PATIENCE_S)


def wait_for_silence(listener) -> None:
    """Wait until nothing more comes: what the listener has not heard by then, the broker does not have."""
    heard, since = -1, time.monotonic()
    while time.monotonic() < since + 3:
        if len(listener.seen) != heard:
            heard, since = len(listener.seen), time.monotonic()
        time.sleep(0.1)


def test_kills_of_the_daemon_and_of_the_broker(tmp_path, config, idle_broker, listen, images):
    pictures = 12 + 8 * KILLS
    draw(images, pictures - 12, start=12)
    idle_broker.start(*shipped())
    listener = listen(idle_broker)
    path, store = toml(config, tmp_path / "device.toml"), Path(config.store.path)
    rng = random.Random(7)  # noqa: S311
    broker_dies = set(rng.sample(range(KILLS), BROKER_KILLS))
    began, in_its_work = time.monotonic(), 0
    for kill in range(KILLS):
        before = count(store)
        with spawn(SCRIPTED, path, tmp_path / "log") as daemon:
            if rng.random() < IN_ITS_START:
                time.sleep(rng.uniform(0, 0.4))
            else:
                wait_for(
                    lambda before=before, daemon=daemon: count(store) > before or daemon.poll() is not None,
                    "the daemon to count on",
                    PATIENCE_S,
                )
                time.sleep(rng.uniform(0, 0.3))
            if kill in broker_dies:
                idle_broker.kill()
                time.sleep(rng.uniform(0, 0.1))
            in_its_work += daemon.poll() is None and count(store) > before
            daemon.kill()
        if kill in broker_dies:
            idle_broker.start(*shipped())
        assert integrity(store, tmp_path / "aside") == "ok"
        assert unpaired(tmp_path / "aside", store.name) == [0, 0, 0]
        if (kill + 1) % 20 == 0:
            passed = time.monotonic() - began
            print(f"{kill + 1} kills in {passed:.0f} s, {count(store)} fields", flush=True)  # noqa: T201
    with spawn(SCRIPTED, path, tmp_path / "log") as daemon:
        assert daemon.wait(PATIENCE_S) == 0, "the broker has acknowledged all"
    fields = stored(config)
    committed = {each.field_id for each in fields}
    assert len({each.source for each in fields}) == len(fields) == pictures
    wait_for(lambda: listener.state("result/differential") == "complete", "the end", PATIENCE_S)
    final = listener.of("result/differential")[-1]
    assert (final.fields, final.counted) == (pictures, pictures)
    wait_for_silence(listener)
    lost = committed - set(listener.fields())
    came = len(listener.of("result/field"))
    print(  # noqa: T201
        f"{KILLS} kills, {in_its_work} of them in the midst of counting, and {BROKER_KILLS} of the broker, in"
        f" {time.monotonic() - began:.0f} s: {pictures} fields, {came - len(listener.fields())} came twice,"
        f" {len(lost)} were lost by the broker"
    )
    assert len(lost) <= BROKER_KILLS, "it saves after each message"
    if lost:
        republish(path)
        with spawn(SCRIPTED, path, tmp_path / "log") as daemon:
            assert daemon.wait(PATIENCE_S) == 0
        wait_for(lambda: committed == set(listener.fields()), "all fields", PATIENCE_S)
    assert set(listener.fields()) == committed
    assert listener.of("result/differential")[-1].counted == pictures
    assert not list(tmp_path.glob("*damaged*"))
    assert in_its_work >= KILLS // 4


@pytest.mark.parametrize("as_shipped", [True, False])
def test_what_a_killed_broker_forgets_is_sent_again_on_request(
    tmp_path,
    config,
    idle_broker,
    listen,
    as_shipped,
):
    lines = shipped() if as_shipped else []
    idle_broker.start(*lines)
    away = listen(idle_broker)
    away.close()
    idle_broker.save()
    path = toml(config, tmp_path / "device.toml")
    with spawn(SCRIPTED, path, tmp_path / "log") as daemon:
        assert daemon.wait(PATIENCE_S) == 0, "the broker has acknowledged all"
    time.sleep(0.5)  # for the broker, which has nothing else to do
    idle_broker.kill()
    idle_broker.start(*lines)
    listener = listen(idle_broker)
    time.sleep(0.5)
    assert len(listener.fields()) == (12 if as_shipped else 0)
    republish(path)
    with spawn(SCRIPTED, path, tmp_path / "log") as daemon:
        assert daemon.wait(PATIENCE_S) == 0
    wait_for(lambda: len(listener.of("result/field")) == (24 if as_shipped else 12), "all again")
    assert all(each.historical for each in listener.of("result/field")[-12:])
    assert listener.of("result/differential")[-1].counted == 12
