"""How well a finder finds: each true thing is found once, and precision is as it is defined."""

from __future__ import annotations

import numpy as np
import pytest
from finder_fields import field

from edge.finding import Detections
from trainer.finder.measuring import average_precision, matched


def found(*things):
    kinds, scores, x, y, diameters = (np.array(column) for column in zip(*things, strict=True))
    return Detections(
        kinds.astype(np.int64),
        scores.astype(np.float32),
        np.stack([x, y], axis=1).astype(np.float32),
        diameters.astype(np.float32),
    )


TRUE = np.array([(50, 50), (150, 50)], np.float32), np.array([40, 40], np.float32)


def test_the_surest_takes_the_true_one_and_a_second_look_at_it_is_false():
    hits = matched(found((0, 0.9, 52, 48, 44), (0, 0.8, 47, 50, 38), (0, 0.7, 150, 55, 30)), *TRUE)
    assert hits.tolist() == [0, -1, 1]


@pytest.mark.parametrize("thing", [(0, 0.9, 75, 50, 40), (0, 0.9, 50, 50, 18), (0, 0.9, 50, 50, 90)])
def test_what_lies_beside_or_is_far_too_small_or_large_is_no_hit(thing):
    assert matched(found(thing), *TRUE).tolist() == [-1]


def test_the_mean_precision_of_right_wrong_right_over_four():
    one = field(annotated=(False, True, False))  # four red cells
    things = found((1, 0.9, 80, 80, 36), (1, 0.8, 200, 20, 36), (1, 0.7, 320, 80, 36), (0, 0.95, 10, 10, 70))
    # Recall 1/4 at precision 1, 2/4 at precision 2/3; white cells and platelets are not marked here.
    assert average_precision([one], lambda _: things) == pytest.approx((1 + 2 / 3) / 4)


def test_nothing_found_is_no_precision():
    empty = found((0, 0.9, 10, 10, 70)).of("red cell")
    assert average_precision([field(annotated=(False, True, False))], lambda _: empty) == 0.0
