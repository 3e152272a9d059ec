"""What people say of cells, over the service that command line, broker and page call, in real stores."""

from __future__ import annotations

import contextlib
import csv
import io
import sqlite3
import threading
from collections import Counter

import msgspec
import pytest
from counts import message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import CELLS, LABELS, cell, field

from edge.config import Config, ReplayConfig, SpecimenConfig, StoreConfig
from edge.differential.count import SpecimenCount
from edge.errors import SpecimenError, StaleRevisionError
from edge.messages.commands import DiscardSpecimen, RenameSpecimen, ReviewCells, SignSpecimen
from edge.messages.position import FieldPosition
from edge.slide.contribution import CellStanding
from edge.slide.replay import standings
from edge.slide.scan import Scan
from edge.specimens.cell_reading import read_cells
from edge.specimens.service import SpecimenService
from edge.specimens.tables import cells_table
from edge.store.fields import Store
from edge.store.pictures import CellPicture

PICTURE = b"\xff\xd8 no picture, but kept like one"


@pytest.fixture
def service(tmp_path) -> SpecimenService:
    path = tmp_path / "results.db"
    with Store.open(path) as store:
        store.start_specimen("S")
        pictures = [CellPicture(each.cell_id, PICTURE) for each in CELLS]
        assert store.add(field(1, *CELLS), "a.png", pictures=pictures)
        store.finish_specimen("S")
    return SpecimenService(
        Config(
            ReplayConfig((str(tmp_path),)), specimen=SpecimenConfig(target=3), store=StoreConfig(str(path))
        )
    )


def review(*numbers: int, action="confirm", operator="mt.01", **beside) -> ReviewCells:
    ids = tuple(CELLS[number].cell_id for number in numbers)
    beside = {"specimen_id": "S"} | beside
    return ReviewCells(cell_ids=ids, action=action, operator=operator, **beside)


def relabel(*numbers: int, label: str, **beside) -> ReviewCells:
    return review(*numbers, action="relabel", label=label, **beside)


def counts(service: SpecimenService) -> dict[str, int]:
    return {row.label: row.count for row in service.differential("S").classes if row.count}


@pytest.mark.parametrize(
    ("orders", "expected", "unclassified", "excluded"),
    [
        ([], {"neutrophil": 2, "lymphocyte": 1}, {"uncertain": 1}, {}),
        ([review(0)], {"neutrophil": 2, "lymphocyte": 1}, {"uncertain": 1}, {}),
        ([relabel(0, label="Lymphocytes")], {"neutrophil": 1, "lymphocyte": 2}, {"uncertain": 1}, {}),
        ([review(3)], {"neutrophil": 2, "lymphocyte": 1, "monocyte": 1}, {}, {}),
        ([relabel(3, label="blast")], {"neutrophil": 2, "lymphocyte": 1, "blast": 1}, {}, {}),
        ([relabel(2, label="erythroblast")], {"neutrophil": 2}, {"uncertain": 1}, {"erythroblast": 1}),
        (
            [review(0, 3, action="exclude")],
            {"neutrophil": 1, "lymphocyte": 1},
            {},
            {"not a white cell": 2},
        ),
        ([relabel(4, label="basophil")], {"neutrophil": 2, "lymphocyte": 1}, {"uncertain": 1}, {}),
        (
            [relabel(0, label="basophil"), review(0, action="undo")],
            {"neutrophil": 2, "lymphocyte": 1},
            {"uncertain": 1},
            {},
        ),
        (
            [relabel(0, label="basophil"), relabel(0, label="monocyte"), review(0, action="undo")],
            {"neutrophil": 1, "lymphocyte": 1, "basophil": 1},
            {"uncertain": 1},
            {},
        ),
        (
            [relabel(0, label="basophil"), review(0)],
            {"neutrophil": 1, "lymphocyte": 1, "basophil": 1},
            {"uncertain": 1},
            {},
        ),
    ],
    ids=[
        "nobody has looked",
        "confirmed",
        "renamed, by a name as people write it",
        "a refused cell confirmed counts",
        "a class that the model has no name for counts",
        "an erythroblast does not count",
        "no white cells",
        "a cell cut by the edge never counts",
        "renamed and taken back",
        "the last word taken back, the one before holds",
        "a second person confirms the first one's name",
    ],
)
def test_the_count_follows_what_people_say(service, orders, expected, unclassified, excluded):
    for order in orders:
        service.review(order)
    said = service.differential("S")
    assert counts(service) == expected
    assert said.counted == sum(expected.values()) == service.specimen("S").cells
    assert (said.unclassified, said.excluded, said.incomplete) == (unclassified, excluded, 1)
    assert sum(row.percent for row in said.classes) == pytest.approx(100, abs=0.1)
    assert {each.model_label for each in service.cells("S")} == {"neutrophil", "lymphocyte", "monocyte"}


