"""A slide pushed about by hand: every frame in its place, every cell once. Ten large ones by `make soak`."""

from __future__ import annotations

import math
import os
from collections import Counter

import cv2
import msgspec
import numpy as np
import pytest
from pushed_slides import HEIGHT, WIDTH, seen
from real_data import real_images
from samples import cell

from edge.cameras.simulation.smear import Smear
from edge.slide.places import Joined, Place
from edge.slide.registration import register, thumbnail
from edge.slide.sightings import DistinctCells, Sighting
from edge.slide.slide_map import SlideMap

SOAK = os.environ.get("LEUKOSCOPE_SOAK") == "1"
SLIDES = [(seed, 200) for seed in range(1, 11)] if SOAK else [(1, 40), (2, 40)]

pytestmark = pytest.mark.timeout(900 if SOAK else 180)


def by_hand(smear, seed):
    """Return places of a hand's path over all of the slide: uneven steps, rows back and forth, a return."""
    rng = np.random.default_rng(seed)
    right, bottom = (smear.columns - 1) * WIDTH, (smear.rows - 1) * HEIGHT
    path, y, backwards = [], 0, False
    while True:
        row, x = [], 0
        while True:
            row.append((x, int(np.clip(y + rng.integers(-20, 21), 0, bottom))))
            if x >= right:
                break
            x = min(right, x + int(rng.integers(180, 330)))
        path += row[::-1] if backwards else row
        if y >= bottom:
            break
        y, backwards = min(bottom, y + int(rng.integers(220, 280))), not backwards
    return path + path[::-3]  # too far a step back to be registered to the frame before


def photographed(smear, x, y, rng):
    pixels = smear.view(x, y, WIDTH, HEIGHT)
    blurred = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.5, 2.0))).astype(float)
    light = float(rng.uniform(0.85, 1.1))
    return np.clip(blurred * light + rng.normal(0, 2, pixels.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (37, -21), (-300, 90), (250, 200), (0, 330)])
def test_a_shift_is_found_to_a_few_pixels(x, y):
    smear, rng = Smear.draw(3, 12), np.random.default_rng(1)
    one, two = photographed(smear, 400, 400, rng), photographed(smear, 400 + x, 400 + y, rng)
    shift = register(thumbnail(one), thumbnail(two), 4.0)
    assert shift is not None
    assert math.hypot(shift.x - x, shift.y - y) < 4


def test_half_a_frame_in_common_is_sure_whatever_the_focus_and_light():
    smear = Smear.draw(9, 200)
    pictures = []
    for x, y, width, light in ((1822, 296, 0.5, 1.1), (1504, 262, 2.0, 0.85)):
        blurred = cv2.GaussianBlur(smear.view(x, y, WIDTH, HEIGHT), (0, 0), width)
        pictures.append(thumbnail(np.clip(blurred * light, 0, 255).astype(np.uint8)))
    shift = register(*pictures, 4.0)
    assert shift is not None
    assert shift.likeness > 0.92  # with the rims, which each frame evens out by itself, 0.87


def test_frames_of_different_places_are_not_registered():
    smear = Smear.draw(3, 60)
    corners = [(x, y) for x in range(0, 2600, 650) for y in range(0, 1500, 490)]
    pictures = [thumbnail(smear.view(*corner, WIDTH, HEIGHT)) for corner in corners]
    pairs = [(a, b) for i, a in enumerate(pictures) for b in pictures[:i]]
    assert not any(register(a, b, 4.0) for a, b in pairs)


@pytest.mark.parametrize(("seed", "cells"), SLIDES)
def test_a_slide_scanned_by_hand_counts_every_cell_once(seed, cells):
    smear = Smear.draw(seed, cells)
    rng = np.random.default_rng(seed)
    slide, distinct, whole = SlideMap(), DistinctCells(), set()
    regions = 0
    for x, y in by_hand(smear, seed):
        located = slide.locate(photographed(smear, x, y, rng))
        regions += located.is_new
        if located.joined is not None:
            distinct.join(located.joined)
        distinct.add(located.place, seen(smear, x, y), focus=1.0, size=(WIDTH, HEIGHT))
        whole |= {
            index
            for index, true in enumerate(smear.cells)
            if x <= true.box[0] and true.box[0] + true.box[2] <= x + WIDTH
            if y <= true.box[1] and true.box[1] + true.box[3] <= y + HEIGHT
        }
    assert regions == 1
    assert distinct.contribution().counted == dict(Counter(smear.cells[index].label for index in whole))


