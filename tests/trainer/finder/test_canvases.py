"""What the finder learns from: targets that a device decodes, and nothing asked that nobody knows."""

from __future__ import annotations

import numpy as np
import pytest
from finder_fields import field

from edge.finding import KINDS, RED_CELL_PIXELS, STRIDE, decode
from trainer.finder.canvases import PLACES, SIDE, draw_canvas, targets
from trainer.finder.fields import drawn_fields
from trainer.finder.recipe import Drawing

KNOWN = np.ones((PLACES, PLACES, 3), np.float32)


def as_maps(target):
    """The answer of a network that has learned its target."""
    heat = np.clip(target[:, :, :3], 1e-4, 0.97)
    return np.concatenate([np.log(heat / (1 - heat)), target[:, :, 6:9]], axis=2).astype(np.float32)


def test_a_devices_decoding_gives_back_what_a_canvas_shows():
    things = [(40.0, 50.0, 48.0, 0), (120.0, 60.0, 24.0, 1), (150.0, 63.0, 24.0, 1), (90.0, 150.0, 9.0, 2)]
    found = decode(as_maps(targets(things, KNOWN)), 1.0, least=0.5)
    assert len(found) == len(things)
    for x, y, diameter, kind in things:
        apart = np.hypot(*(found.centres - (x, y)).T)
        number = int(apart.argmin())
        assert apart[number] < 0.5
        assert found.diameters[number] == pytest.approx(diameter, rel=0.01)
        assert found.kinds[number] == kind


@pytest.mark.parametrize("seed", range(6))
def test_cells_lie_in_the_canvas_where_its_target_says(seed):
    canvas, target = draw_canvas(
        [field()], np.ones(1), np.random.default_rng(seed), Drawing(mosaic=0, drawn_in=0, scale=0.3)
    )
    assert canvas.shape == (SIDE, SIDE, 3)
    found = decode(as_maps(target), 1.0, least=0.5)
    for kind, colour in ((0, (120, 70, 160)), (1, (220, 150, 150))):
        for x, y in found.centres[found.kinds == kind]:
            if 2 <= x < SIDE - 2 and 2 <= y < SIDE - 2:
                assert np.abs(canvas[int(y), int(x)].astype(int) - colour).max() < 25
    assert set(found.kinds.tolist()) <= {0, 1}


def test_of_a_kind_that_a_set_does_not_mark_nothing_is_asked():
    marked = field(annotated=(True, False, False))
    _, target = draw_canvas([marked], np.ones(1), np.random.default_rng(1), Drawing(mosaic=0, drawn_in=0))
    shown = target[:, :, 3] == 1
    weight = target[:, :, 4]
    there = target[:, :, 1] > 0.99
    assert shown.any()
    assert there.any()
    assert (weight[there] == 1).all()  # what is marked even so is known
    assert weight[shown & ~there].mean() < 0.5


def test_where_an_unmarked_white_cell_may_lie_nothing_is_asked_of_white_cells():
    from edge.finding import Detections

    taken_for_white = Detections(
        np.array([0, 0]),
        np.array([0.9, 0.8], np.float32),
        np.array([(80, 80), (201, 151)], np.float32),
        np.array([40, 70], np.float32),
    )
    doubtful = field(unsure=taken_for_white)
    assert len(doubtful.unsure) == 1  # the marked one is sure
    drawing = Drawing(mosaic=0, drawn_in=0)
    _, plain = draw_canvas([field()], np.ones(1), np.random.default_rng(3), drawing)
    _, target = draw_canvas([doubtful], np.ones(1), np.random.default_rng(3), drawing)
    assert (target[:, :, 3] < plain[:, :, 3]).any()
    assert (target[:, :, 4:6] == plain[:, :, 4:6]).all()


def test_what_is_drawn_over_a_cell_hides_it_and_never_adds_one():
    rng = np.random.default_rng(5)
    for _ in range(20):
        state = rng.bit_generator.state
        _, plain = draw_canvas([field()], np.ones(1), rng, Drawing(mosaic=0, drawn_in=0))
        rng.bit_generator.state = state
        _, drawn = draw_canvas([field()], np.ones(1), rng, Drawing(mosaic=0, drawn_in=1))
        assert (drawn[:, :, :3] <= plain[:, :, :3]).all()


def test_drawn_slides_have_their_white_cells_where_they_are():
    fields = drawn_fields(seed=7, cells=6)
    assert {one.microscope for one in fields} == {"drawn"}
    inner = [
        (one, x, y)
        for one in fields
        for (x, y), d in zip(one.centres, one.diameters, strict=True)
        if d > 50 and 20 < x < one.pixels.shape[1] - 20 and 20 < y < one.pixels.shape[0] - 20
    ]
    assert inner
    for one, x, y in inner:
        around = one.pixels[int(y) - 12 : int(y) + 12, int(x) - 12 : int(x) + 12]
        assert around[:, :, 1].min() < 170, "a white cell is darker in green than the glass"
    assert KINDS[0] == "white cell"
    assert RED_CELL_PIXELS / STRIDE == 3


def test_fields_of_two_drawn_slides_are_of_two_groups():
    fields, others = drawn_fields(seed=7, cells=6), drawn_fields(seed=17, cells=6)
    assert len({one.group for one in (*fields, *others)}) == len(fields) + len(others)


def test_in_the_middle_of_a_marked_cell_no_other_kind_is_where_that_is_asked():
    unknown = np.zeros((PLACES, PLACES, 3), np.float32)
    white, platelet = (60.0, 60.0, 48.0, 0), (140.0, 60.0, 9.0, 2)
    plain = targets([white, platelet], unknown)
    told = targets([white, platelet], unknown, one_kind=True)
    row, column = 60 // STRIDE, 60 // STRIDE
    assert plain[row, column, 3:6].tolist() == [1, 0, 0]
    assert told[row, column, 3:6].tolist() == [1, 1, 1]
    assert told[row, column, :3] == pytest.approx([1, 0, 0], abs=1e-6)
    assert told[60 // STRIDE, 140 // STRIDE, :3] == pytest.approx([0, 0, 1], abs=1e-6)
    assert told[20, 20, 3:6].tolist() == [0, 0, 0], "elsewhere nobody knows"
    np.testing.assert_array_equal(plain[:, :, 6:], told[:, :, 6:])
