"""The drawn smear: what is told of its cells is what is drawn."""

from __future__ import annotations

import math
import tracemalloc
from collections import Counter

import cv2
import numpy as np
import pytest
from found_cells import find_cells
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.cameras.simulation.camera import SimulatedCamera
from edge.cameras.simulation.smear import WHITE, Smear, TrueCell
from edge.config import SimulatedConfig

Pixels = NDArray[np.uint8]


def truths(camera: SimulatedCamera) -> list[tuple[TrueCell, ...]]:
    width, height = camera.smear.field
    return [
        camera.smear.cells_in(column * width, row * height, width, height)
        for row in range(camera.smear.rows)
        for column in range(camera.smear.columns)
    ]


def blueness(pixels: Pixels) -> NDArray[np.float32]:
    """How much more blue than green a pixel lets through than the background does; a nucleus has most."""
    red_green_blue = cv2.GaussianBlur(pixels, (0, 0), 1.0).astype(np.float32) + 1
    return np.log(red_green_blue[..., 2] / red_green_blue[..., 1])


def test_a_seed_gives_one_slide_in_whatever_order_it_is_looked_at() -> None:
    one, same, other = Smear.draw(1, 12), Smear.draw(1, 12), Smear.draw(2, 12)
    assert one.cells == same.cells
    assert one.cells != other.cells
    whole = one.view(300, 200, 1000, 700)
    assert np.array_equal(same.view(900, 500, 150, 160), whole[300:460, 600:750])
    assert np.array_equal(same.view(300, 200, 1000, 700), whole)
    assert not np.array_equal(other.view(300, 200, 1000, 700), whole)


def test_a_window_may_reach_over_the_edge_of_the_slide() -> None:
    smear = Smear.draw(1, 3)
    assert np.array_equal(smear.view(-500, -300, 700, 500)[300:, 500:], smear.view(0, 0, 200, 200))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**63),
    cells=st.integers(0, 60),
    width=st.integers(160, 2000),
    height=st.integers(120, 1500),
)
def test_every_cell_is_whole_in_one_view_or_cut_in_two(
    seed: int, cells: int, width: int, height: int
) -> None:
    camera = SimulatedCamera(SimulatedConfig(seed=seed, cells=cells, width=width, height=height))
    seen = [cell for view in truths(camera) for cell in view]
    whole = [cell for cell in camera.smear.cells if cell.complete]
    assert len(camera.smear.cells) == cells
    assert len(whole) == cells - round(cells * 0.05)
    assert sum(cell.complete for cell in seen) == len(whole)
    assert sum(not cell.complete for cell in seen) == 2 * (cells - len(whole))
    edge_x, edge_y = camera.smear.field
    for cell in seen:
        x, y, w, h = cell.box
        if cell.complete:
            assert min(x, y, edge_x - x - w, edge_y - y - h) >= 10
        else:
            assert 0 in {x, y, edge_x - x - w, edge_y - y - h}


def test_no_two_cells_touch() -> None:
    cells = Smear.draw(4, 300).cells
    for index, one in enumerate(cells):
        for other in cells[:index]:
            assert math.dist(one.center, other.center) > one.radius + other.radius + 20


def test_most_views_hold_one_to_three_cells_and_some_none() -> None:
    counts = Counter(len(cells) for cells in truths(SimulatedCamera(SimulatedConfig(cells=300))))
    views = counts.total()
    assert (counts[1] + counts[2] + counts[3]) / views > 0.7
    assert 0.05 < counts[0] / views < 0.25
    assert max(counts) <= 5


def test_the_classes_come_as_often_as_in_blood_or_as_asked() -> None:
    counts = Counter(cell.label for cell in Smear.draw(1, 1000).cells)
    assert set(counts) == {"neutrophil", "lymphocyte", "monocyte", "eosinophil"}
    shares = {"neutrophil": 0.60, "lymphocyte": 0.28, "monocyte": 0.07, "eosinophil": 0.05}
    assert all(abs(counts[label] / 1000 - share) < 0.05 for label, share in shares.items())
    asked = Smear.draw(1, 40, mix={"basophil": 1, "monocyte": 1})
    assert {cell.label for cell in asked.cells} == {"basophil", "monocyte"}