def test_a_jump_begins_a_region_and_a_bridge_joins_it():
    smear = Smear.draw(5, 40)
    slide, distinct = SlideMap(), DistinctCells()
    joined = []
    for x, y in [(0, 0), (1500, 300), (1250, 300), (1000, 250), (750, 150), (500, 60), (250, 0), (0, 0)]:
        located = slide.locate(smear.view(x, y, WIDTH, HEIGHT))
        if located.joined is not None:
            joined.append(located.joined)
            distinct.join(located.joined)
        distinct.add(located.place, seen(smear, x, y), focus=1.0, size=(WIDTH, HEIGHT))
    assert len(joined) == 1
    assert len({sighting.region for sighting in distinct.best}) == 1
    boxes = [sighting.box for sighting in distinct.best]
    first = min(boxes)
    assert not any(math.dist(a[:2], b[:2]) < 40 for i, a in enumerate(boxes) for b in boxes[:i]), first


def test_a_jump_to_somewhere_new_is_not_taken_for_a_known_place_however_much_is_known():
    smear, rng = Smear.draw(6, 60), np.random.default_rng(6)
    middle, bottom = smear.columns * WIDTH // 2, (smear.rows - 1) * HEIGHT
    slide = SlideMap()
    known = [(x, y) for x in range(0, middle - WIDTH, 350) for y in range(0, bottom + 1, 260)]
    for corner in known:
        slide.locate(photographed(smear, *corner, rng))
    jumps = [(x, y) for x in range(middle, 2 * middle - WIDTH, WIDTH) for y in range(0, bottom + 1, HEIGHT)]
    rng.shuffle(jumps)
    located = [slide.locate(photographed(smear, *corner, rng)) for corner in jumps]
    assert len(known) > 20
    assert len(jumps) > 5
    assert all(each.is_new for each in located)
    back = slide.locate(photographed(smear, known[5][0] + 90, known[5][1] + 70, rng))
    first = slide.locate(photographed(smear, *known[0], rng)).place
    assert (back.is_new, back.place.region) == (False, first.region)
    assert math.dist(back.place[1:], (first.x + known[5][0] + 90, first.y + known[5][1] + 70)) < 15


def test_frames_of_another_size_are_another_region():
    smear, slide = Smear.draw(3, 12), SlideMap()
    pixels = smear.view(400, 400, WIDTH, HEIGHT)
    larger = cv2.resize(pixels, (2 * WIDTH, 2 * HEIGHT))
    assert [slide.locate(p).place.region for p in (pixels, pixels, larger, larger, pixels)] == [0, 0, 1, 1, 2]


def test_the_sharpest_whole_sighting_is_the_one_that_counts():
    distinct = DistinctCells()
    for label, complete, focus in (
        ("monocyte", False, 9.0),
        ("lymphocyte", True, 1.0),
        ("neutrophil", True, 2.0),
        ("eosinophil", True, 1.5),
    ):
        distinct.add(Place(0, 0.0, 0.0), [cell(label, cut_by_edge=not complete)], focus, (640, 480))
    assert distinct.contribution().counted == {"neutrophil": 1}
    assert distinct.contribution().incomplete == 0


def show(distinct, place, *cells):
    distinct.add(place, cells, focus=1.0, size=(WIDTH, HEIGHT))


def at(label, x, y):
    return msgspec.structs.replace(cell(label), box=(x, y, 60, 60))


def test_what_is_found_in_less_than_half_of_the_fields_that_show_it_is_no_white_cell():
    distinct = DistinctCells()
    for x in (0, 4, 8):
        show(distinct, Place(0, x, 0), at("neutrophil", 300 - x, 200))
    show(distinct, Place(0, 2, 0), at("neutrophil", 298, 200), at("eosinophil", 98, 100))
    assert distinct.contribution().counted == {"neutrophil": 1}
    assert distinct.contribution().unclassified == {"unsteady": 1}
    for x in (1, 5):
        show(distinct, Place(0, x, 0), at("neutrophil", 300 - x, 200), at("eosinophil", 100 - x, 100))
    assert distinct.contribution().counted == {"neutrophil": 1, "eosinophil": 1}
    assert distinct.contribution().unclassified == {}


def test_fields_that_do_not_show_a_cell_or_cut_it_say_nothing_against_it():
    distinct = DistinctCells()
    show(distinct, Place(0, 0, 0), at("monocyte", 100, 100))
    for beside in (Place(0, 130, 0), Place(0, 0, 159), Place(0, 99, 0), Place(1, 0, 0)):
        for _ in range(3):
            show(distinct, beside)
    assert distinct.contribution().counted == {"monocyte": 1}


