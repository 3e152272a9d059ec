"""The page's process: what it takes, how fast it answers, and what it costs who counts."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.daemon import figure
from edge import identity
from edge.cameras import Frame, open_camera
from edge.config import SimulatedConfig
from edge.daemon.preview import Preview
from edge.errors import LeukoscopeError
from edge.messages import Cell, FieldResult, Heatmap, ModelReference, Quality
from edge.store.fields import Store
from edge.store.pictures import CellPicture

if TYPE_CHECKING:
    from collections.abc import Iterator

CELLS = 400
RATE = 5.0  # live pictures a second

_A_FIELD = 4
_BROWSER = 6  # connections
_PATIENCE_S = 60.0
_TICK = os.sysconf("SC_CLK_TCK")
_LABELS = ("neutrophil", "lymphocyte", "monocyte", "eosinophil")


@dataclass(frozen=True)
class PageRun:
    """What was measured. start_s: from the process's start to its first answer. Memory in MiB, after use.

    gallery_s: the list of 400 cells and all their pictures over six connections. live_percent: of a core, for
    five pictures a second and the stream of events. requests_per_s, lost: the page of 400 cells asked again
    and again; request_ms: of computing for each. gallery_cpu_s, start_cpu_s: of computing. show_ms: what a
    live picture costs who counts; slowed_percent: of a core.
    """

    start_s: float
    rss_mib: float
    private_mib: float
    gallery_s: float
    live_percent: float
    requests_per_s: float
    request_ms: float
    gallery_cpu_s: float
    start_cpu_s: float
    requests: int
    lost: int
    show_ms: float
    slowed_percent: float


def measure(seconds: float) -> PageRun:
    """Measure for so long each. Raises LeukoscopeError where the page does not answer."""
    with tempfile.TemporaryDirectory(prefix="leukoscope-bench-") as folder:
        ids = _filled(Path(folder))
        with _served(Path(folder)) as (port, process, start_s):
            start_cpu = _cpu_s(process.pid)
            gallery_s = _gallery(port, ids)
            gallery_cpu = _cpu_s(process.pid) - start_cpu
            rss, private = _memory(process.pid)
            before = _cpu_s(process.pid)
            requests, lost, took = _asked(port, seconds)
            request_ms = 1000 * (_cpu_s(process.pid) - before) / max(1, requests)
            live = _live(Path(folder), port, process.pid, seconds)
        show_ms = _show(Path(folder))
    return PageRun(
        start_s=start_s,
        rss_mib=rss,
        private_mib=private,
        gallery_s=gallery_s,
        live_percent=live,
        requests_per_s=requests / took,
        request_ms=request_ms,
        gallery_cpu_s=gallery_cpu,
        start_cpu_s=start_cpu,
        requests=requests,
        lost=lost,
        show_ms=show_ms,
        slowed_percent=show_ms * RATE / 10,
    )


def markdown(run: PageRun) -> str:
    """Return a table of it, each figure beside what is asked for."""
    asked = f"{run.requests_per_s:.0f} a second, {run.lost} of {run.requests} lost"
    asked += f", {run.request_ms:.1f} ms of computing each"
    rows = (
        ("start to the first answer", f"{run.start_s:.2f} s, {run.start_cpu_s:.2f} s of computing", "0.5 s"),
        ("resident memory", f"{run.rss_mib:.1f} MiB", "45 MiB"),
        ("private memory", f"{run.private_mib:.1f} MiB", "20 MiB"),
        (
            f"gallery of {CELLS} cells with pictures",
            f"{run.gallery_s:.2f} s, {run.gallery_cpu_s:.2f} s of computing",
            "1 s",
        ),
        ("live picture, 5 a second", f"{run.live_percent:.1f} % of a core", "5 %"),
        ("gallery requests", asked, "200, none"),
        ("counting slowed while somebody looks", f"{run.slowed_percent:.2f} %", "3 %"),
    )
    head = ("| the page | measured | wanted |", "|---|---|---|")
    return "\n".join((*head, *(f"| {' | '.join(row)} |" for row in rows)))


def _filled(folder: Path) -> list[str]:
    """A store with a specimen of 400 cells with pictures, and a configuration; the cells' ids."""
    (folder / "run").mkdir()
    ids: list[str] = []
    picture = np.random.default_rng(1).integers(90, 200, (160, 160, 3), np.uint8)
    import simplejpeg  # noqa: PLC0415

    jpeg = simplejpeg.encode_jpeg(picture, quality=70, colorspace="RGB", colorsubsampling="420")
    with Store.open(folder / "results.db", durable=False) as store:
        store.ledger.start("S-1", target=CELLS, wbc_count=None, resume=False)
        for _ in range(CELLS // _A_FIELD):
            field = _field(store.next_sequence())
            pictures = [CellPicture(cell.cell_id, jpeg) for cell in field.cells]
            store.add(field, pictures=pictures)
            ids += [cell.cell_id for cell in field.cells]
        store.ledger.stop("S-1")
    return ids


def _field(sequence: int) -> FieldResult:
    cells = tuple(
        Cell(
            cell_id=identity.new_id(),
            box=(100 * number, 50, 60, 60),
            crop=(100 * number, 50, 60, 60),
            label=label,
            probability=0.9,
            probabilities=dict.fromkeys(_LABELS, 0.1),
            rejected=None,
            cut_by_edge=False,
            heatmap=Heatmap((8, 8), bytes(range(64)), 3.5),
        )
        for number, label in enumerate(_LABELS)
    )
    return FieldResult(
        field_id=identity.new_id(),
        specimen_id="S-1",
        device_id="bench",
        boot_id=identity.boot_id(),
        sequence=sequence,
        captured_at=datetime.now(UTC),
        clock_synced=True,
        historical=False,
        source=f"field {sequence}",
        width=640,
        height=480,
        model=ModelReference("bench", "0" * 64),
        quality=Quality(accepted=True, reason=None, focus=5.0, brightness=180.0, clipped=0.0),
        timings_ms={"total": 1.0},
        cells=cells,
    )


@contextmanager
def _served(folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes], float]]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    config = folder / "leukoscope.toml"
    config.write_text(
        f'[camera]\nkind = "usb"\n[store]\npath = "results.db"\n[web]\nport = {port}\npreview_dir = "run"\n',
        encoding="utf-8",
    )
    began = time.perf_counter()
    command = [sys.executable, "-m", "edge.cli", "web", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            while True:
                try:
                    _get(port, "/api/v1/session")
                    break
                except OSError:
                    if process.poll() is not None or time.perf_counter() - began > _PATIENCE_S:
                        raise LeukoscopeError("the page does not answer") from None
                    time.sleep(0.005)
            yield port, process, time.perf_counter() - began
        finally:
            process.terminate()


def _get(port: int, path: str) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)) as connection:
        return _on(connection, path)


