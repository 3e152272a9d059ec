"""The daemon as systemd sees it: a real process, a real socket, and what comes through it when."""

from __future__ import annotations

import signal
import time

from daemons import changed, toml
from mqtt_partners import PATIENCE_S, wait_for
from service_manager import spawn


def test_ready_counting_stopping_also_without_a_broker(tmp_path, config, manager):
    path = toml(changed(config, "mqtt", drain_s=0.1), tmp_path / "device.toml")
    with spawn(path, manager, tmp_path / "log", WATCHDOG_USEC="400000") as daemon:
        assert daemon.wait(PATIENCE_S) == 3
    said = manager.hear()
    assert [text for text in said if text != "WATCHDOG=1"] == ["READY=1", "STATUS=counting", "STOPPING=1"]
    assert "WATCHDOG=1" in said


def test_time_alone_does_not_feed_the_watchdog(tmp_path, config, manager):
    slow = changed(changed(config, "camera", frames_per_second=0.01), "mqtt", drain_s=0.1)
    path = toml(slow, tmp_path / "device.toml")
    with spawn(path, manager, tmp_path / "log", WATCHDOG_USEC="400000") as daemon:
        wait_for(lambda: "STATUS=counting" in manager.hear(), "the first field")
        time.sleep(1.0)
        fed = manager.hear().count("WATCHDOG=1")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE_S) in (0, 3)
    assert fed <= 2, "a timer fed it"
    assert "WATCHDOG_USEC=100400000" in manager.hear(), "its patience is told how far apart the frames are"


def test_a_pipeline_that_hangs_does_not_feed_the_watchdog(tmp_path, config, manager, broker, listen):
    listener = listen(broker)
    path = toml(config, tmp_path / "device.toml")
    with spawn(path, manager, tmp_path / "log", WATCHDOG_USEC="400000", HANG_AT="6") as daemon:
        wait_for(lambda: len(listener.fields()) == 5, "the fields before")
        time.sleep(0.3)
        fed = manager.hear().count("WATCHDOG=1")
        time.sleep(1.2)
        hung = manager.hear().count("WATCHDOG=1") - fed
        daemon.kill()  # as systemd does
    assert fed
    assert hung == 0, "the broker is there, its thread runs, and yet nothing gets on"
    with spawn(path, manager, tmp_path / "log") as daemon:
        assert daemon.wait(PATIENCE_S) == 0
    wait_for(lambda: len(listener.fields()) == 12, "the rest")


def test_a_reload_takes_what_it_can_and_names_the_rest(tmp_path, config, manager, broker, listen):
    listener = listen(broker)
    slow = changed(config, "camera", frames_per_second=0.01)
    path = toml(slow, tmp_path / "device.toml")
    log = tmp_path / "log"
    with spawn(path, manager, log) as daemon:
        wait_for(listener.fields, "the first field")
        wait_for(lambda: listener.of("health"), "the first health")
        toml(changed(changed(slow, "mqtt", health_interval_s=1.0, port=1), "store", max_mb=7.0), path)
        daemon.send_signal(signal.SIGHUP)
        wait_for(lambda: manager.hear().count("READY=1") == 2, "the reload")
        assert any(text.startswith("RELOADING=1\nMONOTONIC_USEC=") for text in manager.hear())
        path.write_text("[camera\n")
        daemon.send_signal(signal.SIGHUP)
        wait_for(lambda: manager.hear().count("READY=1") == 3, "the second reload")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE_S) == 0
    told = log.read_text()
    assert "needs a restart to take effect: mqtt.port" in told
    assert "changed: mqtt.health_interval_s, store.max_mb" in told
    assert "line 1: a section stands in square brackets" in told
    assert "the running configuration is kept" in told
    assert "Traceback" not in told
