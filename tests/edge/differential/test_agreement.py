"""What people's words change in a count, and how far model and people agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.differential.review import ReviewedCell, agreement, changes
from edge.slide.contribution import CUT, SMEARED


def said(pairs: dict[tuple[str, str | None], int]) -> list[ReviewedCell]:
    return [ReviewedCell(a, None, b, "x") for (a, b), number in pairs.items() for _ in range(number)]


def test_kappa_is_that_of_the_text_books():
    # 0.40 and its error of 0.127: the usual example of two readers and 50 slides.
    told = agreement(said({("a", "a"): 20, ("a", "b"): 5, ("b", "a"): 10, ("b", "b"): 15}))
    assert told.kappa == 0.4
    assert (told.low, told.high) == pytest.approx((0.4 - 1.96 * 0.127, 0.4 + 1.96 * 0.127), abs=0.02)
    assert [(row.label, row.by_model, row.by_person, row.both) for row in told.classes] == [
        ("a", 25, 30, 20),
        ("b", 25, 20, 15),
    ]


def test_where_all_agree_few_cells_say_less_than_many():
    few, many = (agreement(said({("a", "a"): n, ("b", "b"): n})) for n in (5, 500))
    assert few.kappa == many.kappa == 1
    assert few.low < 0.9
    assert many.low > 0.99


def test_of_one_class_alone_no_agreement_beyond_chance_can_be_told():
    told = agreement(said({("a", "a"): 9}))
    assert (told.agreed, told.kappa, told.low, told.high) == (9, None, None, None)
    assert agreement([]) is None


def test_who_was_called_what_is_listed_where_the_two_differ():
    told = agreement(said({("b", "a"): 2, ("a", "a"): 3, ("a", None): 1, ("a", "c"): 4}))
    assert (told.cells, told.agreed) == (10, 3)
    assert [(row.label, row.to, row.cells) for row in told.renamed] == [
        ("a", "c", 4),
        ("a", "not a white cell", 1),
        ("b", "a", 2),
    ]


@pytest.mark.parametrize("aside", [CUT, SMEARED])
def test_a_cell_that_another_field_shows_tells_nothing_of_the_agreement(aside):
    elsewhere = [ReviewedCell("a", aside, "b", "x")] * 5
    assert agreement([*said({("a", "a"): 3}), *elsewhere]).cells == 3
    assert agreement(elsewhere) is None


@given(st.lists(st.integers(0, 30), min_size=9, max_size=9).filter(lambda row: sum(x > 0 for x in row) > 2))
def test_kappa_is_what_its_definition_says(table):
    names = "abc"
    pairs = {(a, b): table[3 * i + j] for i, a in enumerate(names) for j, b in enumerate(names)}
    share = np.reshape(table, (3, 3)) / sum(table)
    chance = share.sum(axis=0) @ share.sum(axis=1)
    told = agreement(said(pairs))
    if chance < 1 - 1e-9:
        assert told.kappa == pytest.approx((np.trace(share) - chance) / (1 - chance), abs=0.0006)
        assert -1 <= told.low <= told.kappa <= told.high <= 1


@pytest.mark.parametrize(
    ("label", "refused", "named", "counted", "unclassified", "by_people", "excluded"),
    [
        ("monocyte", None, "lymphocyte", {"monocyte": -1, "lymphocyte": 1}, {}, {"lymphocyte": 1}, {}),
        ("monocyte", None, "monocyte", {"monocyte": 0}, {}, {"monocyte": 1}, {}),
        ("monocyte", None, None, {"monocyte": -1}, {}, {}, {"not a white cell": 1}),
        ("monocyte", None, "smudge cell", {"monocyte": -1}, {}, {}, {"smudge cell": 1}),
        ("monocyte", "uncertain", "blast", {"blast": 1}, {"uncertain": -1}, {"blast": 1}, {}),
        ("other", "other", "other", {}, {"other": -1}, {}, {"other": 1}),
        ("monocyte", CUT, "monocyte", {}, {}, {}, {}),
    ],
)
def test_a_word_moves_a_cell_from_where_the_model_had_it(
    label, refused, named, counted, unclassified, by_people, excluded
):
    change = changes([ReviewedCell(label, refused, named, "mt.01")])
    assert change == (counted, unclassified, by_people, excluded)


def test_that_nothing_is_to_be_counted_is_one_opinion_in_two_words():
    cells = [ReviewedCell("other", "other", None, "x"), ReviewedCell("neutrophil", None, None, "x")]
    assert [each.agrees for each in cells] == [True, False]
    found = agreement(cells)
    assert (found.cells, found.agreed) == (2, 1)
    assert [(one.label, one.to) for one in found.renamed] == [("neutrophil", "not a white cell")]