def test_the_share_of_cut_cells_is_the_one_asked_for() -> None:
    assert all(cell.complete for cell in Smear.draw(1, 40, cut_share=0).cells)
    assert sum(not cell.complete for cell in Smear.draw(1, 40, cut_share=0.5).cells) == 20


@pytest.mark.parametrize("label", ["neutrophil", "eosinophil", "lymphocyte", "monocyte"])
def test_the_nucleus_is_the_darkest_and_bluest_of_its_cell_and_lies_where_it_is_said(label: str) -> None:
    smear = Smear.draw(7, 10, mix={label: 1}, cut_share=0)
    for cell in smear.cells:
        x, y, width, height = cell.box
        picture = smear.view(x, y, width, height)
        blue = blueness(picture)
        nucleus = blue > (np.percentile(blue, 95) + math.log(WHITE[2] / WHITE[1])) * 0.72
        nucleus = cv2.morphologyEx(nucleus.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5))) > 0
        told = cell.nucleus_box[0] - x, cell.nucleus_box[1] - y, *cell.nucleus_box[2:]
        assert np.abs(np.subtract(cv2.boundingRect(nucleus.astype(np.uint8)), told)).max() <= 9
        assert picture[nucleus, 1].mean() < picture[~nucleus, 1].mean() - 20
        assert nucleus.sum() > 0.25 * width * height * math.pi / 4


def test_classes_differ_as_they_do_in_blood() -> None:
    radius, plasm, nucleus = {}, {}, {}
    for label in ("neutrophil", "eosinophil", "lymphocyte", "monocyte"):
        smear = Smear.draw(9, 8, mix={label: 1}, cut_share=0)
        around, shares = [], []
        for cell in smear.cells:
            picture = smear.view(*cell.box)
            rows, columns = np.ogrid[-1 : 1 : cell.box[3] * 1j, -1 : 1 : cell.box[2] * 1j]
            inside = np.hypot(rows, columns) < 0.9
            blue = blueness(picture)
            core = (blue > 0.5 * np.percentile(blue, 95)) & inside
            shares.append(core.sum() / inside.sum())
            around.append(picture[~cv2.dilate(core.astype(np.uint8), np.ones((9, 9))).astype(bool) & inside])
        radius[label] = np.mean([cell.radius for cell in smear.cells])
        nucleus[label], plasm[label] = np.mean(shares), np.concatenate(around)
    assert radius["lymphocyte"] < radius["neutrophil"] < radius["monocyte"]
    assert nucleus["lymphocyte"] > 0.8
    assert max(share for label, share in nucleus.items() if label != "lymphocyte") < 0.7
    red_over_blue = {label: (p[:, 0] / p[:, 2]).mean() for label, p in plasm.items() if label != "lymphocyte"}
    assert red_over_blue["eosinophil"] > 1.15
    assert red_over_blue["monocyte"] < 0.92 < red_over_blue["neutrophil"] < 1


def test_the_finder_finds_every_cell() -> None:
    camera = SimulatedCamera(SimulatedConfig(seed=11, cells=25))
    while (frame := camera.read()) is not None:
        found = [cell for cell in find_cells(frame.pixels).cells if cell.complete]
        for cell in camera.truth(frame.name):
            if cell.complete:
                x, y = cell.center
                assert any(
                    b[0] < x < b[0] + b[2] and b[1] < y < b[1] + b[3] for b in (f.box for f in found)
                ), (frame.name, cell)


def test_a_slide_stays_small() -> None:
    tracemalloc.start()
    try:
        camera = SimulatedCamera(SimulatedConfig(cells=60))
        while camera.read() is not None:
            pass
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()
