"""Brokers that refuse, hang up, are silent, or are not there."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
import time

import pytest
from mqtt_partners import PATIENCE_S, wait_for
from samples import DEVICE, cell

from edge.daemon.health import Progress
from edge.errors import ConfigError
from edge.mqtt import delivery


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_field_that_the_broker_cannot_take_holds_nothing_up(idle_broker, listen, device, protocol):
    # MQTT 5 says the limit; with 3.1.1 the broker hangs up, again and again.
    idle_broker.start("max_packet_size 4000")
    listener = listen(idle_broker)
    before = device.add(2)
    device.add(1, *(cell(map_side=40) for _ in range(4)))
    after = device.add(30)
    device.start(idle_broker, protocol=protocol, backoff_s=(0.05, 0.1))
    assert device.close() == 1
    wait_for(lambda: len(listener.fields()) == 32, "the fields")
    assert list(listener.fields()) == before + after
    assert "takes at most 4000" in device.errors()[2] or "ended the connection" in device.errors()[2]


def test_a_refusal_is_kept_with_the_field_and_asked_again_later(idle_broker, listen, device, monkeypatch):
    monkeypatch.setattr(delivery, "_REFUSED_AGAIN_S", 1.0)
    rules = idle_broker.folder / "rules"
    rest = "topic read #\ntopic write leukoscope/+/status\ntopic write leukoscope/+/info\n"
    rules.write_text(rest)
    rules.chmod(0o644)
    idle_broker.start(f"acl_file {rules}")
    device.start(idle_broker)
    device.add(3)
    wait_for(lambda: device.errors() == ["Not authorized"] * 3, "the refusals")
    assert device.store.backlog() == 3
    rules.write_text(rest + "topic write leukoscope/#\n")
    idle_broker.signal(signal.SIGHUP)
    listener = listen(idle_broker)
    wait_for(lambda: device.store.backlog() == 0, "the second try")
    assert device.errors() == [None] * 3
    assert device.close() == 0
    wait_for(lambda: listener.state("status") == "offline", "the farewell")


def test_a_refused_count_comes_when_the_broker_takes_it_without_a_new_connection(
    idle_broker, listen, device, monkeypatch
):
    monkeypatch.setattr(delivery, "_REFUSED_AGAIN_S", 1.0)
    rules = idle_broker.folder / "rules"
    rest = "topic read #\ntopic write leukoscope/+/status\ntopic write leukoscope/+/info\n"
    rules.write_text(rest)
    rules.chmod(0o644)
    idle_broker.start(f"acl_file {rules}")
    publisher = device.start(idle_broker)
    device.say_differential()
    wait_for(lambda: publisher.problem and "result/differential" in publisher.problem, "the refusal")
    rules.write_text(rest + "topic write leukoscope/#\n")
    idle_broker.signal(signal.SIGHUP)
    listener = listen(idle_broker)
    wait_for(lambda: listener.of("result/differential"), "the second try")
    births = [retained for topic, _, retained in listener.seen if topic == "info"].count(False)
    assert births == 0, "the connection stays"
    assert device.close() == 0


def test_a_refused_field_does_not_hold_up_the_end(idle_broker, device):
    rules = idle_broker.folder / "rules"
    rules.write_text("topic write leukoscope/+/status\n")
    rules.chmod(0o644)
    idle_broker.start(f"acl_file {rules}")
    device.start(idle_broker)
    device.add(2)
    began = time.monotonic()
    assert device.close() == 2
    assert time.monotonic() - began < PATIENCE_S / 2


def test_a_password_that_cannot_be_read_is_an_error_at_once(idle_broker, device, tmp_path):
    with pytest.raises(ConfigError, match="password cannot be read"):
        device.start(idle_broker, username="me", password_file=str(tmp_path / "none"))
    (tmp_path / "password").write_text("secret\n")
    device.close(0)
    with pytest.raises(ConfigError, match=r"mqtt\.username"):
        device.start(idle_broker, password_file=str(tmp_path / "password"))
    device.add(2)
    assert device.close() == 2


def test_login(idle_broker, device, tmp_path):
    users, password = idle_broker.folder / "users", tmp_path / "password"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(users), "me", "secret"], check=True, timeout=PATIENCE_S
    )
    idle_broker.start(f"password_file {users}", anonymous=False)
    device.add(1)
    password.write_text("wrong\n")
    password.chmod(0o600)
    device.start(idle_broker, username="me", password_file=str(password))
    time.sleep(0.5)
    assert device.close(0.3) == 1
    password.write_text("secret\n")
    device.start(idle_broker, username="me", password_file=str(password))
    assert device.close() == 0


def test_no_broker_at_all(idle_broker, device):
    device.add(2)
    device.start(idle_broker)
    device.say_differential()
    began = time.monotonic()
    assert device.close(0.5) == 2
    assert time.monotonic() - began < 5


def test_an_undelivered_differential_remains_as_well(idle_broker, device):
    device.start(idle_broker)
    device.say_differential()
    assert device.close(0.2) == 1


def test_somebody_who_is_no_broker(idle_broker, device):
    with socket.create_server((idle_broker.host, idle_broker.port)):
        device.add(1)
        device.start(idle_broker)
        time.sleep(0.3)
        began = time.monotonic()
        assert device.close(0.3) == 1
        assert time.monotonic() - began < 5


class Pretender:
    """Accepts MQTT 3.1.1 connections, greets each with `greeting`, and never acknowledges anything."""

    def __init__(self, broker, greeting: bytes | None) -> None:
        self.met = 0
        self._greeting = greeting
        self._guests: list[socket.socket] = []
        self._server = socket.create_server((broker.host, broker.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                guest, _ = self._server.accept()
                self.met += 1
                if self._greeting is None:
                    guest.close()
                else:
                    guest.sendall(self._greeting)
                    self._guests.append(guest)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        for each in (self._server, *self._guests):
            each.close()


def test_what_is_not_acknowledged_is_not_delivered(idle_broker, device):
    with contextlib.closing(Pretender(idle_broker, b"\x20\x02\x00\x00")):
        device.add(30)
        device.start(idle_broker, protocol="3.1.1")
        time.sleep(0.3)
        assert device.close(0.3) == 30
    assert len(device.store.undelivered(99, refused=False)) == 30


def test_a_session_that_was_taken_over_is_named_and_no_field_is_blamed(idle_broker, device, listen, caplog):
    taken_over = b"\x20\x03\x00\x00\x00" + b"\xe0\x02\x8e\x00"  # CONNACK; DISCONNECT with reason 0x8E
    device.add(3)
    with contextlib.closing(Pretender(idle_broker, taken_over)) as pretender:
        device.start(idle_broker, backoff_s=(0.05, 0.1), health_interval_s=1)
        wait_for(lambda: pretender.met > 8, "some turns")
    assert device.errors() == [None] * 3
    warned = [each for each in caplog.messages if "device's id" in each]
    assert len(warned) == 1
    assert f"another client uses this device's id, leukoscope-{DEVICE}: give each device its own" in warned[0]
    idle_broker.start()
    listener = listen(idle_broker)
    wait_for(lambda: len(listener.fields()) == 3, "the fields")
    wait_for(lambda: listener.of("health") and not listener.of("health")[-1].notices, "no notice any more")


@pytest.mark.parametrize(
    "rubbish",
    [b"\x20\x05\x00\x00\x02\xff\xff", b"\x20\x01\x00", b"\x20\x03\x00\x00\x00\xe0\x02\xfe\x00"],
    ids=["properties that are none", "too short", "a reason that is none"],
)
def test_whatever_a_broker_sends_delivering_goes_on(idle_broker, device, listen, rubbish):
    device.add(2)
    with contextlib.closing(Pretender(idle_broker, rubbish)) as pretender:
        publisher = device.start(idle_broker, backoff_s=(0.05, 0.1))
        wait_for(lambda: pretender.met > 2, "another attempt")
        assert publisher.problem.startswith(f"broker {idle_broker.host}:{idle_broker.port}: ")
        assert "\n" not in publisher.problem
    idle_broker.start()
    listener = listen(idle_broker)
    device.add(1)  # the others may have been taken before anybody listened
    wait_for(listener.fields, "a field")
    wait_for(lambda: publisher.problem is None, "the end of the complaint")
    assert device.close() == 0


def test_a_fault_of_the_devices_own_is_said_and_delivering_goes_on(
    broker, device, listen, monkeypatch, caplog
):
    sound, faults = Progress.health, iter([1, 2])

    def health(*given):
        if next(faults, None):
            raise KeyError("a fault\nof the device")
        return sound(*given)

    monkeypatch.setattr(Progress, "health", health)
    listener = listen(broker)
    device.add(2)
    publisher = device.start(broker, backoff_s=(0.05, 0.1))
    wait_for(lambda: len(listener.fields()) == 2 and listener.of("health"), "fields and health")
    assert len([each for each in caplog.messages if "KeyError: " in each and "tried again" in each]) == 1
    wait_for(lambda: publisher.problem is None, "the end of the complaint")


def test_a_broker_that_hangs_up_at_once_is_not_hammered(idle_broker, device):
    with contextlib.closing(Pretender(idle_broker, None)) as pretender:
        device.start(idle_broker, backoff_s=(0.2, 10.0))
        time.sleep(2.0)
        # 0, 0.2, 0.6, 1.4 s and so on, each pause shortened by at most a half
        assert 3 <= pretender.met <= 5
