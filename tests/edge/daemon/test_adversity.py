"""Disks, clocks and brokers at their worst, with real processes; what must hold each time."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from daemons import SCRIPTED, changed, spawn, stored, toml
from mqtt_partners import MOSQUITTO, PATIENCE_S, wait_for

from edge.errors import ConfigError


def finish(config, path, log) -> int:
    with spawn(SCRIPTED, toml(config, path), log) as daemon:
        return daemon.wait(PATIENCE_S)


def one_sentence(log: Path) -> str:
    told = log.read_text()
    return told.strip().splitlines()[-1]


def test_a_store_overwritten_with_rubbish(tmp_path, config, broker, listen):
    listener = listen(broker)
    store = Path(config.store.path)
    store.write_bytes(b"\x13rubbish" * 4000)
    assert finish(config, tmp_path / "device.toml", tmp_path / "log") == 0
    wait_for(lambda: len(listener.fields()) == 12, "all fields")
    assert len(list(tmp_path.glob("results.db.damaged-*"))) == 1
    assert "the result store was damaged" in (tmp_path / "log").read_text()
    assert any("damaged" in health.notices.get("store", "") for health in listener.of("health"))


def test_a_store_overwritten_under_a_running_daemon(tmp_path, config, broker, listen):
    listener = listen(broker)
    store, log = Path(config.store.path), tmp_path / "log"
    path = toml(changed(config, "camera", frames_per_second=20), tmp_path / "device.toml")
    with spawn(SCRIPTED, path, log) as daemon:
        wait_for(lambda: len(listener.fields()) >= 4, "some fields")
        with store.open("r+b") as file:
            file.write(b"\x13rubbish" * (store.stat().st_size // 8))
        assert daemon.wait(PATIENCE_S) in {0, 1}
    assert "Traceback" not in log.read_text()
    assert finish(config, path, log) == 0
    wait_for(lambda: len({each.source for each in listener.fields().values()}) == 12, "every picture")
    wait_for(lambda: listener.state("result/differential") == "complete", "the count")
    assert listener.counted() == 12, "each once, though the store had to begin anew"


def test_a_full_disk_for_real(tmp_path, mount_disk, config, broker, listen):
    disk = mount_disk("size=1500k")
    listener = listen(broker)
    full = changed(config, "store", path=str(disk / "results.db"))
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(1_350_000))
    log = tmp_path / "log"
    assert finish(full, tmp_path / "device.toml", log) == 1
    assert "disk is full" in one_sentence(log)
    before = len(listener.fields())
    ballast.unlink()
    assert finish(full, tmp_path / "device.toml", log) == 0
    wait_for(lambda: len(listener.fields()) == 12, "all fields")
    assert before < 12
    assert listener.counted() == 12


@pytest.mark.parametrize("years", ["-50y", "+50y"])
def test_a_clock_that_is_50_years_off(tmp_path, config, broker, listen, years):
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("faketime is not installed")
    listener = listen(broker)
    command = [faketime, "-m", "-f", years, *SCRIPTED]
    environment_ok = subprocess.run([faketime, "-m", "-f", years, "date"], capture_output=True, check=False)
    if environment_ok.returncode:
        pytest.skip("faketime does not work here")
    with spawn(command, toml(config, tmp_path / "device.toml"), tmp_path / "log") as daemon:
        assert daemon.wait(PATIENCE_S) == 0
    wait_for(lambda: len(listener.fields()) == 12, "all fields")
    fields = list(listener.fields().values())
    assert [f.sequence for f in fields] == list(range(1, 13))
    assert listener.counted() == 12


@pytest.mark.parametrize("years", ["-50", "50"])
def test_a_clock_that_steps_by_50_years_in_the_midst_of_it(
    tmp_path,
    config,
    broker,
    listen,
    monkeypatch,
    years,
):
    monkeypatch.setenv("STEP_YEARS", years)
    listener = listen(broker)
    with spawn(SCRIPTED, toml(config, tmp_path / "device.toml"), tmp_path / "log") as daemon:
        assert daemon.wait(PATIENCE_S) == 0
    wait_for(lambda: len(listener.fields()) == 12, "all fields")
    fields = list(listener.fields().values())
    assert abs(fields[-1].captured_at.year - fields[0].captured_at.year) >= 49, "it did step"
    assert [each.sequence for each in fields] == list(range(1, 13))
    assert [each.field_id for each in fields] == sorted(each.field_id for each in fields)
    assert not any(each.historical for each in fields)
    assert listener.counted() == 12


class Trap:
    """Something on a port that is no broker: `how` says what it does with who connects."""

    def __init__(self, how: str) -> None:
        self.attempts: list[float] = []
        self._how = how
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._socket.getsockname()
        self._kept: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._socket.accept()
                self.attempts.append(time.monotonic())
                if self._how == "refuses":  # CONNACK: not authorised
                    caller.recv(1000)
                    caller.sendall(b"\x20\x03\x00\x87\x00")
                    caller.close()
                elif self._how == "drops":
                    caller.close()
                else:
                    self._kept.append(caller)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        for each in (self._socket, *self._kept):
            each.close()


@pytest.mark.parametrize("how", ["refuses", "never answers", "drops"])
def test_a_broker_that(tmp_path, config, how, idle_broker, listen):
    trap = Trap(how)
    lost = changed(config, "mqtt", host=trap.host, port=trap.port, drain_s=1.5)
    try:
        assert finish(lost, tmp_path / "device.toml", tmp_path / "log") == 3
    finally:
        trap.close()
    assert 1 <= len(trap.attempts) <= 5, "it is not hammered"
    assert len(stored(config)) == 12, "counting does not wait for it"
    idle_broker.start()
    listener = listen(idle_broker)
    assert finish(config, tmp_path / "device.toml", tmp_path / "log") == 0
    wait_for(lambda: len(listener.fields()) == 12, "all fields")


def test_two_devices_of_one_name_are_told_and_do_not_throw_each_other_out_fast(
    broker, device, tmp_path, listen, caplog
):
    def warned() -> int:
        return sum("another client uses this device's id" in each for each in caplog.messages)

    def notices() -> list[str]:
        return [health.notices.get("device_id", "") for health in listener.of("health")]

    caplog.set_level("INFO")
    listener = listen(broker)
    device.start(broker, backoff_s=(0.2, 3.0), health_interval_s=1)
    other = type(device)(tmp_path / "other")
    other.start(broker, backoff_s=(0.2, 3.0), health_interval_s=1)
    time.sleep(4)
    said = sum(status.state == "online" for status in listener.of("status"))
    device.add(3)
    other.add(3)
    wait_for(lambda: len(listener.fields()) == 6, "both devices' fields")
    wait_for(lambda: "give each device its own device_id" in notices()[-1], "health to name it")
    assert device.errors() == other.errors() == [None] * 3, "no field is blamed for it"
    other.close(0)
    other.store.close()
    assert said <= 12, "they take turns, ever more slowly"
    assert warned() == 2, "a line for each device, not one for each turn"
    wait_for(lambda: "no other client uses this device's id any more" in caplog.text, "the end of it", 60)
    wait_for(lambda: notices()[-1] == "", "health to be content again")


@pytest.mark.skipif(
    shutil.which("openssl") is None or MOSQUITTO is None, reason="openssl or mosquitto is missing"
)
def test_tls_with_the_devices_own_certificate(idle_broker, device, tmp_path):
    pki = tmp_path / "pki"
    pki.mkdir()

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=pki, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA")
    for name in ("broker", "device"):
        more = ("-addext", "subjectAltName=IP:127.0.0.1", "-CA", "ca.pem", "-CAkey", "ca.key")
        openssl(
            "req",
            "-x509",
            *curve,
            *more,
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
            "-subj",
            f"/CN={name}",
        )
    idle_broker.start(
        f"cafile {pki}/ca.pem",
        f"certfile {pki}/broker.pem",
        f"keyfile {pki}/broker.key",
        "require_certificate true",
    )
    from edge.config import TlsConfig

    ours = TlsConfig(f"{pki}/ca.pem", f"{pki}/device.pem", f"{pki}/device.key")
    (pki / "device.key").chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by everybody"):
        device.start(idle_broker, tls=ours)
    (pki / "device.key").chmod(0o600)
    assert device.close(0) == 0
    device.add(30)
    device.start(idle_broker, tls=ours)
    assert device.close() == 0
    device.add(1)
    device.start(idle_broker, tls=TlsConfig(ours.ca_file))
    assert device.close(1.0) == 1, "nobody connects without a certificate"
