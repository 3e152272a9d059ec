"""The map of a slide and the cells on it, on small pictures: what is believed, remembered, outvoted."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
import pytest
from samples import cell
from textured_slide import FOREIGN, HEIGHT, SLIDE, WIDTH, view

from edge.slide import slide_map
from edge.slide.places import Joined, Place
from edge.slide.registration import alike, packed, register, sketch, thumbnail, unpacked
from edge.slide.sightings import DistinctCells
from edge.slide.slide_map import SlideMap


def doubtful(x, own=0.78, foreign=0.42):
    """A view that is alike to its place, but not enough to be believed from one picture."""
    mixed = own * (view(x).astype(float) - 128) + foreign * (view(x, FOREIGN).astype(float) - 128)
    mixed = np.clip(mixed, -128, 127)
    return (mixed + 128).astype(np.uint8)


@pytest.mark.parametrize("x", [0, 37, 111, 200, 222])
def test_a_shift_is_found_to_a_fraction_of_a_pixel_also_where_little_is_in_common(x):
    shift = register(thumbnail(view(300)), thumbnail(view(300 + x)), 2)
    assert (shift.x, shift.y) == (pytest.approx(x, abs=0.6), pytest.approx(0, abs=0.6))
    shift = register(thumbnail(view(300 + x)), thumbnail(view(300)), 2)
    assert shift.x == pytest.approx(-x, abs=0.6)


def test_uneven_light_does_not_hide_a_place():
    falling = np.linspace(1.0, 0.45, WIDTH)[None, :, None]
    darker = (view(300) * falling).astype(np.uint8)
    lighter = (view(360) * falling[:, ::-1]).astype(np.uint8)
    shift = register(thumbnail(darker), thumbnail(lighter), 2)
    assert shift is not None
    assert shift.x == pytest.approx(60, abs=1)


def test_other_places_are_not_alike():
    assert register(thumbnail(view(300)), thumbnail(view(900)), 2) is None
    assert register(thumbnail(view(300)), thumbnail(view(300, FOREIGN)), 2) is None
    assert register(thumbnail(view(300)), thumbnail(doubtful(300, 0.6, 0.6)), 2) is None


def test_frames_are_remembered_where_a_third_of_them_is_new():
    known = SlideMap()
    steps = [known.locate(view(x)) for x in (0, 60, 100, 130, 190, 260)]
    assert [located.remembered is not None for located in steps] == [True, False, False, True, False, True]
    assert [located.place.x for located in steps] == pytest.approx([0, 60, 100, 130, 190, 260], abs=1)
    assert {located.place.region for located in steps} == {0}


def test_one_picture_that_is_somewhat_alike_proves_no_place_and_two_that_agree_do():
    likeness = register(thumbnail(view(60)), thumbnail(doubtful(60)), 2).likeness
    assert 0.83 < likeness < 0.89, "else this test says nothing"
    alone = SlideMap()
    alone.locate(view(60))
    assert alone.locate(doubtful(60)).is_new
    nearly_the_same = SlideMap()
    for x in (40, 60):
        nearly_the_same.locate(view(x))
    assert nearly_the_same.locate(doubtful(50)).is_new, "they say no more than one of them"
    agreeing = SlideMap()
    for x in (0, 120):
        agreeing.locate(view(x))
    found = agreeing.locate(doubtful(60))
    assert not found.is_new
    assert found.place.x == pytest.approx(60, abs=2)


def test_a_jump_back_to_any_remembered_place_is_known():
    known, places = SlideMap(), list(range(0, 2000, 120))
    for x in places:
        known.locate(view(x))
    for x in (40, 1900, 900, 20, 1300):
        found = known.locate(view(x))
        assert (found.is_new, found.place.region) == (False, 0)
        assert found.place.x == pytest.approx(x, abs=5)


def test_beyond_what_it_remembers_the_oldest_places_are_forgotten(monkeypatch):
    monkeypatch.setattr(slide_map, "MAX_KEYFRAMES", 2)
    known = SlideMap()
    regions = [known.locate(view(x)).place.region for x in (0, 400, 800, 1200)]
    assert regions == [0, 1, 2, 3]
    assert known.locate(view(800)).place.region == 2
    assert known.locate(view(0)).is_new


def test_a_bridge_joins_two_regions_and_both_keep_their_distance():
    known = SlideMap()
    assert [known.locate(view(x)).place.region for x in (300, 740)] == [0, 1]
    bridge = known.locate(view(520))
    assert bridge.joined is not None
    assert {bridge.joined.region, bridge.joined.into} == {0, 1}
    left, right = known.locate(view(200)).place, known.locate(view(840)).place  # neither touches the bridge
    assert left.region == right.region == bridge.place.region
    assert right.x - left.x == pytest.approx(640, abs=3)


def test_a_region_that_has_its_number_takes_none_from_the_next():
    known = SlideMap(first_region=3)
    assert known.locate(view(0), region=1).place.region == 1
    assert known.locate(view(600)).place.region == 3
    assert known.locate(view(1200)).place.region == 4


def show(distinct, x, *cells, region=0):
    distinct.add(Place(region, x, 0), cells, focus=1.0, size=(640, 480))


def at(label, x, y, width=60, height=60, *, cut=False):
    return msgspec.structs.replace(cell(label, cut_by_edge=cut), box=(x, y, width, height))


def counted(distinct):
    return distinct.contribution().counted, distinct.contribution().incomplete


def test_a_cell_that_is_found_a_little_beside_its_place_is_one_cell():
    distinct = DistinctCells()
    show(distinct, 0, at("neutrophil", 100, 100))
    show(distinct, 0, at("neutrophil", 116, 112))
    assert counted(distinct) == ({"neutrophil": 1}, 0)


def test_a_cut_piece_at_the_place_of_a_whole_cell_says_nothing_against_it():
    distinct = DistinctCells()
    show(distinct, 0, at("neutrophil", 100, 100))
    for _ in range(3):
        show(distinct, 0, at("neutrophil", 100, 100, cut=True))
    assert counted(distinct) == ({"neutrophil": 1}, 0)


def test_a_cut_corner_of_a_cell_is_no_other_cell():
    distinct = DistinctCells()
    show(distinct, 0, at("neutrophil", 100, 100))
    show(distinct, 100, at("neutrophil", 0, 100, 20, 20, cut=True))
    assert counted(distinct) == ({"neutrophil": 1}, 0)
    reverse = DistinctCells()
    show(reverse, 100, at("neutrophil", 0, 100, 20, 20, cut=True))
    assert counted(reverse) == ({}, 1)
    show(reverse, 0, at("neutrophil", 100, 100))
    assert counted(reverse) == ({"neutrophil": 1}, 0)


def test_one_cell_within_a_large_one_does_not_make_two_of_it():
    distinct = DistinctCells()
    for _ in range(2):
        show(distinct, 0, at("eosinophil", 100, 100, 150, 60))
    for _ in range(2):
        show(distinct, 0, at("eosinophil", 100, 100, 150, 60), at("neutrophil", 100, 100))
    assert counted(distinct)[0] == {"eosinophil": 1, "neutrophil": 1}


def test_what_two_regions_found_adds_up_when_they_are_joined():
    distinct = DistinctCells()
    show(distinct, 0, at("monocyte", 100, 100))
    for _ in range(2):
        show(distinct, 0, at("monocyte", 90, 100), region=1)
    distinct.join(Joined(1, 0, 10.0, 0.0))
    assert counted(distinct) == ({"monocyte": 1}, 0)


@pytest.mark.parametrize(("x", "y"), [(1000, 0), (0, 1000), (-700, -500)])
def test_fields_of_a_joined_region_speak_where_they_then_lie(x, y):
    distinct = DistinctCells()
    show(distinct, 0, at("monocyte", 100, 100))
    for _ in range(3):
        show(distinct, 0, region=1)
    distinct.join(Joined(1, 0, float(x), float(y)))
    distinct.add(Place(0, x, y), [at("eosinophil", 300, 200)], focus=1.0, size=(640, 480))
    assert counted(distinct)[0] == {"monocyte": 1}
    assert distinct.contribution().unclassified == {"unsteady": 1}


TALL = np.ascontiguousarray(SLIDE.transpose(1, 0, 2))


def upright(x, y):
    """A view of 320 x 200 pixels of a slide that is moved down and a little aside."""
    return np.ascontiguousarray(TALL[y : y + WIDTH, x : x + 200])


@pytest.mark.parametrize(("x", "y"), [(0, 120), (20, 60), (20, -130), (-20, 31)])
def test_a_shift_down_or_up_or_aslant_is_found_to_a_fraction_of_a_pixel(x, y):
    shift = register(thumbnail(upright(20, 300)), thumbnail(upright(20 + x, 300 + y)), 2)
    assert (shift.x, shift.y) == (pytest.approx(x, abs=0.6), pytest.approx(y, abs=0.6))
    assert shift.likeness > 0.95


def test_frames_are_remembered_down_the_slide_as_across_it():
    known = SlideMap()
    steps = [known.locate(upright(20, y)) for y in (0, 60, 100, 130, 190, 260)]
    assert [located.remembered is not None for located in steps] == [True, False, False, True, False, True]
    assert [located.place.y for located in steps] == pytest.approx([0, 60, 100, 130, 190, 260], abs=1)
    assert all(located.place.y == round(located.place.y, 1) for located in steps)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((480, 640), (120, 160)), ((640, 480), (160, 120)), ((100, 150), (100, 150)), ((10, 4000), (1, 160))],
)
def test_a_thumbnail_is_at_most_160_pixels_a_side_and_no_larger_than_its_frame(shape, size):
    picture = thumbnail(np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8))
    assert (picture.shape, picture.dtype) == (size, np.int8)


def test_a_thumbnail_has_the_same_contrast_in_any_light():
    plain = thumbnail(view(300))
    assert plain.astype(float).std() == pytest.approx(32, abs=1.5)
    dim = thumbnail(cv2.convertScaleAbs(view(300), alpha=0.5, beta=10))
    assert np.abs(plain.astype(int) - dim).mean() < 1.5
    assert not thumbnail(np.full((240, 320, 3), 90, np.uint8)).any()
    # By the green channel: it is the sharpest of most cameras.
    coloured = view(300).copy()
    coloured[..., 0], coloured[..., 2] = 7, 250
    assert np.array_equal(thumbnail(coloured), plain)


def test_a_packed_thumbnail_comes_back_and_what_is_none_of_this_frame_does_not():
    picture = thumbnail(view(300))
    png = packed(picture)
    assert np.array_equal(unpacked(png, HEIGHT, WIDTH), picture)
    assert unpacked(png, HEIGHT, WIDTH).dtype == np.int8
    assert unpacked(png, WIDTH, HEIGHT) is None
    assert unpacked(b"", HEIGHT, WIDTH) is None
    assert unpacked(b"no picture", HEIGHT, WIDTH) is None
    # As it lies in the stores that are out: grey, 128 for 0.
    values = np.array([[-128, -1, 0, 1, 127]], np.int8)
    assert cv2.imdecode(np.frombuffer(packed(values), np.uint8), cv2.IMREAD_UNCHANGED).tolist() == [
        [0, 127, 128, 129, 255]
    ]


def test_the_likeliest_of_many_places_is_the_one_that_shows_the_same():
    sketches = [sketch(thumbnail(view(9 * number))) for number in range(220)]
    for number in (0, 99, 100, 101, 219):
        found = alike(sketches, sketch(thumbnail(view(9 * number + 3))))
        assert found.shape == (220,)
        assert abs(int(found.argmax()) - number) <= 3
    assert all(np.linalg.norm(one) == pytest.approx(1, abs=1e-4) for one in sketches)
    assert alike([], sketches[0]).shape == (0,)


def test_thumbnails_of_two_sizes_have_nothing_in_common():
    assert register(thumbnail(view(300)), thumbnail(view(300)[:200]), 2) is None


@pytest.mark.parametrize(("common", "known"), [(0.16, True), (0.08, False)])
def test_less_than_an_eighth_of_a_frame_in_common_proves_nothing(common, known):
    x = round(WIDTH * (1 - common))
    shift = register(thumbnail(view(300)), thumbnail(view(300 + x)), 2)
    assert (shift is not None) == known


def test_places_are_in_pixels_of_the_frame_however_large_it_is():
    known = SlideMap()
    large = cv2.resize(SLIDE, None, fx=3, fy=3)
    for x in (0, 240, 480):
        found = known.locate(np.ascontiguousarray(large[:, x : x + 3 * WIDTH]))
        assert found.place.x == pytest.approx(x, abs=3)
        assert found.place.y == pytest.approx(0, abs=3)


def test_the_frame_before_is_asked_where_the_remembered_ones_are_too_far():
    # No third of a frame new, so that the frames on the way are not remembered, but the last one is.
    known = SlideMap()
    for x in (0, 110):
        known.locate(view(x))
    found = known.locate(view(360))
    assert (found.is_new, found.place.x) == (False, pytest.approx(360, abs=2))


def soiled(x):
    """A view through a lens with dirt in its middle, which stays where it is while the slide moves."""
    pixels = view(x).copy()
    strong = 128 + 2 * (view(0, FOREIGN).astype(float) - 128)
    pixels[:, 130:190] = np.clip(strong, 0, 255)[:, 130:190]
    return pixels


@pytest.mark.parametrize("x", [210, 225, -210, -225])
def test_dirt_that_stands_still_does_not_hide_how_far_the_slide_has_moved(x):
    shift = register(thumbnail(soiled(600)), thumbnail(soiled(600 + x)), 2)
    assert shift is not None
    assert (shift.x, shift.y) == (pytest.approx(x, abs=1), pytest.approx(0, abs=1))


def test_an_even_field_is_like_no_place_and_breaks_nothing():
    even = np.full((HEIGHT, WIDTH, 3), 220, np.uint8)
    assert np.array_equal(sketch(thumbnail(even)), np.zeros((48, 33)))
    known = SlideMap()
    assert [known.locate(pixels).is_new for pixels in (view(0), even, even)] == [True, True, True]
    back = known.locate(view(40))
    assert (back.is_new, back.place.region) == (False, 0)


def test_a_sketch_is_small_so_that_a_thousand_are_compared_at_once():
    # 32 pixels wide, and padded to twice that; a real picture's spectrum is half of it.
    assert sketch(thumbnail(view(0))).shape == (48, 33)
    assert sketch(thumbnail(upright(20, 0))).shape == (64, 21)
    assert sketch(thumbnail(view(0)[:3, :4])).shape == (2, 2)
