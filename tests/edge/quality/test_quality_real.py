"""Real images: as they are they are accepted, and the worse they are taken the fewer. All by `make soak`."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import numpy as np
import pytest
from degraded import ALL, DEGRADATIONS, HELD_OUT, SETS, degraded, images

from edge.quality.assessment import assess
from edge.quality.reference import QualityReference

pytestmark = pytest.mark.timeout(3000 if ALL else 300)


def taken(reference, pixels):
    """Judge a frame as a specimen's next, and remember it."""
    quality = assess(pixels, reference)
    reference.learn(quality, pixels.shape[1], pixels.shape[0])
    return quality


@pytest.mark.parametrize("name", SETS | HELD_OUT)
def test_of_the_images_as_they_are_19_of_20_are_accepted(name):
    reference = QualityReference()
    reasons = Counter(taken(reference, pixels).reason for pixels in images(name))
    if ALL:
        print(f"\n{name}: {reasons[None]} of {reasons.total()} accepted; {dict(reasons)}")  # noqa: T201
    assert reasons[None] >= 0.95 * reasons.total(), reasons


def test_of_all_sets_in_one_folder_19_of_20_are_accepted():
    reference = QualityReference()
    reasons = Counter(taken(reference, pixels).reason for name in SETS for pixels in images(name, 30))
    assert reasons[None] >= 0.95 * reasons.total(), reasons


@pytest.mark.parametrize("how", DEGRADATIONS)
@pytest.mark.parametrize("name", SETS)
def test_the_worse_they_are_taken_the_fewer_are_accepted_down_to_none(name, how):
    shown = list(islice(images(name, 12), 200))
    reference = QualityReference()
    for pixels in shown:
        taken(reference, pixels)
    accepted = [sum(assess(pixels, reference).accepted for pixels in shown)]
    _, steps, expected = DEGRADATIONS[how]
    for step in steps:
        reasons = Counter(assess(degraded(pixels, how, step), reference).reason for pixels in shown)
        accepted.append(reasons[None])
    # One that was taken too dark, say, gains by a little more light.
    assert all(after <= before + 1 for before, after in pairwise(accepted)), accepted
    assert accepted[1] > 0.5 * len(shown), accepted
    assert accepted[-1] <= 0.1 * len(shown), accepted
    assert reasons.most_common(1)[0][0] in expected


@pytest.mark.parametrize("name", SETS)
def test_focus_falls_with_every_step_of_blur_whatever_the_noise_of_the_sensor(name):
    rng = np.random.default_rng(1)
    for noise in (0, 2):
        series = []
        for pixels in islice(images(name, 8), 8):
            blurs = [pixels] + [degraded(pixels, "blur", sigma) for sigma in (1, 1.5, 2, 3, 4)]
            noisy = [np.clip(b + rng.normal(0, noise, b.shape), 0, 255).astype(np.uint8) for b in blurs]
            series.append([assess(frame).focus for frame in noisy])
        falls = np.diff(np.array(series), axis=1) < 0
        assert falls.mean() >= (0.9 if noise else 0.97), falls
