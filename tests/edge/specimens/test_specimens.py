"""Specimens by command: the real daemon on the simulated slide, a real broker, the real command line."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from daemons import COMMAND, REPOSITORY, spawn, toml
from mqtt_partners import PATIENCE_S, wait_for

from edge.config import SHIPPED_MODEL, Config, MqttConfig, SimulatedConfig, SpecimenConfig, StoreConfig
from edge.store.fields import Store

if TYPE_CHECKING:
    from pathlib import Path

ROOT = "leukoscope/test-1"

pytestmark = pytest.mark.skipif(not SHIPPED_MODEL.is_file(), reason="no model bundle in the tree")


class Bench:
    """A daemon as a process, a broker, and somebody who gives orders and listens."""

    def __init__(self, folder: Path, broker, listener) -> None:
        self.listener = listener
        self.store = folder / "results.db"
        self._folder, self._broker, self._asked = folder, broker, 0
        self.daemon: subprocess.Popen[bytes] | None = None
        self.configure()

    def configure(self, rate: float = 60.0, cells: int = 1500, **specimen) -> None:
        config = Config(
            SimulatedConfig(cells=cells, frames_per_second=rate, seed=7),
            device_id="test-1",
            specimen=SpecimenConfig(lifecycle="command", **specimen),
            store=StoreConfig(str(self.store)),
            mqtt=MqttConfig(host=self._broker.host, port=self._broker.port, health_interval_s=1),
        )
        self.config = toml(config, self._folder / "device.toml")

    def run(self) -> None:
        online = len(self.listener.of("status"))
        self.daemon = spawn(COMMAND, self.config, self._folder / "log")
        wait_for(
            lambda: "online" in [s.state for s in self.listener.of("status")[online:]],
            "the daemon to be online",
        )

    def kill(self) -> None:
        self.daemon.kill()
        self.daemon.wait(PATIENCE_S)

    def end(self) -> None:
        self.daemon.terminate()
        assert self.daemon.wait(PATIENCE_S) == 0, (self._folder / "log").read_text()

    def order(self, name: str, correlation: str | None = None, **given):
        """Send a command, and give its answer."""
        self._asked += 1
        correlation = correlation or f"c{self._asked}"
        before = len(self.listener.of(f"response/{name}"))
        payload = msgspec.json.encode({**given, "correlation_id": correlation})
        self.listener.send(f"{ROOT}/cmd/{name}", payload)
        wait_for(lambda: len(self.listener.of(f"response/{name}")) > before, f"an answer to {name}")
        answer = self.listener.of(f"response/{name}")[-1]
        assert answer.correlation_id == correlation
        return answer

    def type(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "edge.cli", "specimen", *arguments, "--config", str(self.config)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, cwd=REPOSITORY
        )

    def said(self):
        return self.listener.of("result/differential")[-1]

    def reached(self, specimen_id: str, state: str):
        def found():
            said = self.listener.of("result/differential")
            return bool(said) and (said[-1].specimen_id, said[-1].state) == (specimen_id, state)

        wait_for(found, f"specimen {specimen_id} to be {state}")
        return self.said()

    def counted(self, specimen_id: str) -> int:
        return max(
            (d.counted for d in self.listener.of("result/differential") if d.specimen_id == specimen_id),
            default=0,
        )

    def fields(self, specimen_id: str) -> list:
        with Store.open(self.store) as store:
            return list(store.fields(specimen_id))


@pytest.fixture
def bench(tmp_path, broker, listen):
    made = Bench(tmp_path, broker, listen(broker))
    yield made
    if made.daemon is not None and made.daemon.poll() is None:
        made.kill()


def test_from_start_to_signature(bench, listen, broker):
    bench.run()
    wait_for(lambda: bench.listener.of("health"), "health")
    assert bench.listener.of("health")[-1].specimen_id is None
    answer = bench.order("specimen/start", specimen_id="A-1", target=30, wbc_count=7.5)
    assert answer.ok
    assert (answer.specimen.specimen_id, answer.specimen.state) == ("A-1", "open")
    wait_for(lambda: bench.counted("A-1") >= 30, "30 cells")
    said = bench.reached("A-1", "preliminary")
    assert (said.target, said.wbc_count, said.signature, said.stopped_at) == (30, 7.5, None, None)
    assert said.stop_reason == "the target of 30 cells is reached"
    assert bench.order("specimen/stop").specimen.state == "stopped"
    wait_for(lambda: bench.said().stopped_at is not None, "the end to be said")
    assert bench.said().state == "preliminary"
    # A reason, for what the model doubts of drawn cells nobody looks at here.
    signed = bench.order("specimen/sign", operator="MK-7", reason="drawn cells")
    assert signed.specimen.state == "final"
    final = bench.reached("A-1", "final")
    assert final.signature.operator == "MK-7"
    assert final.signature.at >= final.stopped_at
    assert sum(c.absolute.value for c in final.classes) == pytest.approx(7.5, abs=0.01)
    fields = bench.fields("A-1")
    assert final.counted == sum(not c.cut_by_edge and c.rejected is None for f in fields for c in f.cells)
    assert final.fields == len(fields)
    wait_for(lambda: len(bench.listener.fields()) == len(fields), "all fields")
    late = listen(broker, "late")
    wait_for(lambda: late.of("result/differential"), "the retained count")
    assert late.of("result/differential") == [final]
    bench.end()


def test_killed_in_the_middle_it_is_taken_up_and_nothing_is_counted_twice(bench):
    bench.configure(cells=400)
    bench.run()
    assert bench.order("specimen/start", specimen_id="A", target=1000).ok
    rng = random.Random(3)  # noqa: S311
    for enough in (3, 12):
        wait_for(lambda enough=enough: len(bench.listener.fields()) >= enough, f"{enough} fields")
        time.sleep(rng.uniform(0, 0.05))
        bench.kill()
        bench.run()
    views = {f.source for f in bench.listener.fields().values()}
    wait_for(lambda: len(bench.fields("A")) > len(views), "more fields")
    assert bench.order("specimen/stop").ok
    assert bench.order("specimen/sign", operator="X", reason="few").ok
    final = bench.reached("A", "final")
    fields = bench.fields("A")
    assert len({f.source for f in fields}) == len(fields) == final.fields
    assert final.counted == sum(not c.cut_by_edge and c.rejected is None for f in fields for c in f.cells)
    assert final.changes == ()


def test_two_specimens_never_mix(bench):
    bench.run()
    for specimen_id in ("A", "B"):
        assert bench.order("specimen/start", specimen_id=specimen_id).ok
        other = bench.order("specimen/start", specimen_id="C")
        assert other.error == f"specimen {specimen_id} is open: stop it first"
        wait_for(lambda specimen_id=specimen_id: bench.counted(specimen_id) >= 5, "5 cells")
        assert bench.order("specimen/stop").ok
        bench.reached(specimen_id, "preliminary")
    wait_for(lambda: bench.said().stopped_at is not None, "the end to be said")

    def agreed() -> bool:  # the field in hand at the stop comes after it, and its count after the field
        cells = [cell for field in bench.fields("B") for cell in field.cells]
        return bench.said().counted == sum(not cell.cut_by_edge and cell.rejected is None for cell in cells)

    wait_for(agreed, "the count to be that of the fields")
    a, b = bench.fields("A"), bench.fields("B")
    assert max(f.captured_at for f in a) < min(f.captured_at for f in b)
    assert not {c.cell_id for f in a for c in f.cells} & {c.cell_id for f in b for c in f.cells}
    # Signing the first one now says so, and leaves the topic as it must be: on what was changed last.
    assert bench.order("specimen/sign", operator="X", specimen_id="A", reason="few").ok
    assert bench.reached("A", "final").counted == bench.counted("A")
    quiet = len(bench.fields("B"))
    time.sleep(0.3)
    assert len(bench.fields("B")) == quiet, "without an open specimen nothing is counted"


def test_an_order_is_done_once_however_often_it_comes(bench):
    bench.run()
    first = bench.order("specimen/start", correlation="s", specimen_id="A")
    assert first.ok
    assert bench.order("specimen/stop").ok
    again = bench.order("specimen/start", correlation="s", specimen_id="A")
    assert again == first
    with Store.open(bench.store) as store:
        assert store.ledger.find("A").state == "stopped"
    assert "was stopped: resume it" in bench.order("specimen/start", specimen_id="A").error
    assert bench.order("specimen/start", specimen_id="A", resume=True).ok
    other = bench.order("specimen/stop", correlation="s")
    assert other.error == "its correlation id is that of another command not long ago: give each its own"


def test_the_command_line_does_the_same_whether_or_not_the_daemon_runs(bench):
    started = bench.type("start", "A", "--target", "8", "--wbc-count", "6.1")
    assert (started.returncode, started.stdout) == (0, "specimen A: open; 6.1 10^9/L white cells\n")
    bench.run()
    wait_for(lambda: bench.counted("A") >= 8, "8 cells")
    assert bench.type("stop").stdout == (
        "specimen A: stopped, waits for a signature; 6.1 10^9/L white cells (a simulated slide: no blood)\n"
    )
    bench.reached("A", "preliminary")
    wait_for(lambda: bench.said().stopped_at is not None, "the end to be said")
    assert bench.type("start", "B").returncode == 0
    bench.reached("B", "running")
    discarded = bench.type("discard", "--reason", "smear too thick")
    assert discarded.stdout.startswith("specimen B: discarded")
    said = bench.reached("B", "discarded")
    assert said.discarded.why == "smear too thick"
    bench.end()
    assert (
        bench.type("sign", "--operator", "Q", "--reason", "drawn cells").stdout
        == "specimen A: final, signed by Q because: drawn cells (a simulated slide: no blood)\n"
    )
    twice = bench.type("sign", "A", "--operator", "R")
    assert (twice.returncode, twice.stderr) == (1, "leukoscope: specimen A is signed by Q already\n")
    header, *lines = [line.split("\t") for line in bench.type("list").stdout.splitlines()]
    assert header == ["specimen", "state", "started", "fields", "cells", "signed", "notes"]
    assert [(line[0], line[1], line[5]) for line in lines] == [("A", "final", "Q"), ("B", "discarded", "-")]
    shown = json.loads(bench.type("show", "A", "--json").stdout)
    assert (shown["state"], shown["wbc_count"], shown["signature"]["operator"]) == ("final", 6.1, "Q")
    assert "signed by Q" in bench.type("show", "A").stdout
    bench.run()
    assert bench.reached("A", "final").signature.operator == "Q"


def test_it_stops_by_itself_where_it_is_told_to(bench):
    bench.configure(on_target="stop", target=10)
    bench.run()
    assert bench.order("specimen/start", specimen_id="A").ok
    wait_for(lambda: bench.counted("A") >= 10, "10 cells")
    wait_for(lambda: bench.said().stopped_at is not None, "the end")
    fields = bench.fields("A")
    without_last = sum(not c.cut_by_edge and c.rejected is None for f in fields[:-1] for c in f.cells)
    assert without_last < 10 <= bench.said().counted


def test_a_slide_that_ended_begins_anew_for_the_next_specimen(bench):
    bench.configure(rate=0.0, cells=6)
    bench.run()
    counts = []
    for specimen_id in ("A", "B"):
        assert bench.order("specimen/start", specimen_id=specimen_id).ok
        wait_for(lambda specimen_id=specimen_id: bench.counted(specimen_id) >= 4, "the slide")
        time.sleep(0.2)
        assert bench.order("specimen/stop").ok
        wait_for(lambda: bench.said().stopped_at is not None, "the end to be said")
        counts.append([(c.label, c.count) for c in bench.said().classes])
        assert bench.said().specimen_id == specimen_id
    assert counts[0] == counts[1]
    bench.end()


def test_what_happened_in_an_outage_is_said_of_every_specimen_after_a_power_cut_as_well(bench, broker):
    bench.run()
    for specimen_id in ("A", "B"):
        assert bench.order("specimen/start", specimen_id=specimen_id).ok
        wait_for(lambda specimen_id=specimen_id: bench.counted(specimen_id) >= 3, "3 cells")
        assert bench.order("specimen/stop").ok
    wait_for(lambda: bench.said().stopped_at is not None, "the end to be said")
    broker.kill()
    for specimen_id, code in (("A", "M1"), ("B", "M2")):
        assert bench.type("sign", specimen_id, "--operator", code, "--reason", "few").returncode == 0
    bench.kill()
    broker.start()
    bench.run()

    def last(specimen_id: str):
        said = [d for d in bench.listener.of("result/differential") if d.specimen_id == specimen_id]
        return said[-1].state, said[-1].signature and said[-1].signature.operator

    wait_for(lambda: last("B") == ("final", "M2"), "the last signature")
    assert last("A") == ("final", "M1")
    assert bench.said().specimen_id == "B"
    bench.end()
    said = len(bench.listener.of("result/differential"))
    bench.run()
    wait_for(lambda: bench.listener.state("status") == "online", "the daemon")
    bench.end()
    wait_for(lambda: bench.listener.state("status") == "offline", "the end")
    assert len(bench.listener.of("result/differential")) == said, "what the broker has is not said again"
