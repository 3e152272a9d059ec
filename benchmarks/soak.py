"""The daemon at work for as long as wanted: does it slow down, does it grow, does the board hold it back.

A real process with the replay camera and a real broker. It counts one specimen after the other, each by
commands as an operator would, so that no length of time runs out of pictures.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec
import numpy as np
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks import pictures
from benchmarks.board import condition
from benchmarks.daemon import configuration, figure
from edge.demo.broker import LocalBroker
from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCHEMA = "leukoscope.soak/1"
_FIELDS = 500  # of a specimen: at 250 a second, still fewer commands than the daemon takes
_VIEWS = 10
_SILENCE_S = 60.0
_LOOK_S = 0.1
_FEWEST_ROWS = 4
_LONG_ENOUGH_S = 120.0  # of settled rows: a shorter slope is that of buffers being filled
_WARM_UP = 0.2  # of the rows, before a slope means something
_TOPIC = "leukoscope/bench/"


@dataclass(frozen=True)
class Row:
    """How it was at a time. What the board does not tell is None.

    at_s: since the first result. fields: delivered so far. fields_per_second: since the row before.
    rss_mib: of the daemon. flags: what holds the board back.
    """

    at_s: float
    fields: int
    fields_per_second: float
    rss_mib: float
    temperature_c: float | None
    clock_mhz: float | None
    flags: tuple[str, ...] | None


@dataclass(frozen=True)
class Summary:
    """The whole of it. rss_slope, rss_slope_error: MiB an hour after a fifth of the time; None: too short.

    first_per_second, last_per_second: fields a second in the first and in the last fifth of the rows.
    """

    fields: int
    specimens: int
    seconds: float
    fields_per_second: float
    first_per_second: float
    last_per_second: float
    rss_slope: float | None
    rss_slope_error: float | None
    hottest_c: float | None
    flags: tuple[str, ...]


def measure(
    model: Path, folder: Path, *, minutes: float, every_s: float | None, runtime: str
) -> dict[str, Any]:
    """Let the daemon work; give rows over time and their summary as plain data.

    every_s: seconds between rows; None: sixty rows in all. Raises LeukoscopeError where the daemon or the
    broker fails, or results stay out.
    """
    replayed = folder / "replayed"
    _copies(replayed, folder)
    with LocalBroker() as broker:
        config = folder / "soak.toml"
        specimen, store = 'lifecycle = "command"', "max_mb = 500"
        used = {"path": str(model.resolve()), "runtime": runtime}
        text = configuration(replayed, broker, model=used, specimen=specimen, store=store)
        config.write_text(text, "utf-8")
        with _daemon(config) as process, _Dashboard(broker, process) as dashboard:
            rows = _watched(process, dashboard, 60 * minutes, every_s or minutes)
            specimens = dashboard.specimens
            _end(process)
    return {"rows": [asdict(row) for row in rows], "summary": asdict(summary(rows, specimens))}


def markdown(result: dict[str, Any]) -> str:
    """Return a soak as a paragraph and a table."""
    whole = result["summary"]
    slope = "too short for a slope of its memory"
    if whole["rss_slope"] is not None:
        error = whole["rss_slope_error"]
        slope = f"its memory changed by {whole['rss_slope']} MiB an hour, standard error {error}"
    hot = "" if whole["hottest_c"] is None else f", hottest {whole['hottest_c']:.0f} °C"
    held = f"; the board said: {', '.join(whole['flags'])}" if whole["flags"] else ""
    lines = [
        f"{whole['fields']} fields of {whole['specimens']} specimens in {whole['seconds']:.0f} s,",
        f"stored and acknowledged: {whole['fields_per_second']:.1f} a second,",
        f"{whole['first_per_second']:.1f} in the first fifth and {whole['last_per_second']:.1f} in the last;",
        f"{slope}{hot}{held}.",
        "",
        "| s | fields | a second | RSS MiB | °C | MHz | held back by |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        cells = (
            f"{row['at_s']:.0f}",
            row["fields"],
            f"{row['fields_per_second']:.1f}",
            f"{row['rss_mib']:.1f}",
            _or_unknown(row["temperature_c"]),
            _or_unknown(row["clock_mhz"]),
            "unknown" if row["flags"] is None else ", ".join(row["flags"]) or "nothing",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


class _Dashboard:
    """Counts what arrives, and orders the next specimen when all of one did."""

    def __init__(self, broker: LocalBroker, process: subprocess.Popen[bytes]) -> None:
        self.fields = 0
        self._process = process
        self._specimens = 0
        self._left = 0
        self._problem: str | None = None
        self._numbers = itertools.count(1)
        self._latest = time.monotonic()
        version = MQTTProtocolVersion.MQTTv5 if broker.protocol == "5" else MQTTProtocolVersion.MQTTv311
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=version)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", broker.port)
        for name in ("status", "result/field", "response/#"):
            self._client.subscribe(_TOPIC + name, qos=1)

    def __enter__(self) -> Self:
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait(self, seconds: float) -> None:
        """Let it work. Raises LeukoscopeError where nothing comes for long, or a command was refused."""
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            time.sleep(min(rest, _LOOK_S))
            if self._process.poll() is not None:
                raise LeukoscopeError(f"the daemon ended with status {self._process.returncode}")
            if self._problem:
                raise LeukoscopeError(f"the daemon refused a command: {self._problem}")
            if time.monotonic() - self._latest > _SILENCE_S:
                raise LeukoscopeError(f"no result came for {_SILENCE_S:.0f} s")

    @property
    def specimens(self) -> int:
        """How many were begun."""
        return self._specimens

    def _on_message(self, _client: Client, _data: Any, message: Any) -> None:
        if message.topic == _TOPIC + "result/field":
            self.fields += 1
            self._left -= 1
            self._latest = time.monotonic()
            if self._left == 0:
                self._order("stop")
                self._order("sign", operator="SOAK", specimen_id=self._specimen, reason="soak")
                self._begin()
        elif message.topic == _TOPIC + "status":
            if not self._specimens and msgspec.json.decode(message.payload)["state"] == "online":
                self._begin()
        else:
            answer = msgspec.json.decode(message.payload)
            if not answer["ok"]:
                self._problem = f"{answer['error']}"

    @property
    def _specimen(self) -> str:
        return f"SOAK-{self._specimens}"

    def _begin(self) -> None:
        self._specimens += 1
        self._left = _FIELDS
        self._order("start", specimen_id=self._specimen)

    def _order(self, name: str, **arguments: str) -> None:
        order = {"correlation_id": f"soak-{next(self._numbers)}", **arguments}
        self._client.publish(f"{_TOPIC}cmd/specimen/{name}", msgspec.json.encode(order), qos=1)


def _copies(folder: Path, drawing: Path) -> None:
    """Write a specimen's pictures: each of a few views often, which is another picture by what follows it."""
    folder.mkdir()
    views = [file.read_bytes() for file, _ in pictures.drawn(_VIEWS, drawing)]
    for number in range(_FIELDS):
        (folder / f"{number:05d}.jpg").write_bytes(views[number % len(views)] + str(number).encode())


