"""A report as it was signed, whatever was done to the specimen since, in real stores."""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import CELLS, cell, field

from edge import identity
from edge.config import Config, ReplayConfig, SpecimenConfig, StoreConfig
from edge.errors import NoSuchRevisionError, SpecimenError
from edge.messages.commands import DiscardSpecimen, ReviewCells, SetWbcCount, SignSpecimen
from edge.messages.position import FieldPosition
from edge.slide.scan import Scan
from edge.specimens.service import SpecimenService
from edge.specimens.tables import cells_table, classes_table
from edge.store.fields import Store

OLD_STORES = sorted((Path(__file__).parents[1] / "store" / "stores").glob("v*.db"))


class Bench:
    """A device's store with a specimen that a source counted, and the orders that people give."""

    def __init__(self, path: Path) -> None:
        self.path, self.signed = path, {}
        self.service = SpecimenService(
            Config(
                ReplayConfig((str(path.parent),)),
                specimen=SpecimenConfig(target=3),
                store=StoreConfig(str(path)),
            )
        )

    def add(self, *cells, source="a", resume=False):
        with Store.open(self.path) as store:
            store.start_specimen("S", source, resume=resume)
            number = store.next_sequence()
            assert store.add(field(number, *(cells or (cell("eosinophil"),))), f"{number}.png")
            store.finish_specimen("S")

    def add_in_hand(self):
        """A field comes that was taken before the specimen was stopped."""
        with Store.open(self.path) as store:
            number = store.next_sequence()
            assert store.add(field(number, cell("basophil")), f"{number}.png")

    def say(self, number, action, label=None):
        self.service.review(
            ReviewCells(
                specimen_id="S",
                cell_ids=(CELLS[number].cell_id,),
                action=action,
                label=label,
                operator="mt.01",
                reason="seen again",
            )
        )

    def sign(self, who="dr.1"):
        """Sign, and keep what is shown then."""
        revision = self.service.sign(SignSpecimen(specimen_id="S", operator=who, reason="few cells")).revision
        self.signed[revision] = self.shown(self.service.differential("S")), self.tables()
        return revision

    def wbc_count(self, count):
        self.service.set_wbc_count(SetWbcCount(specimen_id="S", wbc_count=count))

    def tables(self, revision=None):
        cells = self.service.cells("S", limit=None)
        said = self.service.differential("S")
        if revision is not None:
            cells = self.service.signed_cells("S", revision)
            said = self.service.signed_report("S", revision)
        return classes_table(said), cells_table(cells)

    @staticmethod
    def shown(said):
        plain = msgspec.to_builtins(said)
        # Of when it is looked at; its end is noted twice, some microseconds apart.
        for name in ("updated_at", "clock_synced", "superseded", "stopped_at"):
            plain.pop(name, None)
        return plain

    def check(self):
        """What was signed is shown again as it was then: count, names, who, and each cell."""
        for revision, (report, tables) in self.signed.items():
            assert self.shown(self.service.signed_report("S", revision)) == report
            assert self.tables(revision) == tables


@pytest.fixture
def bench(tmp_path) -> Bench:
    made = Bench(tmp_path / "results.db")
    made.add(*CELLS)
    return made


