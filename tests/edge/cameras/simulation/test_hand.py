"""The simulated slide that a hand pushes: all is seen, at rest, and movement and lost focus show."""

from __future__ import annotations

import math
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from edge.cameras.simulation.camera import SimulatedCamera
from edge.cameras.simulation.hand import Exposure, HandPath
from edge.cameras.simulation.optics import Optics
from edge.cameras.simulation.smear import WHITE, Smear
from edge.config import SimulatedConfig
from edge.slide.motion_blur import MotionBlur
from edge.slide.registration import thumbnail

WIDTH, HEIGHT = 640, 480
SLIDE = 6 * WIDTH, 7 * HEIGHT


def path_of(seed: int, *, rate: float = 5.0, slide: tuple[int, int] = SLIDE) -> HandPath:
    return HandPath(np.random.default_rng(seed), slide, (WIDTH, HEIGHT), rate=rate, exposure_s=0.015)


def travelled(exposure: Exposure) -> float:
    return math.dist(exposure.stops[0], exposure.stops[-1])


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_no_larger_than_a_white_cell_shows_whole_in_a_sharp_frame_at_rest(seed: int) -> None:
    resting = [e.corner for e in path_of(seed, rate=1.0) if travelled(e) < 6 and e.defocus < 0.5]
    corners = np.array(resting)
    for x in range(14, SLIDE[0] - 233, 20):
        for y in range(14, SLIDE[1] - 233, 20):
            left, top = x - corners[:, 0], y - corners[:, 1]
            inside = (left >= 0) & (top >= 0) & (left + 219 <= WIDTH) & (top + 219 <= HEIGHT)
            assert inside.any(), (x, y)


def test_a_path_has_pauses_pushes_dashes_returns_and_stretches_without_focus() -> None:
    path = path_of(3)
    corners = [exposure.corner for exposure in path]
    steps = [math.dist(a, b) for a, b in pairwise(corners)]
    assert sum(step < 5 for step in steps) > len(steps) / 4
    assert max(steps) > WIDTH, "a return is faster than frames follow"
    assert max(map(travelled, path)) > 20
    assert len({corner for corner in corners if corner == (0, 0)}) <= 1
    blurred = [exposure.defocus > 0.9 for exposure in path]
    assert 0.02 < sum(blurred) / len(blurred) < 0.5
    assert sum(a != b for a, b in pairwise(blurred)) < len(blurred) / 20, (
        "for stretches, not for single frames"
    )
    assert all(0 <= x <= SLIDE[0] - WIDTH and 0 <= y <= SLIDE[1] - HEIGHT for x, y in corners)


def test_the_same_numbers_give_the_same_path_and_another_seed_another() -> None:
    assert list(path_of(1)) == list(path_of(1))
    assert list(path_of(1)) != list(path_of(2))


def test_a_slide_of_one_view_is_a_path_too() -> None:
    assert {exposure.corner for exposure in path_of(1, slide=(WIDTH, HEIGHT))} == {(0, 0)}


def test_movement_adds_up_what_passes_while_the_shutter_is_open() -> None:
    smear = Smear.draw(3, 12)
    stops = tuple((400 + 4 * i, 400 - i) for i in range(-8, 8))
    seen = Exposure(stops, 0.0).light(smear, WIDTH, HEIGHT)
    each = [smear.transmittance(x, y, WIDTH, HEIGHT) for x, y in stops]
    assert np.abs(seen - np.mean(each, axis=0)).max() < 1e-4


@pytest.mark.parametrize("size", [(640, 480), (320, 240), (960, 720)])
def test_frames_know_their_place_and_their_cells(size: tuple[int, int]) -> None:
    config = SimulatedConfig(
        seed=2, cells=4, width=size[0], height=size[1], noise=0, motion="manual", hand_rate=1
    )
    camera = SimulatedCamera(config)
    cells, shown, frames = camera.true_cells(), set(), 0
    while (frame := camera.read()) is not None:
        frames += 1
        x, y = camera.place(frame.name)
        for cell in camera.truth(frame.name):
            middle = cell.center[0] + x, cell.center[1] + y
            index = min(range(len(cells)), key=lambda number: math.dist(cells[number].center, middle))
            assert math.dist(cells[index].center, middle) < 1
            if cell.complete:
                shown.add(index)
    assert frames == len(camera)
    assert shown == set(range(4))


def test_a_name_that_is_no_frames_of_this_path_is_refused() -> None:
    camera = SimulatedCamera(SimulatedConfig(cells=2, motion="manual"))
    for name in (
        "",
        "simulated x=0 y=0",
        "simulated 999999 x=0 y=0",
        "simulated 0 x=5 y=b",
        "picture 0 x=0 y=0",
    ):
        with pytest.raises(ValueError, match="not the name of a"):
            camera.truth(name)


def test_streaks_are_told_from_frames_at_rest_and_out_of_focus() -> None:
    smear, optics = Smear.draw(5, 30), Optics(SimulatedConfig(seed=5), WHITE)
    motion_blur, told = MotionBlur(), []
    for number in range(20):
        corner = 100 + 60 * number, 300
        reach = 6 if number % 5 == 4 else 0
        stops = tuple((corner[0] + reach * i, corner[1] + reach * i) for i in range(-8, 8))
        exposure = Exposure(stops, 0.0)
        pixels = optics.exposed(
            exposure.light(smear, WIDTH, HEIGHT),
            np.random.default_rng(number),
            defocus=3.0 if number % 3 == 0 else 0.0,
        )
        told.append(motion_blur.is_blurred(thumbnail(pixels)))
    assert told == [number % 5 == 4 for number in range(20)]


@pytest.mark.parametrize("size", [(1, 1), (2, 640), (700, 5)], ids=str)
def test_a_picture_without_a_slope_is_not_smeared(size: tuple[int, int]) -> None:
    motion_blur = MotionBlur()
    picture = thumbnail(np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8))
    assert not any(motion_blur.is_blurred(picture) for _ in range(8))


def test_the_way_over_a_large_slide_fits_a_small_device() -> None:
    tracemalloc.start()
    try:
        path = path_of(1, rate=100.0, slide=(12_000, 12_000))
        assert len(path) > 100_000
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    with pytest.raises(IndexError):
        path[len(path)]
