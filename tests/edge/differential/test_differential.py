from __future__ import annotations

from datetime import UTC, datetime

import pytest
from counts import counted_of, message
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import DEVICE, LABELS, MODEL, cell, field

from edge.differential.count import SpecimenCount, contribution_of
from edge.differential.flags import LEAST_CELLS, Figure, Rule, raised
from edge.differential.intervals import wilson
from edge.differential.method import CountingMethod
from edge.differential.review import ReviewedCell
from edge.messages import ModelReference
from edge.messages.differential import SpecimenStatus
from edge.slide.contribution import Contribution

CELLS = st.builds(
    lambda label, rejected, cut: cell(label, rejected=rejected, cut_by_edge=cut, map_side=1),
    st.sampled_from(LABELS),
    st.sampled_from([None, None, "uncertain", "blurred"]),
    st.booleans(),
)
FIELDS = st.lists(
    st.tuples(st.lists(CELLS, max_size=6), st.sampled_from([None, None, "too dark"])), max_size=12
)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # Wilson without continuity correction, as tabulated for differential counts of 100 and 200 cells.
    [
        (2, 100, 0.6, 7.0),
        (10, 100, 5.5, 17.4),
        (60, 200, 24.1, 36.7),
        (0, 100, 0.0, 3.7),
        (100, 100, 96.3, 100.0),
    ],
)
def test_interval_is_the_published_one(count, total, low, high):
    assert wilson(count, total) == (pytest.approx(low, abs=0.05), pytest.approx(high, abs=0.05))


def test_of_no_cells_nothing_is_known():
    assert wilson(0, 0) == (0.0, 100.0)
    first = message(SpecimenCount("S", LABELS, 200)).classes[0]
    assert (first.count, first.percent, first.low, first.high) == (0, None, None, None)
    assert first.spoken() == ("-", "-")


def test_what_counts_and_what_does_not():
    count = SpecimenCount("S", LABELS, 200)
    counted = field(
        1,
        cell("neutrophil"),
        cell("neutrophil"),
        cell("monocyte"),
        cell("monocyte", rejected="uncertain"),
        cell("monocyte", cut_by_edge=True),
        cell("monocyte", rejected="uncertain", cut_by_edge=True),
    )
    refused = field(2, cell("monocyte"), refused="too dark")
    for each in (counted, refused, field(3)):
        count.add(contribution_of(each))
    said = message(count)
    assert [(c.label, c.count) for c in said.classes] == [
        ("neutrophil", 2),
        ("lymphocyte", 0),
        ("monocyte", 1),
        ("eosinophil", 0),
    ]
    assert said.classes[0].percent == pytest.approx(66.67)
    assert (said.counted, said.incomplete, said.unclassified) == (3, 2, {"uncertain": 1})
    assert (said.fields, said.fields_refused) == (3, 1)


def test_a_class_the_model_does_not_know_is_not_assessed_rather_than_zero():
    assert message(SpecimenCount("S", LABELS, 200)).not_assessed == ("basophil",)
    assert message(SpecimenCount("S", ("EOSINOPHIL", "Lymphocyte"), 1)).not_assessed == (
        "neutrophil",
        "monocyte",
        "basophil",
    )


def test_a_class_of_an_earlier_model_is_not_lost():
    count = SpecimenCount("S", ("neutrophil",), 200)
    count.add(contribution_of(field(1, cell("lymphocyte"))))
    assert [c.label for c in message(count).classes] == ["neutrophil", "lymphocyte"]


def test_what_a_field_takes_back_was_never_there_and_never_makes_less_than_nothing():
    count = SpecimenCount("S", ("neutrophil",), 200)
    count.add(Contribution(accepted=True, counted={"band": 1}, unclassified={"uncertain": 1}, incomplete=1))
    count.add(
        Contribution(
            accepted=True,
            counted={"band": -1, "neutrophil": 1},
            unclassified={"uncertain": -1},
            incomplete=-1,
        ),
    )
    # Of a damaged store, the field that added it is lost.
    count.add(
        Contribution(
            accepted=True, counted={"neutrophil": 1, "lymphocyte": -1}, unclassified={}, incomplete=-1
        ),
    )
    said = message(count)
    assert [(c.label, c.count, c.percent) for c in said.classes] == [("neutrophil", 2, 100.0)]
    assert (said.counted, said.unclassified, said.incomplete) == (2, {}, 0)


def test_states():
    count = SpecimenCount("S", LABELS, 2)
    count.add(contribution_of(field(1, cell())))
    assert message(count).state == "running"
    count.add(contribution_of(field(2, cell())))
    assert message(count).state == "preliminary"
    assert message(count, "final").state == "final"
    assert message(count, "complete").state == "complete"