def _on(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise LeukoscopeError(f"{path}: {answer.status}")
    return content


def _gallery(port: int, ids: list[str]) -> float:
    """Seconds from the request to the last picture, over as many connections as a browser opens."""
    left = iter(list(ids))
    lock = threading.Lock()

    def fetch() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)) as connection:
            while True:
                with lock:
                    cell = next(left, None)
                if cell is None:
                    return
                _on(connection, f"/api/v1/cells/{cell}/picture.jpg")

    began = time.perf_counter()
    _get(port, "/specimens/S-1")
    _get(port, "/api/v1/specimens/S-1/cells?limit=500")
    threads = [threading.Thread(target=fetch) for _ in range(_BROWSER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _asked(port: int, seconds: float) -> tuple[int, int, float]:
    """Ask for a page of the gallery again and again; how often, how many were lost, and for how long."""
    counts = [0, 0]
    lock = threading.Lock()
    began = time.perf_counter()

    def ask() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)) as connection:
            while time.perf_counter() - began < seconds:
                try:
                    _on(connection, "/specimens/S-1")
                    lost = 0
                except (OSError, LeukoscopeError):
                    lost = 1
                with lock:
                    counts[0] += 1
                    counts[1] += lost

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts[0], counts[1], time.perf_counter() - began


def _live(folder: Path, port: int, pid: int, seconds: float) -> float:
    """Percent of a core that the page takes for one who looks on."""
    preview, frame = Preview(folder / "run"), _frame()
    ends = time.perf_counter() + seconds

    def look() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)) as connection:
            connection.request("GET", "/events")
            stream = connection.getresponse()
            while time.perf_counter() < ends:
                stream.readline()

    _get(port, "/api/v1/live")
    thread = threading.Thread(target=look)
    thread.start()
    before, began = _cpu_s(pid), time.perf_counter()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)) as connection:
        while time.perf_counter() < ends:
            preview.show(frame)
            _on(connection, "/live.jpg")
            time.sleep(1 / RATE)
    used, took = _cpu_s(pid) - before, time.perf_counter() - began
    thread.join()
    return 100 * used / took


def _show(folder: Path) -> float:
    """Milliseconds of computing that one live picture takes the daemon, whoever and how many look on."""
    frame = _frame()
    (folder / "run/preview.wanted").touch()
    times = []
    for number in range(20):
        preview = Preview(folder / "run")
        began = time.thread_time()
        preview.show(frame, _field(number))
        times.append(1000 * (time.thread_time() - began))
    return sorted(times)[len(times) // 2]


def _frame() -> Frame:
    with closing(open_camera(SimulatedConfig())) as camera:
        frame = camera.read()
    if frame is None:
        raise LeukoscopeError("the drawn slide has no picture")
    return frame


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _memory(pid: int) -> tuple[float, float]:
    """Resident and private memory, MiB."""
    sizes = Path(f"/proc/{pid}/smaps_rollup")
    private = figure(sizes, "Private_Clean:") + figure(sizes, "Private_Dirty:")
    return figure(sizes, "Rss:") / 1024, private / 1024
