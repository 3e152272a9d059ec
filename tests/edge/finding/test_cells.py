"""Cells of a specimen's fields: the same field has the same answer, whatever interrupts the specimen."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from real_data import real_images

from edge.cameras.image_files import read_image
from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SimulatedConfig
from edge.finding.cells import CellFinder
from edge.finding.finder import Finder, Looks
from edge.finding.ruler import SETTLING, Ruler
from edge.messages import Scale

TRAINED = Path(__file__).parents[3] / "trainer" / "finder" / "trained"
FIELDS = SETTLING + 5


@pytest.fixture(scope="module")
def network():
    record = json.loads((TRAINED / "finder.json").read_text())
    return Finder((TRAINED / "finder.tflite").read_bytes(), {"maps": record["output"]}), record


@pytest.fixture
def cells(network):
    finder, record = network
    return CellFinder(finder, record["recipe"]["thresholds"])


@pytest.fixture(scope="module")
def frames():
    camera = SimulatedCamera(SimulatedConfig(seed=4, cells=60))
    frames = [frame.pixels for frame in iter(camera.read, None)]
    return [frames[number % len(frames)] for number in range(FIELDS)]


@pytest.fixture(scope="module")
def whole(network, frames):
    """Return what is found in a specimen that nothing interrupts."""
    finder, record = network
    cells = CellFinder(finder, record["recipe"]["thresholds"])
    return [cells.find(frame) for frame in frames]


def stored(found) -> Scale:
    """Return a field's scale as the store gives it back."""
    return msgspec.json.decode(msgspec.json.encode(found.scale), type=Scale)


def answer(found):
    return found.scale, found.white.centres.tolist(), found.white.diameters.tolist()


@pytest.mark.parametrize("killed_after", [7, SETTLING - 1, SETTLING])
def test_a_specimen_that_is_taken_up_again_has_the_answers_of_one_that_was_not_interrupted(
    cells, frames, whole, killed_after
):
    assert whole[-1].scale.settled
    cells.restore(stored(found) for found in whole[:killed_after])
    again = [cells.find(frame) for frame in frames[killed_after:]]
    assert [answer(found) for found in again] == [answer(found) for found in whole[killed_after:]]


def test_the_ruler_is_restored_where_the_fields_that_set_it_are_gone(cells, frames, whole):
    cells.restore([stored(whole[-2])])
    assert answer(cells.find(frames[-1])) == answer(whole[-1])


def test_a_field_of_another_lens_is_measured_by_its_own_red_cells(cells, frames, whole):
    cells.restore([stored(whole[-1])])
    settled = cells.ruler.micrometres_per_pixel
    larger = np.repeat(np.repeat(frames[0], 2, axis=0), 2, axis=1)
    scale = cells.find(larger).scale
    assert scale.micrometres_per_pixel == pytest.approx(settled / 2, rel=0.1)
    assert not scale.settled
    assert cells.find(frames[0]).scale.micrometres_per_pixel == settled


@pytest.mark.parametrize("factor", [1 / 4, 1 / 6])
def test_a_lens_through_which_nothing_is_seen_at_the_rulers_scale_is_noticed(cells, frames, whole, factor):
    alone = seen = 0
    for frame in frames[:20]:
        cells.restore()
        alone += len(cells.find(frame).white)
        cells.restore()
        cells.ruler.settle(whole[-1].scale.micrometres_per_pixel * factor, 0.05)
        seen += len(cells.find(frame).white)
    assert alone > 20
    assert seen == pytest.approx(alone, abs=3)


def test_specks_at_the_scale_of_another_lens_are_no_white_cells(cells):
    fields = [read_image(f) for f in sorted(real_images("red-cells", "images").iterdir())[::12]]
    for field in fields:
        cells.find(field)
    known = cells.ruler.micrometres_per_pixel
    found = 0
    for field in fields:
        cells.restore()
        cells.ruler.settle(known * 4, 0.05)
        found += len(cells.find(field).white)
    assert found <= 1


@pytest.mark.parametrize("kind", ["eosinophil", "lymphocyte", "monocyte", "neutrophil"])
def test_a_picture_of_one_cell_is_seen_at_its_scale(cells, kind):
    """As analyzers take them, some five red cells wide: what lies in the middle is found, and whole."""
    pictures = sorted(real_images("pbc", kind).iterdir())
    pictures = pictures[:: max(1, len(pictures) // 20)]
    found = 0
    for picture in pictures:
        field = read_image(picture)
        cells.restore()
        white = cells.find(field).white
        away = np.abs(white.centres - np.array(field.shape[1::-1]) / 2).max(axis=1)
        found += bool(((away < field.shape[0] / 8) & (white.diameters > field.shape[0] / 4)).any())
    assert found >= len(pictures) - 3


def test_few_red_cells_in_a_field_are_no_other_lens(cells, frames, whole):
    cells.restore([stored(whole[-1])])
    frame = frames[0].copy()
    frame[: frame.shape[0] // 2] = 230  # the slide's bare edge
    frame[:, : frame.shape[1] // 2] = 230
    assert msgspec.structs.replace(cells.find(frame).scale, field=None) == msgspec.structs.replace(
        whole[-1].scale, field=None
    )


def test_that_field_has_its_own_scale_before_the_ruler_has_settled_too(cells, frames, whole):
    cells.restore(stored(found) for found in whole[:5])
    before = cells.ruler.micrometres_per_pixel
    larger = np.repeat(np.repeat(frames[0], 2, axis=0), 2, axis=1)
    scale = cells.find(larger).scale
    assert scale.micrometres_per_pixel == pytest.approx(before / 2, rel=0.2)  # by one field
    assert (scale.source, scale.spread, scale.settled) == ("red cells", None, False)
    assert cells.find(frames[5]).scale.micrometres_per_pixel == pytest.approx(before, rel=0.1)


def test_a_configured_ruler_is_no_specimens(network, frames):
    finder, record = network
    cells = CellFinder(finder, record["recipe"]["thresholds"], Ruler.configured(0.125))
    cells.restore([Scale(0.3, "red cells", 0.01, settled=True)], 0.3)
    scale = cells.find(frames[0]).scale
    assert (scale.micrometres_per_pixel, scale.source) == (0.125, "configured")


def test_a_new_specimen_begins_with_the_remembered_ruler_and_says_so(cells):
    cells.restore((), 0.15)
    scale = cells.find(np.full((480, 640, 3), 230, np.uint8)).scale
    assert (scale.micrometres_per_pixel, scale.source, scale.field) == (0.15, "remembered", None)


def test_two_scales_that_come_to_one_size_are_one_look_with_the_answers_of_two(network, frames, monkeypatch):
    finder, _ = network
    scales = (0.375, 0.3753, 0.4)
    each = [finder.find(frames[0], scale) for scale in scales]
    sizes = []
    maps = Finder.maps
    monkeypatch.setattr(
        Finder, "maps", lambda self, pixels, size: sizes.append(size) or maps(self, pixels, size)
    )
    looks = Looks(finder, frames[0])
    for alone, scale in zip(each, scales, strict=True):
        seen = looks.find(scale)
        assert len(seen)
        np.testing.assert_array_equal(seen.centres, alone.centres)
        np.testing.assert_array_equal(seen.diameters, alone.diameters)
    assert sizes == [(240, 180), (256, 192)]
    looks.middle().find(0.4)
    assert sizes[2:] == [(128, 96)]
