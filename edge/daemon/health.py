"""How the device is: the machine's own figures, and what the daemon has got through."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import Counter
from pathlib import Path

from edge import identity
from edge.messages import Health

_MB = 1e6
_THROTTLED_NOW = 0xF  # bits 0 to 3; the higher ones say that it once was
_WEIGHT = 0.1  # of the newest field in a stage's mean
_MAX_REASONS = 20  # a reason is a fixed phrase; should one ever hold a number, memory must not grow with it


class Machine:
    """Figures of this computer; None for each that it does not give.

    disk: where the results go. root: where /proc and /sys are, for tests.
    """

    def __init__(self, disk: Path, root: Path = Path("/")) -> None:
        self._disk = disk
        self._proc = root / "proc"
        self._sys = root / "sys"

    def cpu_load(self) -> float | None:
        """Load average of the last minute over the number of cores: at 1 they are all busy."""
        try:
            return round(float(_text(self._proc / "loadavg").split()[0]) / (os.cpu_count() or 1), 3)
        except (OSError, ValueError, IndexError):
            return None

    def memory_rss_mb(self) -> float | None:
        """Memory of this process that is in RAM."""
        return self._memory("self/status", "VmRSS:")

    def memory_available_mb(self) -> float | None:
        """Memory that a new program could still have."""
        return self._memory("meminfo", "MemAvailable:")

    def temperature_c(self) -> float | None:
        """Temperature of the processor, or of the hottest place where nothing is called that."""
        zones: dict[str, float] = {}
        for zone in sorted((self._sys / "class/thermal").glob("thermal_zone*")):
            try:
                zones[_text(zone / "type")] = int(_text(zone / "temp")) / 1000
            except (OSError, ValueError):
                continue
        return zones.get("cpu-thermal", max(zones.values(), default=None))

    def throttled(self) -> bool | None:
        """Whether the Pi's firmware slows it down now: too hot, or too little voltage."""
        try:
            state = _text(self._sys / "devices/platform/soc/soc:firmware/get_throttled")
            return bool(int(state, 16) & _THROTTLED_NOW)
        except (OSError, ValueError):
            return None

    def disk_free_mb(self) -> float | None:
        """Room for results."""
        try:
            return round(shutil.disk_usage(self._disk).free / _MB, 1)
        except OSError:
            return None

    def _memory(self, file: str, name: str) -> float | None:
        try:
            for line in _text(self._proc / file).splitlines():
                if line.startswith(name):
                    return round(int(line.split()[1]) * 1024 / _MB, 1)
        except (OSError, ValueError, IndexError):
            pass
        return None


class Progress:
    """What this process has got through. The daemon's threads write, the publisher's reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = self._asked = time.monotonic()
        self._fields = self._fields_asked = self._cells = 0
        self._refused: Counter[str] = Counter()
        self._stages: dict[str, float] = {}
        self._specimen_id: str | None = None
        self._notices: dict[str, str] = {}

    def field(self, stages_ms: dict[str, float], cells: int = 0) -> None:
        """Note a field, how long each stage took, and how many cells more are counted for it."""
        with self._lock:
            self._fields += 1
            self._cells += cells
            for stage, spent in stages_ms.items():
                mean = self._stages.get(stage, spent)
                self._stages[stage] = mean + _WEIGHT * (spent - mean)

    def refused(self, reason: str) -> None:
        """Note a field that was not counted, and why."""
        with self._lock:
            known = reason in self._refused or len(self._refused) < _MAX_REASONS
            self._refused[reason if known else "other"] += 1

    def totals(self) -> tuple[int, int, dict[str, int]]:
        """Return the fields, the cells counted in them, and the fields that were not counted by reason."""
        with self._lock:
            return self._fields, self._cells, dict(self._refused)

    def specimen(self, specimen_id: str | None) -> None:
        """Note which specimen is being counted, if any."""
        with self._lock:
            self._specimen_id = specimen_id

    def notice(self, about: str, text: str | None) -> None:
        """Let the operator know, in every health message until it is None again. One a matter."""
        with self._lock:
            if text is None:
                self._notices.pop(about, None)
            else:
                self._notices[about] = text

    def health(self, device_id: str, machine: Machine, backlog: int) -> Health:
        """Return the message. Frames a second are those since it was last asked for."""
        with self._lock:
            now = time.monotonic()
            rate = (self._fields - self._fields_asked) / max(now - self._asked, 1e-3)
            self._asked, self._fields_asked = now, self._fields
            return Health(
                device_id=device_id,
                boot_id=identity.boot_id(),
                at=identity.now(),
                uptime_s=round(now - self._started, 1),
                cpu_load=machine.cpu_load(),
                memory_rss_mb=machine.memory_rss_mb(),
                memory_available_mb=machine.memory_available_mb(),
                temperature_c=machine.temperature_c(),
                throttled=machine.throttled(),
                disk_free_mb=machine.disk_free_mb(),
                backlog=backlog,
                fields=self._fields,
                fields_refused=dict(self._refused),
                frames_per_second=round(rate, 2),
                stages_ms={stage: round(mean, 3) for stage, mean in self._stages.items()},
                specimen_id=self._specimen_id,
                notices=dict(self._notices),
            )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()
