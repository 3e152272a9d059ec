"""Whether a specimen's microscope is known is said first, and changes what is said of its count."""

from __future__ import annotations

import msgspec
import pytest
from counts import message
from samples import LABELS

from edge.differential.correction import METHOD
from edge.differential.count import SpecimenCount
from edge.differential.familiarity import FEWEST, Signs, judge, judge_each
from edge.differential.method import CountingMethod
from edge.models.confusion import Confusion
from edge.models.known import KnownMicroscopes, Limits
from edge.slide.contribution import UNSTEADY, Contribution, Likeness

SIGNS = ("unlike", "unsure", "refused", "other")
KNOWN = KnownMicroscopes(
    on="held-out photographs",
    unlike=1.0,
    unsure=0.6,
    usual={"unlike": 0.1, "unsure": 0.1, "refused": 0.1, "other": 0.03},
    limits=dict.fromkeys(SIGNS, Limits(0.15, 0.30)),
)
USUAL = Likeness(0.6, 0.95, None)


def cells(count, odd, share):
    """Return so many cells, of which a share are odd."""
    return [odd if number < share * count else USUAL for number in range(count)]


@pytest.mark.parametrize(
    ("odd", "share", "verdict", "reason"),
    [
        (Likeness(1.4, 0.95, None), 0.10, "familiar", None),
        (Likeness(1.4, 0.95, None), 0.28, "doubtful", "28 % of its cells are unlike those"),
        (Likeness(1.4, 0.95, None), 0.60, "unfamiliar", "60 % of its cells are unlike those"),
        (Likeness(0.6, 0.40, None), 0.60, "unfamiliar", "60 % of its cells are named without being sure"),
        (Likeness(0.6, 0.95, "uncertain"), 0.60, "unfamiliar", "60 % of its cells are refused"),
        (Likeness(3.0, 0.30, "other"), 0.60, "unfamiliar", "60 % of its cells are of no class"),
        (Likeness(1.4, 0.40, None), 0.28, "unfamiliar", "named without being sure, where 10 % are usual"),
    ],
)
def test_the_cells_of_a_specimen_say_whether_its_microscope_is_known(odd, share, verdict, reason):
    said = judge(Signs(KNOWN, cells(200, odd, share)))
    assert said.verdict == verdict
    assert reason is None or reason in "; ".join(said.reasons)
    assert (said.next_step is None) == (verdict == "familiar")


def test_of_a_microscope_of_which_many_cells_are_refused_the_others_are_no_fair_sample():
    """Also where known ones are refused as often: that the model knows them makes no sample of them."""
    refused = Likeness(0.5, 0.9, "uncertain")
    often = msgspec.structs.replace(KNOWN, limits=KNOWN.limits | {"refused": Limits(0.7, 0.8)})
    few, many = (judge(Signs(often, cells(200, refused, share))) for share in (0.35, 0.45))
    assert few.verdict == "familiar"
    assert (many.verdict, many.reasons) == (
        "doubtful",
        ("45 % of its cells are refused; the others may be no fair sample",),
    )


@pytest.mark.parametrize(
    ("wrong", "verdict"), [(None, "familiar"), (0.05, "familiar"), (0.08, "doubtful"), (0.21, "unfamiliar")]
)
def test_a_model_that_is_often_wrong_where_it_was_measured_is_not_to_be_relied_on(wrong, verdict):
    known = msgspec.structs.replace(KNOWN, wrong_calls=wrong)
    said = judge(Signs(known, cells(200, USUAL, 0)))
    assert said.verdict == verdict
    told = (
        [] if verdict == "familiar" else [f"{100 * wrong:.0f} % of the model's calls were wrong where it was"]
    )
    assert [reason.removesuffix(" measured") for reason in said.reasons] == told


def test_chance_alone_makes_no_microscope_an_unknown_one():
    assert judge(Signs(KNOWN, cells(FEWEST, Likeness(1.4, 0.95, None), 0.25))).verdict == "familiar"


@pytest.mark.parametrize(
    ("count", "known", "why_not", "reason"),
    [
        (FEWEST - 1, KNOWN, None, "20 white cells are needed to tell, 19 were seen"),
        (100, None, None, "the model's bundle does not say"),
        (100, KNOWN, "cells were called by another model, old", "called by another model"),
    ],
)
def test_where_it_cannot_be_told_that_is_said(count, known, why_not, reason):
    said = judge_each([Signs(known, cells(count, USUAL, 0))], why_not)
    assert said.verdict is None
    assert reason in said.reasons[0]
    assert said.spoken() is None


