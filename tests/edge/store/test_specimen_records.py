"""The ledger of specimens: what may follow on what, who stood by it, and an older store taken along."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from samples import cell, field

from edge import identity
from edge.errors import SpecimenError, StaleRevisionError, StoreError
from edge.messages.commands import ReviewCells
from edge.store import database, schema
from edge.store.fields import Store
from edge.store.specimens import lacks_cells


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "results.db") as opened:
        yield opened


def start(store: Store, specimen_id: str, **keywords):
    given = {"target": None, "wbc_count": None, "resume": False} | keywords
    return store.ledger.start(specimen_id, **given)


def test_from_start_to_signature_each_step_is_kept(store):
    opened = start(store, "A", target=200, wbc_count=5.5)
    assert (opened.state, opened.target, opened.wbc_count) == ("open", 200, 5.5)
    assert store.ledger.open_by_command() == opened
    stopped = store.ledger.stop()
    assert (stopped.state, stopped.waiting) == ("stopped", True)
    assert stopped.status.state == "preliminary"
    again = start(store, "A", target=400, resume=True)
    assert (again.state, again.target, again.wbc_count, again.stopped_at) == ("open", 400, 5.5, None)
    assert again.opened > opened.opened
    store.ledger.stop("A")
    signed = store.ledger.sign("M1", reason="no more blood")
    assert (signed.state, signed.signature.operator, signed.waiting) == ("final", "M1", False)
    assert signed.signature.reason == "no more blood"
    assert signed.signature.at.tzinfo is not None


def test_a_total_white_count_that_is_given_on_resuming_leaves_the_former_one_on_record(store):
    start(store, "A", wbc_count=5.5)
    store.ledger.stop()
    again = start(store, "A", wbc_count=7.25, resume=True, operator="mt.01")
    assert again.wbc_count == 7.25
    *_, noted = store.ledger.events("A")
    assert (noted.kind, noted.operator, noted.what) == ("wbc_count", "mt.01", "7.25")
    assert noted.why == "it was 5.5 10^9/L"
    store.ledger.stop()
    before = len(store.ledger.events("A"))
    start(store, "A", wbc_count=7.25, resume=True)
    store.ledger.stop()
    start(store, "A", resume=True)
    kinds = [event.kind for event in store.ledger.events("A")[before:]]
    assert kinds == ["resumed", "stopped", "resumed"], "it is the same"


@pytest.mark.parametrize(
    ("prepare", "order", "sentence"),
    [
        ("", lambda s: s.ledger.stop(), "no specimen is open"),
        ("start", lambda s: start(s, "B"), "specimen A is open: stop it first"),
        ("start", lambda s: s.ledger.stop("B"), "specimen B is not open; A is"),
        ("start", lambda s: s.ledger.sign("M1", "A"), "specimen A is open: stop it first"),
        ("start stop", lambda s: start(s, "A"), "specimen A was stopped: resume it, or give another id"),
        ("start stop", lambda s: start(s, "B", resume=True), "there is no specimen B to resume"),
        ("start stop", lambda s: s.ledger.sign("M1", "B"), "there is no specimen B"),
        ("start stop sign", lambda s: start(s, "A", resume=True), "specimen A is there already and is final"),
        ("start stop sign", lambda s: s.ledger.sign("M2", "A"), "specimen A is signed by M1 already"),
        ("start stop sign", lambda s: s.ledger.sign("M2"), "none waits for a signature"),
        ("start discard", lambda s: s.ledger.sign("M1", "A"), "specimen A was discarded"),
        ("start discard", lambda s: s.ledger.discard("x", "A"), "specimen A was discarded before"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(store, prepare, order, sentence):
    steps = {
        "start": lambda: start(store, "A"),
        "stop": store.ledger.stop,
        "sign": lambda: store.ledger.sign("M1"),
        "discard": lambda: store.ledger.discard("smeared"),
    }
    for step in prepare.split():
        steps[step]()
    before = store.ledger.all(), store.ledger.latest_event()
    with pytest.raises(SpecimenError) as refused:
        order(store)
    assert sentence in str(refused.value)
    assert (store.ledger.all(), store.ledger.latest_event()) == before


def test_where_several_wait_the_one_to_sign_must_be_named(store):
    for name in ("A", "B"):
        start(store, name)
        store.ledger.stop()
    with pytest.raises(SpecimenError, match=r"2 specimens wait for a signature \(A, B\): say which to sign"):
        store.ledger.sign("M1")
    assert store.ledger.sign("M1", "A").state == "final"
    assert store.ledger.sign("M2").specimen_id == "B"


def test_fields_after_the_signature_void_it_and_are_said(store):
    start(store, "A")
    store.ledger.stop()
    store.ledger.mark_published("A", store.ledger.find("A").event)
    assert store.add(field(1, cell(), specimen_id="A"))  # it was in hand
    assert store.ledger.find("A").changes == ()
    assert [name for name, _ in store.ledger.unpublished()] == ["A"], (
        "the count that was said is not this one"
    )
    store.ledger.sign("M1")
    assert store.add(field(2, cell(), specimen_id="A"))
    assert store.add(field(3, cell(), specimen_id="A"))
    late = store.ledger.find("A")
    (change,) = late.changes
    assert (late.state, late.signature) == ("corrected", None)
    assert change.what == "fields were added"
    assert change.why == "they came after the count was final (fields until then: 1)"
    signed = store.ledger.sign("M2")
    assert (signed.state, signed.signature.operator) == ("corrected", "M2")
    assert store.add(field(4, cell(), specimen_id="A"))
    again = store.ledger.find("A")
    assert (again.signature, len(again.changes)) == (None, 2)


def test_a_discarded_specimen_stays_with_its_reason_and_takes_no_more(store):
    start(store, "A")
    assert store.add(field(1, cell(), specimen_id="A"), "a")
    gone = store.ledger.discard("smear too thick")
    assert (gone.state, gone.discarded.why) == ("discarded", "smear too thick")
    assert store.add(field(2, cell(), specimen_id="A"), "b") is False
    assert len(list(store.fields("A"))) == 1
    start(store, "B")
    store.ledger.stop()
    store.ledger.sign("M1")
    assert store.ledger.discard("mixed up", "B").state == "discarded", "a signed one can be withdrawn"


def test_discarded_after_its_end_a_specimen_has_ended_when_it_ended(store, monkeypatch):
    minutes = iter(range(60))
    monkeypatch.setattr(identity, "now", lambda: datetime(2026, 5, 1, 8, next(minutes), tzinfo=UTC))
    start(store, "A")
    ended = store.ledger.stop().stopped_at
    assert store.ledger.discard("mixed up", "A").stopped_at == ended
    assert store.ledger.find("A").status.discarded.at > store.ledger.find("A").status.stopped_at
    start(store, "B")
    assert store.ledger.discard("clotted").stopped_at > ended, "an open one ends by it"
    store.finish_specimen("B")
    store.finish_specimen("A")
    assert [one.state for one in store.specimens()] == ["discarded", "discarded"]
    assert store.ledger.find("A").stopped_at == ended


def test_by_default_the_open_specimen_is_discarded_and_not_what_waits(store):
    start(store, "A")
    store.ledger.stop()
    start(store, "B")
    assert store.ledger.discard("wrong slide").specimen_id == "B"
    assert store.ledger.discard("wrong slide").specimen_id == "A"


def test_resumed_without_a_target_it_keeps_its_own(store):
    start(store, "A", target=100, wbc_count=4.0)
    store.ledger.stop()
    again = start(store, "A", resume=True)
    assert (again.target, again.wbc_count) == (100, 4.0)


def test_the_next_specimen_of_an_endless_source_keeps_what_fits_of_a_long_id(store):
    name = "x" * 64
    assert store.ledger.begin_endless(name).specimen_id == name
    store.ledger.discard("clotted", name)
    assert store.ledger.begin_endless(name).specimen_id == "x" * 62 + "-2"


def test_what_was_said_is_not_forgotten_for_something_older(store):
    start(store, "A")
    early = store.ledger.find("A").event
    store.ledger.stop()
    store.ledger.mark_published("A", store.ledger.find("A").event)
    store.ledger.mark_published("A", early)
    assert store.ledger.unpublished() == []


def test_what_the_broker_has_is_not_said_again_and_what_comes_after_is(store):
    start(store, "A")
    event = store.ledger.find("A").event
    assert store.ledger.unpublished() == [("A", event)]
    store.ledger.mark_published("A", event)
    assert store.ledger.unpublished() == []
    store.ledger.stop()
    start(store, "B")
    assert [name for name, _ in store.ledger.unpublished()] == ["A", "B"]
    store.ledger.mark_published("A", 0)
    store.ledger.mark_published("A", store.ledger.find("A").event)
    assert [name for name, _ in store.ledger.unpublished()] == ["B"]


def test_many_at_once_open_one(tmp_path):
    path = tmp_path / "results.db"
    Store.open(path).close()
    opened, refused = [], []

    def order(number: int) -> None:
        with Store.open(path) as store:
            try:
                opened.append(start(store, f"S{number}").specimen_id)
            except SpecimenError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=order, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert refused == [f"specimen {opened[0]} is open: stop it first"] * 7


def test_a_store_of_version_1_is_taken_along_with_all_that_is_in_it(tmp_path):
    path = tmp_path / "results.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in schema.FIRST.split(";\n"):
            old.execute(statement)
        old.execute(f"PRAGMA application_id = {database._APPLICATION_ID}")  # noqa: SLF001
        old.execute("PRAGMA user_version = 1")
        at = "2026-01-01T00:00:00.000000Z"
        rows = [("B", "final", at, at), ("A", "open", at, None), ("C", "corrected", at, at)]
        old.executemany("INSERT INTO specimens VALUES (?, ?, ?, ?)", rows)
        old.execute(
            "INSERT INTO fields (field_id, specimen_id, source_id, run_id, committed_s, tally)"
            " VALUES ('f', 'B', 'b.png', 'r', 1, x'7b7d')"
        )
    with Store.open(path) as store:
        found = [(one.specimen_id, one.state) for one in store.specimens()]
        assert found == [("B", "complete"), ("A", "open"), ("C", "complete")]
        assert store.has_source("B", "b.png")
        assert store.ledger.open_by_command() is None, "a folder half way through is no specimen by command"
        assert store.ledger.unpublished() == []
        assert store.ledger.sign("M1", "B").signature.operator == "M1"
        with pytest.raises(StoreError, match="FOREIGN KEY"):
            store.add(field(2, cell(), specimen_id="nobody"))
    with contextlib.closing(sqlite3.connect(path)) as new:
        assert new.execute("PRAGMA foreign_key_check").fetchall() == []
        assert new.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


NAMES = st.sampled_from(["A", "B", "C"])


class AnyOrder(RuleBasedStateMachine):
    """Orders in any order: at most one specimen is open, and none that is final opens again."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.store = Store.open(Path(self._folder.name) / "results.db", durable=False)
        self.ended: set[str] = set()

    @rule(name=NAMES, resume=st.booleans())
    def start(self, name: str, *, resume: bool) -> None:
        with contextlib.suppress(SpecimenError):
            start(self.store, name, resume=resume)

    @rule(name=st.none() | NAMES)
    def stop(self, name: str | None) -> None:
        with contextlib.suppress(SpecimenError):
            self.store.ledger.stop(name)

    @rule(name=st.none() | NAMES)
    def sign(self, name: str | None) -> None:
        with contextlib.suppress(SpecimenError):
            self.ended.add(self.store.ledger.sign("M1", name).specimen_id)

    @rule(name=st.none() | NAMES)
    def discard(self, name: str | None) -> None:
        with contextlib.suppress(SpecimenError):
            self.ended.add(self.store.ledger.discard("x", name).specimen_id)

    @invariant()
    def holds(self) -> None:
        found = self.store.ledger.all()
        assert sum(one.state == "open" for one in found) <= 1
        for one in found:
            assert (one.specimen_id in self.ended) is (one.state in {"final", "corrected", "discarded"})
            assert (one.discarded is not None) is (one.state == "discarded")
            assert one.signature is None or one.state != "open"

    def teardown(self) -> None:
        self.store.close()
        self._folder.cleanup()


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)


