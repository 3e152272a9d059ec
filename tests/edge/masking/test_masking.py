"""Cells are found where they are, all of them, under any light; crops hold what the classifier needs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_nuclei import BACKGROUND, NUCLEUS, RED_CELL, draw_nucleus, field
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from real_data import real_images

from edge.cameras.image_files import read_image
from edge.masking import CROP_SIZE, cut_crop, find_cells
from edge.masking.stain import WHITE_LEVEL


def holds(box, x, y):
    return box[0] <= x < box[0] + box[2] and box[1] <= y < box[1] + box[3]


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


def test_the_nucleus_mask_covers_the_drawn_nucleus():
    pixels = draw_nucleus(field(), 320, 240)
    truth = np.zeros(pixels.shape[:2], np.uint8)
    cv2.circle(truth, (320, 240), 38, 1, -1)
    nucleus = find_cells(pixels).picture() == 255
    dice = 2 * (nucleus & (truth > 0)).sum() / (nucleus.sum() + truth.sum())
    assert dice > 0.97


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


def test_lobes_of_one_nucleus_are_one_cell_and_neighbours_are_two():
    pixels = field(red_cells=True)
    for x in (300, 345):
        cv2.circle(pixels, (x, 240), 18, NUCLEUS, -1, cv2.LINE_AA)
    assert len(find_cells(pixels).cells) == 1
    pixels = draw_nucleus(draw_nucleus(field(), 270, 240), 372, 240)
    assert len(find_cells(pixels).cells) == 2


@pytest.mark.parametrize("red_cells", [True, False])
def test_cells_that_touch_are_two_and_large_lobes_in_one_cell_are_one(red_cells):
    """All four parts are as large as a red cell: only the cell around them tells the two cases apart."""
    pixels = field(red_cells=red_cells)
    for x in (302, 418):
        draw_nucleus(pixels, x, 240, radius=52)
    assert len(find_cells(pixels).cells) == 2
    pixels = field(red_cells=red_cells)
    cv2.circle(pixels, (360, 240), 105, (200, 170, 210), -1, cv2.LINE_AA)
    for x in (315, 405):
        cv2.circle(pixels, (x, 240), 38, NUCLEUS, -1, cv2.LINE_AA)
    assert len(find_cells(pixels).cells) == 1


def test_nuclei_that_touch_are_parted_where_the_cells_have_a_neck():
    pixels = field()
    for x in (295, 425):
        draw_nucleus(pixels, x, 240, radius=66)
    cells = find_cells(pixels).cells
    assert len(cells) == 2
    assert all(sum(holds(cell.nucleus_box, x, 240) for cell in cells) == 1 for x in (295, 425))


def test_red_cells_that_take_up_blue_dye_are_no_nuclei():
    pixels = np.where(field() == RED_CELL, np.uint8((150, 105, 160)), field())
    cv2.circle(pixels, (320, 240), 60, (215, 175, 210), -1, cv2.LINE_AA)
    cv2.circle(pixels, (320, 240), 48, (80, 25, 110), -1, cv2.LINE_AA)
    (cell,) = find_cells(pixels).cells
    assert holds(cell.nucleus_box, 320, 240)
    assert cell.nucleus_box[2] < 120


def test_a_pale_nucleus_beside_a_dark_one_is_found_too():
    pixels = draw_nucleus(field(), 200, 240)
    cv2.circle(pixels, (440, 240), 60, (210, 190, 215), -1, cv2.LINE_AA)
    cv2.circle(pixels, (440, 240), 48, (150, 100, 175), -1, cv2.LINE_AA)
    assert len(find_cells(pixels).cells) == 2


def test_a_pale_nucleus_beside_a_dark_one_is_found_where_red_cells_take_up_blue_dye():
    pixels = np.where(field() == RED_CELL, np.uint8((165, 125, 175)), field())
    for x, cytoplasm, nucleus in (
        (200, (215, 175, 210), (40, 10, 75)),
        (440, (210, 190, 215), (150, 80, 175)),
    ):
        cv2.circle(pixels, (x, 240), 60, cytoplasm, -1, cv2.LINE_AA)
        cv2.circle(pixels, (x, 240), 48, nucleus, -1, cv2.LINE_AA)
    pale, dark = sorted(find_cells(pixels).cells, key=lambda cell: -cell.box[0])
    assert holds(pale.nucleus_box, 440, 240)
    assert holds(dark.nucleus_box, 200, 240)
    assert max(*pale.nucleus_box[2:], *dark.nucleus_box[2:]) < 110, "no red cell is taken along"


def test_a_much_paler_nucleus_is_kept_beside_the_cut_edge_of_a_very_dark_one():
    pixels = field()
    cv2.circle(pixels, (0, 240), 40, (30, 8, 90), -1, cv2.LINE_AA)
    cv2.circle(pixels, (440, 240), 60, (210, 190, 215), -1, cv2.LINE_AA)
    cv2.circle(pixels, (440, 240), 48, (150, 80, 175), -1, cv2.LINE_AA)
    assert any(holds(cell.nucleus_box, 440, 240) for cell in find_cells(pixels).cells)


def test_bluish_red_cells_that_touch_a_white_cell_are_not_part_of_it():
    pixels = field(red_cells=False)
    for x, y in ((320, 125), (225, 185), (418, 195), (120, 100), (540, 380)):
        cv2.circle(pixels, (x, y), 45, (165, 145, 190), -1, cv2.LINE_AA)
    cv2.circle(pixels, (320, 240), 80, (200, 160, 205), -1, cv2.LINE_AA)
    cv2.circle(pixels, (320, 240), 70, NUCLEUS, -1, cv2.LINE_AA)
    (cell,) = find_cells(pixels).cells
    x, y, width, height = cell.box
    assert x > 320 - 105
    assert y > 240 - 105
    assert x + width < 320 + 105
    assert y + height < 240 + 105
    assert min(width, height) > 140, "its own cytoplasm is"


def test_cytoplasm_hardly_darker_than_the_glass_belongs_to_its_cell():
    pixels = np.full((480, 640, 3), BACKGROUND, np.uint8)
    cv2.circle(pixels, (320, 240), 80, (207, 200, 190), -1, cv2.LINE_AA)  # no bluer than the glass
    cv2.circle(pixels, (310, 240), 45, NUCLEUS, -1, cv2.LINE_AA)
    truth = np.zeros(pixels.shape[:2], np.uint8)
    cv2.circle(truth, (320, 240), 80, 1, -1)
    cell = find_cells(pixels).picture() > 0
    assert 2 * (cell & (truth > 0)).sum() / (cell.sum() + truth.sum()) > 0.95


@pytest.mark.parametrize("place", [(10, 240), (320, 5), (635, 240), (320, 474)])
def test_a_cell_cut_by_the_edge_is_reported_as_incomplete(place):
    (cell,) = find_cells(draw_nucleus(field(red_cells=False), *place)).cells
    assert not cell.complete


def test_black_wedges_are_no_cells_and_a_cell_they_cut_is_incomplete():
    pixels = draw_nucleus(field(), 320, 240)
    cv2.fillPoly(pixels, [np.array([(0, 0), (320, 0), (0, 240)])], (0, 0, 0))
    (cell,) = find_cells(pixels).cells
    assert cell.complete
    cv2.fillPoly(pixels, [np.array([(0, 0), (305, 0), (305, 480), (0, 480)])], (0, 0, 0))
    (cut,) = find_cells(pixels).cells
    assert not cut.complete


@pytest.mark.parametrize("light", [(0.6, 0.6, 0.6), (1.1, 1.0, 0.75), (0.8, 0.95, 1.1)])
def test_light_and_white_balance_change_neither_what_is_found_nor_the_crop(light):
    pixels = draw_nucleus(field(), 320, 240)
    lit = np.clip(pixels * np.array(light), 0, 255).astype(np.uint8)
    plain, other = find_cells(pixels), find_cells(lit)
    assert len(other.cells) == 1
    assert np.abs(np.array(other.cells[0].crop) - plain.cells[0].crop).max() <= 6
    crop = cut_crop(lit, other, other.cells[0])
    assert np.abs(np.percentile(crop, 95, axis=(0, 1)) - WHITE_LEVEL).max() <= 4
    difference = np.abs(crop.astype(int) - cut_crop(pixels, plain, plain.cells[0])).mean()
    assert difference < 8


def test_the_crop_is_centred_on_the_nucleus_and_keeps_its_surroundings():
    pixels = draw_nucleus(field(red_cells=False), 320, 240)
    masks = find_cells(pixels)
    crop = cut_crop(pixels, masks, masks.cells[0])
    assert crop.shape == (CROP_SIZE, CROP_SIZE, 3)
    assert crop.dtype == np.uint8
    assert crop[60, 60, 1] < 90
    assert crop[4, 4, 1] > 200
    wider = cut_crop(pixels, masks, masks.cells[0], context=1.5)
    assert wider.shape == (180, 180, 3)
    inner = wider[30:150, 30:150].astype(int)
    assert np.abs(inner - crop).mean() < 3


def test_beyond_the_frame_a_crop_shows_background_not_black():
    masks = find_cells(draw_nucleus(field(red_cells=False), 8, 240))
    crop = cut_crop(draw_nucleus(field(red_cells=False), 8, 240), masks, masks.cells[0])
    assert abs(int(crop[60, 0, 1]) - WHITE_LEVEL) <= 2


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 90), st.integers(1, 90), st.just(3)),
        elements=st.sampled_from([0, 10, 100, 180, 200, 255]),
    ),
    st.sampled_from(["adaptive", "study"]),
)
def test_any_picture_gives_masks_of_its_size_and_crops_of_theirs(pixels, recipe):
    masks = find_cells(pixels, recipe)
    assert masks.picture().shape == pixels.shape[:2]
    for cell in masks.cells:
        x, y, w, h = cell.box
        assert 0 <= x < x + w <= pixels.shape[1]
        assert 0 <= y < y + h <= pixels.shape[0]
        assert cut_crop(pixels, masks, cell).shape == (CROP_SIZE, CROP_SIZE, 3)


def test_the_study_recipe_keeps_its_colour_range_and_blacks_out_the_rest():
    pixels = np.full((240, 320, 3), 220, np.uint8)
    cv2.circle(pixels, (100, 100), 30, (120, 110, 200), -1)
    cv2.circle(pixels, (250, 100), 20, (120, 110, 200), -1)
    cv2.circle(pixels, (200, 200), 35, (100, 60, 150), -1)  # outside of the range: blue below 180
    masks = find_cells(pixels, "study")
    (cell,) = masks.cells
    assert holds(cell.box, 100, 100)
    crop = cut_crop(pixels, masks, cell)
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
