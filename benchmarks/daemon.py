"""The daemon's whole path: a real process with the replay camera, a real mosquitto, results on the disk.

Frame to acknowledgement is read from the store, where the daemon notes both; so nothing is added to it.
"""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.demo.broker import LocalBroker
from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_POLL_S = 0.02
_LIMIT_S = 600.0
PACE = 4.0  # fields a second of a single stream: each is delivered before the next is read


@dataclass(frozen=True)
class DaemonRun:
    """What one daemon did with `fields` pictures. Latencies are frame to acknowledgement, milliseconds.

    interval_ms: of sustained operation, between one result and the next, the median of `intervals_ms`, one
    for each repetition. first_result_s: from the process's start to the first acknowledgement.
    pss_mib: the highest seen, pages shared with the benchmark counted half; None where the kernel does not
    tell. written: bytes to the disk for each result.
    """

    fields: int
    single_p50_ms: float
    single_p90_ms: float
    single_p99_ms: float
    single_maximum_ms: float
    interval_ms: float
    intervals_ms: tuple[float, ...]
    first_result_s: float
    peak_rss_mib: float
    pss_mib: float | None
    written: int
    pace: float = PACE


@dataclass(frozen=True)
class _Run:
    latencies_ms: list[float]
    interval_ms: float
    first_s: float
    rss_mib: float
    pss_mib: float | None
    written: int


def measure(
    file: Path, model: Path, folder: Path, *, fields: int, repetitions: int, runtime: str
) -> DaemonRun:
    """Run daemons on `fields` copies of a picture, in turns at a set pace and as fast as they can.

    Raises LeukoscopeError where a daemon or the broker fails.
    """
    pictures = folder / "replayed"
    pictures.mkdir()
    content = file.read_bytes()
    for number in range(fields):
        # A picture is counted once however often it comes: each copy differs behind the end of its image.
        (pictures / f"{number:05d}.jpg").write_bytes(content + str(number).encode())
    used = {"path": str(model.resolve()), "runtime": runtime}
    single: list[_Run] = []
    sustained: list[_Run] = []
    with LocalBroker() as broker:
        for repetition in range(repetitions):
            for rate, runs in ((PACE, single), (0.0, sustained)):
                place = folder / f"daemon-{repetition}-{rate:.0f}"
                place.mkdir()
                config = place / "bench.toml"
                config.write_text(configuration(pictures, broker, model=used, rate=rate), "utf-8")
                runs.append(_run(config, place / "results.db", fields))
    latencies = np.array([np.percentile(run.latencies_ms, (50, 90, 99, 100)) for run in single])
    p50, p90, p99, maximum = (round(float(value), 2) for value in np.median(latencies, axis=0))
    intervals = tuple(round(run.interval_ms, 2) for run in sustained)
    pss = [run.pss_mib for run in sustained if run.pss_mib is not None]
    return DaemonRun(
        fields,
        p50,
        p90,
        p99,
        maximum,
        round(statistics.median(intervals), 2),
        intervals,
        round(statistics.median(run.first_s for run in single), 3),
        round(max(run.rss_mib for run in single + sustained), 1),
        round(max(pss), 1) if pss else None,
        round(statistics.median(run.written for run in sustained)),
    )


def configuration(
    pictures: Path,
    broker: LocalBroker,
    *,
    model: Mapping[str, str],
    rate: float = 0.0,
    specimen: str = 'id = "BENCH"',
    store: str = "",
) -> str:
    """Return the configuration of a daemon that counts pictures; its store lies beside it.

    model: keys of its section. rate: pictures a second, 0 for as fast as it can. specimen, store: further
    lines of these sections.
    """
    return "\n".join(
        [
            'device_id = "bench"',
            "[camera]",
            'kind = "replay"',
            f'paths = ["{pictures}"]',
            f"frames_per_second = {rate}",
            "[specimen]",
            specimen,
            "[model]",
            *(f'{key} = "{value}"' for key, value in model.items()),
            "[store]",
            'path = "results.db"',
            store,
            "[mqtt]",
            'host = "127.0.0.1"',
            f"port = {broker.port}",
            f'protocol = "{broker.protocol}"',
            "",
        ]
    )


def _run(config: Path, store: Path, fields: int) -> _Run:
    started = time.time()
    rss, pss, written = run_to_its_end(
        [sys.executable, "-m", "edge.cli", "run", "--config", str(config)], config.parent
    )
    rows = _delivered(store)
    if len(rows) != fields:
        raise LeukoscopeError(f"the daemon delivered {len(rows)} of {fields} results")
    latencies = [1000 * (end - begin) for begin, end in rows]
    first_s = min(end for _, end in rows) - started
    return _Run(latencies, 1000 * interval_s(rows), first_s, rss, pss, round(written / fields))


def interval_s(rows: Sequence[tuple[float, float]]) -> float:
    """Return the time between results, from when each was captured and acknowledged, seconds.

    Those that are acknowledged at once came in the time before, and those of the first moment do not count.
    """
    ends = sorted(end for _, end in rows)
    since = ends[len(ends) // 5]  # the first results wait for the connection
    later = sum(end > since for end in ends)
    if not later:  # all of them waited for it
        return (ends[-1] - min(begin for begin, _ in rows)) / len(ends)
    return (ends[-1] - since) / later


def run_to_its_end(
    command: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    at: Path | None = None,
) -> tuple[float, float | None, int]:
    """Run a daemon until it ends by itself; return peak RSS and highest PSS in MiB, and the bytes written.

    folder: for its log. at: where it runs. Raises LeukoscopeError where it fails, or takes too long.
    """
    with (folder / "log").open("w+", encoding="utf-8") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=at)  # noqa: S603 (our own)
        try:
            figures = _watched(daemon)
        finally:
            if daemon.poll() is None:
                daemon.kill()
            daemon.wait()
        if daemon.returncode:
            log.seek(0)
            raise LeukoscopeError(f"the daemon ended with status {daemon.returncode}: {log.read()[-300:]}")
    return figures


def _watched(daemon: subprocess.Popen[bytes]) -> tuple[float, float | None, int]:
    proc = Path(f"/proc/{daemon.pid}")
    rss, pss, written = 0.0, None, 0
    until = time.monotonic() + _LIMIT_S
    while daemon.poll() is None:
        if time.monotonic() > until:
            raise LeukoscopeError(f"the daemon was not done after {_LIMIT_S:.0f} s")
        rss = max(rss, figure(proc / "status", "VmHWM:") / 1024)
        now = figure(proc / "smaps_rollup", "Pss:") / 1024
        pss = max(pss or 0.0, now) if now else pss
        written = max(written, figure(proc / "io", "write_bytes:"))
        time.sleep(_POLL_S)
    return rss, pss, written


def figure(file: Path, key: str) -> int:
    """Return the number behind a key of a file of /proc, 0 where there is none: processes end any time."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)


def _delivered(store: Path) -> list[tuple[float, float]]:
    """Return when each field was captured and acknowledged, in its order, seconds since 1970."""
    query = (
        "SELECT json_extract(CAST(payload AS TEXT), '$.captured_at'), delivered_at FROM fields"
        " WHERE delivered_at IS NOT NULL ORDER BY sequence"
    )
    with closing(sqlite3.connect(store)) as database:
        rows = database.execute(query).fetchall()
    return [
        (datetime.fromisoformat(begin).timestamp(), datetime.fromisoformat(end).timestamp())
        for begin, end in rows
    ]