def test_what_was_stopped_is_signed_before_what_a_folder_has_counted(store):
    store.start_specimen("folder", "a folder")
    store.finish_specimen("folder")
    assert store.ledger.find("folder").waiting
    start(store, "A")
    store.ledger.stop()
    assert store.ledger.sign("mt.01").specimen_id == "A"
    assert store.ledger.sign("mt.01").specimen_id == "folder"
    with pytest.raises(SpecimenError, match="there is no specimen to sign: none waits for a signature"):
        store.ledger.sign("mt.01")


def test_of_many_that_wait_the_last_five_are_named(store):
    for name in "ABCDEFG":
        start(store, name)
        store.ledger.stop()
    with pytest.raises(SpecimenError) as told:
        store.ledger.discard("smeared")
    assert str(told.value) == "7 specimens wait for a signature (C, D, E, F, G): say which to discard"


def test_as_many_cells_as_wanted_need_no_reason_and_one_fewer_does(store):
    start(store, "A", target=3)
    for number, cells in ((1, 2), (2, 1)):
        if number == 2:
            store.ledger.stop()
            with pytest.raises(SpecimenError, match="specimen A has 2 of 3 cells: give a reason"):
                store.ledger.sign("mt.01")
            start(store, "A", resume=True)
        store.add(field(number, *(cell() for _ in range(cells)), specimen_id="A"))
    store.ledger.stop()
    assert store.ledger.sign("mt.01").state == "final"


