"""Any picture gives masks of its size; the study's recipe is kept to the letter; real cells are found."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from found_cells import find_cells
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from real_data import real_images

from edge.cameras.image_files import read_image
from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SimulatedConfig
from edge.finding.light import WHITE_LEVEL
from edge.masking import CROP_SIZE, cut_crop, study
from edge.masking.crops import local_whites
from edge.masking.outlines import outline_cells


def holds(box, x, y):
    return box[0] <= x < box[0] + box[2] and box[1] <= y < box[1] + box[3]


@pytest.fixture(scope="module")
def drawn():
    """Return drawn fields with the cells that are in them."""
    camera = SimulatedCamera(SimulatedConfig(seed=11, cells=12))
    return [(frame.pixels, camera.truth(frame.name)) for frame in iter(camera.read, None)]


def test_the_white_cells_of_drawn_fields_are_found_and_nothing_else(drawn):
    missed = invented = total = 0
    for pixels, truth in drawn:
        found = find_cells(pixels).cells
        whole = [cell for cell in truth if cell.complete]
        missed += sum(not any(holds(one.box, *cell.center) for one in found) for cell in whole)
        invented += sum(not any(holds(one.box, *cell.center) for cell in truth) for one in found)
        total += len(whole)
    assert total >= 10
    assert missed <= 0.1 * total
    assert invented <= 0.1 * total


@pytest.mark.parametrize("light", [(0.6, 0.6, 0.6), (1.1, 1.0, 0.75), (0.8, 0.95, 1.1)])
def test_light_and_white_balance_change_neither_what_is_found_nor_the_crop(drawn, light):
    pixels, _ = next((pixels, truth) for pixels, truth in drawn if any(cell.complete for cell in truth))
    lit = np.clip(pixels * np.array(light), 0, 255).astype(np.uint8)
    for cell in find_cells(pixels).cells:
        if not cell.complete:
            continue
        x, y = cell.box[0] + cell.box[2] / 2, cell.box[1] + cell.box[3] / 2
        same = next(other for other in find_cells(lit).cells if holds(other.box, x, y))
        # The ruler's red cells are seen a little larger or smaller in other light.
        assert np.abs(np.array(same.box) - cell.box).max() <= 0.1 * max(cell.box[2:])
        crop = cut_crop(lit, same)
        assert np.abs(np.percentile(crop, 95, axis=(0, 1)) - WHITE_LEVEL).max() <= 20
        assert np.abs(crop.astype(int) - cut_crop(pixels, cell)).mean() < 12


def test_a_wider_crop_shows_the_same_cell_in_its_middle(drawn):
    pixels = drawn[0][0]
    cell = find_cells(pixels).cells[0]
    wider = cut_crop(pixels, cell, context=1.5)
    assert wider.shape == (180, 180, 3)
    assert np.abs(wider[30:150, 30:150].astype(int) - cut_crop(pixels, cell)).mean() < 4


def find_any(pixels, recipe):
    return study.find(pixels) if recipe == "study" else find_cells(pixels)


@settings(max_examples=30, deadline=None)
@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 90), st.integers(1, 90), st.just(3)),
        elements=st.sampled_from([0, 10, 100, 180, 200, 255]),
    ),
    st.sampled_from(["found", "study"]),
)
def test_any_picture_gives_masks_of_its_size_and_crops_of_theirs(pixels, recipe):
    masks = find_any(pixels, recipe)
    assert masks.picture().shape == pixels.shape[:2]
    for cell in masks.cells:
        x, y, w, h = cell.box
        assert 0 <= x < x + w <= pixels.shape[1]
        assert 0 <= y < y + h <= pixels.shape[0]
        assert cut_crop(pixels, cell).shape == (CROP_SIZE, CROP_SIZE, 3)


def test_the_study_recipe_keeps_its_colour_range_and_blacks_out_the_rest():
    pixels = np.full((240, 320, 3), 220, np.uint8)
    cv2.circle(pixels, (100, 100), 30, (120, 110, 200), -1)
    cv2.circle(pixels, (250, 100), 20, (120, 110, 200), -1)
    cv2.circle(pixels, (200, 200), 35, (100, 60, 150), -1)  # outside of the range: blue below 180
    masks = study.find(pixels)
    (cell,) = masks.cells
    assert holds(cell.box, 100, 100)
    crop = cut_crop(pixels, cell)
    assert crop[1, 1].tolist() == [0, 0, 0]
    assert np.abs(crop[60, 60].astype(int) - (120, 110, 200)).max() <= 1


def test_every_held_back_photograph_has_its_cell():
    files = sorted(real_images("blood-cell-images", "TEST_SIMPLE").rglob("*.jpeg"))
    assert len(files) == 71
    assert all(find_cells(read_image(file)).cells for file in files)


def test_nuclei_of_another_microscope_and_stain_are_outlined_as_people_drew_them():
    images = real_images("zheng1", "images")
    dice = []
    for file in sorted(images.glob("*.png"))[::10]:
        drawn_by_hand = cv2.imread(str(images.parent / "masks" / file.name), cv2.IMREAD_GRAYSCALE)
        x, y, width, height = cv2.boundingRect((drawn_by_hand > 64).astype(np.uint8))
        centres = np.array([[x + width / 2, y + height / 2]], np.float32)
        diameters = np.array([max(width, height)], np.float32)
        pixels = read_image(file)
        whites = local_whites(pixels, centres, diameters)
        nucleus = outline_cells(pixels, centres, diameters, whites).picture() == 255
        truth = drawn_by_hand > 200
        dice.append(2 * (nucleus & truth).sum() / max(1, nucleus.sum() + truth.sum()))
    assert np.mean(dice) > 0.94
