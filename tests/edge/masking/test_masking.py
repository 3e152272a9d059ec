"""Cells are found where they are, all of them, under any light; crops hold what the classifier needs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_nuclei import draw_nucleus, field
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

NUCLEUS = (100, 60, 150)


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


def test_every_white_cell_of_a_field_is_found_and_nothing_else():
    pixels = field()
    places = [(120, 120), (380, 130), (500, 350)]
    for place in places:
        draw_nucleus(pixels, *place)
    cells = find_cells(pixels).cells
    assert len(cells) == 3
    for place in places:
        assert sum(holds(cell.nucleus_box, *place) for cell in cells) == 1
    assert all(cell.complete for cell in cells)


def test_a_field_without_white_cells_has_none():
    assert find_cells(field()).cells == ()
    assert find_cells(np.full((240, 320, 3), 200, np.uint8)).cells == ()


def test_platelets_are_no_white_cells():
    pixels = draw_nucleus(field(), 320, 240)
    for x in (20, 240, 600):
        cv2.circle(pixels, (x, 20), 9, NUCLEUS, -1, cv2.LINE_AA)
    assert len(find_cells(pixels).cells) == 1
    only_platelets = field()
    cv2.circle(only_platelets, (120, 120), 10, NUCLEUS, -1, cv2.LINE_AA)
    assert find_cells(only_platelets).cells == ()


def test_cells_side_by_side_are_two():
    pixels = draw_nucleus(draw_nucleus(field(), 262, 240), 380, 240)
    assert len(find_cells(pixels).cells) == 2


@pytest.mark.parametrize("place", [(10, 240), (320, 5), (635, 240), (320, 474)])
def test_a_cell_cut_by_the_edge_is_reported_as_incomplete(place):
    found = find_cells(draw_nucleus(field(), *place)).cells
    assert all(not cell.complete for cell in found)
    assert found or place == (635, 240), "of that one the finder sees too little"


def test_black_wedges_are_no_cells_and_a_cell_they_cut_is_incomplete():
    pixels = draw_nucleus(field(), 320, 240)
    cv2.fillPoly(pixels, [np.array([(0, 0), (320, 0), (0, 240)])], (0, 0, 0))
    (cell,) = find_cells(pixels).cells
    assert cell.complete
    cv2.fillPoly(pixels, [np.array([(0, 0), (305, 0), (305, 480), (0, 480)])], (0, 0, 0))
    assert all(not cut.complete for cut in find_cells(pixels).cells)


@pytest.mark.parametrize("light", [(0.6, 0.6, 0.6), (1.1, 1.0, 0.75), (0.8, 0.95, 1.1)])
def test_light_and_white_balance_change_neither_what_is_found_nor_the_crop(light):
    pixels = draw_nucleus(field(), 320, 240)
    lit = np.clip(pixels * np.array(light), 0, 255).astype(np.uint8)
    plain, other = find_cells(pixels), find_cells(lit)
    assert len(other.cells) == 1
    assert np.abs(np.array(other.cells[0].crop) - plain.cells[0].crop).max() <= 6
    crop = cut_crop(lit, other.cells[0])
    assert np.abs(np.percentile(crop, 95, axis=(0, 1)) - WHITE_LEVEL).max() <= 4
    difference = np.abs(crop.astype(int) - cut_crop(pixels, plain.cells[0])).mean()
    assert difference < 8


def test_the_crop_is_centred_on_the_nucleus_and_keeps_its_surroundings():
    pixels = draw_nucleus(field(), 320, 240)
    masks = find_cells(pixels)
    crop = cut_crop(pixels, masks.cells[0])
    assert crop.shape == (CROP_SIZE, CROP_SIZE, 3)
    assert crop.dtype == np.uint8
    assert crop[60, 60, 1] < 90
    assert crop[4, 4, 1] > 200
    wider = cut_crop(pixels, masks.cells[0], context=1.5)
    assert wider.shape == (180, 180, 3)
    inner = wider[30:150, 30:150].astype(int)
    assert np.abs(inner - crop).mean() < 3


def test_beyond_the_frame_a_crop_shows_background_not_black():
    masks = find_cells(draw_nucleus(field(), 8, 240))
    crop = cut_crop(draw_nucleus(field(), 8, 240), masks.cells[0])
    assert abs(int(crop[60, 0, 1]) - WHITE_LEVEL) <= 2


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


def test_another_microscope_and_stain_is_masked_as_well():
    images = real_images("zheng1", "images")
    dice = []
    for file in sorted(images.glob("*.png"))[::10]:
        truth = cv2.imread(str(images.parent / "masks" / file.name), cv2.IMREAD_GRAYSCALE) > 200
        nucleus = find_cells(read_image(file)).picture() == 255
        dice.append(2 * (nucleus & truth).sum() / max(1, nucleus.sum() + truth.sum()))
    assert np.mean(dice) > 0.94