def test_why_a_discarded_specimen_has_ended_is_what_ended_it_first(store):
    start(store, "A")
    assert store.ledger.discard("smeared").ended == "discarded"
    start(store, "B")
    store.ledger.stop()
    assert store.ledger.discard("smeared", "B").ended == "stopped"
    store.start_specimen("C", "a folder")
    store.finish_specimen("C")
    assert store.ledger.discard("smeared", "C").ended == "source ended"


def test_who_did_what_is_kept_where_that_was_said(store):
    start(store, "A", operator="mt.01")
    store.ledger.stop(operator="mt.02")
    start(store, "A", resume=True)
    store.ledger.stop()
    store.ledger.rename("A", "B", operator="mt.03")
    store.ledger.rename("B", "C")
    store.ledger.discard("mixed up", operator="mt.04")
    who = [(each.kind, each.operator) for each in store.ledger.events("C")]
    assert who[:4] == [("started", "mt.01"), ("stopped", "mt.02"), ("resumed", None), ("stopped", None)]
    assert who[4:] == [("renamed", "mt.03"), ("renamed", None), ("discarded", "mt.04")]
    found = store.ledger.find("C")
    assert [each.operator for each in found.changes] == ["mt.03", None]
    assert (found.discarded.operator, found.discarded.why) == ("mt.04", "mixed up")


