"""What an installer and an operator see of the store and the secrets: full, read-only, readable by all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from daemons import REPOSITORY, SCRIPTED, changed, spawn, toml
from mqtt_partners import PATIENCE_S, wait_for
from samples import cell, field

from edge.config import MqttConfig
from edge.errors import ConfigError
from edge.mqtt.credentials import password
from edge.store.fields import Store


def leukoscope(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge.cli", *words]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_a_full_store_pauses_the_count_says_so_and_goes_on(tmp_path, config, idle_broker, listen):
    with Store.open(Path(config.store.path)) as store:
        store.start_specimen("T")
        for number in range(1, 101):
            store.add(field(number, *(cell(map_side=30) for _ in range(8)), specimen_id="T"))
        limit = store.upkeep.used_bytes() * 0.9e-6
    path = toml(changed(config, "store", max_mb=limit), tmp_path / "device.toml")
    log = tmp_path / "log"
    with spawn(SCRIPTED, path, log) as daemon:
        wait_for(lambda: "the store is full: store.max_mb" in log.read_text(), "the pause")
        idle_broker.start()
        listener = listen(idle_broker)
        wait_for(lambda: len(listener.fields()) == 112, "what waited and what came after", 60)
        assert daemon.wait(PATIENCE_S) == 0
    assert listener.of("health")[0].notices["paused"].startswith("the store is full")
    with Store.open(Path(config.store.path)) as store:
        assert sum(one.fields for _, one in store.contributions("T")) == 100


def test_a_disk_with_little_room_says_so_in_the_log_and_over_mqtt(
    tmp_path, mount_disk, config, broker, listen
):
    disk = mount_disk("size=60m")
    path = toml(changed(config, "store", path=str(disk / "results.db")), tmp_path / "device.toml")
    listener = listen(broker)
    log = tmp_path / "log"
    with spawn(SCRIPTED, path, log) as daemon:
        assert daemon.wait(PATIENCE_S) == 0
    assert log.read_text().count("the disk is nearly full") == 1
    said = [each.notices["disk"] for each in listener.of("health") if "disk" in each.notices]
    assert said
    assert "make room before counting stops" in said[-1]


def test_a_read_only_state_directory(tmp_path, mount_disk, config, broker, listen):
    disk = mount_disk("ro,size=1m")
    closed = changed(config, "store", path=str(disk / "results.db"))
    path = toml(closed, tmp_path / "device.toml")
    done = leukoscope("run", "--config", str(path))
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith("Read-only file system")
    assert "Traceback" not in done.stderr
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    listener = listen(broker)
    with spawn(SCRIPTED, path, tmp_path / "log") as daemon:
        assert daemon.wait(PATIENCE_S) == 0
    wait_for(lambda: len(listener.fields()) == 12, "all fields, once it can be written")


def test_what_to_do_with_a_store_on_a_disk_that_cannot_be_written_is_said(tmp_path, mount_disk, config):
    disk = mount_disk()
    path = disk / "results.db"
    with Store.open(path) as store:
        store.ledger.start("S", target=10, wbc_count=None, resume=False)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    device = toml(changed(config, "store", path=str(path)), tmp_path / "device.toml")
    for words in (("specimen", "list"), ("specimen", "show"), ("results", "list")):
        done = leukoscope(*words, "--config", str(device))
        assert done.returncode == 1
        (said,) = done.stderr.splitlines()
        assert said.startswith(
            f"leukoscope: {path}: the result store cannot be opened: {disk} cannot be written here"
        )
        assert said.endswith("copy the whole folder to another place, and read it there")
    shutil.copytree(disk, tmp_path / "copy")
    assert leukoscope("results", "list", "--store", str(tmp_path / "copy/results.db")).returncode == 0


def test_republish_by_command_and_what_it_refuses(tmp_path, config, broker, listen):
    path = toml(config, tmp_path / "device.toml")
    with spawn(SCRIPTED, path, tmp_path / "log") as daemon:
        assert daemon.wait(PATIENCE_S) == 0
    where = ("results", "republish", "--config", str(path))
    assert leukoscope(*where).returncode == 2
    assert "is no time" in leukoscope(*where, "--since", "yesterday").stderr
    assert leukoscope(*where, "--specimen", "S", "--since", "2099-01-01").stdout.startswith("0 results")
    assert leukoscope(*where, "--specimen", "S").stdout.startswith("12 results wait")
    assert "12 of them wait" in leukoscope("results", "list", "--config", str(path)).stderr
    listener = listen(broker)
    with spawn(SCRIPTED, path, tmp_path / "log") as daemon:
        assert daemon.wait(PATIENCE_S) == 0
    wait_for(lambda: len(listener.fields()) == 12, "all again")
    assert all(each.historical for each in listener.fields().values())


def test_a_password_comes_from_a_closed_file_or_a_credential(tmp_path, monkeypatch):
    file = tmp_path / "mqtt-password"
    file.write_text("hush\n")
    file.chmod(0o644)
    named = MqttConfig(username="me", password_file=str(file))
    with pytest.raises(ConfigError, match="chmod 640") as caught:
        password(named)
    assert "hush" not in str(caught.value)
    file.chmod(0o640)
    assert password(named) == "hush"
    assert password(MqttConfig(username="me")) is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert password(MqttConfig(username="me")) == "hush"
    assert password(MqttConfig()) is None


def test_check_config_names_all_errors_and_looks_at_the_files(tmp_path):
    path = tmp_path / "f.toml"
    camera = '[camera]\nkind = "simulated"\n'
    path.write_text(camera + '[mqtt]\nprot = 1\nport = "x"\n[stoer]\n')
    done = leukoscope("config", "check", str(path))
    assert done.returncode == 2
    assert [line.strip()[:27] for line in done.stderr.splitlines()[1:]] == [
        "line 4: mqtt.prot is not a ",
        'line 5: mqtt.port is "x"; w',
        "line 6: [stoer] is not a kn",
    ]
    path.write_text(camera + '[mqtt]\nusername = "a"\npassword_file = "none"\n')
    done = leukoscope("config", "check", str(path))
    assert (done.returncode, "password cannot be read" in done.stderr) == (2, True)
    path.write_text(camera + '[mqtt.tls]\nca_file = "none.pem"\n')
    done = leukoscope("config", "check", str(path))
    assert (done.returncode, "mqtt.tls.ca_file cannot be used" in done.stderr) == (2, True)
    assert '"$schema"' in leukoscope("config", "schema").stdout
