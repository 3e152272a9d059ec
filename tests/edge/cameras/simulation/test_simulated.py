"""The simulated camera: it goes over the whole slide, and every setting does what it says, measured."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge.cameras.simulation.camera import SimulatedCamera
from edge.cameras.simulation.smear import WHITE
from edge.config import SimulatedConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLEAN = SimulatedConfig(seed=3, cells=12, defocus=0, noise=0, vignetting=0)


@lru_cache(maxsize=4)
def pictures(config: SimulatedConfig, count: int | None = None) -> dict[str, NDArray[np.uint8]]:
    camera = SimulatedCamera(config)
    taken = [camera.read() for _ in range(count or len(camera))]
    return {frame.name: frame.pixels for frame in taken if frame is not None}


def changed(**settings: float) -> SimulatedConfig:
    plain = {name: getattr(CLEAN, name) for name in CLEAN.__struct_fields__}
    return SimulatedConfig(**(plain | settings))


def test_the_stage_goes_step_by_step_over_every_view_once() -> None:
    camera = SimulatedCamera(changed(width=160, height=120))
    places = []
    while (frame := camera.read()) is not None:
        x, y = (int(word[2:]) for word in frame.name.split()[1:])
        places.append((x // 160, y // 120))
    assert len(places) == len(set(places)) == len(camera) == camera.smear.columns * camera.smear.rows
    steps = [abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in pairwise(places)]
    assert set(steps) == {1}


def test_an_empty_slide_can_be_scanned_too() -> None:
    camera = SimulatedCamera(SimulatedConfig(cells=0))
    frame = camera.read()
    assert frame is not None
    assert camera.truth(frame.name) == ()
    assert frame.pixels.std() > 3


@pytest.mark.parametrize("size", [(320, 240), (1280, 960), (400, 700)])
def test_truth_is_in_the_pixels_of_the_frame(size: tuple[int, int]) -> None:
    camera = SimulatedCamera(SimulatedConfig(seed=2, cells=6, width=size[0], height=size[1], noise=0))
    found = 0
    while (frame := camera.read()) is not None:
        assert frame.pixels.shape == (size[1], size[0], 3)
        for cell in camera.truth(frame.name):
            if cell.complete:
                x, y, width, height = cell.nucleus_box
                blue_over_green = frame.pixels[..., 2] / (frame.pixels[..., 1] + 1.0)
                nucleus = blue_over_green[y : y + height, x : x + width]
                assert nucleus.mean() > 1.2 * blue_over_green.mean()
                found += 1
    assert found == 6


def test_a_name_that_is_no_frames_is_refused() -> None:
    camera = SimulatedCamera(CLEAN)
    for name in ("", "simulated", "simulated x=1 y=b", "slide/a.png"):
        with pytest.raises(ValueError, match="not the name of a simulated frame"):
            camera.truth(name)


def test_another_setting_makes_other_frames_with_other_ids() -> None:
    def first(config: SimulatedConfig) -> str | None:
        frame = SimulatedCamera(config).read()
        return frame.source_id if frame else None

    ids = [first(changed(**{name: value})) for name, value in (("seed", 4), ("stain", 0.9), ("noise", 1))]
    assert len({first(CLEAN), *ids}) == 4
    assert first(changed(frames_per_second=900)) == first(CLEAN)


@pytest.mark.parametrize("stain", [0.4, 0.7, 1.6])
def test_stain_multiplies_the_absorbance(stain: float) -> None:
    once, again = pictures(CLEAN, 6), pictures(changed(stain=stain), 6)
    for name, picture in once.items():
        usual, other = (-np.log((p.astype(float) + 0.5) / WHITE)[..., 1] for p in (picture, again[name]))
        dyed = usual > 0.15
        assert np.median(other[dyed] / usual[dyed]) == pytest.approx(stain, rel=0.05)


@pytest.mark.parametrize("defocus", [0.6, 2.0, 5.0])
def test_defocus_blurs_by_as_many_pixels_as_it_says(defocus: float) -> None:
    sharp, soft = pictures(CLEAN, 3), pictures(changed(defocus=defocus), 3)
    for name, picture in sharp.items():
        told = cv2.GaussianBlur(picture, (0, 0), defocus, borderType=cv2.BORDER_REFLECT)
        assert np.abs(told.astype(int) - soft[name]).max() <= 2


@pytest.mark.parametrize("noise", [0.5, 2.0, 10.0])
def test_noise_has_the_deviation_it_is_given_and_is_new_in_every_view(noise: float) -> None:
    clean, noisy = pictures(CLEAN, 3), pictures(changed(noise=noise), 3)
    grain = [noisy[name].astype(float) - clean[name] for name in clean]
    assert np.std(grain) == pytest.approx(math.hypot(noise, 0.4), rel=0.1)  # 0.4: both were rounded
    assert abs(np.mean(grain)) < 0.05 * noise + 0.05
    assert abs(np.corrcoef(grain[0].ravel(), grain[1].ravel())[0, 1]) < 0.05


def test_vignetting_takes_its_share_of_the_light_in_the_corners() -> None:
    clean, dim = pictures(CLEAN, 3), pictures(changed(vignetting=0.4), 3)
    for name, picture in clean.items():
        left = dim[name].astype(float) / picture
        assert np.mean([left[y, x] for y in (0, -1) for x in (0, -1)]) == pytest.approx(0.6, abs=0.02)
        assert left[240, 320].mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("illumination", [0.3, 0.8, 1.2])
def test_illumination_multiplies_the_light(illumination: float) -> None:
    clean, lit = pictures(CLEAN, 3), pictures(changed(illumination=illumination), 3)
    for name, picture in clean.items():
        assert lit[name].mean() / picture.mean() == pytest.approx(illumination, abs=0.02)


def test_too_much_light_saturates_and_does_not_wrap_around() -> None:
    for picture in pictures(changed(illumination=2, noise=30), 2).values():
        assert np.median(picture) == 255


@pytest.mark.parametrize("warmth", [-1.0, 0.5, 1.0])
def test_warmth_trades_blue_for_red_and_leaves_green(warmth: float) -> None:
    clean, warm = pictures(CLEAN, 3), pictures(changed(warmth=warmth), 3)
    for name, picture in clean.items():
        red, green, blue = warm[name].mean((0, 1)) / picture.mean((0, 1))
        assert green == pytest.approx(1, abs=0.01)
        assert red == pytest.approx(1 + 0.2 * warmth, abs=0.02)
        assert blue == pytest.approx(1 - 0.2 * warmth, abs=0.02)


def test_haze_takes_contrast_and_leaves_the_glass() -> None:
    name, clear = next(iter(pictures(CLEAN, 1).items()))
    hazy = pictures(changed(haze=0.5), 1)[name]
    assert np.ptp(hazy[:, :, 1]) == pytest.approx(np.ptp(clear[:, :, 1]) / 2, abs=6)
    assert np.percentile(hazy[:, :, 1], 95) == pytest.approx(np.percentile(clear[:, :, 1], 95), abs=6)


def test_uneven_light_falls_off_to_one_side() -> None:
    config = changed(empty=True)
    (plain,), (uneven,) = (pictures(c, 1).values() for c in (config, changed(empty=True, uneven=0.4)))
    ratio = uneven.astype(float)[:, :, 1] / plain[:, :, 1]
    assert ratio[:, :20].mean() == pytest.approx(1.0, abs=0.02)
    assert ratio[:, -20:].mean() == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("mark", ["banner", "scale bar", "arrow", "ink", "text", "frame"])
def test_marks_are_drawn_into_the_same_slide_and_always_the_same(mark: str) -> None:
    plain, marked = pictures(CLEAN, 3), pictures(changed(marks=(mark,)), 3)
    pictures.cache_clear()
    again = pictures(changed(marks=(mark,)), 3)
    for name, pixels in marked.items():
        differs = (pixels != plain[name]).any(axis=2)
        assert 0.0005 < differs.mean() < 0.25
        assert (pixels == again[name]).all()
