"""Two versions in one run, in turns: what starting, a field, memory, imports and the package cost each.

Every figure comes from the command line, which both have, in a process of its own. A round measures both,
every second one in the other order; a ratio is of two neighbours, so that a machine that is busier for a
while is busier for both. Both start from byte code that the round which does not count has made, of what they
import also: what lies beside their files, and whether Python is let write there, is no matter of a version.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from benchmarks import daemon, pictures
from edge.demo.broker import LocalBroker
from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.checkouts import Checkout

SCHEMA = "leukoscope.versions/1"
TOLERANCE = 0.05
"""A ratio whose interval lies further above 1 is worth a word."""

_PROBE = Path(__file__).with_name("probe.py")
_DRAWS = 4000
_INTERVAL = (2.5, 97.5)
_MORE_IS_BETTER = "throughput"
_COUNTED = ("imports", "package")

Figures = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One figure of both versions: medians of the rounds. ratio: of a round's two, their median.

    low, high: its 95 % interval, by drawing rounds. counted: it is no measurement, and the same every time.
    """

    name: str
    before: float
    after: float
    ratio: float
    low: float
    high: float
    counted: bool = False

    @property
    def worse(self) -> bool:
        """Whether the whole interval lies on the wrong side, by more than the tolerance."""
        if self.name.startswith(_MORE_IS_BETTER):
            return self.high < 1 - TOLERANCE
        return self.low > 1 + TOLERANCE


def measure(before: Checkout, after: Checkout, folder: Path, *, rounds: int, fields: int) -> list[Row]:
    """Measure two versions in turns, after one round that does not count. Raises LeukoscopeError."""
    shown = folder / "pictures"
    shown.mkdir()
    files = [file for file, _ in pictures.drawn(fields, shown)]
    found: dict[str, list[Figures]] = {"before": [], "after": []}
    sides = [("before", before), ("after", after)]
    with LocalBroker() as broker:
        for number in range(rounds + 1):
            for side, checkout in sides if number % 2 else sides[::-1]:
                place = folder / f"{side}-{number}"
                place.mkdir()
                figures = _once(checkout, files, place, broker)
                if number:
                    found[side].append(figures)
    rows = [
        _row(name, [each[name] for each in found["before"]], [each[name] for each in found["after"]])
        for name in found["before"][0]
        if name in found["after"][0]
    ]
    sizes = before.size(), after.size()
    return rows + [_row(name, [sizes[0][name]], [sizes[1][name]]) for name in sizes[0]]


