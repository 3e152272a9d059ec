"""A soak is real work by a real daemon, and says how the board was meanwhile."""

from __future__ import annotations

import json

import pytest
from mqtt_partners import MOSQUITTO

from benchmarks import soak
from benchmarks.board import condition, flags
from benchmarks.cli import main


def test_a_soak_gives_rows_over_time_and_a_page(tmp_path, capsys):
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    pytest.importorskip("matplotlib")
    file, page = tmp_path / "soak.json", tmp_path / "soak.html"
    arguments = ["soak", "--minutes", "0.1", "--every", "2", "--json", str(file), "--html", str(page)]
    assert main(arguments) == 0
    result = json.loads(file.read_text(encoding="utf-8"))
    rows, whole = result["rows"], result["summary"]
    assert len(rows) == 3
    assert [row["at_s"] for row in rows] == sorted(row["at_s"] for row in rows)
    assert whole["fields"] == rows[-1]["fields"] > 0
    assert whole["specimens"] >= 1
    assert all(row["rss_mib"] > 10 for row in rows)
    assert whole["rss_slope"] is None  # of six seconds
    assert "| s | fields |" in capsys.readouterr().out
    assert "Memory of the daemon" in page.read_text(encoding="utf-8")


def test_memory_that_grows_is_told_by_its_slope():
    rows = [
        soak.Row(60.0 * n, 6000 * n, 100.0, 80 + n / 60 * 5 + 0.1 * (n % 2), None, None, None)
        for n in range(1, 31)
    ]
    whole = soak.summary(rows, 4)
    assert whole.rss_slope == pytest.approx(5, abs=0.5)
    assert 0 < whole.rss_slope_error < 0.5


def test_what_a_raspberry_pi_says_of_itself_is_read(tmp_path):
    for name, content in {
        "class/thermal/thermal_zone0/type": "cpu-thermal",
        "class/thermal/thermal_zone0/temp": "81250",
        "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000",
        "devices/platform/soc/soc:firmware/get_throttled": "50005",
    }.items():
        file = tmp_path / "sys" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content + "\n", encoding="utf-8")
    found = condition(tmp_path)
    assert found.temperature_c == 81.25
    assert found.clock_mhz == 1500
    assert found.flags == ("under-voltage", "throttled", "under-voltage before", "throttled before")


def test_the_firmware_s_own_command_is_understood():
    assert flags("throttled=0x0") == ()
    assert flags("throttled=0x80008") == ("soft temperature limit", "soft temperature limit before")
    assert flags("") is None


def test_a_length_that_cannot_be_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["soak", "--minutes", "0"])
    assert "must be more than 0" in capsys.readouterr().err
