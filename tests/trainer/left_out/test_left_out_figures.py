"""The figures of a microscope left out, against sums done by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_fields import white_cell

from trainer.data.images import AnnotatedImage, Box
from trainer.left_out.figures import finding_figures, naming_figures

OTHER = 2


def named(labels, likeliest, called=None, groups=None, cells=None):
    names = [str(number) for number in range(len(labels))]
    return naming_figures(
        np.array(labels),
        np.array(likeliest),
        None if called is None else np.array(called, np.bool_),
        counted=(0, 1),
        groups=groups or names,
        cells=cells or names,
    )


def test_classes_count_alike_and_other_is_a_wrong_answer():
    found = named([0, 0, 0, 0, 1, 1], [0, 0, 0, OTHER, 1, 0])
    assert found["macro recall"].value == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert set(found) == {"macro recall"}, "without a rule nothing is called or refused"


def test_pictures_of_one_cell_count_once():
    found = named([0] * 10 + [0, 1], [1] * 10 + [0, 1], cells=["a"] * 10 + ["b", "c"])
    assert found["macro recall"].value == pytest.approx((1 / 2 + 1) / 2)


def test_calls_and_wrong_calls_and_what_should_not_be_called():
    found = named([0, 0, 1, 1, OTHER, OTHER], [0, 1, 1, 1, 0, OTHER], [1, 1, 1, 0, 1, 0])
    assert found["called"].value == pytest.approx(3 / 4)
    assert found["wrong calls"].value == pytest.approx(2 / 4), "one misnamed, one that is no counted cell"
    assert found["others called"].value == pytest.approx(1 / 2)


def test_a_figure_that_there_is_nothing_for_is_absent():
    found = named([0, 1], [0, 1], [0, 0])
    assert found["called"].value == 0
    assert not {"wrong calls", "others called"} & set(found)


@pytest.mark.parametrize("called", [None, []])
def test_of_no_cells_there_are_no_figures(called):
    assert named([], [], called) == {}
    assert finding_figures([], []) == ({}, {"cells": 0, "fields": 0, "groups": 0})


def test_of_cells_that_are_all_of_no_counted_class_no_recall_is_told():
    found = named([OTHER, OTHER], [0, OTHER], [1, 0])
    assert set(found) == {"wrong calls", "others called"}
    assert found["others called"].value == pytest.approx(1 / 2)


def test_intervals_are_over_groups():
    labels, likeliest = [0] * 40, [0] * 20 + [1] * 20
    alone = named(labels, likeliest)["macro recall"]
    slides = named(labels, likeliest, groups=["a"] * 20 + ["b"] * 20)["macro recall"]
    assert (slides.low, slides.high) == (0, 1), "a draw of two slides is often one of them twice"
    assert alone.high - alone.low < 0.4


def field(name, *boxes, group="", cell=""):
    return AnnotatedImage(Path(name), name, boxes, group=group, cell=cell)


def test_found_cells_have_one_partner_each():
    images = [
        field("a", white_cell((0, 0, 100, 100)), Box("red cell", 200, 0, 50, 50)),
        field("b", white_cell((0, 0, 100, 100)), white_cell((200, 0, 100, 100))),
    ]
    found = [[(5, 5, 100, 100), (0, 0, 90, 90), (200, 0, 50, 50)], [(200, 10, 100, 100)]]
    figures, counts = finding_figures(images, found)
    assert figures["found"].value == pytest.approx(2 / 3)
    assert figures["precision"].value == pytest.approx(2 / 4)
    assert counts == {"cells": 3, "fields": 2, "groups": 2}


def test_fields_of_one_cell_count_once_and_fields_without_cells_can_only_cost_precision():
    one = white_cell((0, 0, 100, 100))
    images = [field("a", one, cell="x"), field("b", one, cell="x"), field("c", one), field("d")]
    figures, _ = finding_figures(images, [[], [], [(0, 0, 100, 100)], [(0, 0, 9, 9)]])
    assert figures["found"].value == pytest.approx(1 / 2)
    assert figures["precision"].value == pytest.approx(1 / 2)
