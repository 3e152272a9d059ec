"""A crop has one physical size and one look, whatever the magnification, the lamp and the stain."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from real_data import real_images

from edge.cameras.image_files import read_image
from edge.masking import CROP_SIZE, cut_crop, find_cells

BACKGROUND, RED_CELL, CYTOPLASM, NUCLEUS = (225, 220, 215), (205, 165, 165), (200, 170, 210), (100, 60, 150)


def smear(red_cell=72, *, red_cells=True):
    """Draw a white cell, its nucleus 1.3 red cells across, among red cells of that diameter in pixels."""
    pixels = np.full((480, 640, 3), BACKGROUND, np.uint8)
    step = round(1.45 * red_cell)
    if red_cells:
        for y in range(step // 2, 480, step):
            for x in range(step // 2, 640, step):
                if np.hypot(x - 320, y - 240) > 1.8 * red_cell:
                    cv2.circle(pixels, (x, y), red_cell // 2, RED_CELL, -1, cv2.LINE_AA)
    cv2.circle(pixels, (320, 240), round(0.85 * red_cell), CYTOPLASM, -1, cv2.LINE_AA)
    cv2.circle(pixels, (320, 240), round(0.65 * red_cell), NUCLEUS, -1, cv2.LINE_AA)
    return pixels


def only_crop(pixels, micrometres_per_pixel=None):
    masks = find_cells(pixels, micrometres_per_pixel=micrometres_per_pixel)
    (cell,) = masks.cells
    return masks, cell, cut_crop(pixels, masks, cell)


@pytest.mark.parametrize("red_cell", [44, 60, 90])
def test_a_red_cell_is_seven_and_a_half_micrometres_at_every_magnification(red_cell):
    masks, cell, _ = only_crop(smear(red_cell))
    assert masks.scale.source == "red cells"
    assert masks.scale.micrometres_per_pixel == pytest.approx(7.5 / red_cell, rel=0.08)
    assert cell.crop[2] == pytest.approx(2.8 * red_cell, rel=0.1)
    assert cell.crop[2] == cell.crop[3]


def test_the_same_cell_looks_the_same_at_two_magnifications():
    small, large = (only_crop(smear(red_cell))[2].astype(int) for red_cell in (48, 80))
    assert np.abs(small - large).mean() < 8


def test_a_stated_scale_is_taken_and_said_to_be_so():
    masks, cell, crop = only_crop(smear(), 0.1)
    assert (masks.scale.source, masks.scale.micrometres_per_pixel) == ("configured", 0.1)
    assert cell.crop[2:] == (210, 210)
    assert crop.shape == (CROP_SIZE, CROP_SIZE, 3)


def test_without_red_cells_the_scale_is_a_guess_and_says_so():
    masks, cell, _ = only_crop(smear(red_cells=False))
    assert masks.scale.source == "nucleus"
    assert cell.crop[2] == pytest.approx(2.8 * 72 * 1.3 / 1.5, rel=0.15)


@pytest.mark.parametrize(
    ("light", "dye"), [((1, 1, 1), 0.7), ((0.95, 0.85, 0.7), 1.0), ((0.7, 0.8, 0.95), 1.25)]
)
def test_lamp_and_strength_of_stain_leave_no_trace_in_a_crop(light, dye):
    plain = smear()
    density = -np.log(np.maximum(plain, 1) / np.array(BACKGROUND))
    other = np.clip(np.array(BACKGROUND) * light * np.exp(-dye * density), 0, 255).astype(np.uint8)
    _, _, one = only_crop(plain)
    _, _, two = only_crop(other)
    assert np.abs(one.astype(int) - two.astype(int)).mean() < 8
    assert np.abs(plain[240, 320].astype(int) - other[240, 320]).max() > 15  # else nothing was to take away


def test_cells_of_two_microscopes_come_out_alike():
    """Nuclei of another camera and stain differ threefold in density, and the pixels in size."""
    looks = []
    for folder in ("pbc/neutrophil", "blood-cell-images/TRAIN/NEUTROPHIL"):
        nuclei, sides = [], []
        for file in sorted(real_images(*folder.split("/")).iterdir())[::40][:12]:
            pixels = read_image(file)
            masks = find_cells(pixels)
            crop = cut_crop(pixels, masks, masks.cells[0])
            dark = crop[:, :, 1] < np.percentile(crop[:, :, 1], 20)
            nuclei.append(np.median(crop[dark], axis=0))
            sides.append(np.sqrt(masks.cells[0].nucleus_area) / masks.cells[0].crop[2])
        looks.append((np.median(nuclei, axis=0), np.median(sides)))
    (colour, size), (other_colour, other_size) = looks
    assert np.abs(colour - other_colour).max() < 30
    assert size == pytest.approx(other_size, rel=0.15)
