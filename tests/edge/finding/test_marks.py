"""What people and programs draw into a picture neither hides a cell beside it nor passes for one."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from found_cells import find_cells
from real_data import real_images

from edge.analyzer import Analyzer
from edge.cameras.image_files import read_image
from edge.cameras.simulation.camera import SimulatedCamera
from edge.cameras.simulation.marks import draw_marks
from edge.config import SHIPPED_MODEL, SimulatedConfig
from edge.naming.classifier import Classifier

MARKS = ("banner", "scale bar", "arrow", "ink", "text", "frame")


@pytest.fixture(scope="module")
def drawn():
    camera = SimulatedCamera(SimulatedConfig(seed=5, cells=30))
    return [(frame.pixels, camera.truth(frame.name)) for frame in iter(camera.read, None)][:12]


@pytest.fixture(scope="module")
def photographs():
    folder = real_images("bccd", "JPEGImages")
    return [read_image(file) for file in sorted(folder.glob("*.jpg"))[::18]]


def same(one, other):
    (x, y, w, h), (x2, y2, w2, h2) = one.box, other.box
    return np.hypot(x + w / 2 - x2 - w2 / 2, y + h / 2 - y2 - h2 / 2) < 0.5 * max(w, h)


def changes(pixels, mark, seed, truth=()):
    """Return how many whole cells a mark hides that it does not touch, of how many, and how many it adds.

    In the scale of the plain picture: on a device it is the specimen's, whatever one field shows.
    """
    marked = pixels.copy()
    where = draw_marks(marked, (mark,), np.random.default_rng(seed))
    scale = find_cells(pixels).scale.micrometres_per_pixel
    analyzer = Analyzer(classifier(), micrometres_per_pixel=scale)
    before, after = analyzer.analyze(pixels), analyzer.analyze(marked)
    if not after.quality.accepted:
        return 0, 0, 0
    untouched = [c for c in before.cells if not c.cut_by_edge and not where[box_of(c)].any()]
    hidden = sum(not any(same(cell, other) for other in after.cells) for cell in untouched)
    counted = [c for c in after.cells if not c.cut_by_edge and c.rejected is None]
    known = [*before.cells, *truth]
    invented = sum(not any(same(other, c) for other in known) for c in counted)
    return hidden, invented, len(untouched)


@cache
def classifier():
    return Classifier.load(SHIPPED_MODEL)


def box_of(cell):
    x, y, w, h = cell.box
    return np.s_[max(0, y) : y + h, max(0, x) : x + w]


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_hides_and_invents_no_cell_of_a_drawn_slide(drawn, mark):
    each = [changes(pixels, mark, seed, truth) for seed, (pixels, truth) in enumerate(drawn)]
    counts = np.sum(each, axis=0)
    assert counts[2] >= 5
    assert counts[:2].tolist() == [0, 0]


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_hides_and_invents_no_cell_of_a_photograph(photographs, mark):
    counts = np.sum([changes(pixels, mark, seed) for seed, pixels in enumerate(photographs)], axis=0)
    assert counts[2] >= 5
    assert counts[:2].tolist() == [0, 0]


def test_in_fields_without_a_white_cell_hardly_any_is_counted():
    """At most one whole cell in the sixth part of the fields of red cells, whatever it would be named."""
    fields = sorted(real_images("red-cells", "images").iterdir())[::6]
    with_one = [f.name for f in fields if any(c.complete for c in find_cells(read_image(f)).cells)]
    assert len(with_one) <= 1