def test_a_cell_says_what_the_model_and_what_a_person_called_it(service):
    service.review(relabel(0, label="eosinophil", operator="dr.2"))
    service.review(review(1, action="exclude"))
    renamed, excluded, untouched, refused, cut = service.cells("S")
    assert (renamed.label, renamed.model_label, renamed.person_label) == (
        "eosinophil",
        "neutrophil",
        "eosinophil",
    )
    assert (renamed.reviewed_by, renamed.counted, renamed.excluded) == ("dr.2", True, False)
    assert (excluded.excluded, excluded.counted, excluded.person_label) == (True, False, None)
    assert (untouched.reviewed_by, untouched.counted, untouched.doubtful) == (None, True, False)
    assert (refused.counted, refused.doubtful, refused.aside) == (False, True, "uncertain")
    assert (cut.counted, cut.cut_by_edge, cut.doubtful) == (False, True, False)
    detail = service.cell(renamed.cell_id)
    assert detail is not None
    assert detail.found == CELLS[0]
    assert detail.record == renamed
    assert service.picture(renamed.cell_id) == PICTURE


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (relabel(0, label="blasts of sand"), "there is no class blasts of sand"),
        (relabel(0, label="nutrophil"), "did you mean neutrophil?"),
        (review(0, label="monocyte"), 'label: is for the action "relabel"'),
        (review(0, action="relabel"), 'label: is for the action "relabel"'),
        (review(1, action="undo"), "there is nothing to undo"),
        (review(0, specimen_id="T"), "there is no specimen T"),
        (msgspec.structs.replace(review(0), cell_ids=(CELLS[0].cell_id, "nowhere")), "has no cell nowhere"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(service, order, problem):
    before = service.version("S")
    with pytest.raises(SpecimenError, match=problem):
        service.review(order)
    assert service.version("S") == before
    assert service.words("S") == []


def test_of_two_people_who_saw_the_same_revision_one_is_refused(service):
    seen = service.specimen("S").revision
    barrier, outcomes = threading.Barrier(2), []

    def name(operator: str) -> None:
        barrier.wait()
        try:
            service.review(relabel(0, label="monocyte", operator=operator, revision=seen))
            outcomes.append("done")
        except StaleRevisionError:
            outcomes.append("stale")

    threads = [threading.Thread(target=name, args=(who,)) for who in ("mt.01", "mt.02")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "stale"]
    assert len(service.words("S")) == 1
    with pytest.raises(StaleRevisionError, match="look again"):
        service.sign(SignSpecimen(operator="mt.02", specimen_id="S", revision=seen))
    assert service.specimen("S").signature is None


def test_a_signature_wants_the_doubtful_cells_seen_or_a_reason(service):
    sign = SignSpecimen(operator="dr.2", specimen_id="S")
    with pytest.raises(SpecimenError, match="1 doubtful cell that nobody has looked at"):
        service.sign(sign)
    service.review(review(3, action="exclude"))
    service.sign(sign)
    assert service.differential("S").state == "final"


def test_a_reason_stands_for_the_look_at_doubtful_cells_and_is_kept(service):
    service.sign(SignSpecimen(operator="dr.2", specimen_id="S", reason="the slide is broken"))
    assert service.differential("S").signature.reason == "the slide is broken"


def test_doubtful_cells_that_are_kept_no_longer_were_not_looked_at(service, tmp_path):
    with Store.open(tmp_path / "results.db") as store:
        store.mark_delivered([each.field_id for each in store.fields("S")])
        assert store.upkeep.prune(0) == 1
    assert service.specimen("S").doubtful == 1
    sign = SignSpecimen(operator="dr.2", specimen_id="S")
    with pytest.raises(SpecimenError, match="1 doubtful cell that nobody has looked at"):
        service.sign(sign)
    service.sign(msgspec.structs.replace(sign, reason="the slide is broken"))


def test_what_is_named_after_a_signature_is_a_correction_with_who_when_and_why(service):
    service.review(review(3))
    service.sign(SignSpecimen(operator="dr.2", specimen_id="S"))
    signed = service.specimen("S").revision
    with pytest.raises(SpecimenError, match=r"is signed by dr\.2: give a reason"):
        service.review(relabel(0, label="blast"))
    assert service.specimen("S").revision == signed
    service.review(relabel(0, label="blast", operator="dr.3", reason="seen again at 100x"))
    said = service.differential("S")
    assert (said.state, said.signature) == ("corrected", None)
    change = said.changes[-1]
    assert (change.operator, change.why) == ("dr.3", "seen again at 100x")
    assert change.what == "1 renamed from neutrophil to blast"
    assert said.revision > signed
    service.sign(SignSpecimen(operator="dr.3", specimen_id="S"))
    assert service.differential("S").state == "corrected"
    assert [entry.kind for entry in service.history("S")][-3:] == ["signed", "corrected", "signed"]


def renamed_after_signing(service) -> None:
    """Sign it, name three cells again, one after the other, and sign it again."""
    sign = SignSpecimen(operator="dr.2", specimen_id="S", reason="seen")
    service.sign(sign)
    for number, why in enumerate(("first", "second", "third")):
        service.review(relabel(number, label="blast", operator="dr.3", reason=why))
    service.sign(sign)


CORRECTIONS = [
    ("1 renamed from neutrophil to blast", "dr.3", "first"),
    ("1 renamed from neutrophil to blast", "dr.3", "second"),
    ("1 renamed from lymphocyte to blast", "dr.3", "third"),
]


def test_all_that_is_named_after_a_signature_is_a_correction_until_it_is_signed_again(service):
    renamed_after_signing(service)
    said = service.differential("S")
    assert [(each.what, each.operator, each.why) for each in said.changes] == CORRECTIONS
    kinds = [(each.kind, each.why) for each in service.history("S") if each.operator == "dr.3"]
    assert kinds == [("corrected", "first"), ("corrected", "second"), ("corrected", "third")]
    assert (said.renamed, said.agreement.cells) == (3, 3)
    first, _ = (each.revision for each in service.history("S") if each.kind == "signed")
    then = service.signed_report("S", first)
    assert (then.changes, then.superseded.corrected) == ((), said.changes[0])


def test_a_reason_is_asked_for_each_change_until_it_is_signed_again(service):
    service.sign(SignSpecimen(operator="dr.2", specimen_id="S", reason="seen"))
    service.review(relabel(0, label="blast", reason="seen again at 100x"))
    for order in (relabel(1, label="blast"), review(2, action="exclude"), review(0, action="undo")):
        with pytest.raises(SpecimenError, match="specimen S was signed: give a reason"):
            service.review(order)
    assert len(service.words("S")) == 1


def test_what_an_earlier_release_noted_as_looked_at_after_a_correction_is_among_the_changes(
    service, tmp_path
):
    service.review(review(3))
    renamed_after_signing(service)
    with Store.open(tmp_path / "results.db") as store:
        store._db.execute(  # noqa: SLF001 (as an earlier release left it)
            "UPDATE specimen_events SET kind = 'reviewed', why = NULL WHERE why IN ('second', 'third')"
        )
    expected = [CORRECTIONS[0], *((what, who, "") for what, who, _ in CORRECTIONS[1:])]
    said = service.differential("S")
    assert [(each.what, each.operator, each.why) for each in said.changes] == expected
    assert said.signature.operator == "dr.2"
    first, second = (each.revision for each in service.history("S") if each.kind == "signed")
    assert service.signed_report("S", first).reviewed == 1
    assert service.signed_report("S", second).changes == said.changes


def test_fields_that_were_in_hand_when_it_was_stopped_are_no_entry_of_the_history(tmp_path, service):
    with Store.open(tmp_path / "results.db") as store:
        store.ledger.start("C", target=2, wbc_count=None, resume=False)
        store.add(field(2, cell(), specimen_id="C"))
        store.ledger.stop("C")
        for number in (3, 4):
            store.add(field(number, cell(), specimen_id="C"))
        assert store.ledger.latest_event()[1] == "C", "the broker is to have their count, too"
    assert service.differential("C").counted == 3
    assert [each.kind for each in service.history("C")] == ["started", "stopped"]
    signed = service.sign(SignSpecimen(operator="dr.2", specimen_id="C")).revision
    with Store.open(tmp_path / "results.db") as store:
        store.add(field(5, cell(), specimen_id="C"))
    history = [(each.revision, each.what) for each in service.history("C")]
    assert history[2:] == [(signed, "signed"), (signed + 1, "fields were added")], "what was signed, is"
    assert service.signed_report("C", signed).counted == 3


def test_a_name_that_holds_although_a_word_was_taken_back_is_not_said_to_hold_no_longer(service):
    for order in (
        *(relabel(0, label="monocyte"), review(0, operator="mt.02")),
        *(review(0, action="undo", operator="mt.02"), review(0, action="undo")),
        *(review(3), review(3, action="undo")),
    ):
        service.review(order)
    assert [entry.what for entry in service.history("S") if entry.operator] == [
        "1 renamed from neutrophil to monocyte",
        "1 confirmed as monocyte",
        "1 no longer confirmed as monocyte",
        "1 no longer named monocyte",
        "1 confirmed as monocyte",
        "1 no longer confirmed as monocyte",
    ]
    revision = service.sign(SignSpecimen(specimen_id="S", operator="dr.1", reason="seen")).revision
    assert service.signed_report("S", revision).reviewed == 0


def test_a_report_is_of_one_moment_though_a_field_comes_while_it_is_made(service, tmp_path, monkeypatch):
    service.sign(SignSpecimen(specimen_id="S", operator="dr.1", reason="seen"))
    signed = service.specimen("S").revision
    real, late = Store.contributions, [field(2, cell("eosinophil"))]

    def contributions(store, *which):
        while late:
            with Store.open(tmp_path / "results.db") as another:
                assert another.add(late[0], f"{late.pop().sequence}.png")
        return real(store, *which)

    monkeypatch.setattr(Store, "contributions", contributions)
    for state, cells in (("final", 3), ("corrected", 4)):
        said = service.differential("S")
        assert (said.state, said.signature is not None, said.counted) == (state, state == "final", cells)
    late.append(field(3, cell("eosinophil")))
    assert service.sign(SignSpecimen(specimen_id="S", operator="dr.1", reason="seen")).revision > signed
    assert service.signed_report("S", service.specimen("S").revision).counted == 4
    assert service.differential("S").counted == 5


def test_named_cells_are_counted_also_where_a_damaged_store_has_lost_one(service, tmp_path):
    service.review(review(0, 1))
    with contextlib.closing(sqlite3.connect(tmp_path / "results.db")) as db, db:
        db.execute("DELETE FROM cells WHERE cell_id = ?", (CELLS[0].cell_id,))
    assert service.named() == {"neutrophil": 1}


def test_words_go_with_a_specimen_that_is_renamed_and_end_with_one_that_is_discarded(service):
    service.review(relabel(0, label="blast"))
    service.rename(RenameSpecimen(specimen_id="S", new_id="S-7"))
    assert service.differential("S-7").renamed == 1
    service.discard(DiscardSpecimen(specimen_id="S-7", reason="clotted"))
    with pytest.raises(SpecimenError, match="was discarded"):
        service.review(review(1, specimen_id="S-7"))


def test_listeners_hear_what_was_done_and_nothing_of_what_was_not(service):
    heard = []
    telling = SpecimenService(service._config, [heard.append])  # noqa: SLF001
    telling.review(review(0))
    with pytest.raises(SpecimenError):
        telling.review(review(1, action="undo"))
    assert [(each.order, each.specimen.specimen_id, each.cell_ids) for each in heard] == [
        ("review", "S", (CELLS[0].cell_id,))
    ]


ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["confirm", "exclude", "undo"]), st.none()),
    st.tuples(st.just("relabel"), st.sampled_from([*LABELS, "basophil", "blast", "erythroblast", "other"])),
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sets(st.integers(0, 3), min_size=1), ACTIONS), max_size=5))
def test_any_sequence_of_words_counts_as_a_plain_list_of_words_does(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("any") / "results.db"
    with Store.open(path) as store:
        store.start_specimen("S")
        store.add(field(1, *CELLS))
    config = Config(ReplayConfig((str(path.parent),)), store=StoreConfig(str(path)))
    words: dict[int, list[str | None]] = {number: [] for number in range(len(CELLS))}
    for numbers, (action, label) in steps:
        service = SpecimenService(config)  # as after a restart
        order = review(*sorted(numbers), action=action, label=label)
        if action == "undo" and not all(words[number] for number in numbers):
            with pytest.raises(SpecimenError):
                service.review(order)
            continue
        service.review(order)
        for number in numbers:
            said, called = words[number], CELLS[number].label
            if action == "undo":
                said.pop()
            elif action == "confirm":
                said.append(said[-1] if said else called)
            else:
                said.append(label)
    expected = Counter(
        words[number][-1] if words[number] else each.label
        for number, each in enumerate(CELLS)
        if not each.cut_by_edge and (words[number] or each.rejected is None)
    )
    for not_counted in (None, "erythroblast", "other"):
        expected.pop(not_counted, None)
    assert counts(service if steps else SpecimenService(config)) == expected


# Cells that are seen several times


def sighted(tmp_path, *focus: float):
    """Return a store with one cell seen in as many frames, sharper or less, and the id of each sighting."""
    scan, ids = Scan(1), []
    store = Store.open(tmp_path / "slide.db")
    store.ledger.start("S", target=10, wbc_count=None, resume=False)
    for number, sharp in enumerate(focus, 1):
        see(store, scan, number, sharp, ids)
    return store, scan, ids


def see(store: Store, scan: Scan, number: int, sharp: float, ids: list[str], label="neutrophil") -> None:
    seen = msgspec.structs.replace(cell(label), box=(100, 100, 40, 40))
    each = field(number, seen)
    each = msgspec.structs.replace(
        each,
        position=FieldPosition(1, 0.0, 0.0, new_region=number == 1),
        quality=msgspec.structs.replace(each.quality, focus=sharp),
    )
    contribution = scan.contribution(each)
    standing = scan.standings(each)
    shown = {one.cell_id for one in standing if one.same_as is None}
    pictures = [CellPicture(one.cell_id, PICTURE) for one in each.cells if one.cell_id in shown]
    assert store.add(each, None, contribution, cells=standing, pictures=pictures)
    ids.append(seen.cell_id)


def test_a_cell_that_is_seen_again_counts_once_also_when_a_person_has_named_it(tmp_path):
    store, scan, ids = sighted(tmp_path, 3.0, 5.0, 4.0)
    with store:
        assert store.ledger.counted("S") == (3, 1)
        order = ReviewCells(
            specimen_id="S", cell_ids=(ids[0],), action="relabel", label="monocyte", operator="mt.01"
        )
        store.ledger.review(order)
        assert store.ledger.counted("S") == (3, 1)
        assert [one.named for one in store.ledger.reviewed("S")] == ["monocyte"]
        see(store, scan, 4, 9.0, ids)  # sharper than all before it: it counts in their place
        assert store.ledger.counted("S") == (4, 1)
        assert [one.named for one in store.ledger.reviewed("S")] == ["monocyte"]
        store.ledger.review(msgspec.structs.replace(order, cell_ids=(ids[3],), label="blast"))
        assert [one.named for one in store.ledger.reviewed("S")] == ["blast"]
        assert store.pictures.known("S") == {ids[3]}, "the best sighting has the picture"
        kept = store.ledger.standings("S")
        assert {name: one for name, (_, one) in standings(store.fields("S")).items()} == kept


def test_cells_of_an_earlier_release_can_be_named_too(tmp_path):
    store, _, ids = sighted(tmp_path, 3.0, 5.0)
    with store:
        store._db.execute("DELETE FROM cells")  # noqa: SLF001 (as an earlier release left it)
        store.cells.complete("S")
        store.ledger.review(
            ReviewCells(specimen_id="S", cell_ids=(ids[0],), action="exclude", operator="mt.01")
        )
        assert store.ledger.counted("S") == (2, 0)


def test_a_better_sighting_with_another_name_takes_the_place_of_the_one_that_was_looked_at(tmp_path):
    store, scan, ids = sighted(tmp_path, 3.0)
    with store:
        order = ReviewCells(
            specimen_id="S", cell_ids=(ids[0],), action="relabel", label="lymphocyte", operator="mt.01"
        )
        store.ledger.review(order)
        see(store, scan, 2, 9.0, ids, label="monocyte")
        (word,) = store.ledger.reviewed("S")
        assert (word.label, word.by_model, word.named) == ("monocyte", "neutrophil", "lymphocyte")
        count = SpecimenCount("S", LABELS, 10)
        for _, contribution in store.contributions("S"):
            count.add(contribution)
        count.review([word])
        assert (count.counted, store.ledger.counted("S")) == (1, (2, 1))
        assert {row.label: row.count for row in message(count).classes if row.count} == {"lymphocyte": 1}


def test_no_field_changes_what_a_cell_of_another_specimen_counts_as(tmp_path):
    store, _, ids = sighted(tmp_path, 3.0)
    with store:
        store.ledger.stop()
        store.ledger.start("S-2", target=10, wbc_count=None, resume=False)
        own = cell("neutrophil")
        strange = CellStanding(ids[0], "neutrophil", None, False, own.cell_id)
        changed = [CellStanding(own.cell_id, "neutrophil"), strange]
        store.add(field(2, own, specimen_id="S-2"), None, cells=changed)
        assert store.ledger.standings("S")[ids[0]].same_as is None
        assert store.pictures.known("S") == {ids[0]}


def test_a_name_for_a_cell_of_a_smeared_field_counts_nothing_as_the_cell_may_be_counted_elsewhere(tmp_path):
    with Store.open(tmp_path / "slide.db") as store:
        store.ledger.start("S", target=10, wbc_count=None, resume=False)
        smeared, scan = cell(), Scan(1)
        each = field(1, smeared)  # without a place on the slide
        assert store.add(each, None, scan.contribution(each), cells=scan.standings(each))
        order = ReviewCells(specimen_id="S", cell_ids=(smeared.cell_id,), action="confirm", operator="mt.01")
        store.ledger.review(order)
        assert store.ledger.counted("S") == (1, 0)
        (record,) = read_cells(store, "S", 0, None)
        assert (record.counted, record.person_label) == (False, "neutrophil")


def test_the_cells_of_a_table_that_count_as_something_are_the_differential(service):
    service.review(relabel(0, label="monocyte"))
    service.review(review(2, action="exclude"))
    text = cells_table(service.cells("S")).removeprefix("\ufeff")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    counted_as = Counter(row["counted_as"] for row in rows if row["counted_as"])
    said = {row.label: row.count for row in service.differential("S").classes if row.count}
    assert said == counted_as == {"monocyte": 1, "neutrophil": 1}