@settings(max_examples=60, deadline=None)
@given(FIELDS, st.randoms())
def test_every_cell_is_in_one_place_in_whatever_order(drawn, rng):
    fields = [field(n, *cells, refused=refused) for n, (cells, refused) in enumerate(drawn)]
    count, again = SpecimenCount("S", LABELS, 5), SpecimenCount("S", LABELS, 5)
    for each in fields:
        count.add(contribution_of(each))
    for each in rng.sample(fields, len(fields)):
        again.add(contribution_of(each))
    said, shuffled = message(count), message(again)
    assert (said.classes, said.unclassified, said.incomplete) == (
        shuffled.classes,
        shuffled.unclassified,
        shuffled.incomplete,
    )
    assert said.fields == shuffled.fields == len(fields)
    assert said.fields_refused == sum(refused is not None for _, refused in drawn)
    cells = sum(len(cells) for cells, refused in drawn if refused is None)
    assert said.counted + sum(said.unclassified.values()) + said.incomplete == cells
    assert sum(c.count for c in said.classes) == said.counted
    if not said.counted:
        assert {(c.percent, c.low, c.high) for c in said.classes} == {(None, None, None)}
    else:
        assert all(0 <= c.low <= c.percent <= c.high <= 100 for c in said.classes)
        assert sum(c.percent for c in said.classes) == pytest.approx(100, abs=0.05)


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_more_cells_never_make_the_interval_wider(total, count):
    count = min(count, total)
    low, high = wilson(count, total)
    assert 0 <= low <= 100 * count / total <= high <= 100
    narrow_low, narrow_high = wilson(4 * count, 4 * total)
    assert narrow_high - narrow_low <= high - low


def test_the_message_names_its_interval_its_denominator_and_why_it_is_enough():
    exactly = SpecimenCount("S", LABELS, 100)
    by_wilson = SpecimenCount("S", LABELS, 1000, CountingMethod("wilson", max_interval_width=20.0))
    for count in (exactly, by_wilson):
        count.add(counted_of({"neutrophil": 60, "lymphocyte": 38, "eosinophil": 2}))
    said = message(exactly)
    assert (said.interval, said.stop_reason) == ("Clopper-Pearson 95 %", "the target of 100 cells is reached")
    assert "named and did not refuse" in said.denominator
    eosinophils = said.classes[3]
    assert (eosinophils.low, eosinophils.high) == (0.24, 7.04)
    said = message(by_wilson)
    assert (said.interval, said.state) == ("Wilson 95 %", "preliminary")
    assert said.stop_reason == "every interval is at most 20 percent points wide"
    assert (
        message(
            SpecimenCount("S", LABELS, 1000, CountingMethod("wilson", max_interval_width=20.0))
        ).stop_reason
        is None
    )


def test_with_a_total_count_each_class_has_its_absolute_count_and_without_one_none():
    count = SpecimenCount("S", LABELS, 100)
    count.add(counted_of({"neutrophil": 90, "lymphocyte": 10}))
    assert all(c.absolute is None for c in message(count).classes)
    none = SpecimenCount("S", LABELS, 100).differential(
        device_id=DEVICE,
        model=MODEL,
        updated_at=datetime.now(UTC),
        clock_synced=False,
        status=SpecimenStatus(wbc_count=4.0),
    )
    assert all(c.absolute is None for c in none.classes), "of no cells, no share of them is known"
    given = count.differential(
        device_id=DEVICE,
        model=MODEL,
        updated_at=datetime.now(UTC),
        clock_synced=False,
        status=SpecimenStatus(wbc_count=4.0),
    )
    neutrophils = given.classes[0].absolute
    assert (neutrophils.value, neutrophils.low, neutrophils.high) == (3.6, 3.295, 3.804)
    assert given.wbc_count == 4.0