CONFUSION = Confusion(
    "photographs", LABELS, tuple(tuple(50.0 if i == j else 1.0 for j in range(5)) for i in range(4))
)


def counted(odd, share, *, target=100, width=50.0):
    reckoning = CountingMethod(max_interval_width=width).by(CONFUSION, KNOWN)
    count = SpecimenCount("S", LABELS, target, reckoning)
    contribution = Contribution(
        accepted=True,
        counted={"neutrophil": 70, "lymphocyte": 50},
        unclassified={"unfamiliar": 50, "unsteady": 30},
        incomplete=0,
        likeness=tuple(cells(200, odd, share)),
    )
    count.add(contribution)
    return count


def test_of_a_known_microscope_the_count_is_as_it_was():
    said = message(counted(USUAL, 0))
    assert said.familiar.verdict == "familiar"
    assert said.stop_reason is not None
    assert said.correction.method == METHOD
    assert (said.classes[0].label, said.interval) == (LABELS[0], "Clopper-Pearson 95 %")


@pytest.mark.parametrize(("share", "verdict"), [(0.28, "doubtful"), (0.9, "unfamiliar")])
def test_of_another_one_nothing_is_corrected_and_refused_cells_may_be_of_any_class(share, verdict):
    said, usual = message(counted(Likeness(1.4, 0.95, None), share)), message(counted(USUAL, 0))
    assert said.familiar.verdict == verdict
    assert said.correction.method is None
    assert verdict in said.correction.reason
    assert all(row.corrected is None for row in said.classes)
    assert said.interval.endswith(", wherever the refused cells belong")
    neutrophil, before = (next(c for c in one.classes if c.label == "neutrophil") for one in (said, usual))
    assert neutrophil.percent == before.percent
    # 70 to 120 of 170 cells may be neutrophils.
    assert neutrophil.low < 100 * 70 / 170 < before.low
    assert neutrophil.high > 100 * 120 / 170 > before.high


def test_where_refused_cells_may_be_of_any_class_the_intervals_are_only_as_narrow_as_they_are_published():
    # 70 of 120 cells: 18 points wide; with 50 refused ones, 44.
    usual, doubtful = (
        counted(*odd, target=1000, width=30) for odd in ((USUAL, 0), (Likeness(1.4, 0.95, None), 0.28))
    )
    assert usual.stop_reason() == "every interval is at most 30 percent points wide"
    assert doubtful.stop_reason() is None
    assert message(doubtful).state == "running"
    assert max(row.high - row.low for row in message(doubtful).classes) > 30


def test_of_an_unfamiliar_one_the_count_is_never_enough():
    assert message(counted(Likeness(1.4, 0.95, None), 0.28)).stop_reason is not None
    count = counted(Likeness(1.4, 0.95, None), 0.9)
    assert count.stop_reason() is None
    assert message(count).state == "running"


def test_cells_like_blasts_are_said_aloud_and_not_as_anything_else():
    count = SpecimenCount("S", LABELS, 100)
    count.add(
        Contribution(accepted=True, counted={"lymphocyte": 60}, unclassified={"other": 40}, incomplete=0)
    )
    flag = next(flag for flag in message(count).flags if flag.rule == "blast-like-percent-high")
    assert (flag.version, flag.certainty, flag.label) == (2, "definite", "cells like blasts")
    assert "have the smear looked at" in flag.sentence
    count = SpecimenCount("S", LABELS, 100)
    count.add(
        Contribution(accepted=True, counted={"lymphocyte": 97}, unclassified={"other": 3}, incomplete=0)
    )
    assert not message(count).flags or message(count).flags[0].rule != "blast-like-percent-high"


def test_what_passes_for_a_cell_in_few_fields_only_does_not_dilute_the_cells_like_blasts():
    count = SpecimenCount("S", LABELS, 100)
    refused = {"other": 30, UNSTEADY: 200}
    count.add(Contribution(accepted=True, counted={"lymphocyte": 70}, unclassified=refused, incomplete=0))
    flags = {flag.rule: flag.certainty for flag in message(count).flags}
    assert flags["blast-like-percent-high"] == "definite", "30 of 100 white cells"
    assert flags["unclassified-percent-high"] == "definite"
    assert "30 (" in next(f.sentence for f in message(count).flags if f.rule == "unclassified-percent-high")
