"""Nucleus and cell are outlined where the finder saw a cell, whatever lies beside it, in any light."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import real_images

from edge.masking.crops import CROP_DIAMETERS
from edge.masking.outlines import outline_cells
from edge.naming.evidence import masks_in_crop, shares

GLASS = (225, 220, 215)
PLASMA = (200, 170, 210)
NUCLEUS = (100, 60, 150)
RED_CELL = (205, 165, 165)


def smear(width=640, height=480, glass=GLASS):
    return np.full((height, width, 3), glass, np.uint8)


def disc(pixels, x, y, radius, colour):
    cv2.circle(pixels, (x, y), radius, colour, -1, cv2.LINE_AA)


def draw_cell(pixels, x, y, radius=50, nucleus=36, plasma=PLASMA):
    disc(pixels, x, y, radius, plasma)
    disc(pixels, x, y, nucleus, NUCLEUS)
    return pixels


def outlined(pixels, *cells, glass=GLASS, reds=None):
    """Outline cells given as x, y and diameter."""
    given_cells = np.array(cells, np.float32).reshape(-1, 3)
    whites = np.tile(np.array(glass, np.float32), (len(cells), 1))
    red_cells = None
    if reds is not None:
        red = np.array(reds, np.float32)
        red_cells = red[:, :2], red[:, 2]
    return outline_cells(pixels, given_cells[:, :2], given_cells[:, 2], whites, red_cells)


def masks_of(masks, number, shape):
    """Return a cell's nucleus and whole cell, bool, as large as the frame."""
    parts = masks.labels == 2 * number + 2, (masks.labels + 1) // 2 == number + 1
    size = shape[1], shape[0]
    return [cv2.resize(part.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for part in parts]


def circle(shape, x, y, radius):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def dice(found, truth):
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


@pytest.mark.parametrize("radius", [9, 14, 25, 50, 90, 180])
@pytest.mark.parametrize(("right", "larger"), [(0.0, 1.0), (0.2, 0.85), (-0.15, 1.15)])
def test_nucleus_and_cell_are_outlined_at_every_size_though_the_finder_is_not_exact(radius, right, larger):
    pixels = draw_cell(smear(), 320, 240, radius, round(0.7 * radius))
    masks = outlined(pixels, (320 + right * radius, 240 - right * radius, larger * 2 * radius))
    nucleus, cell = masks_of(masks, 0, pixels.shape)
    assert dice(nucleus, circle(nucleus.shape, 320, 240, round(0.7 * radius))) > (
        0.94 if radius > 20 else 0.88
    )
    assert dice(cell, circle(cell.shape, 320, 240, radius)) > (0.94 if radius > 20 else 0.88)
    (found,) = masks.cells
    assert found.box == pytest.approx(
        (320 - radius, 240 - radius, 2 * radius, 2 * radius), abs=4 + 0.1 * radius
    )
    assert found.nucleus_area == pytest.approx(np.pi * (0.7 * radius) ** 2, rel=0.2)
    assert found.complete


def test_the_crop_is_a_square_about_the_finders_middle():
    (found,) = outlined(draw_cell(smear(), 320, 240), (310, 250, 100)).cells
    side = round(CROP_DIAMETERS * 100)
    assert found.crop == (round(310 - side / 2), round(250 - side / 2), side, side)


def test_lobes_of_one_cell_are_one_nucleus_and_a_platelet_beside_it_is_none_of_them():
    pixels = smear()
    disc(pixels, 320, 240, 60, PLASMA)
    lobes = [(295, 225, 20), (345, 225, 20), (320, 268, 20)]
    for x, y, radius in lobes:
        disc(pixels, x, y, radius, NUCLEUS)
    disc(pixels, 395, 240, 9, NUCLEUS)
    nucleus, cell = masks_of(outlined(pixels, (320, 240, 120)), 0, pixels.shape)
    truth = np.any([circle(nucleus.shape, *lobe) for lobe in lobes], axis=0)
    assert dice(nucleus, truth) > 0.94
    assert not nucleus[240, 395]
    assert not cell[240, 395]


def test_cells_that_touch_share_their_pixels_by_their_discs():
    pixels = draw_cell(draw_cell(smear(), 270, 240), 364, 240)
    masks = outlined(pixels, (270, 240, 100), (364, 240, 100))
    for number, x in enumerate((270, 364)):
        nucleus, cell = masks_of(masks, number, pixels.shape)
        assert dice(nucleus, circle(nucleus.shape, x, 240, 36)) > 0.94
        assert dice(cell, circle(cell.shape, x, 240, 50)) > 0.92
        other = 634 - x
        assert not cell[240, other - 10 : other + 10].any()


@pytest.mark.parametrize("given_by_finder", [True, False])
@pytest.mark.parametrize("colour", [RED_CELL, (165, 125, 150)], ids=["pale", "dark and bluish"])
def test_red_cells_that_touch_do_not_become_cytoplasm(given_by_finder, colour):
    pixels = smear()
    places = [(320, 142, 92), (418, 240, 92), (320, 338, 92)]
    for x, y, diameter in places:
        disc(pixels, x, y, diameter // 2, colour)
    draw_cell(pixels, 320, 240)
    masks = outlined(pixels, (320, 240, 100), reds=places if given_by_finder else None)
    nucleus, cell = masks_of(masks, 0, pixels.shape)
    assert dice(nucleus, circle(nucleus.shape, 320, 240, 36)) > 0.94
    taken = [cell[circle(cell.shape, x, y, diameter / 2 - 3)].mean() for x, y, diameter in places]
    assert max(taken) < (0.03 if given_by_finder else 0.2)
    assert dice(cell, circle(cell.shape, 320, 240, 50)) > (0.93 if given_by_finder else 0.88)


def test_a_red_cell_reported_on_the_white_cell_itself_takes_nothing_from_it():
    pixels = draw_cell(smear(), 320, 240)
    plain, overlaid = (outlined(pixels, (320, 240, 100), reds=reds) for reds in (None, [(330, 240, 80)]))
    assert np.array_equal(plain.labels, overlaid.labels)


def scene():
    pixels = smear()
    for x, y in ((210, 180), (430, 300), (330, 370)):
        disc(pixels, x, y, 44, RED_CELL)
    return draw_cell(pixels, 320, 240)


def uneven(pixels):
    across = np.linspace(1.0, 0.45, pixels.shape[1])[None, :, None]
    return (pixels * across).astype(np.uint8), tuple(level * float(across[0, 320, 0]) for level in GLASS)


def pale(pixels):
    return (255 - (255 - pixels.astype(float)) * 0.35).astype(np.uint8), tuple(
        255 - (255 - g) * 0.35 for g in GLASS
    )


def grey(pixels):
    one = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    level = float(one[0, 0])
    return np.repeat(one[:, :, None], 3, axis=2), (level, level, level)


def noisy(pixels):
    return np.clip(pixels + np.random.default_rng(1).normal(0, 9, pixels.shape), 0, 255).astype(
        np.uint8
    ), GLASS


@pytest.mark.parametrize("change", [uneven, pale, grey, noisy])
def test_outlines_stay_under_uneven_light_pale_stain_without_colour_and_under_noise(change):
    pixels, glass = change(scene())
    nucleus, cell = masks_of(outlined(pixels, (320, 240, 100), glass=glass), 0, pixels.shape)
    assert dice(nucleus, circle(nucleus.shape, 320, 240, 36)) > 0.93
    assert dice(cell, circle(cell.shape, 320, 240, 50)) > 0.9


@pytest.mark.parametrize("level", [30, 128, 220, 255])
def test_a_cell_of_which_nothing_is_seen_stands_with_its_disc(level):
    pixels = np.full((480, 640, 3), level, np.uint8)
    masks = outlined(pixels, (320, 240, 100), glass=(level, level, level))
    (found,) = masks.cells
    nucleus, cell = masks_of(masks, 0, pixels.shape)
    assert not nucleus.any()
    assert found.nucleus_area == 0
    assert found.nucleus_box[2:] == (0, 0)
    assert found.box == (270, 190, 100, 100)
    assert dice(cell, circle(cell.shape, 320, 240, 50)) > 0.95


def test_evidence_is_told_of_the_cell_but_not_of_a_nucleus_that_was_not_seen():
    masks = outlined(np.full((480, 640, 3), 220, np.uint8), (320, 240, 100), glass=(220, 220, 220))
    peak = np.zeros((15, 15), np.float32)
    peak[7, 7] = 1
    told = shares(peak, masks, 0)
    assert told.in_cell == pytest.approx(1)
    assert told.in_nucleus is None
    cell, nucleus = masks_in_crop(masks, 0)
    assert cell.any()
    assert not nucleus.any()


@pytest.mark.parametrize("radius", [20, 110])
def test_an_outline_of_another_size_than_the_finders_gives_way_to_its_square(radius):
    """A platelet in a large disc, and a smear of dye through a small one: the finder's word stands."""
    pixels = smear()
    disc(pixels, 320, 240, radius, NUCLEUS)
    diameter = 100 if radius == 20 else 64
    (found,) = outlined(pixels, (320, 240, diameter)).cells
    assert found.box == (320 - diameter // 2, 240 - diameter // 2, diameter, diameter)


@pytest.mark.parametrize(("x", "y"), [(20, 240), (620, 240), (320, 20), (320, 460)])
def test_a_cell_that_the_frames_edge_cuts_is_not_complete(x, y):
    (found,) = outlined(draw_cell(smear(), x, y), (x, y, 100)).cells
    assert not found.complete
    left, top, width, height = found.box
    assert left >= 0
    assert top >= 0
    assert left + width <= 640
    assert top + height <= 480


def test_a_cell_at_the_black_of_a_turned_picture_is_not_complete_and_keeps_out_of_it():
    pixels = draw_cell(draw_cell(smear(), 200, 240), 500, 240)
    pixels[:, :170] = 0
    masks = outlined(pixels, (200, 240, 100), (500, 240, 100))
    assert [cell.complete for cell in masks.cells] == [False, True]
    assert masks.outside is not None
    assert not masks.labels[masks.outside].any()


def test_no_cell_is_an_empty_field():
    masks = outlined(smear())
    assert masks.cells == ()
    assert not masks.picture().any()
    assert masks.picture().shape == (480, 640)


@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.lists(st.tuples(st.floats(-60, 150), st.floats(-60, 150), st.floats(0, 300)), max_size=5),
    st.lists(st.tuples(st.floats(-60, 150), st.floats(-60, 150), st.floats(0, 100)), min_size=1, max_size=4),
    st.sampled_from([0, 1, 60, 255]),
    st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_whatever_the_finder_says_every_cell_stands_in_a_sound_field(width, height, cells, reds, noise, seed):
    rng = np.random.default_rng(seed)
    pixels = np.clip(128 + rng.integers(-noise - 1, noise + 1, (height, width, 3)), 0, 255).astype(np.uint8)
    glass = tuple(rng.uniform(0, 255, 3))
    masks = outlined(pixels, *cells, glass=glass, reds=reds)
    assert len(masks.cells) == len(cells)
    assert masks.picture().shape == (height, width)
    assert masks.labels.min() >= 0
    assert masks.labels.max() <= 2 * len(cells)
    for number, cell in enumerate(masks.cells):
        x, y, w, h = cell.box
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height
        assert (cell.nucleus_area > 0) == bool((masks.labels == 2 * number + 2).any())
        masks_in_crop(masks, number)


def given_with_errors(boxes, seed, share=0.1):
    """Return x, y and diameter of boxes as a finder has them that errs by a share of the diameter."""
    rng = np.random.default_rng(seed)
    boxes = np.array(boxes, float).reshape(-1, 4)
    diameters = np.sqrt(boxes[:, 2] * boxes[:, 3])
    middles = boxes[:, :2] + boxes[:, 2:] / 2 + rng.normal(0, share, (len(boxes), 2)) * diameters[:, None]
    return [
        (x, y, d)
        for (x, y), d in zip(middles, diameters * np.exp(rng.normal(0, share, len(boxes))), strict=True)
    ]


def glass_of(pixels):
    return tuple(float(level) for level in np.percentile(pixels.reshape(-1, 3), 90, axis=0))


def test_real_cells_of_another_stain_have_the_nuclei_and_cells_that_people_drew():
    images = sorted(real_images("zheng1", "images").iterdir())[::6]
    masks_folder = real_images("zheng1", "masks")
    figures = []
    for seed, path in enumerate(images):
        pixels = cv2.imread(str(path))[:, :, ::-1].copy()
        truth = cv2.imread(str(next(masks_folder.glob(f"{path.stem}.*"))), cv2.IMREAD_GRAYSCALE)
        box = cv2.boundingRect((truth >= 64).astype(np.uint8))
        masks = outlined(pixels, *given_with_errors([box], seed), glass=glass_of(pixels))
        nucleus, cell = masks_of(masks, 0, pixels.shape)
        figures.append((dice(nucleus, truth >= 192), dice(cell, truth >= 64)))
    nuclei, cells = np.mean(figures, axis=0)
    assert nuclei > 0.945
    assert cells > 0.91


def test_real_cells_of_phones_keep_nearly_all_their_boxes():
    folder = real_images("raabin")
    with (folder / "boxes.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["kind"] == "white cell"]
    overlaps = []
    for seed, row in enumerate(rows[::12]):
        path = next(p for p in (folder / "images" / row["image"], folder / row["image"]) if p.exists())
        pixels = cv2.imread(str(path))[:, :, ::-1].copy()
        box = [float(row[key]) for key in ("x", "y", "width", "height")]
        (found,) = outlined(pixels, *given_with_errors([box], seed), glass=glass_of(pixels)).cells
        x, y, w, h = found.box
        across = min(x + w, box[0] + box[2]) - max(x, box[0])
        down = min(y + h, box[1] + box[3]) - max(y, box[1])
        shared = max(0, across) * max(0, down)
        overlaps.append(shared / (w * h + box[2] * box[3] - shared))
        assert found.nucleus_area > 0
    assert np.mean(overlaps) > 0.75