def markdown(rows: Sequence[Row], names: tuple[str, str], rounds: int) -> str:
    """Return the rows as a table. names: of the versions."""
    lines = [
        f"| median of {rounds} rounds | {names[0]} | {names[1]} | second / first | 95 % interval |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        interval = "counted" if row.counted else f"{row.low:.2f} to {row.high:.2f}"
        both = (f"{value:.4g}" if value < 1000 else f"{value:.0f}" for value in (row.before, row.after))
        lines.append(f"| {row.name} | {' | '.join(both)} | {row.ratio:.2f} | {interval} |")
    return "\n".join(lines)


def _row(name: str, before: Sequence[float], after: Sequence[float]) -> Row:
    ratios = np.array([b / a if a else np.nan for a, b in zip(before, after, strict=True)])
    random = np.random.default_rng(1)  # the same figures give the same answer
    drawn = np.median(random.choice(ratios, (_DRAWS, len(ratios))), axis=1)
    low, high = (float(edge) for edge in np.percentile(drawn, _INTERVAL))
    return Row(
        name,
        statistics.median(before),
        statistics.median(after),
        float(np.median(ratios)),
        low,
        high,
        counted=name.startswith(_COUNTED),
    )


def _once(checkout: Checkout, files: Sequence[Path], place: Path, broker: LocalBroker) -> Figures:
    """Every figure of a version, once."""
    analyze = ["analyze", "--json"]
    names = [str(file) for file in files]
    version = _run(checkout, place, "--version")
    first = _run(checkout, place, *analyze, names[0])
    whole = _run(checkout, place, *analyze, str(files[0].parent))
    # Each picture by itself; 0.1 has no other way.
    apart = ["--apart"] if b"--apart" in b"".join(_run(checkout, place, "analyze", "--help").lines) else []
    many = _run(checkout, place, *analyze, *apart, *names)
    drawn = _run(checkout, place, *analyze, *apart, "--overlays", str(place / "overlays"), *names)
    lines = [msgspec.json.decode(line) for line in many.lines]
    stages = [line["timings_ms"] for line in lines if "classify" in line["timings_ms"]]
    if not stages:
        raise LeukoscopeError(f"{checkout.name}: found nothing to name in the pictures")
    middle = {key: statistics.median(row[key] for row in stages) for key in stages[0]}
    cells = sum(len(line["cells"]) for line in lines)
    run = _counted(checkout, files, place, broker)
    return {
        "start, --version: s": version.took_s,
        "start, --version: processor s": version.took["cpu_s"],
        "start to the first field named: s": first.took_s,
        "start to the first field named: processor s": first.took["cpu_s"],
        "a field, decoding: processor ms": middle["decode"],
        "a field, quality: processor ms": middle["quality"],
        "a field, finding and outlining: processor ms": middle["mask"],
        "a field, naming and explaining: processor ms": middle["classify"],
        "a cell, naming and explaining: processor ms": sum(row["classify"] for row in stages) / max(1, cells),
        "a field, drawing the explanations: processor ms": 1000
        * (drawn.took["cpu_s"] - many.took["cpu_s"])
        / len(files),
        f"analyze, a folder of {len(files)} fields from start to end: processor s": whole.took["cpu_s"],
        "throughput, fields a second": (len(files) - 1) / many.between_s,
        "throughput, fields a processor second": 1000 / (middle["decode"] + middle["total"]),
        "memory, analyze: peak RSS MiB": many.took["peak_kib"] / 1024,
        "memory, analyze: own written MiB at its end": many.took["written_kib"] / 1024,
        **run,
        "imports, --version: modules": version.took["modules"],
        "imports, --version: modules of edge": version.took["own_modules"],
        "imports, analyze: modules": many.took["modules"],
        "imports, analyze: modules of edge": many.took["own_modules"],
    }


@dataclass(frozen=True)
class _Run:
    """A command that has ended. took_s: until then. between_s: from its first line to its last."""

    took: Mapping[str, Any]
    took_s: float
    lines: list[bytes]
    between_s: float


def _run(checkout: Checkout, place: Path, *words: str) -> _Run:
    report = place / "report.json"
    command = [sys.executable, "-P", str(_PROBE), str(report), *words]
    environment = _environment(checkout, place)
    began = time.monotonic()
    lines, moments = [], []
    with (place / "log").open("w+b") as log:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter)
            command, stdout=subprocess.PIPE, stderr=log, env=environment, cwd=checkout.folder
        )
        with process:
            for line in process.stdout or ():
                lines.append(line)
                moments.append(time.monotonic())
        ended = time.monotonic()
        if process.returncode:
            log.seek(0)
            said = log.read().decode(errors="replace").strip()[-300:]
            raise LeukoscopeError(f"{checkout.name}: leukoscope {words[0]} failed: {said}")
    between = moments[-1] - moments[0] if moments else 0.0
    return _Run(json.loads(report.read_text(encoding="utf-8")), ended - began, lines, between)


def _counted(checkout: Checkout, files: Sequence[Path], place: Path, broker: LocalBroker) -> Figures:
    """What the daemon takes that counts the pictures, stores the results and delivers them."""
    config = place / "leukoscope.toml"
    config.write_text(
        f'device_id = "bench"\n[camera]\nkind = "replay"\npaths = ["{files[0].parent}/*.jpg"]\n'
        '[specimen]\nid = "BENCH"\n[store]\npath = "results.db"\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\nprotocol = "{broker.protocol}"\n',
        encoding="utf-8",
    )
    began = os.times()
    try:
        rss, pss, _ = daemon.run_to_its_end(
            [sys.executable, "-P", "-m", "edge.cli", "run", "--config", str(config)],
            place,
            environment=_environment(checkout, place),
            at=checkout.folder,
        )
    except LeukoscopeError as error:
        raise LeukoscopeError(f"{checkout.name}: {error}") from None
    ended = os.times()
    used = ended.children_user + ended.children_system - began.children_user - began.children_system
    return {
        f"daemon, {len(files)} fields from start to end: processor s": used,
        "memory, daemon: peak RSS MiB": rss,
        "memory, daemon: highest PSS MiB": pss or 0.0,
    }


def _environment(checkout: Checkout, place: Path) -> dict[str, str]:
    """The same for both versions but for where `edge` lies, and one place for byte code, which is written."""
    own = {"PYTHONPATH": str(checkout.folder), "PYTHONPYCACHEPREFIX": str(place.parent / "bytecode")}
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | own
