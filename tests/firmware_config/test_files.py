"""What an installer copies to the device is right before it gets there."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.config import load_config
from edge.errors import ConfigError

FIRMWARE = Path(__file__).parents[2] / "firmware_config"


def run(*command, **environment):
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )


def test_the_configuration_lacks_the_camera_and_nothing_else(tmp_path):
    text = (FIRMWARE / "leukoscope.toml").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match=r"camera\.kind is missing"):  # no drawn slide on a ward
        load_config(FIRMWARE / "leukoscope.toml")
    chosen = tmp_path / "leukoscope.toml"
    chosen.write_text(text.replace('# kind = "usb"', 'kind = "usb"'), encoding="utf-8")
    config = load_config(chosen)
    assert config.store.path == "/var/lib/leukoscope/results.db"
    assert config.specimen.id == ""


def test_the_unit_starts_the_daemon_with_that_configuration_and_may_write_only_its_state():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(FIRMWARE / "leukoscope.service", encoding="utf-8")
    service = unit["Service"]
    assert service["ExecStart"].endswith("leukoscope run --config /etc/leukoscope/leukoscope.toml")
    assert service["ProtectSystem"] == "strict"
    assert f"/var/lib/{service['StateDirectory']}/" in (FIRMWARE / "leukoscope.toml").read_text(
        encoding="utf-8"
    )


def test_what_is_there_needs_no_installing():
    assert run(str(FIRMWARE / "apt_need.sh"), "sh:dash", "cat:coreutils").returncode == 0


def test_who_may_not_install_is_told_the_one_command(tmp_path):
    for name in ("sh", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name))
    fake_id = tmp_path / "id"
    fake_id.write_text("#!/bin/sh\necho 1000\n", encoding="utf-8")
    fake_id.chmod(0o755)
    done = run(str(FIRMWARE / "apt_need.sh"), "no-such-program:no-such-package", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "sudo apt-get install no-such-package" in done.stderr