def test_a_cut_piece_over_two_whole_cells_does_not_make_them_one():
    distinct = DistinctCells()
    show(distinct, Place(0, 0, 0), at("neutrophil", 100, 100), at("monocyte", 150, 100))
    piece = msgspec.structs.replace(at("neutrophil", 0, 100), box=(0, 100, 110, 60), cut_by_edge=True)
    show(distinct, Place(0, 100, 0), piece)
    assert distinct.contribution().counted == {"neutrophil": 1, "monocyte": 1}
    assert distinct.contribution().incomplete == 0


def joined_over(x, y):
    return msgspec.structs.replace(at("eosinophil", x, y), box=(x, y, 150, 60))


def test_two_cells_that_are_taken_for_one_now_and_then_are_two():
    distinct = DistinctCells()
    show(distinct, Place(0, 0, 0), joined_over(100, 100))
    for x in (1, 2, 3):
        show(distinct, Place(0, x, 0), at("neutrophil", 100 - x, 100), at("monocyte", 190 - x, 100))
    for x in (4, 5):
        show(distinct, Place(0, x, 0), joined_over(100 - x, 100))
    assert distinct.contribution().counted == {"neutrophil": 1, "monocyte": 1}
    assert distinct.contribution().unclassified == {"unsteady": 1}


def test_one_cell_that_is_taken_for_two_now_and_then_is_one():
    distinct = DistinctCells()
    for x in (0, 1, 2):
        show(distinct, Place(0, x, 0), joined_over(100 - x, 100))
    for x in (3, 4, 5):
        show(distinct, Place(0, x, 0), at("neutrophil", 100 - x, 100), at("monocyte", 190 - x, 100))
    show(distinct, Place(0, 6, 0), joined_over(94, 100))
    assert distinct.contribution().counted == {"eosinophil": 1}
    assert distinct.contribution().unclassified == {"unsteady": 2}


def test_the_work_of_a_field_does_not_grow_with_the_square_of_the_cells(monkeypatch):
    asked, distinct = [], DistinctCells()
    for number in range(300):  # every third so large that it might hold two
        across = 120 if number % 3 == 0 else 60
        one = msgspec.structs.replace(cell("neutrophil"), box=(100, 100, across, across))
        show(distinct, Place(0, 700 * (number % 20), 500 * (number // 20)), one)
    middle = Sighting.middle.fget
    monkeypatch.setattr(Sighting, "middle", property(lambda self: asked.append(self) or middle(self)))
    assert distinct.contribution().counted == {"neutrophil": 300}
    assert len(asked) <= 2 * 300


def test_regions_that_are_joined_bring_the_fields_that_show_a_thing():
    distinct = DistinctCells()
    show(distinct, Place(0, 0, 0), at("eosinophil", 100, 100))
    for _ in range(3):
        show(distinct, Place(1, 0, 0))
    assert distinct.contribution().counted == {"eosinophil": 1}
    distinct.join(Joined(1, 0, 2, 1))
    assert distinct.contribution().counted == {}
    assert distinct.contribution().unclassified == {"unsteady": 1}


def test_a_mosaic_of_real_fields_is_put_together_again():
    paths = sorted(real_images("fields-575").rglob("*.jpg"))[:6]
    fields = [cv2.resize(cv2.imread(str(path)), (WIDTH, HEIGHT))[:, :, ::-1] for path in paths]
    mosaic = np.vstack([np.hstack(fields[:3]), np.hstack(fields[3:])])
    rng = np.random.default_rng(7)
    slide, off, first = SlideMap(), [], None
    rows = [[(x, y + int(rng.integers(-20, 21))) for x in range(0, 1281, 160)] for y in (20, 240, 460)]
    path = [*rows[0], *rows[1][::-1], *rows[2]]
    for x, y in path + path[::-4]:
        dim = cv2.GaussianBlur(mosaic[y : y + HEIGHT, x : x + WIDTH], (0, 0), float(rng.uniform(0.5, 2)))
        located = slide.locate(np.asarray(dim * float(rng.uniform(0.85, 1)), np.uint8))
        first = first or (x, y)
        assert located.place.region == 0
        off.append(math.hypot(located.place.x - x + first[0], located.place.y - y + first[1]))
    assert max(off) < 15, "a fifth of a white cell"
