"""Overlays: how they are asked for, and what they show."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from drawn_nuclei import draw_nucleus, field

from edge.analyzer import Analyzer
from edge.cli import main
from edge.config import SHIPPED_MODEL
from edge.drawing.heatmap import draw, spoken_evidence
from edge.drawing.overlay import CONTOURS, INK, coloured, legend, scale_bar, window, with_contours
from edge.naming.classifier import Classifier


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


TILE = 370  # of two cells, beside frames of 640x480


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
    tile = np.s_[66 : 66 + TILE, 648 + 2 * TILE : 648 + 3 * TILE]
    assert np.array_equal(drawn[called][tile], draw(pixels, analyzed)[tile])
    others = [label for label in labels if label != called]
    assert any(not np.array_equal(drawn[called][tile], drawn[label][tile]) for label in others)
    with pytest.raises(ValueError, match="basophile"):
        draw(pixels, analyzed, explain="basophile")


def test_beside_what_the_model_sees_stands_what_the_camera_saw(pixels, analyzed):
    drawn = draw(pixels, analyzed)
    x, y, width, height = analyzed.cells[0].crop
    seen = cv2.resize(pixels[y : y + height, x : x + width], (TILE, TILE), interpolation=cv2.INTER_CUBIC)
    true = drawn[66 : 66 + TILE, 648 : 648 + TILE]
    assert np.array_equal(true[:-40], seen[:-40]), "but for the scale bar"
    assert not np.array_equal(true[-40:, :120], seen[-40:, :120])
    assert not np.array_equal(drawn[66 : 66 + TILE, 648 + TILE : 648 + 2 * TILE], seen)


@pytest.mark.parametrize("micrometres_per_pixel", [0.05, 0.1, 0.16])
def test_the_scale_bar_is_as_long_as_it_says(micrometres_per_pixel):
    picture = np.full((300, 300, 3), 120, np.uint8)
    scale_bar(picture, 1 / micrometres_per_pixel, guessed=False)
    dark = (picture[290] == INK).all(axis=1)
    assert abs(int(dark.sum()) - 5 / micrometres_per_pixel) <= 1


def test_beyond_the_frame_there_is_paper(pixels):
    cut = window(pixels, (-10, -5, 30, 30))
    assert (cut[:5] == cut[0, 0]).all()
    assert np.array_equal(cut[5:, 10:], pixels[:25, :20])


@pytest.mark.parametrize("cells", [1, 2, 3, 4])
def test_no_part_of_an_overlay_is_empty(cells):
    frame = field()
    for place in ((320, 240), (500, 120), (120, 120), (500, 380))[:cells]:
        frame = draw_nucleus(frame, *place)
    analyzed = Analyzer(Classifier.load(SHIPPED_MODEL)).analyze(frame)
    assert len(analyzed.cells) == cells
    drawn = draw(frame, analyzed)
    empty = (drawn == drawn[0, 641]).all(axis=2)
    assert empty.mean() < 0.25
    halves = np.array_split(empty, 2, axis=0)
    assert max(half[:, 648:].mean() for half in halves) < 0.5


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ((0.95, 0.2), "most of the evidence lies in the cell (95 %), most of it in the cytoplasm"),
        ((0.8, 0.7), "most of the evidence lies in the cell (80 %), most of it in the nucleus"),
        ((0.11, 0.05), "most of the evidence lies outside the cell; 11 % in it: look at it yourself"),
        ((0.8, None), "most of the evidence lies in the cell (80 %), no nucleus was seen"),
        ((None, None), "nothing in the picture speaks for this call"),
    ],
)
def test_where_the_evidence_lies_is_said_in_words(shares, words):
    assert spoken_evidence(*shares) == words


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
