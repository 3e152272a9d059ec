"""A cell has no upright: a bundle may ask that it be looked at in four quarter turns."""

from __future__ import annotations

import numpy as np
import pytest
from bundles import rewritten

from edge.adaptation.adapting import copies_of
from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SHIPPED_MODEL, SimulatedConfig
from edge.errors import BundleError
from edge.masking.crops import cut_cell
from edge.models.bundle import read_bundle
from edge.models.runtime import Runtime
from edge.naming.classifier import Classifier


@pytest.fixture(scope="module")
def crops():
    camera = SimulatedCamera(SimulatedConfig(seed=3))
    found = []
    while len(found) < 6:
        frame = camera.read()
        whole = [cell for cell in camera.truth(frame.name) if cell.complete]
        found += [cut_cell(frame.pixels, cell.center, max(cell.box[2:])) for cell in whole[:1]]
    return found


@pytest.fixture(scope="module")
def shipped():
    return Classifier.load(SHIPPED_MODEL)


def test_the_bundle_that_ships_calls_a_turned_cell_as_before(shipped, crops):
    assert shipped.bundle.description.turns == 4
    for crop in crops:
        upright, on_its_side = shipped.classify(crop), shipped.classify(np.rot90(crop))
        assert on_its_side.logits == pytest.approx(upright.logits, abs=1e-4)
        assert on_its_side.confidence == pytest.approx(upright.confidence, abs=1e-4)
        assert on_its_side.label == upright.label
        # Its map turns with it.
        assert np.rot90(on_its_side.maps, -1) == pytest.approx(upright.maps, abs=1e-4)


def test_the_answer_is_the_mean_of_the_four_looks(shipped, crops):
    about = shipped.bundle.description
    once = Runtime(shipped.bundle.model, about.outputs)
    for crop in crops:
        looks = [once.run(np.rot90(crop, turn)) for turn in range(4)]
        assert np.ptp([look["logits"] for look in looks], axis=0).max() > 0.1
        outputs = shipped.raw_outputs(crop)
        for name in ("logits", "features"):
            assert outputs[name] == pytest.approx(np.mean([look[name] for look in looks], axis=0), abs=1e-4)
        back = [np.rot90(look["maps"], -turn) for turn, look in enumerate(looks)]
        assert outputs["maps"] == pytest.approx(np.mean(back, axis=0), abs=1e-4)


def test_a_bundle_that_does_not_ask_for_turns_is_looked_at_once(crops, tmp_path):
    path = rewritten(tmp_path / "once.tflite", turns=1)
    assert b'"turns"' not in path.read_bytes()  # as in bundles of before
    bundle = read_bundle(path)
    once = Runtime(bundle.model, bundle.description.outputs)
    asked = Classifier(bundle, once)
    for crop in crops:
        assert (asked.raw_outputs(crop)["logits"] == once.run(crop)["logits"]).all()


def test_a_device_that_looks_once_refuses_a_bundle_whose_answers_are_of_four_looks(tmp_path):
    # As one of an earlier release would: it does not know the key.
    path = rewritten(tmp_path / "forgotten.tflite", turns=1, tolerance=0.05)
    with pytest.raises(BundleError, match=r"answers golden input \d wrongly"):
        Classifier.load(path)


@pytest.mark.parametrize("turns", [0, 2, 3, 5, "four", 10**9])
def test_other_numbers_of_turns_are_refused_in_one_sentence(turns, tmp_path):
    path = rewritten(tmp_path / "odd.tflite", turns=turns)
    with pytest.raises(BundleError, match="is damaged or is no Leukoscope model bundle") as refusal:
        Classifier.load(path)
    assert "turns" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_named_cell_is_shown_once_for_each_look_that_tells_something_new(shipped, crops):
    assert len(copies_of(crops[0], 1)) == 8
    assert len({copy.tobytes() for copy in copies_of(crops[0], 1)}) == 8
    upright, mirrored = (shipped.raw_outputs(copy)["features"] for copy in copies_of(crops[0], 4))
    for copy in copies_of(crops[0], 1):
        features = shipped.raw_outputs(copy)["features"]
        assert min(np.abs(features - upright).max(), np.abs(features - mirrored).max()) < 1e-3
    assert np.abs(upright - mirrored).max() > 1e-3
