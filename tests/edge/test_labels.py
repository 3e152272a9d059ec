"""The names of classes, as people write them."""

from __future__ import annotations

import pytest

from edge.labels import did_you_mean

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
