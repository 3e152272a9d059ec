"""One look for every stain: what a camera, a lamp and a dye do to colours is taken back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.masking.stain import WHITE_LEVEL, measure_stain

GLASS, NUCLEUS, RED_CELL, CYTOPLASM = (np.s_[:40], np.s_[40:80], np.s_[80:120], np.s_[120:])
DENSITIES = ((NUCLEUS, (0.9, 1.3, 0.35)), (RED_CELL, (0.12, 0.3, 0.22)), (CYTOPLASM, (0.3, 0.45, 0.12)))


def smear(white=(235, 232, 228), dye=1.0, mixing=None):
    """Draw four bands, glass, nucleus, red cell, cytoplasm: uint8 RGB (160, 60, 3)."""
    density = np.zeros((160, 60, 3))
    for where, values in DENSITIES:
        density[where] = values
    if mixing is not None:
        density @= np.asarray(mixing).T
    return np.clip(np.array(white) * np.exp(-dye * density), 0, 255).round().astype(np.uint8)


def looked_at(pixels, *, red_cells=True):
    where = np.zeros((2, *pixels.shape[:2]), bool)
    where[0][NUCLEUS] = True
    where[1][RED_CELL] = red_cells
    white = np.median(pixels[GLASS], axis=(0, 1)).astype(np.float32)
    return measure_stain(pixels, white, where[0], where[1])


def bands(pixels):
    return np.array([np.median(pixels[part], axis=(0, 1)) for part in (GLASS, NUCLEUS, RED_CELL, CYTOPLASM)])


REFERENCE = bands(looked_at(smear()).normalized(smear()))


@settings(max_examples=40, deadline=None)
@given(
    white=st.tuples(st.floats(170, 250), st.floats(170, 250), st.floats(170, 250)),
    dye=st.floats(0.5, 1.4),
    crosstalk=st.lists(st.floats(-0.08, 0.08), min_size=6, max_size=6),
)
def test_lamp_camera_and_strength_of_the_dyes_leave_no_trace(white, dye, crosstalk):
    mixing = np.eye(3)
    mixing[~np.eye(3, dtype=bool)] = crosstalk
    other = smear(white, dye, mixing)
    np.testing.assert_allclose(bands(looked_at(other).normalized(other)), REFERENCE, atol=12)


def test_glass_becomes_the_white_level_and_stains_are_told_apart():
    assert REFERENCE[0] == pytest.approx([WHITE_LEVEL] * 3, abs=2)
    pale = smear(dye=0.5)
    assert np.abs(bands(pale) - REFERENCE)[1].max() > 40  # else the test above would show nothing


def test_without_red_cells_or_nuclei_nothing_is_made_up():
    pixels = smear((200, 210, 215), 0.6)
    grey = bands(looked_at(pixels, red_cells=False).normalized(pixels))
    assert grey[0] == pytest.approx([WHITE_LEVEL] * 3, abs=2)
    assert grey[1][1] == pytest.approx(REFERENCE[1][1], abs=12)
    none = np.zeros(pixels.shape[:2], bool)
    plain = measure_stain(pixels, np.array([200, 210, 215], np.float32), none, none).normalized(pixels)
    assert bands(plain)[0] == pytest.approx([WHITE_LEVEL] * 3, abs=2)
    assert (bands(plain)[1] > bands(pixels)[1]).all()


def test_two_stains_of_one_colour_get_one_gain_not_noise():
    alike = smear()
    alike[RED_CELL] = alike[NUCLEUS]
    mixing = looked_at(alike).mixing
    np.testing.assert_allclose(mixing, mixing[0, 0] * np.eye(3), atol=1e-6)
    assert mixing[0, 0] <= 3
