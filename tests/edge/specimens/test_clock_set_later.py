"""A device that starts with a wrong clock: what people did is told with the right times once it is set."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from mqtt_partners import wait_for
from samples import CELLS, LABELS, MODEL, ScriptedAnalyzer, field

from edge import identity
from edge.cli import main
from edge.config import Config, ReplayConfig, SpecimenConfig, StoreConfig
from edge.daemon.housekeeping import Housekeeping
from edge.daemon.model import Model
from edge.messages.commands import ReviewCells, SignSpecimen, StartSpecimen, StopSpecimen
from edge.specimens.reporting import Announcer, Reporter
from edge.specimens.service import SpecimenService
from edge.specimens.tables import cells_table, classes_table
from edge.store.event_words import clock_in_words
from edge.store.fields import Store

if TYPE_CHECKING:
    from pathlib import Path

HOURS = 7.5


class Clock:
    """The device's clock, off by so many seconds until it is set."""

    def __init__(self, monkeypatch) -> None:
        self.off_s, self.synced = 0.0, False
        monkeypatch.setattr(identity, "now", lambda: datetime.now(UTC) + timedelta(seconds=self.off_s))
        offset_s = identity.clock_offset_s
        monkeypatch.setattr(identity, "clock_offset_s", lambda: offset_s() + self.off_s)
        monkeypatch.setattr(identity, "clock_synced", lambda: self.synced)

    def set(self) -> None:
        self.off_s, self.synced = 0.0, True


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