CHANGES = {
    "a cell is renamed": lambda b: b.say(0, "relabel", "blast"),
    "a cell is no white cell": lambda b: b.say(2, "exclude"),
    "a refused cell is confirmed": lambda b: b.say(3, "confirm"),
    "a name of before is taken back": lambda b: b.say(1, "undo"),
    "fields are added": lambda b: b.add(source="b", resume=True),
    "a field comes late": lambda b: b.add_in_hand(),
    "a cell is renamed, and a field comes late": lambda b: (b.say(0, "exclude"), b.add_in_hand()),
    "it is discarded": lambda b: b.service.discard(
        DiscardSpecimen(specimen_id="S", operator="dr.2", reason="mixed up")
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_signed_is_shown_as_it_was_signed(bench, change):
    bench.say(1, "relabel", "monocyte")
    first = bench.sign()
    assert bench.service.signed_report("S", first).superseded is None
    stopped_at = bench.service.differential("S").stopped_at
    bench.check()
    change(bench)
    assert bench.shown(bench.service.differential("S")) != bench.signed[first][0]
    bench.check()
    said = bench.service.signed_report("S", first)
    assert said.superseded is not None
    assert abs(said.stopped_at - stopped_at) < timedelta(seconds=0.01)


def test_what_has_become_of_a_signature_is_said_with_it(bench):
    first = bench.sign()
    bench.say(0, "relabel", "blast")
    since = bench.service.signed_report("S", first).superseded
    assert (since.corrected.what, since.corrected.operator) == ("1 renamed from neutrophil to blast", "mt.01")
    assert (since.revision, since.signature, since.discarded) == (None, None, None)
    second = bench.sign("dr.2")
    since = bench.service.signed_report("S", first).superseded
    assert (since.revision, since.signature.operator) == (second, "dr.2")
    assert bench.service.signed_report("S", second).superseded is None
    bench.service.discard(DiscardSpecimen(specimen_id="S", operator="dr.3", reason="mixed up"))
    for revision in (first, second):
        assert bench.service.signed_report("S", revision).superseded.discarded.why == "mixed up"
    signed = [each.revision for each in bench.service.history("S") if each.kind == "signed"]
    assert signed == [first, second]


def test_a_total_count_that_was_changed_between_two_signatures_stays_in_the_first(bench):
    bench.wbc_count(6.8)
    first = bench.sign()
    bench.say(0, "relabel", "blast")
    for count in (7.25, None, 9):
        bench.wbc_count(count)
    bench.sign()
    bench.check()
    assert bench.service.signed_report("S", first).wbc_count == 6.8
    assert [each.why for each in bench.service.history("S") if each.kind == "wbc_count"] == [
        "there was none",
        "it was 6.8 10^9/L",
        "it was 7.25 10^9/L",
        "there was none",
    ]


ORDERS = st.lists(
    st.one_of(
        st.tuples(
            st.just("say"),
            st.integers(0, 4),
            st.sampled_from(["confirm", "exclude", "undo", "blast", "lymphocyte", "erythroblast"]),
        ),
        st.tuples(st.just("sign")),
        st.tuples(st.just("wbc"), st.sampled_from([None, 4, 6.8, 123.456])),
        st.tuples(st.sampled_from(["add", "add_in_hand"])),
    ),
    min_size=2,
    max_size=14,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders=ORDERS, hours=st.lists(st.integers(-48, 48), min_size=1, max_size=9))
def test_whatever_is_done_and_however_the_clock_is_set_each_signature_keeps_its_report(
    tmp_path_factory, monkeypatch, orders, hours
):
    bench, calls = Bench(tmp_path_factory.mktemp("any") / "results.db"), Counter()

    def now():
        calls["now"] += 1
        return datetime(2026, 5, 1, tzinfo=UTC) + timedelta(hours=hours[calls["now"] % len(hours)])

    with monkeypatch.context() as patched:
        patched.setattr(identity, "now", now)
        bench.add(*CELLS)
        for order, *values in [*orders, ("sign",)]:
            try:
                match order:
                    case "say" if values[1] in {"confirm", "exclude", "undo"}:
                        bench.say(*values)
                    case "say":
                        bench.say(values[0], "relabel", values[1])
                    case "wbc":
                        bench.wbc_count(*values)
                    case "add":
                        bench.add(source="b", resume=True)
                    case other:
                        getattr(bench, other)()
            except SpecimenError:
                continue  # such as nothing to undo, or signed already
    assert bench.signed
    bench.check()


def test_a_cell_that_a_late_field_shows_again_and_sharper_is_then_as_it_was(tmp_path):
    bench, scan = Bench(tmp_path / "results.db"), Scan(1)
    once, cells = [3.0, 9.0], []
    with Store.open(bench.path) as store:
        for number, focus in enumerate(once, 1):
            store.start_specimen("S", "slide", resume=number > 1)
            seen = msgspec.structs.replace(
                cell("neutrophil" if number == 1 else "monocyte"), box=(100, 100, 40, 40)
            )
            each = field(number, seen)
            each = msgspec.structs.replace(
                each,
                position=FieldPosition(1, 0.0, 0.0, new_region=number == 1),
                quality=msgspec.structs.replace(each.quality, focus=focus),
            )
            assert store.add(each, f"{number}.png", scan.contribution(each), cells=scan.standings(each))
            cells.append(seen.cell_id)
            store.finish_specimen("S")
            if number == 1:
                order = {"specimen_id": "S", "cell_ids": (seen.cell_id,), "operator": "mt.01"}
                bench.service.review(ReviewCells(**order, action="relabel", label="lymphocyte"))
                bench.sign()
    bench.service.review(
        ReviewCells(specimen_id="S", cell_ids=(cells[1],), action="exclude", operator="mt.01", reason="dirt")
    )
    assert bench.service.differential("S").counted == 0
    bench.check()
    rows = list(csv.DictReader(io.StringIO(bench.tables(next(iter(bench.signed)))[1].removeprefix("\ufeff"))))
    assert [(row["cell"], row["counted_as"], row["seen_before"]) for row in rows] == [
        (cells[0], "lymphocyte", "no")
    ]


def prune(path):
    with Store.open(path) as store:
        store._db.execute("UPDATE fields SET delivered_at = '2020-01-01T00:00:00.000000Z'")  # noqa: SLF001
        assert store.upkeep.prune(30) > 0


def test_where_pictures_and_cells_are_no_longer_kept_the_report_is_the_same(bench):
    bench.say(0, "relabel", "blast")
    first = bench.sign()
    bench.say(0, "undo")
    bench.say(2, "exclude")
    bench.sign()
    prune(bench.path)
    for revision, (report, _) in bench.signed.items():
        assert bench.shown(bench.service.signed_report("S", revision)) == report
    assert bench.service.signed_cells("S", first) == [], "cells that are gone are no rows"


def test_of_fields_that_came_since_and_are_no_longer_kept_no_report_is_made_up(bench):
    bench.say(0, "relabel", "blast")
    first = bench.sign()
    bench.add_in_hand()
    prune(bench.path)
    with pytest.raises(SpecimenError, match=f"revision {first} of specimen S cannot be shown: which fields"):
        bench.service.signed_report("S", first)


def test_of_a_live_cameras_fields_that_are_summed_up_no_report_is_made_up(bench):
    with Store.open(bench.path) as store:
        store.ledger.start("L", target=2, wbc_count=None, resume=False)
        for _ in range(3):
            store.add(field(store.next_sequence(), cell(), specimen_id="L"))
        store.ledger.stop()
        first = store.ledger.sign("dr.1", "L").revision
        store.add(field(store.next_sequence(), cell(), specimen_id="L"))  # it was in hand
    assert bench.service.signed_report("L", first).counted == 3
    prune(bench.path)
    assert bench.service.differential("L").counted == 4
    with pytest.raises(SpecimenError, match=f"revision {first} of specimen L cannot be shown: which fields"):
        bench.service.signed_report("L", first)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE specimen_events SET why = NULL WHERE kind = 'wbc_count'", "its total white count of then"),
        (
            "UPDATE specimen_events SET why = 'they came late' WHERE what = 'fields were added'",
            "which fields it had then",
        ),
        ("DELETE FROM reviews WHERE number = 1", "some of what was said of its cells is lost"),
        ("DELETE FROM specimen_events WHERE kind = 'reviewed'", "some of what was said of its cells is lost"),
    ],
    ids=["count not noted by an earlier release", "fields, too", "words lost", "events lost"],
)
def test_what_the_store_does_not_tell_is_not_made_up(bench, statement, sentence):
    bench.say(0, "relabel", "blast")
    first = bench.sign()
    bench.add_in_hand()
    bench.wbc_count(7.2)
    with Store.open(bench.path) as store:
        store._db.execute(statement)  # noqa: SLF001
    with pytest.raises(SpecimenError, match=f"revision {first} of specimen S cannot be shown: {sentence}"):
        bench.service.signed_report("S", first)


