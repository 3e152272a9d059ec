"""The page's units are understood, as closed as promised, and all speak of the same port."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cryptography import x509

FIRMWARE = Path(__file__).parents[2] / "firmware_config"
UNITS = ("leukoscope-web.service", "leukoscope-kiosk.service")


def run(*command):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120, check=False
    )


def text_of(name):
    return (FIRMWARE / name).read_text(encoding="utf-8")


def port():
    return tomllib.loads(text_of("leukoscope.toml"))["web"]["port"]


@pytest.fixture
def units(tmp_path):
    """Return a folder with the units, whose programs are there."""
    there = shutil.which("true")
    for name in (*UNITS, "leukoscope.service"):
        text = re.sub(r"^(Exec\w+=[+-]*)/\S+", rf"\1{there}", text_of(name), flags=re.MULTILINE)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_it(units, name):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    done = run("systemd-analyze", "verify", "--recursive-errors=no", units / name)
    assert not [line for line in done.stderr.splitlines() if name in line], done.stderr


def test_the_page_is_exposed_to_2_of_10_at_most(units):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    command = ("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager")
    done = run(*command, units / UNITS[0])
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_page_and_daemon_share_state_and_picture_and_the_display_neither():
    def setting(name, key):
        return re.findall(rf"^{key}=(.*)$", text_of(name), re.MULTILINE)

    for key in ("User", "StateDirectory", "RuntimeDirectory", "RuntimeDirectoryPreserve"):
        assert setting("leukoscope-web.service", key) == setting("leukoscope.service", key), key
    assert setting("leukoscope-web.service", "PrivateDevices") == ["yes"]
    assert setting("leukoscope-kiosk.service", "User") == ["leukoscope-kiosk"]
    hidden = " ".join(setting("leukoscope-kiosk.service", "InaccessiblePaths")).split()
    assert {"-/var/lib/leukoscope", "-/etc/leukoscope", "-/home", "-/root"} <= set(hidden)
    # It would hide /run/user as well, where the display's socket is.
    assert setting("leukoscope-kiosk.service", "ProtectHome") == []


def test_the_display_shows_the_terminal_that_the_page_is_on():
    """Else its session is not the active one, and cage may not draw."""
    text = text_of("leukoscope-kiosk.service")
    (terminal,) = re.findall(r"^TTYPath=/dev/tty(\d+)$", text, re.MULTILINE)
    assert re.findall(r"^ExecStartPre=\+-/usr/bin/chvt (\d+)$", text, re.MULTILINE) == [terminal]


def test_all_speak_of_the_same_port():
    assert f"http://localhost:{port()}/" in text_of("leukoscope-kiosk.service")
    assert f"PORT={port()}\n" in text_of("leukoscope-kiosk.service")
    service = ET.fromstring(text_of("leukoscope-avahi.service")).find("service")  # noqa: S314 (our own)
    assert (service.findtext("type"), service.findtext("port")) == ("_http._tcp", str(port()))


def test_a_pages_certificate_is_one_that_browsers_take(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    authority = tmp_path / "ca"
    orders = (("clinic-7.local", "192.0.2.7"), ("clinic-8.local",), ("2001:db8::9",))
    for arguments in (("init", authority), *(("page", authority, *hosts) for hosts in orders)):
        done = run(FIRMWARE / "certificates.sh", *arguments)
        assert done.returncode == 0, done.stderr
    assert {path.stem for path in authority.glob("page-*.crt")} == {
        "page-clinic-7.local",
        "page-clinic-8.local",
        "page-2001-db8--9",
    }
    again = run(FIRMWARE / "certificates.sh", "page", authority, "clinic-7.local")
    assert again.returncode == 1
    assert "page-clinic-7.local has a certificate already; revoke it first" in again.stderr
    assert run(FIRMWARE / "certificates.sh", "client", authority, "page-x").returncode == 1
    found = x509.load_pem_x509_certificate((authority / "page-clinic-7.local.crt").read_bytes())
    now = dt.datetime.now(dt.UTC)
    assert found.not_valid_before_utc < now
    assert found.not_valid_after_utc - found.not_valid_before_utc <= dt.timedelta(days=825)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["clinic-7.local"]
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
    assert (authority / "page-clinic-7.local.key").stat().st_mode & 0o077 == 0
