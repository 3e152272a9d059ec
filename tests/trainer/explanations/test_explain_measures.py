"""Maps and what is measured of them, on cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the trainer needs scikit-learn")

from trainer.explanations import measures, proof
from trainer.explanations.baselines import CENTRE, MEAN, RANDOM, REDRAWN
from trainer.explanations.deadline import Deadline

PATCH = np.s_[80:112, 8:40]  # of the crop; on a grid of 15x15 the places 10-13, 1-4


def only_the_patch_matters(pixels):
    """Answer like a network that calls class 1 by how purely blue one patch is, and looks at nothing else."""
    blue = pixels[:, PATCH[0], PATCH[1], 2].mean(axis=(1, 2)) / 255
    return np.stack([np.zeros(len(pixels)), 30 * blue - 22], axis=1).astype(np.float32)


@pytest.fixture
def crop():
    picture = np.full((120, 120, 3), (220, 210, 30), np.uint8)
    picture[PATCH] = (10, 10, 250)
    return picture


def on_the_patch():
    grid = np.zeros((15, 15), np.float32)
    grid[10:14, 1:5] = 1
    return grid


def test_taking_the_evidence_away_costs_more_than_taking_anything_away(crop):
    rng = np.random.default_rng(3)
    chance = [
        measures.deletion_and_insertion(
            rng.random((15, 15)).astype(np.float32), crop, 1, only_the_patch_matters
        )
        for _ in range(5)
    ]
    deleted, inserted = measures.deletion_and_insertion(on_the_patch(), crop, 1, only_the_patch_matters)
    # The patch is 7 % of the crop: after two of twenty steps nothing of it is left, and all of it is there.
    assert deleted[0] > 0.99
    assert deleted[3] < 0.05
    assert inserted[0] < 0.5
    assert inserted[3] > 0.95
    for other_deleted, other_inserted in chance:
        assert measures.area(deleted) < measures.area(other_deleted) - 0.2
        assert measures.area(inserted) > measures.area(other_inserted) + 0.2


def test_a_map_of_one_value_is_deleted_in_an_order_of_chance(crop):
    flat = np.ones((15, 15), np.float32)
    deleted, _ = measures.deletion_and_insertion(flat, crop, 1, only_the_patch_matters)
    # Row by row from the top, the patch, which begins at row 80, would stand untouched until step 13 of 20.
    assert deleted[8] < deleted[0] - 0.1


def test_energy_is_the_share_of_the_positive_sum():
    left = np.zeros((120, 120), np.bool_)
    left[:, :60] = True
    grid = np.tile(np.array([3, 3, 1, 1], np.float32), (4, 1))
    # Each column is 30 pixels; between the middles of the second and the third the map falls from 3 to 1.
    on_left, on_right = 45 * 3 + 15 * 2.5, 15 * 1.5 + 45 * 1
    assert measures.energy_inside(grid, left) == pytest.approx(on_left / (on_left + on_right), abs=1e-4)
    assert measures.energy_inside(np.where(grid == 3, grid, -5), left) > 0.95
    assert measures.energy_inside(np.zeros((4, 4), np.float32), left) == 0


def test_the_highest_place_is_in_the_mask_or_not():
    mask = np.zeros((120, 120), np.bool_)
    mask[PATCH] = True
    assert measures.points_inside(on_the_patch(), mask)
    assert not measures.points_inside(on_the_patch()[::-1].copy(), mask)
    assert not measures.points_inside(np.ones((15, 15), np.float32), ~np.zeros_like(mask))


def test_correlations():
    ramp = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert measures.pearson(ramp, 3 * ramp + 2) == pytest.approx(1)
    assert measures.pearson(ramp, -ramp) == pytest.approx(-1)
    assert measures.pearson(ramp, np.zeros((4, 4), np.float32)) == 0
    assert measures.pearson(ramp, np.kron(ramp, np.ones((2, 2), np.float32))) == pytest.approx(1)
    assert measures.pearson(ramp, ramp**3) < 0.95
    assert measures.spearman(ramp, ramp**3) == pytest.approx(1)
    ties = np.array([[0, 0], [1, 2]], np.float32)
    # Ranks 1.5, 1.5, 3, 4 against 4, 3, 2, 1.
    assert measures.spearman(ties, np.array([[4, 3], [2, 1]], np.float32)) == pytest.approx(-0.9487, abs=1e-4)


def rows_of(figure, *, method, baseline):
    values = {"Grad-CAM": dict(enumerate(method))}
    values |= {name: dict(enumerate(baseline)) for name in (RANDOM, CENTRE, MEAN, REDRAWN)}
    names = [f"photograph {i // 2}" for i in range(len(method))]
    return proof.rows(proof.Measured("held out", figure, values), names)


def test_a_verdict_comes_from_the_numbers():
    rng = np.random.default_rng(1)
    base = rng.normal(0.5, 0.1, 40)
    better, *baselines = rows_of(proof.ENERGY["cell"], method=base + 0.1, baseline=base)
    assert better.verdict == proof.WINS
    assert (better.images, better.photographs, better.statistic) == (40, 20, "median")
    assert better.value.value == pytest.approx(np.median(base + 0.1))
    assert better.value.low < better.value.value < better.value.high
    assert [one.better_by.value for one in better.against] == pytest.approx([0.1] * 4)
    assert {row.verdict for row in baselines} == {proof.BASELINE}
    level = rows_of(proof.ENERGY["cell"], method=base + rng.normal(0, 0.1, 40), baseline=base)[0]
    assert level.verdict == f"does not beat: {RANDOM}, {CENTRE}, {MEAN}, {REDRAWN}"
    worse = rows_of(proof.ENERGY["cell"], method=base - 0.1, baseline=base)[0]
    assert worse.verdict == f"worse than: {RANDOM}, {CENTRE}, {MEAN}, {REDRAWN}"


def test_of_few_photographs_no_verdict_is_made():
    values = np.linspace(0.4, 0.6, 2 * proof.LEAST - 2)  # two images a photograph
    found = rows_of(proof.ENERGY["cell"], method=values + 0.3, baseline=values)[0]
    assert found.verdict == f"{proof.LEAST - 1} photographs are too few for a verdict"
    assert found.against[0].better_by.low > 0


def test_less_is_better_in_deletion():
    base = np.linspace(0.2, 0.8, 30)
    assert rows_of(proof.DELETION, method=base - 0.1, baseline=base)[0].verdict == proof.WINS
    assert rows_of(proof.INSERTION, method=base - 0.1, baseline=base)[0].verdict != proof.WINS


def test_a_method_is_compared_on_the_images_that_it_reached():
    # Where it looked, the method is better; over all images the baseline's mean is higher.
    values = {"LIME": dict.fromkeys(range(12), 0.4), CENTRE: {i: 0.1 if i < 12 else 1.0 for i in range(30)}}
    names = [f"p{i}" for i in range(30)]
    found = proof.rows(proof.Measured("held out", proof.INSERTION, values), names)
    assert found[0].images == 12
    assert found[0].against[0].better_by.value == pytest.approx(0.3)
    assert found[0].verdict == proof.WINS


def test_copies_of_one_photograph_are_drawn_together():
    values = [0.0] * 10 + [1.0] * 10
    apart = proof.middle(values, [str(i) for i in range(20)], "mean")
    together = proof.middle(values, [str(i // 10) for i in range(20)], "mean")
    assert apart.value == together.value == 0.5
    assert (together.low, together.high) == (0, 1)
    assert apart.low > 0.2


def test_the_tenth_percentile_lies_below_the_median():
    values = np.linspace(0, 1, 101)
    names = [str(i) for i in range(101)]
    assert proof.middle(values, names, "tenth percentile").value == pytest.approx(0.1)
    assert proof.middle(values, names, "median").high < 0.7


def test_images_without_any_float_map_are_told_apart():
    correlations, blank = [0.9, 0.0, 0.8, 0.0], [False, True, False, True]
    found = proof.fidelity("a runtime", correlations, (blank, blank), np.ones(4, np.bool_), list("abcd"))
    assert (found.median.value, found.shown_median.value) == pytest.approx((0.4, 0.85))
    assert (found.blank, found.float_blank) == (2, 2)
    none = proof.fidelity("a runtime", [0.0], ([True], [True]), np.ones(1, np.bool_), ["a"])
    assert none.shown_median is None


def test_a_map_that_keeps_itself_is_said_to():
    rng = np.random.default_rng(2)
    layers, names = ["head", "first"], [str(i) for i in range(20)]
    noise = rng.normal(0, 0.02, (2, 20))
    told = {"deaf": 0.98 + noise, "hears": np.array([[0.3], [0.0]]) + noise, MEAN: np.ones((2, 20))}
    told["deaf"][0] = 1.0
    centred = {name: np.full(20, 0.6) for name in told}
    found = proof.randomisation(layers, told, told, centred, names)
    assert "no less than the mean activation" in found.verdicts["deaf"]
    assert "still more like itself" in found.verdicts["deaf"]
    assert "less than the mean activation" in found.verdicts["hears"]
    assert "no less" not in found.verdicts["hears"]
    assert "no more like itself" in found.verdicts["hears"]
    assert found.verdicts[MEAN] == proof.BASELINE
    assert [step.layer for step in found.steps] == layers


def test_a_deadline_is_over_when_its_time_is():
    now = [100.0]
    deadline = Deadline(10, lambda: now[0])
    first = deadline.part(0.5)
    now[0] = 104.0
    assert (deadline.left, first.left) == (6, 1)
    assert not first.over
    now[0] = 105.5
    assert first.over
    assert not deadline.over
    now[0] = 111.0
    assert deadline.over
    assert deadline.part(0.5).over