def test_who_has_not_seen_the_latest_revision_does_not_discard(store):
    start(store, "A")
    seen = store.ledger.stop().revision
    store.ledger.sign("M1")
    with pytest.raises(StaleRevisionError):
        store.ledger.discard("mixed up", "A", revision=seen)
    assert store.ledger.find("A").state == "final"
    assert store.ledger.discard("mixed up", "A", revision=seen + 1).state == "discarded"


@pytest.mark.parametrize(
    ("ended", "own", "cells", "target", "lacks"),
    [
        ("stopped", 10, 9, None, True),
        ("stopped", 10, 10, None, False),
        ("stopped", None, 9, 10, True),
        ("stopped", 5, 9, 10, False),
        ("stopped", None, 0, None, False),
        ("source ended", None, 9, 10, True),
        (None, None, 9, 10, True),
        ("every interval is at most 8 percent points wide", 10, 9, None, False),
        ("the target of 10 cells is reached", 10, 9, None, True),
    ],
)
def test_a_signature_needs_a_reason_where_too_few_cells_count(store, ended, own, cells, target, lacks):
    specimen = start(store, "A", target=own)._replace(ended=ended)
    assert lacks_cells(specimen, cells, target) == lacks


def test_what_is_told_as_a_change_is_what_a_reader_of_the_count_must_know(store):
    start(store, "A")
    doubtful = cell(rejected="uncertain")
    store.add(field(1, cell(), doubtful, specimen_id="A"))
    store.ledger.stop(why="enough")
    start(store, "A", resume=True)
    assert store.ledger.stop().changes == ()
    store.ledger.review(
        ReviewCells(specimen_id="A", cell_ids=(doubtful.cell_id,), action="confirm", operator="mt.01")
    )
    signed = store.ledger.sign("mt.01")
    assert (signed.changes, signed.signature.simulated) == ((), False)
    store.ledger.review(
        ReviewCells(
            specimen_id="A",
            cell_ids=(doubtful.cell_id,),
            action="exclude",
            operator="mt.02",
            reason="a smudge",
        )
    )
    (change,) = store.ledger.find("A").changes
    assert (change.what, change.why, change.operator) == (
        "1 renamed from neutrophil to not a white cell",
        "a smudge",
        "mt.02",
    )


def test_where_people_say_that_no_cell_is_a_white_one_none_is_counted(store):
    start(store, "A")
    one = cell()
    store.add(field(1, one, specimen_id="A"))
    assert store.ledger.counted("A") == (1, 1)
    store.ledger.review(
        ReviewCells(specimen_id="A", cell_ids=(one.cell_id,), action="exclude", operator="mt.01")
    )
    assert store.ledger.counted("A") == (1, 0)
