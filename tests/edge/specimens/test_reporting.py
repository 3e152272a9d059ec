"""What is to be said of a specimen is said, also where the store cannot be read for a moment."""

from __future__ import annotations

import pytest
from mqtt_partners import wait_for
from samples import LABELS, MODEL, ScriptedAnalyzer, cell, field

from edge.config import Config, SimulatedConfig
from edge.daemon.model import Model
from edge.errors import StoreError
from edge.specimens.reporting import Announcer, Reporter
from edge.store.fields import Store
from edge.store.specimens import Ledger


class Heard:
    """A publisher that remembers how many cells were said to be counted."""

    def __init__(self) -> None:
        self.counted: list[int] = []

    def publish_differential(self, differential, _event=0, *, news=False) -> None:
        del news
        self.counted.append(differential.counted)

    def notify(self) -> None:
        pass


@pytest.fixture
def reporter():
    return Reporter(Config(SimulatedConfig(), device_id="d"), Model(ScriptedAnalyzer(), LABELS, MODEL, "x"))


@pytest.fixture
def unreadable_once(monkeypatch):
    """Let the store's next look for a specimen fail, when it is called."""
    find, left = Ledger.find, [0]

    def finding(self, specimen_id):
        if left[0]:
            left[0] -= 1
            raise StoreError("the disk does not answer")
        return find(self, specimen_id)

    monkeypatch.setattr(Ledger, "find", finding)
    return lambda: left.__setitem__(0, 1)


def test_a_count_that_is_owed_stays_so_until_it_could_be_made(
    tmp_path, reporter, unreadable_once, monkeypatch
):
    monkeypatch.setattr("edge.specimens.reporting._RUNNING_S", 60.0)  # however slow the disk is
    heard = Heard()
    with Store.open(tmp_path / "results.db") as store:
        specimen = store.start_specimen("S")
        for _ in range(2):
            store.add(field(store.next_sequence(), cell()))
            reporter.publish(heard, store, reporter.recount(store, specimen), news=True)
        assert heard.counted == [1]
        unreadable_once()
        with pytest.raises(StoreError):
            reporter.catch_up(heard, store)
        reporter.catch_up(heard, store)
        reporter.catch_up(heard, store)
    assert heard.counted == [1, 2]


def test_an_event_that_could_not_be_announced_is_announced_later(tmp_path, reporter, unreadable_once):
    heard, path = Heard(), tmp_path / "results.db"
    with Store.open(path) as store:
        store.start_specimen("S")
        store.add(field(store.next_sequence(), cell()))
        store.finish_specimen("S")
    announcer = Announcer(path, reporter)
    unreadable_once()
    announcer.start(heard)
    wait_for(lambda: heard.counted == [1], "the count")
    announcer.close()
    assert heard.counted == [1]


def test_the_log_says_an_end_that_the_broker_has_already(tmp_path, reporter, caplog):
    caplog.set_level("INFO")
    announcer = Announcer(tmp_path / "results.db", reporter)
    with Store.open(tmp_path / "results.db") as store:
        store.start_specimen("S")
        announcer.start(Heard())
        store.add(field(store.next_sequence(), cell()))
        with reporter.lock:  # so the counting does it: delivered before the announcer looks
            store.finish_specimen("S")
            store.ledger.mark_published("S", store.ledger.latest_event()[0])
        announcer.close()
    assert "specimen S: its source has ended, 1 cell" in caplog.messages