def test_a_count_that_an_earlier_release_noted_before_the_signature_is_known(bench):
    bench.wbc_count(6.8)
    first = bench.sign()
    bench.say(0, "relabel", "blast")
    bench.wbc_count(7.2)
    with Store.open(bench.path) as store:
        store._db.execute("UPDATE specimen_events SET why = NULL WHERE kind = 'wbc_count'")  # noqa: SLF001
    bench.check()
    assert bench.service.signed_report("S", first).wbc_count == 6.8


def test_what_is_no_signed_revision_is_said_in_one_sentence(bench):
    with pytest.raises(
        NoSuchRevisionError, match=r"^specimen S has no signed revision 1: it was never signed$"
    ):
        bench.service.signed_report("S", 1)
    first = bench.sign()
    bench.say(0, "confirm")
    second = bench.sign()
    for revision in (0, 1, first + 1, second + 1, 2**53):
        with pytest.raises(
            NoSuchRevisionError,
            match=rf"^specimen S has no signed revision {revision}; signed revisions: {first}, {second}$",
        ):
            bench.service.signed_cells("S", revision)
    with pytest.raises(SpecimenError, match="there is no specimen T"):
        bench.service.signed_report("T", 1)


@pytest.mark.parametrize("kept", OLD_STORES, ids=lambda path: path.stem)
def test_what_was_signed_with_an_earlier_release_has_its_report(tmp_path, kept):
    bench = Bench(Path(shutil.copy(kept, tmp_path / "results.db")))
    shown, added_to = [], []
    for name in [entry.specimen_id for entry in bench.service.entries()]:
        history = bench.service.history(name)
        for each in [each for each in history if each.kind == "signed"]:
            late = [later for later in history[history.index(each) :] if later.what == "fields were added"]
            if late:
                added_to.append(name)
            if late and "fields until then" not in late[0].why:  # an earlier release did not note how many
                with pytest.raises(SpecimenError, match="cannot be shown: which fields it had then"):
                    bench.service.signed_report(name, each.revision)
                continue
            said = bench.service.signed_report(name, each.revision)
            assert (said.signature.operator, said.signature.at) == (each.operator, each.at)
            if late:
                assert said.counted == 1, "without what was added"
                continue
            shown.append(name)
            assert bench.shown(said)["classes"] == bench.shown(bench.service.differential(name))["classes"]
    assert (shown, added_to) == (([], []) if kept.stem == "v1" else (["W-1", "W-3"], ["W-2", "W-3"]))
