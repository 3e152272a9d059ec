"""What stays of fields that a store drops: the count to the last cell, and next to no room."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter

import msgspec
import pytest
from counts import KNOWN, message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import LABELS, cell, field

from edge.differential.count import SpecimenCount
from edge.differential.method import CountingMethod
from edge.messages import Differential, ModelReference
from edge.messages.commands import ReviewCells
from edge.slide.contribution import CellStanding
from edge.store.fields import Store

MODELS = (ModelReference("one", "1" * 64), ModelReference("two", "2" * 64))


def differential(store: Store) -> Differential:
    count = SpecimenCount("S", LABELS, 100, CountingMethod().by(None, KNOWN))
    for _, contribution in store.contributions("S"):
        count.add(contribution)
    count.review(store.ledger.reviewed("S"))
    said = message(count)
    return msgspec.structs.replace(said, updated_at=said.started_at)


def live_fields(store: Store, count: int, cells=lambda _: (cell(),)) -> list[str]:
    """Store fields of a camera, which no source shows again, and give them to the broker."""
    added = [field(store.next_sequence() + n, *cells(n)) for n in range(count)]
    with store.transaction():
        assert all(store.add(each) for each in added)
        store.mark_delivered([each.field_id for each in added])
    return [each.field_id for each in added]


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "results.db", durable=False) as opened:
        opened.ledger.start("S", target=10, wbc_count=None, resume=False)
        yield opened


CELLS = st.builds(
    lambda label, rejected, cut, distance: msgspec.structs.replace(
        cell(label, rejected=rejected, cut_by_edge=cut, map_side=1), distance=distance
    ),
    st.sampled_from(LABELS),
    st.sampled_from([None, None, "uncertain", "other"]),
    st.booleans(),
    st.sampled_from([0.5, 1.5]),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.lists(CELLS, max_size=4), st.sampled_from([None, None, "too dark"]), st.sampled_from(MODELS)
        ),
        max_size=30,
    ),
    st.integers(1, 12),
)
def test_whatever_is_dropped_the_differential_says_what_it_said(tmp_path_factory, drawn, batch):
    with Store.open(tmp_path_factory.mktemp("store") / "results.db", durable=False) as store:
        store.ledger.start("S", target=10, wbc_count=None, resume=False)
        for cells, refused, model in drawn:
            one = field(store.next_sequence(), *cells, refused=refused)
            assert store.add(msgspec.structs.replace(one, model=model))
            store.mark_delivered([one.field_id])
        before = differential(store), store.ledger.counted("S"), store.ledger.unseen_doubts("S")
        while store.upkeep.drop_oldest_delivered(batch):
            after = differential(store), store.ledger.counted("S"), store.ledger.unseen_doubts("S")
            assert after == before
        assert not list(store.fields("S"))


def test_what_is_said_of_two_models_does_not_go_by_which_came_first(store):
    for model, cells in ((MODELS[0], 1), (MODELS[1], 2), (MODELS[0], 2)):
        seen = [msgspec.structs.replace(cell(), distance=0.5) for _ in range(cells)]
        one = msgspec.structs.replace(field(store.next_sequence(), *seen), model=model)
        assert store.add(one)
        store.mark_delivered([one.field_id])
    before = differential(store)
    assert before.familiar.reasons == ("20 white cells are needed to tell, 3 were seen",)
    assert store.upkeep.drop_oldest_delivered(9) == 3
    assert differential(store) == before


def test_a_live_camera_may_count_for_years(store, tmp_path):
    live_fields(store, 3000)
    while store.upkeep.drop_oldest_delivered(200):
        pass
    assert store.upkeep.used_bytes() / 3000 < 100, "bytes a field that stay"
    assert differential(store).fields == 3000
    live_fields(store, 5)
    assert store.ledger.counted("S") == (3005, 3005)
    with contextlib.closing(sqlite3.connect(tmp_path / "results.db")) as db:
        assert db.execute("SELECT count(*) FROM fields").fetchone()[0] < 30


def test_a_picture_that_its_source_shows_again_is_still_known(store):
    first, second = field(1, cell()), field(2, cell())
    assert store.add(first, "a.png")
    assert store.add(second, "b.png")
    store.mark_delivered([first.field_id, second.field_id])
    assert store.upkeep.prune(retention_days=-1) == 2
    assert not store.add(field(3, cell()), "a.png")
    assert store.ledger.counted("S") == (2, 2)


def test_of_a_specimen_that_people_have_looked_at_only_what_they_have_named_stays(store):
    cells = [cell("neutrophil", rejected="uncertain" if n % 2 else None) for n in range(40)]
    live_fields(store, 40, lambda n: (cells[n],))

    def say(action: str, *numbers: int, label: str | None = None) -> None:
        ids = tuple(cells[n].cell_id for n in numbers)
        store.ledger.review(
            ReviewCells(specimen_id="S", cell_ids=ids, action=action, label=label, operator="mt.01")
        )

    say("relabel", 0, 1, 2, label="monocyte")
    before, doubts = differential(store), store.ledger.unseen_doubts("S")
    assert doubts == 19
    assert store.upkeep.drop_oldest_delivered(100) == 40
    assert set(store.ledger.standings("S")) == {each.cell_id for each in cells[:3]}
    assert (differential(store), store.ledger.unseen_doubts("S")) == (before, doubts)
    say("undo", 1)
    say("relabel", 2, label="lymphocyte")
    said = differential(store)
    assert {row.label: row.count for row in said.classes if row.count} == {
        "neutrophil": 18,
        "monocyte": 1,
        "lymphocyte": 1,
    }
    assert (said.reviewed, store.ledger.unseen_doubts("S")) == (2, 20)


def test_a_word_on_a_sighting_that_a_better_one_replaced_stays_with_both(store):
    poor, good = cell("lymphocyte"), cell("monocyte")
    one, two = field(1, poor), field(2, good)
    assert store.add(one, cells=[CellStanding(poor.cell_id, "lymphocyte")])
    order = ReviewCells(specimen_id="S", cell_ids=(poor.cell_id,), action="confirm", operator="mt.01")
    store.ledger.review(order)
    better = [
        CellStanding(good.cell_id, "monocyte"),
        CellStanding(poor.cell_id, "lymphocyte", None, False, good.cell_id),
    ]
    taken_back = Counter({"monocyte": 1, "lymphocyte": -1})
    contribution = next(store.contributions("S"))[1]
    assert store.add(two, None, msgspec.structs.replace(contribution, counted=dict(taken_back)), cells=better)
    store.mark_delivered([one.field_id, two.field_id])
    before = differential(store)
    assert store.upkeep.drop_oldest_delivered(100) == 2
    assert differential(store) == before
    assert {row.label for row in before.classes if row.count} == {"lymphocyte"}


@pytest.mark.parametrize("where", ["payload", "tally"])
def test_a_text_that_is_no_utf8_damages_one_field_and_not_the_reading(store, where):
    live_fields(store, 3)
    column = store._db.execute(f"SELECT {where} FROM fields WHERE sequence = 2").fetchone()[0]  # noqa: SLF001, S608
    damaged = column.replace(b"scripted", b"scr\xefpted", 1)
    assert damaged != column
    store._db.execute(f"UPDATE fields SET {where} = ? WHERE sequence = 2", (damaged,))  # noqa: SLF001, S608
    assert len(list(store.contributions("S"))) == (3 if where == "payload" else 2)
    assert len(list(store.frame_summaries("S"))) == (2 if where == "payload" else 3)
    assert len(store.cells.fields("S", 0, 9)) == (2 if where == "payload" else 3)
    assert store.upkeep.drop_oldest_delivered(9) == 3
    assert differential(store).fields == (3 if where == "payload" else 2)
