"""What a bundle is worth on labelled images, as the device would call them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from drawn_data import draw_data
from msgspec.structs import replace

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from edge.config import SHIPPED_MODEL
from edge.errors import ConfigError
from edge.models.bundle import FINDER, read_bundle, write_bundle
from edge.models.reject import Reject
from edge.naming.classifier import Classifier
from trainer.data.arrays import Samples
from trainer.data.crops import cut_crops
from trainer.data.datasets import list_images
from trainer.evaluation.bundle_measurement import among, measure_bundle, sentences
from trainer.recipe import load_recipe

SIMPLE = "blood-cell-images/TEST_SIMPLE"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with a drawn TEST_SIMPLE, two images a class."""
    folder = tmp_path_factory.mktemp("data")
    drawn = draw_data(folder / "drawn", photographs=2, copies=1)
    (folder / "blood-cell-images").mkdir()
    (drawn / "blood-cell-images" / "TRAIN").rename(folder / SIMPLE)
    groups = {image.name: f"p{i}" for i, image in enumerate(list_images(folder, SIMPLE))}
    (folder / "groups.json").write_text(
        json.dumps({"schema": "leukoscope.photographs/1", "groups": groups}), encoding="utf-8"
    )
    return folder


def test_every_image_is_called_once_and_refusals_are_counted(data):
    found = measure_bundle(SHIPPED_MODEL, data, SIMPLE, photographs=data / "groups.json")
    assert found.images + found.left_out == 8
    assert found.photographs == found.images
    assert sum(map(sum, found.calls.confusion)) == found.images
    assert found.among_counted is not None
    assert [one.label for one in found.among_counted.classes] == [
        one.label for one in found.calls.classes if one.label != "other"
    ]
    assert sum(map(sum, found.among_counted.confusion)) == found.images
    assert found.part == "all"
    assert 0 <= found.rejecting["called"] <= 1
    assert found.rejecting.keys() >= {"wrong_calls", "wrong_calls_at_90"}
    assert "auroc" not in found.rejecting, "there is nothing to refuse in this set"


@pytest.mark.parametrize(
    ("minimum_probability", "usual_distance"),
    [(0.5, None), (1.0, None), (0.5, 1e-3)],
    ids=["as it ships", "no probability is enough", "every cell is too far"],
)
def test_a_cell_is_called_where_the_device_calls_it(data, tmp_path, minimum_probability, usual_distance):
    # A threshold of trust that lets all pass: what else is refused was counted as called.
    bundle, groups = read_bundle(SHIPPED_MODEL), data / "groups.json"
    known = bundle.description.reject.familiarity
    known = replace(known, minimum_trust=0.0, usual_distance=usual_distance or known.usual_distance)
    rule = Reject(minimum_probability, known)
    goldens = (
        (bundle.description.goldens, bundle.golden_images),
        (
            bundle.description.finder.goldens,
            bundle.finder_images,
        ),
    )
    members = {one.image: png for both in goldens for one, png in zip(*both, strict=True)}
    described = replace(bundle.description, reject=rule)
    path = tmp_path / "other.tflite"
    write_bundle(path, bundle.model, described, members | {FINDER: bundle.finder})
    found = measure_bundle(path, data, SIMPLE, photographs=groups)
    classifier = Classifier.load(path)
    crops = cut_crops(list_images(data, SIMPLE), ("eosinophil", "lymphocyte", "monocyte", "neutrophil"))
    called = [classifier.classify(crop).rejected is None for crop in crops.pixels]
    assert found.rejecting["called"] == pytest.approx(np.mean(called), abs=1e-4)
    assert any(called) == (minimum_probability < 1 and usual_distance is None)


def test_a_set_of_what_is_not_counted_says_how_many_are_called_all_the_same(data, tmp_path):
    shutil.copytree(data / SIMPLE / "NEUTROPHIL", tmp_path / "clutter" / "platelet")
    found = measure_bundle(SHIPPED_MODEL, tmp_path, "clutter")
    assert found.images + found.left_out == 2
    assert found.among_counted is None
    assert found.rejecting.keys() == {"others_called"}
    # Drawn neutrophils, called what they are not.
    called = 100 * found.rejecting["others_called"]
    said = f"no cell is of a class that is counted; {called:.1f} % are called one all the same"
    assert said in sentences(found)


def test_among_the_counted_classes_other_is_neither_an_answer_nor_a_cell():
    logits = np.log([[0.5, 0.4, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5]]).astype(np.float32)
    samples = Samples(np.zeros((4, 1, 1, 3), np.uint8), np.array([0, 0, 1, 2]), ("a", "b", "c", "d"))
    counted = np.array([True, False, True])
    found = among(counted, logits, samples, ("lymphocyte", "other", "monocyte"))
    assert found is not None
    assert [one.label for one in found.classes] == ["lymphocyte", "monocyte"]
    assert found.confusion == ((2, 0), (0, 1)), "the second cell would have been called other"
    assert among(np.array([True] * 3), logits, samples, ("a", "b", "c")) is None


def test_copies_of_photographs_that_a_model_was_trained_on_measure_nothing(data, tmp_path):
    # The model that ships was trained on bccd, whose photographs these are copies of; TEST it has not seen.
    name, unseen = "blood-cell-images/TRAIN", load_recipe("any-microscope").data.leave_out[0]
    (tmp_path / "blood-cell-images").mkdir()
    shutil.copytree(data / SIMPLE, tmp_path / name)
    images = list_images(tmp_path, name)
    photographs = [unseen, *(f"neutrophil {number}" for number in range(1, len(images)))]
    (tmp_path / "bccd" / "JPEGImages").mkdir(parents=True)
    for photograph in photographs:
        (tmp_path / "bccd" / "JPEGImages" / f"{photograph}.jpg").touch()
    groups = dict(zip([image.name for image in images], photographs, strict=True))
    given = tmp_path / "groups.json"
    given.write_text(json.dumps({"schema": "leukoscope.photographs/1", "groups": groups}), encoding="utf-8")
    found = measure_bundle(SHIPPED_MODEL, tmp_path, name, photographs=given)
    assert found.images == 1
    assert found.left_out >= found.trained_on >= len(images) - 2, "all the others in which a cell is found"


def test_what_a_model_was_trained_on_measures_nothing(data):
    with pytest.raises(ConfigError, match="was trained on it; give its run"):
        measure_bundle(SHIPPED_MODEL, data, "pbc")
