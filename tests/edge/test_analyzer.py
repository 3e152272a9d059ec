"""What an analyzer does with a bundle or a field that it cannot go by: one sentence, and no count."""

from __future__ import annotations

import cv2
import msgspec
import pytest
from bundles import rewritten

from edge.analyzer import Analyzer
from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SHIPPED_MODEL, SimulatedConfig
from edge.errors import BundleError
from edge.finding.decoding import decode
from edge.masking.crops import cut_square
from edge.models.bundle import read_bundle
from edge.naming.classifier import Classifier


def described(**changes):
    finder = read_bundle(SHIPPED_MODEL).description.finder
    return msgspec.structs.replace(finder, **changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"preprocessing": "adaptive/2"},
            "was trained on crops of recipe adaptive/2, masking is set to found/1",
        ),
        ({"finder": described(version="finder/9")}, "has a finder of version finder/9; this device reads"),
        ({"finder": None}, "has no finder; give a bundle of version 0.2 or later"),
    ],
)
def test_a_bundle_that_finds_otherwise_is_refused_in_one_sentence(tmp_path, changes, sentence):
    path = rewritten(tmp_path / "other.tflite", **changes)
    with pytest.raises(BundleError) as refused:
        Analyzer(Classifier.load(path))
    assert str(refused.value).startswith(f"{path}: ")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_field_with_more_white_cells_than_can_be_listed_is_refused_and_says_so(monkeypatch):
    monkeypatch.setattr("edge.finding.finder.decode", lambda *given: decode(*given, most=1))
    frame = SimulatedCamera(SimulatedConfig(seed=3, cells=12)).read()
    field = Analyzer(Classifier.load(SHIPPED_MODEL)).analyze(frame.pixels)
    assert (field.quality.accepted, field.quality.reason) == (False, "too crowded")
    assert field.cells == ()


def test_more_red_cells_than_can_be_listed_cost_their_number_and_no_white_cell(monkeypatch):
    frame = SimulatedCamera(SimulatedConfig(seed=3, cells=12)).read()
    analyzer = Analyzer(Classifier.load(SHIPPED_MODEL))
    usual = analyzer.analyze(frame.pixels)
    assert usual.red_cells > 15
    monkeypatch.setattr("edge.finding.finder.decode", lambda *given: decode(*given, most=15))
    field = analyzer.analyze(frame.pixels)
    assert field.quality.accepted
    assert len(field.cells) == len(usual.cells) > 1
    assert (field.red_cells, field.platelets) == (None, None)


def test_a_frame_that_is_only_looked_at_changes_nothing_of_what_is_counted():
    frames = [SimulatedCamera(SimulatedConfig(seed=seed, cells=12)).read().pixels for seed in (3, 4)]
    alone, looking = (Analyzer(Classifier.load(SHIPPED_MODEL)) for _ in range(2))
    other_scale = cv2.resize(frames[1], None, fx=1.7, fy=1.7)
    for pixels in frames:
        counted = alone.analyze(pixels)
        boxes = looking.look(pixels)
        assert len(boxes) == len(counted.cells) > 1
        middles = [(x + w / 2, y + h / 2) for x, y, w, h in boxes]
        for x, y, w, h in (cell.box for cell in counted.cells):
            assert any(x <= across <= x + w and y <= down <= y + h for across, down in middles)
        looking.look(other_scale)
        same = looking.analyze(pixels)
        assert (same.cells, same.scale) == (counted.cells, counted.scale)


def test_by_what_a_cell_says_of_itself_it_can_be_shown_to_the_model_again():
    camera = SimulatedCamera(SimulatedConfig(seed=3, cells=400))
    classifier = Classifier.load(SHIPPED_MODEL)
    analyzer = Analyzer(classifier)
    shown = 0
    for _ in range(4):
        pixels = camera.read().pixels
        for cell in analyzer.analyze(pixels).cells:
            again = classifier.classify(cut_square(pixels, cell.crop, cell.glass_rgb))
            assert again.label == cell.label
            assert again.probabilities.max() == pytest.approx(cell.probability, abs=0.1)
            shown += 1
    assert shown > 3