class Bench:
    """A device's store, its daemon's care of it, and the orders that people give."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = Config(
            ReplayConfig((str(path.parent),)),
            device_id="d",
            specimen=SpecimenConfig(lifecycle="command"),
            store=StoreConfig(str(path)),
        )
        self.service = SpecimenService(self.config)

    def signed(self, name: str) -> None:
        """Start, count, name a cell, stop, sign."""
        self.service.start(StartSpecimen(specimen_id=name, operator="mt.01"))
        with Store.open(self.path) as store:
            assert store.add(field(1, *CELLS, specimen_id=name))
        self.service.review(
            ReviewCells(specimen_id=name, cell_ids=(CELLS[0].cell_id,), action="confirm", operator="mt.01")
        )
        self.service.stop(StopSpecimen(operator="mt.01"))
        self.service.sign(SignSpecimen(operator="dr.1", reason="few cells"))

    def tidy(self) -> None:
        """Do what the daemon does between two frames."""
        with Store.open(self.path) as store:
            assert Housekeeping(self.config.store, store).tidy() is None

    def times(self, name: str) -> list[datetime]:
        """Return every time that people are shown of a specimen."""
        said, line = self.service.differential(name), self.service.specimen(name)
        (classes, *_) = csv.DictReader(io.StringIO(classes_table(said).removeprefix("\ufeff")))
        cells = csv.DictReader(
            io.StringIO(cells_table(self.service.cells(name, limit=None)).removeprefix("\ufeff"))
        )
        reviewed = [row["reviewed_at"] for row in cells if row["reviewed_at"]]
        assert len(reviewed) == 1
        return [
            *(said.started_at, said.stopped_at, said.signature.at, line.started_at, line.stopped_at),
            *(line.signature.at, *(entry.at for entry in self.service.history(name))),
            *(word.at for word in self.service.words(name)),
            *map(datetime.fromisoformat, [classes["signed_at"], *reviewed]),
        ]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "results.db")


def near(moments: list[datetime], expected: datetime) -> bool:
    return all(abs((each - expected).total_seconds()) < 60 for each in moments)


@pytest.mark.parametrize("hours", [HOURS, -HOURS, 24 * 365.25 * 50, -24 * 365.25 * 50])
def test_start_words_and_signature_have_the_right_times_once_the_clock_is_set(bench, clock, hours):
    clock.off_s, now = 3600 * hours, datetime.now(UTC)
    bench.signed("S")
    wrong = bench.service.differential("S")
    assert near(bench.times("S"), now + timedelta(hours=hours))
    assert not wrong.clock_synced
    clock.set()
    bench.tidy()
    assert near(bench.times("S"), now)
    right = bench.service.differential("S")
    assert right.clock_synced
    assert right.signature.operator == "dr.1", "it is signed as it was"
    assert right.state == "final"


def test_what_the_clock_showed_stays_on_record_and_the_history_says_that_it_was_set(bench, clock, capsys):
    clock.off_s, now = -3600 * HOURS, datetime.now(UTC)
    bench.signed("S")
    clock.set()
    bench.tidy()
    *done, told = bench.service.history("S")
    assert near([entry.noted_at for entry in done], now - timedelta(hours=HOURS))
    assert (told.what, told.operator, told.noted_at) == ("its times were set right", None, None)
    assert told.why == "the device's clock was set; until then it was 7 h 30 min slow"
    (change,) = bench.service.differential("S").changes
    assert (change.what, change.why) == (told.what, told.why)
    assert bench.service.signed_report("S", done[-1].revision).superseded is None
    config = bench.path.with_suffix(".toml")
    config.write_text(f'[store]\npath = "{bench.path}"\n[camera]\nkind = "replay"\npaths = ["x"]\n')
    assert main(["specimen", "list", "--config", str(config)]) == 0
    listed = capsys.readouterr().out
    assert f"{now:%Y-%m-%d}" in listed
    assert "its times were set right" in listed


def test_it_is_said_once_and_what_comes_later_is_as_the_clock_has_it(bench, clock):
    clock.off_s = 3600 * HOURS
    bench.service.start(StartSpecimen(specimen_id="S"))
    clock.set()
    bench.tidy()
    bench.service.stop(StopSpecimen())
    before = bench.service.history("S")
    assert [entry.kind for entry in before] == ["started", "clock", "stopped"]
    assert before[-1].noted_at is None
    bench.tidy()
    assert bench.service.history("S") == before
    assert near([bench.service.specimen("S").stopped_at], datetime.now(UTC))


def test_of_an_end_that_was_taken_back_the_time_is_not_told(bench, clock):
    clock.off_s = 3600 * HOURS
    bench.service.start(StartSpecimen(specimen_id="S"))
    bench.service.stop(StopSpecimen())
    bench.service.start(StartSpecimen(specimen_id="S", resume=True))
    clock.set()
    bench.tidy()
    assert bench.service.specimen("S").stopped_at is None
    bench.service.stop(StopSpecimen())
    assert near([bench.service.specimen("S").stopped_at], datetime.now(UTC))


def test_a_clock_that_was_right_all_the_same_is_not_told(bench, clock):
    bench.signed("S")
    before = bench.service.history("S")
    assert not any(entry.clock_synced for entry in before)
    clock.set()
    bench.tidy()
    after = bench.service.history("S")
    assert [(entry.at, entry.noted_at) for entry in after] == [(entry.at, None) for entry in before]
    assert bench.service.differential("S").clock_synced


def test_what_an_earlier_boot_noted_without_a_clock_keeps_its_time_and_says_that_it_may_be_wrong(
    bench, clock, monkeypatch
):
    clock.off_s, now = 3600 * HOURS, datetime.now(UTC)
    bench.signed("S")
    monkeypatch.setattr(identity, "boot_id", lambda: "the next one")
    clock.set()
    bench.tidy()
    assert near(bench.times("S"), now + timedelta(hours=HOURS))
    assert not bench.service.differential("S").clock_synced
    assert not any(entry.clock_synced for entry in bench.service.history("S"))


class Heard:
    """A publisher that remembers what is said."""

    def __init__(self) -> None:
        self.said = []

    def publish_differential(self, differential, _event=0, *, news=False) -> None:
        del news
        self.said.append(differential)

    def notify(self) -> None:
        pass


def test_subscribers_get_the_right_times_with_a_revision_that_says_so(bench, clock):
    clock.off_s, now = 3600 * HOURS, datetime.now(UTC)
    bench.signed("S")
    announcer = Announcer(
        bench.path, Reporter(bench.config, Model(ScriptedAnalyzer(), LABELS, MODEL, "scripted"))
    )
    heard = Heard()
    announcer.start(heard)
    wait_for(lambda: heard.said, "the count with the wrong times")
    clock.set()
    bench.tidy()
    announcer.look()
    wait_for(lambda: heard.said[-1].changes, "the same with the right times")
    announcer.close()
    before, after = heard.said[0], heard.said[-1]
    assert near([before.signature.at], now + timedelta(hours=HOURS))
    assert near([after.started_at, after.stopped_at, after.signature.at], now)
    assert after.revision == before.revision + 1
    assert after.signature.operator == before.signature.operator


def test_a_clock_that_is_lost_and_found_again_within_a_run_sets_times_right_again(bench, clock, monkeypatch):
    monkeypatch.setattr("edge.daemon.housekeeping._LOOK_S", 0.0)
    monkeypatch.setattr("edge.daemon.housekeeping._WAITING_S", -1.0)  # no frame waits to be stored
    with Store.open(bench.path) as store:
        care = Housekeeping(bench.config.store, store)
        clock.set()
        assert care.tidy() is None
        clock.off_s, clock.synced = 3600 * HOURS, False
        bench.service.start(StartSpecimen(specimen_id="S"))
        assert care.tidy() is None
        clock.set()
        assert care.tidy() is None
    assert near([bench.service.specimen("S").started_at], datetime.now(UTC))


@pytest.mark.parametrize(
    ("behind_s", "words"),
    [
        (1, "1 s slow"),
        (-59.6, "1 min fast"),
        (86400 * 3 + 60, "3 d 1 min slow"),
        (-(86400 + 3600 + 61), "1 d 1 h 1 min 1 s fast"),
    ],
)
def test_how_far_a_clock_was_off_is_said_in_days_hours_minutes_and_seconds(behind_s, words):
    assert clock_in_words(behind_s) == f"the device's clock was set; until then it was {words}"
