"""The page's process: what it takes, how fast it answers, and what it costs who counts."""

from __future__ import annotations

import http.client
import itertools
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.page_process import (
    CELLS,
    PATIENCE_S,
    cpu_s,
    drawn_field,
    filled_store,
    get,
    get_on,
    memory_mib,
    served_page,
)
from edge.cameras import Frame, open_camera
from edge.config import SimulatedConfig
from edge.daemon.preview import Preview
from edge.errors import LeukoscopeError

RATE = 5.0  # live pictures a second

_SCREENS = ("/", "/live", "/pictures", "/specimens", "/people", "/microscope")
_OF_A_SPECIMEN = ("", "/review", "/report")
_REST_S = 21.0  # of quiet, within which the page gives back what it can
_BROWSER = 6  # connections
_MOST_PER_S = 400.0  # requests: of more than 500 from one address, the page tells some to wait


@dataclass(frozen=True)
class PageRun:
    """What was measured. start_s: from the process's start to its first answer.

    Memory in MiB: after the gallery; screens_: after every screen, of which Review, the report and Microscope
    correct the count, for which numpy is loaded; rested_: after nobody has asked for a while.
    gallery_s: the list of 400 cells and all their pictures over six connections. live_percent: of a core, for
    five pictures a second and the stream of events. requests_per_s, lost: the page of 400 cells asked again
    and again; request_ms: of computing for each. gallery_cpu_s, start_cpu_s: of computing. show_ms: what a
    live picture costs who counts; slowed_percent: of a core.
    """

    start_s: float
    rss_mib: float
    private_mib: float
    screens_rss_mib: float
    screens_private_mib: float
    rested_rss_mib: float
    rested_private_mib: float
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
        ids = filled_store(Path(folder))
        with served_page(Path(folder)) as (port, process, start_s):
            start_cpu = cpu_s(process.pid)
            gallery_s = _gallery(port, ids)
            gallery_cpu = cpu_s(process.pid) - start_cpu
            rss, private = memory_mib(process.pid)
            before = cpu_s(process.pid)
            requests, lost, took = _asked(port, seconds)
            request_ms = 1000 * (cpu_s(process.pid) - before) / max(1, requests)
            live = _live(Path(folder), port, process.pid, seconds)
            for path in (*_SCREENS, *(f"/specimens/S-1{each}" for each in _OF_A_SPECIMEN)):
                get(port, path)
            screens = memory_mib(process.pid)
            time.sleep(_REST_S)
            rested = memory_mib(process.pid)
        show_ms = _show(Path(folder))
    return PageRun(
        start_s=start_s,
        rss_mib=rss,
        private_mib=private,
        screens_rss_mib=screens[0],
        screens_private_mib=screens[1],
        rested_rss_mib=rested[0],
        rested_private_mib=rested[1],
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
        ("resident memory after every screen", f"{run.screens_rss_mib:.1f} MiB", "45 MiB"),
        ("private memory after every screen", f"{run.screens_private_mib:.1f} MiB", "20 MiB"),
        ("resident memory, rested", f"{run.rested_rss_mib:.1f} MiB", "45 MiB"),
        ("private memory, rested", f"{run.rested_private_mib:.1f} MiB", "20 MiB"),
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


def _gallery(port: int, ids: list[str]) -> float:
    """Seconds from the request to the last picture, over as many connections as a browser opens."""
    left = iter(list(ids))
    lock = threading.Lock()

    def fetch() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
            while True:
                with lock:
                    cell = next(left, None)
                if cell is None:
                    return
                get_on(connection, f"/api/v1/cells/{cell}/picture.jpg")

    began = time.perf_counter()
    get(port, "/specimens/S-1")
    get(port, "/api/v1/specimens/S-1/cells?limit=500")
    threads = [threading.Thread(target=fetch) for _ in range(_BROWSER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _asked(port: int, seconds: float) -> tuple[int, int, float]:
    """Ask for a page of the gallery again and again; how often, how many were lost, and for how long.

    At most `_MOST_PER_S` times a second.
    """
    counts = [0, 0]
    turns = itertools.count()
    lock = threading.Lock()
    began = time.perf_counter()

    def ask() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
            while True:
                with lock:
                    due = next(turns) / _MOST_PER_S
                if (wait := began + due - time.perf_counter()) > 0:
                    time.sleep(wait)
                if time.perf_counter() - began >= seconds:
                    return
                try:
                    get_on(connection, "/specimens/S-1")
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
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
            connection.request("GET", "/events")
            stream = connection.getresponse()
            while time.perf_counter() < ends:
                stream.readline()

    get(port, "/api/v1/live")
    thread = threading.Thread(target=look)
    thread.start()
    before, began = cpu_s(pid), time.perf_counter()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        while time.perf_counter() < ends:
            preview.show(frame)
            get_on(connection, "/live.jpg")
            time.sleep(1 / RATE)
    used, took = cpu_s(pid) - before, time.perf_counter() - began
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
        preview.show(frame, drawn_field(number))
        times.append(1000 * (time.thread_time() - began))
    return sorted(times)[len(times) // 2]


def _frame() -> Frame:
    with closing(open_camera(SimulatedConfig())) as camera:
        frame = camera.read()
    if frame is None:
        raise LeukoscopeError("the drawn slide has no picture")
    return frame
