"""The finder with a microscope left out: nothing of it is trained on, and its fields are measured."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_fields import write_image

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from edge.errors import ConfigError
from edge.finding import Detections
from trainer.data.datasets import DATASETS
from trainer.finder.recipe import FinderData, FinderRecipe, load_finder_recipe
from trainer.left_out import finder
from trainer.left_out.finder import FinderHalf
from trainer.left_out.in_turn import MICROSCOPES


class FoundAtLeft:
    """Finds a white cell at the left of every field, one that is too unsure, and a red cell."""

    def __init__(self, model, outputs):
        assert model == b"a finder"
        assert outputs == {"maps": "maps:0"}

    def find(self, pixels, scale, least):
        assert pixels.shape == (480, 640, 3)
        assert least == load_finder_recipe("finder").thresholds  # an unsure platelet is to hide no cell
        assert scale == pytest.approx(24 / DATASETS["chula"].red_cell)
        centres = np.array([(150, 140), (450, 330), (150, 140)], np.float32)
        scores = np.array([0.9, 0.1, 0.9], np.float32)
        return Detections(np.array([0, 0, 1]), scores, centres, np.full(3, 120, np.float32))


@pytest.fixture
def data(tmp_path):
    """Return `chula` of three fields: a cell at the left, at the right, and none that counts."""
    rows = ["image,x,y,width,height,kind,label,group"]
    for name, kind, box in (
        ("L-1_0001.jpg", "white cell", "90,80,120,120"),
        ("L-2_0001.jpg", "white cell", "380,260,140,140"),
        ("L-3_0001.jpg", "red cell", "90,80,120,120"),
    ):
        write_image(tmp_path / "chula" / "images" / name)
        rows.append(f"{name},{box},{kind},,L")
    (tmp_path / "chula" / "boxes.csv").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


def test_its_fields_are_measured_with_a_finder_that_never_saw_it(data, tmp_path, monkeypatch):
    def fit(recipe, folder, out, left_out):  # noqa: ARG001
        assert left_out == ("chula",)
        out.mkdir()
        (out / "finder.tflite").write_bytes(b"a finder")
        return {"output": "maps:0", "data": {"bccd/fields": "a", "ankara": "b"}}

    monkeypatch.setattr(finder, "fit_finder_run", fit)
    monkeypatch.setattr(finder, "Finder", FoundAtLeft)
    measured = FinderHalf(load_finder_recipe("finder")).measure("chula", data, tmp_path / "out")
    assert measured.trained_on == ("bccd/fields", "ankara")
    assert measured.measured_on == ("chula/fields",)
    assert measured.figures["found"].value == pytest.approx(1 / 2)
    assert measured.figures["precision"].value == pytest.approx(1 / 3)
    assert measured.counts["cells"] == 2


def test_where_no_field_is_left_to_measure_on_it_is_said_before_the_training(data, tmp_path):
    unseen = tuple(path.stem for path in (data / "chula" / "images").iterdir())
    half = FinderHalf(FinderRecipe("tiny", FinderData(("chula/fields", "ankara"), unseen=unseen)))
    with pytest.raises(ConfigError, match="recipe tiny: of chula/fields no picture is left to measure on"):
        half.measure("chula", data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("changed", ["chula/images/L-1_0001.jpg", "ankara/images/1.png", "pbc/IG/1.png"])
def test_other_images_measured_or_trained_on_are_another_result(data, changed):
    write_image(data / "ankara" / "images" / "1.png")
    (data / "ankara" / "boxes.csv").write_text(
        "image,x,y,width,height,kind,label,group\n1.png,90,80,120,120,white cell,,", encoding="utf-8"
    )
    for folder in DATASETS["pbc"].reader.classes:
        write_image(data / "pbc" / folder / "1.png")
    changed = changed.replace("IG", next(iter(DATASETS["pbc"].reader.classes)))
    half = FinderHalf(FinderRecipe("tiny", FinderData(("chula/fields", "ankara"), ("pbc",))))
    before = half.made_from("chula", data)
    assert half.made_from("chula", data) == before
    write_image(data / changed, [(90, 80, 120, 120)])
    assert half.made_from("chula", data) != before


def test_pictures_of_one_cell_that_another_finder_boxed_are_another_result(data, monkeypatch):
    for folder in DATASETS["pbc"].reader.classes:
        write_image(data / "pbc" / folder / "1.png")
    half = FinderHalf(FinderRecipe("tiny", FinderData(("chula/fields",), ("pbc",))))
    before = half.made_from("chula", data)
    monkeypatch.setattr(finder, "finder_version", lambda: "another")
    assert half.made_from("chula", data) != before


def test_a_microscope_that_the_recipe_does_not_know_is_refused(data):
    with pytest.raises(ConfigError, match="recipe finder: has no set of olympus to measure on"):
        FinderHalf(load_finder_recipe("finder")).made_from("olympus", data)


def test_the_recipe_that_ships_has_a_set_of_each_microscope_that_is_left_out():
    recipe = load_finder_recipe("finder")
    known = {DATASETS[name].microscope for name in (*recipe.data.fields, *recipe.data.cells)}
    assert known >= set(MICROSCOPES)
