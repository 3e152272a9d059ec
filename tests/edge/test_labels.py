"""The names of classes, as people write them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import edge.web
from edge.demo.colours import COLOURS
from edge.labels import NORMAL_CLASSES, NOT_WHITE, did_you_mean, nameable
from edge.web.words import CLASSES

LABELS = ("neutrophil", "eosinophil", "monocyte")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Neutrofils", "; did you mean neutrophil?"),
        ("eosinofil", "; did you mean eosinophil?"),
        ("Monocites", "; did you mean monocyte?"),
        ("basophil", ""),  # another class, and no slip
        ("lymphocyte", ""),
        ("notes", ""),
    ],
)
def test_a_slip_of_the_pen_is_taken_for_its_class_and_another_class_is_not(name, meant):
    assert did_you_mean(name, LABELS) == meant


def test_every_class_has_a_word_and_every_normal_one_a_colour_by_day_and_by_night():
    assert set(CLASSES) == {*nameable(()), NOT_WHITE}
    style = (Path(edge.web.__file__).parent / "static/page.css").read_text(encoding="utf-8")
    for label in NORMAL_CLASSES:
        assert len(set(re.findall(rf"--{label}: (#[0-9a-f]{{6}});", style))) == 2, label
        assert label in COLOURS