@contextmanager
def _daemon(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (config.parent / "soak.log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter)
            [sys.executable, "-m", "edge.cli", "run", "--config", str(config)], stdout=log, stderr=log
        )
        try:
            yield process
        except LeukoscopeError as error:
            log.seek(0)
            raise LeukoscopeError(f"{error}; it said last: {log.read()[-300:].strip()}") from None
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Tell it to finish: what is stored is to be delivered, or its exit status says so."""
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(timeout=_SILENCE_S)
    except subprocess.TimeoutExpired:
        raise LeukoscopeError(f"told to stop, the daemon was not done after {_SILENCE_S:.0f} s") from None
    if status:
        raise LeukoscopeError(f"told to stop, the daemon ended with status {status}")


def _watched(
    process: subprocess.Popen[bytes], dashboard: _Dashboard, seconds: float, every_s: float
) -> list[Row]:
    while not dashboard.fields:
        dashboard.wait(_LOOK_S)
    begun = last = time.monotonic()
    counted = dashboard.fields
    rows: list[Row] = []
    while not rows or rows[-1].at_s < seconds - every_s / 2:
        dashboard.wait(begun + every_s * (len(rows) + 1) - time.monotonic())
        now, fields = time.monotonic(), dashboard.fields
        state = condition()
        rows.append(
            Row(
                round(now - begun, 2),
                fields,
                round((fields - counted) / (now - last), 2),
                round(figure(Path(f"/proc/{process.pid}/status"), "VmRSS:") / 1024, 2),
                state.temperature_c,
                state.clock_mhz,
                state.flags,
            )
        )
        last, counted = now, fields
    return rows


def summary(rows: Sequence[Row], specimens: int) -> Summary:
    """Return the whole of a soak from its rows."""
    fifth = max(1, len(rows) // 5)
    settled = rows[round(_WARM_UP * len(rows)) :]
    slope = error = None
    if len(settled) >= _FEWEST_ROWS and settled[-1].at_s - settled[0].at_s >= _LONG_ENOUGH_S:
        hours, sizes = [row.at_s / 3600 for row in settled], [row.rss_mib for row in settled]
        fit, covariance = np.polyfit(hours, sizes, 1, cov=True)
        slope, error = round(float(fit[0]), 2), round(float(np.sqrt(covariance[0, 0])), 2)
    temperatures = [row.temperature_c for row in rows if row.temperature_c is not None]
    return Summary(
        rows[-1].fields,
        specimens,
        rows[-1].at_s,
        round(rows[-1].fields / rows[-1].at_s, 2),
        _mean(rows[:fifth]),
        _mean(rows[-fifth:]),
        slope,
        error,
        max(temperatures, default=None),
        tuple(sorted({flag for row in rows for flag in row.flags or ()})),
    )


def _mean(rows: Sequence[Row]) -> float:
    return round(float(np.mean([row.fields_per_second for row in rows])), 2)


def _or_unknown(figure: float | None) -> str:
    return "unknown" if figure is None else f"{figure:.0f}"