@pytest.mark.parametrize(
    ("cells", "wbc_count", "raised"),
    [
        ({"neutrophil": 70, "eosinophil": 30}, None, [("eosinophil-percent-high", "definite")]),
        (
            {"neutrophil": 88, "eosinophil": 12},
            None,
            [("neutrophil-percent-high", "possible"), ("eosinophil-percent-high", "possible")],
        ),
        ({"neutrophil": 70, "lymphocyte": 26, "eosinophil": 4}, None, []),
        ({"neutrophil": 2, "eosinophil": 8}, None, []),  # of ten cells nothing is said
        (
            {"neutrophil": 10, "lymphocyte": 55, "monocyte": 35},
            None,
            [("neutrophil-percent-low", "definite"), ("monocyte-percent-high", "definite")],
        ),
        # 0.4 neutrophils in 10^9/L, whatever the percentages; never said without the total count.
        ({"neutrophil": 60, "lymphocyte": 40}, 0.7, [("neutrophil-count-low", "definite")]),
        ({"neutrophil": 60, "lymphocyte": 40}, 1.6, [("neutrophil-count-low", "possible")]),
        ({"neutrophil": 60, "lymphocyte": 40}, None, []),
        ({"neutrophil": 60, "lymphocyte": 40}, 7.0, []),
    ],
)
def test_flags(cells, wbc_count, raised):
    count = SpecimenCount("S", LABELS, 100)
    count.add(counted_of(cells))
    said = count.differential(
        device_id=DEVICE,
        model=MODEL,
        updated_at=datetime.now(UTC),
        clock_synced=False,
        status=SpecimenStatus(wbc_count=wbc_count),
    )
    assert [(flag.rule, flag.certainty) for flag in said.flags] == raised
    for flag in said.flags:
        assert flag.version >= 1
        assert flag.sentence.startswith("Possibly ") is (flag.certainty == "possible")
        assert flag.label in flag.sentence


def test_many_cells_that_the_model_did_not_name_are_a_flag():
    count = SpecimenCount("S", LABELS, 100)
    count.add(
        Contribution(accepted=True, counted={"neutrophil": 30}, unclassified={"uncertain": 30}, incomplete=9),
    )
    (flag,) = [flag for flag in message(count).flags if flag.label == "unclassified"]
    assert (flag.rule, flag.certainty) == ("unclassified-percent-high", "definite")
    assert flag.sentence == "More than 20 % unclassified cells: 50 (36.8 to 63.2) %; look at the smear."


def test_a_few_cells_raise_no_flag_whatever_they_are():
    count = SpecimenCount("S", ("neutrophil", "monocyte"), 200)
    count.add(counted_of({"monocyte": 10}))
    assert message(count, status=SpecimenStatus(wbc_count=30.0)).flags == ()
    count.add(counted_of({"monocyte": 10}))
    assert {flag.rule for flag in message(count, status=SpecimenStatus(wbc_count=30.0)).flags} >= {
        "monocyte-percent-high",
        "monocyte-count-high",
    }


@pytest.mark.parametrize(
    ("side", "figure", "certainty"),
    [
        ("more", (9.9, 8.0, 12.0), None),
        ("more", (10.0, 8.0, 12.0), None),
        ("more", (10.1, 8.0, 12.0), "possible"),
        ("more", (12.0, 10.0, 14.0), "possible"),
        ("more", (12.0, 10.1, 14.0), "definite"),
        ("less", (10.0, 8.0, 12.0), None),
        ("less", (9.9, 8.0, 12.0), "possible"),
        ("less", (8.0, 6.0, 10.0), "possible"),
        ("less", (8.0, 6.0, 9.9), "definite"),
    ],
)
def test_a_limit_is_passed_only_beyond_it(side, figure, certainty):
    rule = Rule("r", 3, "monocyte", side, 10.0, "%")
    flags = raised({"monocyte": Figure(*figure)}, None, (rule,))
    assert [(flag.rule, flag.version, flag.certainty) for flag in flags] == [("r", 3, certainty)] * bool(
        certainty
    )
    assert raised({}, {"monocyte": Figure(*figure)}, (rule,)) == (), (
        "percent of the counted cells, not of blood"
    )


def test_one_cell_less_than_the_least_raises_no_flag():
    for cells, flagged in ((LEAST_CELLS - 1, False), (LEAST_CELLS, True)):
        count = SpecimenCount("S", LABELS, 200)
        count.add(counted_of({"monocyte": cells}))
        assert bool(message(count).flags) == flagged


def test_few_named_cells_among_many_unnamed_ones_are_a_flag():
    count = SpecimenCount("S", LABELS, 200)
    count.add(contribution_of(field(1, cell(), *(cell(rejected="unfamiliar") for _ in range(29)))))
    assert [flag.rule for flag in message(count).flags] == ["unclassified-percent-high"]


def test_it_is_enough_when_the_widest_interval_is_narrow_and_not_before():
    def enough(cells, width):
        count = SpecimenCount(
            "S", ("neutrophil", "basophil"), 10_000, CountingMethod(max_interval_width=width)
        )
        count.add(counted_of({"neutrophil": cells, "basophil": cells}))
        return count.stop_reason()

    # Of 50 and 50 cells: 39.8 to 60.2 %.
    assert enough(50, 20.0) is None
    assert enough(50, 21.0) == "every interval is at most 21 percent points wide"
    narrow_and_wide = SpecimenCount("S", LABELS, 10_000, CountingMethod(max_interval_width=10.0))
    narrow_and_wide.add(counted_of({"neutrophil": 50, "lymphocyte": 50}))
    assert narrow_and_wide.stop_reason() is None, (
        "no monocyte of a hundred is 0 to 3.6 %, but half is not so sure"
    )


