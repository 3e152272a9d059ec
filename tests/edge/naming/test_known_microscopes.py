"""What is usual of known microscopes, counted by hand, and where the limits stand."""

from __future__ import annotations

import numpy as np
import pytest

from edge.labels import OTHER
from edge.naming.known_microscopes import known_microscopes
from edge.naming.rejection import Judgement

CLASSES = ("lymphocyte", "monocyte", OTHER)


def likely(label, probability):
    """Probabilities with this one for the label and the rest shared evenly."""
    row = np.full(len(CLASSES), (1 - probability) / (len(CLASSES) - 1), np.float32)
    row[CLASSES.index(label)] = probability
    return row


class Cells:
    """Cells of which everything is known."""

    def __init__(self):
        self.rows, self.judged, self.labels, self.weights, self.sets = [], [], [], [], []

    def add(self, true, called, probability, distance, reason=None, *, weight=1.0, of=0):
        self.rows.append(likely(called, probability))
        self.judged.append(Judgement(probability, reason, distance))
        self.labels.append(CLASSES.index(true))
        self.weights.append(weight)
        self.sets.append(of)

    def known(self, *, by_set=True):
        return known_microscopes(
            np.array(self.rows),
            self.judged,
            np.array(self.labels),
            np.array(self.weights),
            sets=np.array(self.sets) if by_set else None,
            classes=CLASSES,
            on="held-out cells",
        )


def two_sets():
    """Twenty white cells of one set, all usual, and twenty of another, of which some are not."""
    cells = Cells()
    for number in range(20):
        cells.add("lymphocyte", "lymphocyte", 0.90 + 0.001 * number, 0.50 + 0.01 * number)
    for number in range(20):
        far, unsure = number < 4, 10 <= number < 13
        cells.add(
            "monocyte",
            "lymphocyte" if number == 19 else "monocyte",
            0.7 if unsure else 0.95 + 0.001 * number,
            1.5 + 0.1 * number if far else 0.30 + 0.01 * number,
            "unfamiliar" if number < 2 else "uncertain" if number == 11 else None,
            of=1,
        )
    # Five white cells that are called other; and things that are none, of which one is called one.
    for _ in range(5):
        cells.add("monocyte", OTHER, 0.9, 9.0, OTHER, of=1)
    for number in range(15):
        cells.add(OTHER, OTHER if number else "monocyte", 0.9, 9.0, OTHER if number else None, of=2)
    return cells


def test_the_figures_are_those_that_one_counts_by_hand():
    known = two_sets().known()
    assert known.on == "held-out cells"
    # Of the 40 white cells that are called something, nine in ten are no further off than 0.69, the 36th
    # nearest, and nine in ten no less sure than 0.9, the least sure of the first set.
    assert known.unlike == 0.69
    assert known.unsure == pytest.approx(0.9, abs=0.001)
    assert known.usual["unlike"] == 0.1
    assert known.usual["unsure"] == pytest.approx(3 / 40)
    assert known.usual["refused"] == pytest.approx(3 / 40)
    assert known.usual["other"] == 0.1111  # 5 of 45
    # One monocyte is called a lymphocyte, and one thing that is no white cell a monocyte, of 37 + 1 calls.
    assert known.wrong_calls == pytest.approx(2 / 38, abs=1e-4)


def test_the_limits_stand_apart_from_the_worst_microscope_not_from_the_mean():
    limits = two_sets().known().limits
    assert (limits["unlike"].doubtful, limits["unlike"].unfamiliar) == (0.23, 0.35)  # 4 of 20
    assert (limits["refused"].doubtful, limits["refused"].unfamiliar) == (0.18, 0.3)  # 3 of 20
    assert (limits["unsure"].doubtful, limits["unsure"].unfamiliar) == (0.18, 0.3)  # 3 of 20
    assert (limits["other"].doubtful, limits["other"].unfamiliar) == (0.23, 0.35)  # 5 of 25


def test_where_no_sets_are_told_all_cells_are_of_one_microscope():
    limits = two_sets().known(by_set=False).limits
    assert (limits["unlike"].doubtful, limits["unlike"].unfamiliar) == (0.13, 0.25)  # 4 of 40


def test_a_set_of_a_few_cells_does_not_speak_for_its_microscope():
    cells = two_sets()
    for _ in range(9):
        cells.add("monocyte", "monocyte", 0.99, 0.5, "uncertain", of=3)
    assert cells.known().limits["refused"].doubtful == 0.18
    cells.add("monocyte", "monocyte", 0.99, 0.5, "uncertain", of=3)
    limits = cells.known().limits["refused"]
    assert (limits.doubtful, limits.unfamiliar) == (1.0, 1.0)


def test_where_every_set_is_small_all_cells_speak_together():
    cells = Cells()
    for number in range(12):
        cells.add("monocyte", "monocyte", 0.9, 0.5 + number, of=number % 3)
    known = cells.known()
    assert known.usual["unlike"] == pytest.approx(1 / 12, abs=1e-4)
    assert known.limits["unlike"].doubtful == pytest.approx(1 / 12 + 0.03, abs=1e-3)


def test_ten_white_cells_say_something_and_nine_do_not():
    cells = Cells()
    for _ in range(9):
        cells.add("monocyte", "monocyte", 0.9, 0.5)
    cells.add("monocyte", OTHER, 0.9, 0.5, OTHER)
    assert cells.known() is None
    cells.add("monocyte", "monocyte", 0.9, 0.5)
    assert cells.known() is not None


def test_a_rule_without_distances_says_nothing():
    cells = two_sets()
    cells.judged[7] = Judgement(0.9, None, None)
    assert cells.known() is None


def test_a_cell_counts_by_its_weight():
    cells = Cells()
    for _ in range(18):
        cells.add("monocyte", "monocyte", 0.9, 0.5)
    for _ in range(2):
        cells.add("monocyte", "lymphocyte", 0.9, 3.0, weight=0.5)
    known = cells.known()
    assert known.unlike == 0.5
    assert known.usual["unlike"] == pytest.approx(1 / 19, abs=1e-4)
    assert known.limits["unlike"].doubtful == pytest.approx(1 / 19 + 0.03, abs=1e-3)
    assert known.wrong_calls == pytest.approx(1 / 19, abs=1e-4)


def test_where_all_is_refused_no_share_of_wrong_calls_is_told():
    cells = Cells()
    for _ in range(12):
        cells.add("monocyte", "monocyte", 0.4, 0.5, "uncertain")
    known = cells.known()
    assert known.wrong_calls is None
    assert known.usual["refused"] == 1.0
    assert known.limits["refused"].unfamiliar == 1.0
