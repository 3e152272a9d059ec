"""Overlays: how they are asked for, and what they show."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from test_masking import draw_nucleus, field

from edge.analyzer import Analyzer
from edge.classifier import Classifier
from edge.cli import main
from edge.config import SHIPPED_MODEL
from edge.heatmap import draw
from edge.overlay_parts import CONTOURS, coloured, legend, with_contours


@pytest.fixture(scope="module")
def pixels():
    return draw_nucleus(draw_nucleus(field(), 320, 240), 500, 120)


@pytest.fixture(scope="module")
def analyzed(pixels):
    return Analyzer(Classifier.load(SHIPPED_MODEL)).analyze(pixels)


@pytest.fixture
def picture(tmp_path, pixels):
    path = tmp_path / "slide.png"
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return path


def hill(side=120):
    """Draw a map that falls evenly from 1 in the middle."""
    rows, columns = np.ogrid[:side, :side]
    middle = (side - 1) / 2
    return np.maximum(1 - np.hypot(rows - middle, columns - middle) / middle, 0).astype(np.float32)


def test_a_weak_map_hides_nothing_and_a_strong_one_is_seen():
    plain = np.full((120, 120, 3), 200, np.uint8)
    assert np.array_equal(coloured(plain, np.zeros((120, 120), np.float32)), plain)
    changed = np.abs(coloured(plain, hill()).astype(int) - plain).sum(axis=2)
    assert changed[60, 60] > 100 > changed[60, 5]


def test_contours_lie_at_their_levels_and_leave_the_rest_as_it_is():
    plain = np.full((120, 120, 3), 200, np.uint8)
    changed = (with_contours(plain, hill()) != plain).any(axis=2)
    assert changed.mean() < 0.3
    assert not changed[60, 60]
    for level in CONTOURS:
        assert changed[60, round(59.5 + (1 - level) * 59.5) - 1]


def test_every_style_has_its_legend():
    assert not np.array_equal(legend(600, "colours"), legend(600, "contours"))


def test_the_field_is_drawn_outlined_and_once_more_with_its_maps(pixels, analyzed):
    assert len(analyzed.cells) == 2
    height, width = pixels.shape[:2]
    drawn = draw(pixels, analyzed)
    plain, mapped = drawn[:height, :width].astype(int), drawn[height : 2 * height, :width].astype(int)
    differs = np.abs(plain - mapped).sum(axis=2) > 30
    for cell in analyzed.cells:
        x, y, w, h = cell.box
        assert differs[y : y + h, x : x + w].mean() > 0.1
    assert not differs[:, :150].any(), "no cell, no map"


def test_another_class_has_another_map_and_one_that_nothing_speaks_for_is_not_drawn(pixels, analyzed):
    labels = list(analyzed.cells[0].probabilities)
    drawn = {label: draw(pixels, analyzed, explain=label) for label in labels}
    called = analyzed.cells[0].label
    tile = np.s_[66:366, 940:1240]
    assert np.array_equal(drawn[called][tile], draw(pixels, analyzed)[tile])
    others = [label for label in labels if label != called]
    assert any(not np.array_equal(drawn[called][tile], drawn[label][tile]) for label in others)
    with pytest.raises(ValueError, match="basophile"):
        draw(pixels, analyzed, explain="basophile")


def test_overlays_are_written_as_asked(picture, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["analyze", "--json", "--overlays", str(out), str(picture)]
    assert main([*arguments, "--contours", "--overlay-format", "png", "--explain", "monocyte"]) == 0
    (file,) = out.iterdir()
    assert file.name == "slide.png"
    assert cv2.imread(str(file)).shape[1] > 640
    cells = json.loads(capsys.readouterr().out)["cells"]
    for cell in cells:
        assert 0 <= cell["evidence_in_nucleus"] <= cell["evidence_in_cell"] <= 1
        assert cell["flags"] == []


def test_a_class_that_is_none_and_a_drawing_without_a_folder_are_refused(picture, tmp_path, capsys):
    arguments = ["analyze", "--explain", "monocite", str(picture)]
    assert main(arguments) == 2
    assert "give --overlays as well" in capsys.readouterr().err
    assert main([*arguments, "--overlays", str(tmp_path / "out")]) == 2
    assert "--explain monocite: the model knows no such class, but eosinophil" in capsys.readouterr().err
