"""systemd, udev, cloud-init and the boot loader understand what they get, and it is as closed as promised."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).parents[2] / "firmware_config"
SCRIPTS = sorted([*FIRMWARE.rglob("*.sh"), *Path(__file__).parent.rglob("*.sh")])
SENSORS = {"imx219", "imx296", "imx477", "imx708", "ov5647"}


def run(*command, **environment):
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def needs(program):
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


@pytest.fixture
def unit(tmp_path):
    """Return the unit with a program that is there."""
    text = (FIRMWARE / "leukoscope.service").read_text(encoding="utf-8")
    path = tmp_path / "leukoscope.service"
    path.write_text(
        text.replace("/opt/leukoscope/.venv/bin/leukoscope", shutil.which("true")), encoding="utf-8"
    )
    return path


def test_systemd_understands_the_unit(unit):
    done = run(needs("systemd-analyze"), "verify", "--recursive-errors=no", unit)
    # It exits with 0 on an unknown directive: what it says is what counts.
    assert not [line for line in done.stderr.splitlines() if "leukoscope.service" in line], done.stderr
    assert done.returncode == 0


def test_the_unit_is_exposed_to_2_of_10_at_most(unit):
    done = run(needs("systemd-analyze"), "security", "--offline=true", "--threshold=20", "--no-pager", unit)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_systemd_would_say_so_if_the_unit_were_open(unit):
    text = (
        unit.read_text(encoding="utf-8")
        .replace("CapabilityBoundingSet=\n", "")
        .replace("ProtectSystem=strict\n", "")
    )
    unit.write_text(text, encoding="utf-8")
    done = run(needs("systemd-analyze"), "security", "--offline=true", "--threshold=20", "--no-pager", unit)
    assert done.returncode != 0


def test_the_daemon_starts_again_where_it_sees_no_longer_where_names_are_looked_up(tmp_path):
    """Its unit shows it one file, and a network manager puts another in the place of that one."""
    unshare = needs("unshare")
    text = (FIRMWARE / "leukoscope-network.service").read_text(encoding="utf-8")
    (line,) = re.findall(r"^ExecStart=((?:.*\\\n)*.*)$", text, re.MULTILINE)
    command = shlex.split(line.replace("\\\n", " ").replace("$$", "$"))
    asked = tmp_path / "asked"
    (tmp_path / "systemctl").write_text(
        f'#!/bin/sh\n[ "$1" = show ] && echo "$SEEN" || echo "$@" >>{asked}\n', encoding="utf-8"
    )
    (tmp_path / "systemctl").chmod(0o755)
    other = tmp_path / "resolv.conf"
    other.write_text("# the one before\n", encoding="utf-8")
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    see_another = f"mount --bind {other} /etc/resolv.conf && echo ready && exec sleep 60"
    with subprocess.Popen(
        [unshare, "--mount", "sh", "-c", see_another], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if process.stdout.readline() != "ready\n":
                pytest.skip("no file can be mounted over another here")
            for seen in (os.getpid(), 0):
                assert run(*command, SEEN=str(seen), **path).returncode == 0
                assert not asked.exists()
            assert run(*command, SEEN=str(process.pid), **path).returncode == 0
            assert asked.read_text(encoding="utf-8") == "try-restart leukoscope\n"
        finally:
            process.kill()


def test_the_user_and_the_folders_can_be_made(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("video:x:44:\n", encoding="utf-8")
    done = run(needs("systemd-sysusers"), f"--root={tmp_path}", FIRMWARE / "sysusers.conf")
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^leukoscope:.*:/usr/s?bin/nologin$", (tmp_path / "etc/passwd").read_text(), re.MULTILINE
    )
    assert "video:x:44:leukoscope" in (tmp_path / "etc/group").read_text(encoding="utf-8")
    done = run(needs("systemd-tmpfiles"), "--create", f"--root={tmp_path}", FIRMWARE / "tmpfiles.conf")
    assert (done.returncode, done.stderr) == (0, "")
    modes = {
        "var/lib/leukoscope": 0o750,
        "etc/credstore": 0o700,
        "etc/leukoscope/keys": 0o755,
    }
    for name, mode in modes.items():
        assert (tmp_path / name).stat().st_mode & 0o7777 == mode


def test_the_udev_rules_are_rules():
    rules = (FIRMWARE / "udev.rules").read_text(encoding="utf-8")
    token = re.compile(r'^(SUBSYSTEM|KERNEL|ENV\{\w+\}|ATTR\{\w+\}|GROUP|MODE|SYMLINK)(==|=|\+=)"[^"]*"$')
    lines = [line for line in rules.splitlines() if line and not line.startswith("#")]
    for line in lines:
        tokens = line.split(", ")
        assert all(token.match(each) for each in tokens), line
        assert any("==" in each for each in tokens), f"{line}: would hold for every device"
    udevadm = shutil.which("udevadm")
    if udevadm and "verify" in run(udevadm, "--help").stdout:
        done = run(udevadm, "verify", FIRMWARE / "udev.rules")
        assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_boot_settings_for_the_usual_sensors_and_the_watchdog():
    fragments = {
        path.stem: path.read_text(encoding="utf-8").splitlines() for path in (FIRMWARE / "boot").iterdir()
    }
    assert set(fragments) == {"watchdog", *(f"camera-{sensor}" for sensor in SENSORS)}
    for name, lines in fragments.items():
        settings = [line for line in lines if not line.startswith("#")]
        assert all(re.fullmatch(r"[a-z_]+=[a-z0-9=,-]+", line) for line in settings), name
        if name != "watchdog":
            assert settings == ["camera_auto_detect=0", f"dtoverlay={name.removeprefix('camera-')}"]
    assert "dtparam=watchdog=on" in fragments["watchdog"]
    seconds = re.search(
        r"^RuntimeWatchdogSec=(\d+)s$", (FIRMWARE / "watchdog.conf").read_text(), re.MULTILINE
    )
    assert int(seconds[1]) < 15, "the Pi's watchdog cannot wait longer"


def test_cloud_init_understands_the_template():
    path = FIRMWARE / "cloud-init.yaml"
    if shutil.which("cloud-init") is None:
        yaml = pytest.importorskip("yaml", reason="neither cloud-init nor PyYAML is installed")
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert {"hostname", "packages", "runcmd"} <= plain.keys()
        (command,) = plain["runcmd"]
        assert run("sh", "-n", "-c", command[2]).returncode == 0
        return
    done = run("cloud-init", "schema", "--config-file", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_here_holds_a_secret():
    secret = re.compile(
        r"BEGIN [A-Z ]*PRIVATE KEY|\$6\$|^\s*-?\s*(passwd|password|hashed_passwd|chpasswd|psk|token)\s*[:=]",
        re.MULTILINE,
    )
    for path in FIRMWARE.rglob("*"):
        if path.is_file():
            assert not secret.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_against_the_scripts(script):
    done = run(needs("shellcheck"), script)
    assert done.returncode == 0, done.stdout
    assert script.stat().st_mode & 0o100
