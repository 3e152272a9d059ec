from __future__ import annotations

import pytest

from edge.daemon.health import Machine, Progress


@pytest.fixture
def root(tmp_path):
    files = {
        "proc/loadavg": "0.00 0.10 0.20 1/100 5\n",
        "proc/meminfo": "MemTotal: 1000 kB\nMemAvailable:     500000 kB\n",
        "proc/self/status": "Name: x\nVmRSS:\t   70000 kB\n",
        "sys/class/thermal/thermal_zone0/type": "gpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "70000\n",
        "sys/class/thermal/thermal_zone1/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone1/temp": "51234\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50000\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_figures_of_a_pi(root):
    machine = Machine(root, root)
    assert machine.cpu_load() == 0.0
    assert machine.memory_available_mb() == 512.0
    assert machine.memory_rss_mb() == pytest.approx(71.7)
    assert machine.temperature_c() == pytest.approx(51.234)
    assert machine.throttled() is False, "it once was, it is not now"
    assert machine.disk_free_mb() > 0
    (root / "sys/devices/platform/soc/soc:firmware/get_throttled").write_text("50005\n")
    assert machine.throttled() is True


def test_what_a_machine_does_not_give_is_null(tmp_path):
    machine = Machine(tmp_path / "none", tmp_path)
    health = Progress().health("d", machine, backlog=7)
    assert health.backlog == 7
    assert {
        health.cpu_load,
        health.memory_rss_mb,
        health.memory_available_mb,
        health.temperature_c,
        health.throttled,
        health.disk_free_mb,
    } == {None}


def test_this_machine_gives_what_every_linux_gives(tmp_path):
    health = Progress().health("d", Machine(tmp_path), backlog=0)
    assert health.memory_rss_mb > 1
    assert health.disk_free_mb > 0


def test_progress(tmp_path):
    progress = Progress()
    progress.field({"mask": 10.0})
    progress.field({"mask": 20.0, "classify": 5.0})
    for number in range(30):
        progress.refused(f"reason {number}")
    health = progress.health("d", Machine(tmp_path), backlog=0)
    assert health.fields == 2
    assert health.stages_ms == {"mask": 11.0, "classify": 5.0}
    assert health.frames_per_second > 0
    assert len(health.fields_refused) == 21
    assert sum(health.fields_refused.values()) == 30
    assert progress.health("d", Machine(tmp_path), backlog=0).frames_per_second == 0
