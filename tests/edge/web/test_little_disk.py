"""A disk with little room is said before it is full: on the page, in the log and over MQTT."""

from __future__ import annotations

import html
import re
import shutil

import pytest
from served import Served

from edge.config import Config, ReplayConfig, StoreConfig
from edge.web import device
from edge.web.languages import LANGUAGES, Words

EMPHASISED = re.compile(r'<dt>Disk</dt><dd><strong class="bad">[0-9.]+ GB free</strong></dd>')
PLAIN = re.compile(r"<dt>Disk</dt><dd>[0-9.]+ GB free</dd>")


@pytest.fixture
def shown(tmp_path):
    """Return a function that gives the screen of a device whose store may take so many MB."""
    served = Served(tmp_path)

    def with_limit(megabytes: int) -> str:
        served.kill()
        text = served.config.read_text(encoding="utf-8")
        text = re.sub(r"\[store\]\n(max_mb = .*\n)?", f"[store]\nmax_mb = {megabytes}\n", text)
        served.config.write_text(text, encoding="utf-8")
        served.start()
        return html.unescape(served.ask("GET", "/microscope").body.decode())

    with_limit.served = served
    yield with_limit
    served.close()


def test_less_than_the_store_may_still_take_stands_out(shown, tmp_path):
    if shutil.disk_usage(tmp_path).free < 2e9:
        pytest.skip("this disk has little room indeed")
    for limit, expected, other in (
        (10**9, EMPHASISED, PLAIN),
        (1, PLAIN, EMPHASISED),
        (0, PLAIN, EMPHASISED),
    ):
        screen = shown(limit)
        assert expected.search(screen), limit
        assert not other.search(screen), limit


@pytest.mark.parametrize("screen", ["/", "/live"])
def test_a_disk_that_is_as_good_as_full_is_the_first_thing_that_start_and_live_say(screen, mount_disk):
    served = Served(mount_disk("size=40m"))
    try:
        said = html.unescape(served.ask("GET", screen).body.decode())
        main = said.partition('<main id="main" tabindex="-1">')[2].lstrip()
        assert main.startswith(
            '<p class="error" id="disk" role="alert">The disk of this device is nearly full'
        )
        assert served.ask("GET", "/api/v1/live").json["disk_nearly_full"] is True
    finally:
        served.close()


def test_a_disk_with_room_is_no_word_on_start_and_live(shown, tmp_path):
    if shutil.disk_usage(tmp_path).free < 2e9:
        pytest.skip("this disk has little room indeed")
    shown(10**9)
    for screen in ("/", "/live"):
        assert 'id="disk" role="alert" hidden' in shown.served.ask("GET", screen).body.decode()


def test_a_disk_that_is_as_good_as_full_stands_out_whatever_the_store_may_take(monkeypatch, tmp_path):
    full = shutil.disk_usage(tmp_path)._replace(free=4e8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    for limit in (0, 1, 2000):
        config = Config(
            ReplayConfig((str(tmp_path),)), store=StoreConfig(str(tmp_path / "results.db"), max_mb=limit)
        )
        facts = {name: alarming for name, _, alarming in device.health_of(config, Words(LANGUAGES["en"]))}
        assert facts.pop("Disk"), limit
        assert not any(facts.values())
