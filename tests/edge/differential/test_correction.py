"""The interval corrected by the model's errors: right on average, and as wide as what is not known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from counts import counted_of, message
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import DEVICE, MODEL, cell, field

from edge.differential.correction import Corrector
from edge.differential.count import SpecimenCount, contribution_of
from edge.differential.method import CountingMethod
from edge.differential.review import ReviewedCell
from edge.models.confusion import Confusion

LABELS = ("neutrophil", "lymphocyte", "monocyte", "other")
SURE = Confusion("x", LABELS, tuple(tuple(1000.0 * (r == c) for c in range(5)) for r in range(4)))
# One monocyte in five is called a lymphocyte, one in ten cells is refused.
BIASED = Confusion(
    "held-out photographs",
    LABELS,
    (
        (180.0, 0.0, 0.0, 0.0, 20.0),
        (2.0, 176.0, 0.0, 2.0, 20.0),
        (0.0, 20.0, 70.0, 0.0, 10.0),
        (1.0, 2.0, 1.0, 90.0, 6.0),
    ),
)


def test_a_model_that_never_errs_changes_nothing():
    shares = Corrector(SURE).shares({"neutrophil": 120, "lymphocyte": 60, "monocyte": 20}, 0)
    assert [shares[label].percent for label in LABELS[:3]] == pytest.approx([60, 30, 10], abs=0.01)
    low, high = shares["neutrophil"].low, shares["neutrophil"].high
    assert (low, high) == (pytest.approx(53, abs=1), pytest.approx(66.6, abs=1))


def test_the_monocytes_that_were_called_lymphocytes_are_given_back():
    called = {"neutrophil": 540, "lymphocyte": 284, "monocyte": 70}  # of 60, 30 and 10 % in 1,000 cells
    shares = Corrector(BIASED).shares(called, 3)
    assert [shares[label].percent for label in LABELS[:3]] == pytest.approx([60, 30, 10], abs=1.0)
    assert shares["monocyte"].low > 100 * 70 / 894 * 0.9
    assert shares["monocyte"].low <= 10 <= shares["monocyte"].high


def test_fewer_photographs_make_it_wider():
    called = {"neutrophil": 540, "lymphocyte": 284, "monocyte": 70}
    few = Confusion("x", LABELS, tuple(tuple(v / 20 for v in row) for row in BIASED.counts))
    narrow, wide = (Corrector(one).shares(called, 3)["monocyte"] for one in (BIASED, few))
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_it_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(5)
    true = np.array([0.55, 0.3, 0.08, 0.07])
    errs = np.array(BIASED.counts) / np.array(BIASED.counts).sum(axis=1, keepdims=True)
    known = true[:3] / true[:3].sum()
    covered = np.zeros(3)
    runs = 200
    for _ in range(runs):
        held_out = [rng.multinomial(100, row) for row in errs]
        called = rng.multinomial(220, true @ errs)
        corrector = Corrector(Confusion("x", LABELS, tuple(tuple(map(float, row)) for row in held_out)))
        shares = corrector.shares(dict(zip(LABELS[:3], map(int, called[:3]), strict=True)), int(called[3]))
        covered += [
            shares[label].low <= 100 * share <= shares[label].high
            for label, share in zip(LABELS[:3], known, strict=True)
        ]
    assert (covered / runs >= 0.90).all(), covered / runs


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=3, max_size=3), st.integers(0, 300))
def test_whatever_is_counted_the_shares_are_shares_and_always_the_same(counts, others):
    corrector, called = Corrector(BIASED), dict(zip(LABELS[:3], counts, strict=True))
    shares = corrector.shares(called, others)
    assert shares == Corrector(BIASED).shares(called, others)
    if not sum(counts):
        assert shares is None
    if shares is not None:
        assert sum(share.percent for share in shares.values()) == pytest.approx(100, abs=0.05)
        assert all(0 <= s.low <= s.percent <= s.high <= 100 for s in shares.values())


def test_the_message_says_how_it_was_corrected_or_why_not():
    def said(confusion, cells):
        count = SpecimenCount("S", LABELS[:3], 100, CountingMethod().by(confusion))
        count.add(counted_of(cells))
        return message(count)

    whole = said(BIASED, {"neutrophil": 54, "lymphocyte": 29, "monocyte": 7})
    assert whole.correction.on == "held-out photographs"
    assert "confusion matrix" in whole.correction.method
    assert all(c.corrected is not None for c in whole.classes)
    no_monocytes = Confusion("x", LABELS, (*BIASED.counts[:2], (0.0,) * 5, BIASED.counts[3]))
    blind = Confusion("x", LABELS, (BIASED.counts[0],) * 4)
    for confusion, cells, reason in (
        (None, {"monocyte": 1}, "carries no confusion matrix"),
        (no_monocytes, {"monocyte": 1}, "show no monocyte"),
        (blind, {"monocyte": 1}, "cannot be inverted"),
        (BIASED, {}, "no cell is counted yet"),
        (BIASED, {"basophil": 2}, "a class of an earlier model"),
    ):
        without = said(confusion, cells)
        assert without.correction.method is None
        assert reason in without.correction.reason
        assert all(c.corrected is None for c in without.classes)
    assert (whole.device_id, whole.model) == (DEVICE, MODEL)


def test_where_people_have_named_every_cell_there_is_nothing_to_correct():
    count = SpecimenCount("S", LABELS[:3], 100, CountingMethod().by(BIASED))
    count.add(counted_of({"neutrophil": 1, "monocyte": 1}))
    named = [ReviewedCell("neutrophil", None, "neutrophil", "mt.01")]
    count.review(named)
    assert message(count).correction.method is not None
    count.review([*named, ReviewedCell("monocyte", None, "monocyte", "mt.01")])
    assert message(count).correction.reason == "people have named every cell"


# Two lymphocytes in five are refused, and one neutrophil in ten.
UNEVEN = Confusion("x", LABELS, (BIASED.counts[0], (2.0, 116.0, 0.0, 2.0, 80.0), *BIASED.counts[2:]))
# Of 600, 300 and 100 cells and 100 of no class that is counted: as the model calls them, on average.
OFTEN = {"neutrophil": 600, "lymphocyte": 300, "monocyte": 100, "other": 100}
TABLE = {
    true: dict(zip((*LABELS, "refused"), (number * v / sum(row) for v in row), strict=True))
    for (true, number), row in zip(OFTEN.items(), UNEVEN.counts, strict=True)
}


def count_with(named):
    """Count these cells; `named` says which share of those of a call people name."""
    count = SpecimenCount("S", LABELS[:3], 100, CountingMethod().by(UNEVEN))
    cells, reviewed, calls = [], [], Counter()
    for true, row in TABLE.items():
        for called, expected in row.items():
            number = round(expected)
            aside = None if called in LABELS[:3] else "uncertain" if called == "refused" else called
            label = called if aside is None else "neutrophil"
            calls[label, aside] += number
            looked_at = round(number * named.get(called, 0))
            said = None if true == "other" else true
            reviewed += [ReviewedCell(label, aside, said, "mt.01")] * looked_at
    cells = [cell(label, rejected=aside) for (label, aside), n in calls.items() for _ in range(n)]
    count.add(contribution_of(field(1, *cells)))
    count.review(reviewed)
    return {each.label: each.corrected for each in message(count).classes}


ALL = (*LABELS, "refused")


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"refused": 1},
        {"refused": 0.5},
        {"refused": 1, "other": 1},
        dict.fromkeys(ALL, 0.5),
        {"lymphocyte": 0.9},
        dict.fromkeys(ALL, 0.3) | {"refused": 1},
    ],
    ids=["none", "refused", "half of the refused", "all doubtful", "half", "one class", "much"],
)
def test_whichever_cells_people_name_the_corrected_shares_stay_right(named):
    # A correction that makes up for refused cells must not do so again for those that people have looked at.
    corrected = count_with(named)
    assert [corrected[label].percent for label in LABELS[:3]] == pytest.approx([60, 30, 10], abs=1.0)
    for label, true in zip(LABELS[:3], (60, 30, 10), strict=True):
        assert corrected[label].low <= true <= corrected[label].high


def test_what_people_have_named_makes_the_corrected_interval_no_wider():
    nobody, all_refused = count_with({}), count_with({"refused": 1})
    for label in LABELS[:3]:
        wide, narrow = nobody[label], all_refused[label]
        assert narrow.high - narrow.low < 1.05 * (wide.high - wide.low)


def test_what_is_said_to_be_uncorrected_shows_no_corrected_percentages():
    count = SpecimenCount("S", LABELS[:3], 100, CountingMethod().by(BIASED))
    count.add(counted_of({"neutrophil": 54, "lymphocyte": 29, "monocyte": 7}))
    said = message(count, uncorrected="cells were called by another model, m-1")
    assert said.correction.method is None
    assert said.correction.reason == "cells were called by another model, m-1"
    assert all(each.corrected is None for each in said.classes)


def test_cells_called_other_weigh_in_the_correction():
    called = {"neutrophil": 6, "lymphocyte": 3, "monocyte": 2}
    cells = [cell(label) for label, number in called.items() for _ in range(number)]
    count = SpecimenCount("S", LABELS[:3], 100, CountingMethod().by(BIASED))
    count.add(contribution_of(field(1, *cells, *(cell(rejected="other") for _ in range(9)))))
    corrected = {each.label: each.corrected for each in message(count).classes}
    assert corrected == Corrector(BIASED).shares(called, 9)
    assert corrected != Corrector(BIASED).shares(called, 0)
