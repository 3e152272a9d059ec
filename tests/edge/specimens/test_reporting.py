"""What is to be said of a specimen is said, also where the store cannot be read for a moment."""

from __future__ import annotations

import threading

import msgspec
import pytest
from counts import KNOWN
from mqtt_partners import wait_for
from samples import LABELS, MODEL, ScriptedAnalyzer, cell, field

from edge.config import Config, SimulatedConfig
from edge.daemon.model import Model
from edge.errors import StoreError
from edge.messages import Differential, ModelReference
from edge.messages.former import stored
from edge.models.confusion import Confusion
from edge.specimens.reporting import Announcer, Reporter
from edge.store.fields import Store
from edge.store.models import Models
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


CONFUSION = Confusion(
    "photographs", LABELS, tuple(tuple(50.0 if i == j else 1.0 for j in range(5)) for i in range(4))
)
OTHER_MODEL = ModelReference("adapted", "5" * 64)


def reporter_of(reference: ModelReference) -> Reporter:
    """Return a reporter of a device that this model answers on."""
    model = Model(ScriptedAnalyzer(), LABELS, reference, "x", CONFUSION, KNOWN)
    return Reporter(Config(SimulatedConfig(), device_id="d"), model)


def counted_cells(store: Store, reporter: Reporter, distance: float) -> None:
    """Store a field of 30 cells of the model that answers, so far from the known ones."""
    cells = [msgspec.structs.replace(cell(), distance=distance) for _ in range(30)]
    each = field(store.next_sequence(), *cells)
    assert store.add(msgspec.structs.replace(each, model=reporter.reference))


def said_by(store: Store, reporter: Reporter) -> Differential:
    specimen = store.ledger.find("S")
    said = reporter.differential(reporter.recount(store, specimen), specimen)
    return msgspec.structs.replace(said, updated_at=said.started_at)


@pytest.mark.parametrize(("distance", "verdict"), [(0.5, "familiar"), (3.0, "unfamiliar")])
@pytest.mark.parametrize("signed", [True, False])
def test_another_model_changes_nothing_of_a_count_that_has_ended(tmp_path, distance, verdict, signed):
    before, after = reporter_of(MODEL), reporter_of(OTHER_MODEL)
    with Store.open(tmp_path / "results.db") as store:
        store.ledger.start("S", target=10, wbc_count=None, resume=False)
        counted_cells(store, before, distance)
        store.ledger.stop()
        if signed:
            store.ledger.sign("M1")
        said = said_by(store, before)
        assert said.familiar.verdict == verdict
        assert (said.correction.method is None) == (verdict != "familiar")
        assert said_by(store, after) == said


def test_cells_of_an_unknown_microscope_stay_so_beside_those_that_an_adapted_model_has_called(tmp_path):
    before, after = reporter_of(MODEL), reporter_of(OTHER_MODEL)
    with Store.open(tmp_path / "results.db") as store:
        store.ledger.start("S", target=100, wbc_count=None, resume=False)
        counted_cells(store, before, 3.0)
        said_by(store, before)
        counted_cells(store, after, 0.5)
        said = said_by(store, after)
        assert (said.familiar.verdict, said.model) == ("unfamiliar", OTHER_MODEL)
        assert "another model" in said.correction.reason


def full(*_: object) -> None:
    raise StoreError("the disk is full")


def test_a_count_is_said_also_where_the_store_takes_nothing_any_more(tmp_path, monkeypatch):
    reporter = reporter_of(MODEL)
    with Store.open(tmp_path / "results.db") as store:
        store.ledger.start("S", target=10, wbc_count=None, resume=False)
        counted_cells(store, reporter, 0.5)
        monkeypatch.setattr(Models, "remember", full)
        assert said_by(store, reporter).counted == 30


def test_what_a_full_disk_did_not_take_of_a_model_is_kept_with_a_later_count(tmp_path, monkeypatch):
    before, after = reporter_of(MODEL), reporter_of(OTHER_MODEL)
    with Store.open(tmp_path / "results.db") as store:
        store.ledger.start("S", target=10, wbc_count=None, resume=False)
        counted_cells(store, before, 3.0)
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(Models, "remember", full)
            said_by(store, before)
        store.ledger.stop()
        said = said_by(store, before)
        assert said.familiar.verdict == "unfamiliar"
        assert said_by(store, after) == said


def test_a_model_that_is_kept_after_a_count_of_its_cells_was_asked_for_is_known_from_then_on(tmp_path):
    before, after = reporter_of(MODEL), reporter_of(OTHER_MODEL)
    with Store.open(tmp_path / "results.db") as store:
        store.ledger.start("S", target=10, wbc_count=None, resume=False)
        counted_cells(store, before, 3.0)
        store.ledger.stop()
        assert said_by(store, after).familiar.verdict is None
        said = said_by(store, before)
        assert said.familiar.verdict == "unfamiliar"
        assert said_by(store, after) == said


def test_a_count_that_is_asked_for_while_another_looks_the_model_up_is_made_by_it_all_the_same(
    tmp_path, monkeypatch
):
    path, after = tmp_path / "results.db", reporter_of(OTHER_MODEL)
    said: list[Differential] = []

    def ask() -> None:
        with Store.open(path) as own:
            said.append(said_by(own, after))

    with Store.open(path) as store:
        store.ledger.start("S", target=10, wbc_count=None, resume=False)
        counted_cells(store, reporter_of(MODEL), 0.5)
        said_by(store, reporter_of(MODEL))
        store.ledger.stop()

        def slow(*given: object) -> object:
            monkeypatch.setattr("edge.specimens.counting_models.stored", stored)
            other = threading.Thread(target=ask)
            other.start()
            other.join()
            return stored(*given)

        monkeypatch.setattr("edge.specimens.counting_models.stored", slow)
        ask()
    assert [one.correction.reason for one in said] == [None, None]
    assert said[0] == said[1]
