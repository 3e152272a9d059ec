"""How right the model was on cells that people have named, by what it had called them before."""

from __future__ import annotations

import msgspec
import pytest
from samples import LABELS, MODEL, cell, field

from edge.config import Config, SimulatedConfig, StoreConfig
from edge.messages.commands import ReviewCells
from edge.slide.scan import Scan
from edge.specimens.measured_calls import measured_calls
from edge.specimens.service import SpecimenService
from edge.store.fields import Store

CELLS = (
    cell("neutrophil"),
    cell("neutrophil"),
    cell("lymphocyte"),
    cell("monocyte", rejected="uncertain"),
    cell("other", rejected="other"),
    cell("lymphocyte", cut_by_edge=True),
    cell("eosinophil"),
)
NAMES = ("neutrophil", "lymphocyte", "lymphocyte", "monocyte", None, "lymphocyte")


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "results.db") as opened:
        opened.start_specimen("S")
        opened.add(field(1, *CELLS), "a.png")
        by_another = msgspec.structs.replace(MODEL, sha256="1" * 64)
        strange = cell("monocyte")
        opened.add(msgspec.structs.replace(field(2, strange), model=by_another), "b.png")
        opened.finish_specimen("S")
        for one, name in (*zip(CELLS, NAMES, strict=False), (strange, "basophil")):
            action = "exclude" if name is None else "relabel"
            order = ReviewCells(
                specimen_id="S", cell_ids=(one.cell_id,), action=action, label=name, operator="mt.01"
            )
            opened.ledger.review(order)
        yield opened


def test_calls_are_compared_with_what_people_said_after_them(store):
    found = measured_calls(store, MODEL, LABELS, simulated=False)
    assert found.model == MODEL
    assert found.cells == 5, "neither the cut one, nor one that nobody named, nor another model's"
    rows = {one.label: (one.right.count, one.right.of, one.refused) for one in found.classes}
    assert rows == {
        "neutrophil": (1, 1, 0),
        "lymphocyte": (1, 2, 0),
        "monocyte": (1, 1, 1),
        "other": (1, 1, 1),
    }
    assert (found.called.count, found.called.of) == (3, 4)
    assert (found.wrong_calls.count, found.wrong_calls.of) == (1, 3)
    assert found.wrong_calls.low < found.wrong_calls.percent < found.wrong_calls.high


def test_a_cell_of_a_smeared_field_tells_nothing_as_another_field_shows_it(tmp_path):
    with Store.open(tmp_path / "slide.db") as store:
        store.ledger.start("S", target=10, wbc_count=None, resume=False)
        smeared, scan = cell("neutrophil"), Scan(1)
        each = field(1, smeared)  # without a place on the slide
        assert store.add(each, None, scan.contribution(each), cells=scan.standings(each))
        order = ReviewCells(specimen_id="S", cell_ids=(smeared.cell_id,), action="confirm", operator="mt.01")
        store.ledger.review(order)
        found = measured_calls(store, MODEL, LABELS, simulated=False)
        assert (found.cells, found.called.of, found.classes) == (0, 0, ())


def test_a_word_that_is_taken_back_is_none(store):
    order = ReviewCells(specimen_id="S", cell_ids=(CELLS[1].cell_id,), action="undo", operator="mt.01")
    store.ledger.review(order)
    assert measured_calls(store, MODEL, LABELS, simulated=False).wrong_calls.count == 0


def test_of_a_discarded_specimen_or_a_drawn_slide_nothing_is_told(store):
    assert measured_calls(store, MODEL, LABELS, simulated=True).cells == 0
    store.ledger.discard("another patient's", "S")
    nothing = measured_calls(store, MODEL, LABELS, simulated=False)
    assert (nothing.cells, nothing.called.percent, nothing.classes) == (0, None, ())


def test_before_the_first_field_there_is_nothing_to_tell(tmp_path):
    config = Config(SimulatedConfig(), store=StoreConfig(str(tmp_path / "none.db")))
    assert SpecimenService(config).measured_calls() is None