@pytest.mark.parametrize(("labels", "width"), [((), 10.0), (LABELS, 100.0)])
def test_where_nothing_is_counted_no_interval_is_narrow_enough(labels, width):
    # Without a model that can be read there is no class, and so no interval that is too wide.
    count = SpecimenCount("S", labels, 200, CountingMethod(max_interval_width=width))
    assert count.stop_reason() is None
    assert message(count).state == "running"
    count.add(counted_of({"neutrophil": 1}))
    assert (count.stop_reason() is None) is (width < 100)


def test_the_model_that_called_last_comes_last():
    first, second = (ModelReference(name, "0" * 64) for name in ("first", "second"))
    count = SpecimenCount("S", LABELS, 200)
    for model in (first, second, first):
        count.add(Contribution(accepted=True, counted={}, unclassified={}, incomplete=0, model=model))
    assert count.models == (second, first)


@pytest.mark.parametrize(
    ("rule", "label", "side", "limit", "unit"),
    [
        ("neutrophil-percent-high", "neutrophil", "More", 85, "%"),
        ("neutrophil-percent-low", "neutrophil", "Less", 30, "%"),
        ("lymphocyte-percent-high", "lymphocyte", "More", 60, "%"),
        ("monocyte-percent-high", "monocyte", "More", 15, "%"),
        ("eosinophil-percent-high", "eosinophil", "More", 10, "%"),
        ("basophil-percent-high", "basophil", "More", 3, "%"),
        ("unclassified-percent-high", "unclassified", "More", 20, "%"),
        ("blast-like-percent-high", "cells like blasts", "More", 10, "%"),
        ("neutrophil-count-low", "neutrophil", "Less", 1, "10^9/L"),
        ("neutrophil-count-high", "neutrophil", "More", 20, "10^9/L"),
        ("lymphocyte-count-high", "lymphocyte", "More", 5, "10^9/L"),
        ("monocyte-count-high", "monocyte", "More", 1.5, "10^9/L"),
        ("eosinophil-count-high", "eosinophil", "More", 2, "10^9/L"),
        ("basophil-count-high", "basophil", "More", 0.5, "10^9/L"),
    ],
)
def test_each_rule_is_raised_beyond_its_limit_and_not_at_it(rule, label, side, limit, unit):
    def flags(value):
        figures = {label: Figure(value, value, value)}
        return raised(*((figures, None) if unit == "%" else ({}, figures)))

    beyond = 0.01 if side == "More" else -0.01
    assert flags(limit) == ()
    (flag,) = flags(limit + beyond)
    assert (flag.rule, flag.certainty) == (rule, "definite")
    assert flag.sentence.startswith(f"{side} than {limit:g} {unit} ")


@pytest.mark.parametrize(
    ("value", "shown"), [(1349.6, "1350"), (999.6, "1000"), (345.67, "346"), (20.04, "20"), (0.5149, "0.51")]
)
def test_a_figure_beside_a_flag_is_written_out(value, shown):
    (flag,) = raised({}, {"basophil": Figure(value, value, value)})
    assert f": {shown} ({shown} to {shown}) 10^9/L; " in flag.sentence


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        ((60.04, 55.0, 65.0), "60.04 (55 to 65)"),
        ((60.004, 59.96, 65.0), "60.004 (59.96 to 65)"),
        ((70.0, 60.0000001, 80.0), "70 (60.0000001 to 80)"),
        ((70.0, 60.0, 80.0), "70 (60 to 80)"),
    ],
)
def test_a_figure_beside_a_flag_lies_on_the_side_of_the_limit_that_the_flag_says(figure, shown):
    (flag,) = raised({"lymphocyte": Figure(*figure)}, None)
    assert "ore than 60 % lymphocytes: " in flag.sentence
    assert f": {shown} %; " in flag.sentence


def test_a_figure_below_a_limit_is_not_shown_as_the_limit():
    (flag,) = raised({"neutrophil": Figure(29.96, 25.04, 34.96)}, None)
    assert flag.sentence == "Possibly less than 30 % neutrophils: 29.96 (25 to 35) %; confirm by eye."


def test_one_blast_that_a_person_has_named_is_enough_for_a_look_at_the_smear():
    count = SpecimenCount("S", LABELS, 200)
    count.add(counted_of({"lymphocyte": 5}))
    assert not message(count).flags
    count.review([ReviewedCell("lymphocyte", None, "blast", "mt.01")])
    (flag,) = message(count).flags
    assert (flag.rule, flag.certainty) == ("blast-named", "definite")
    assert flag.sentence.endswith("have the smear looked at.")
