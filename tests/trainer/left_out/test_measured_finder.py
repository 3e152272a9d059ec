"""A finder measured as on the device: on fields kept from training, and on fields where nothing is."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from drawn_fields import write_image
from rich.console import Console

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from edge.errors import ConfigError
from edge.finding import Detections
from edge.finding.finder import Looks
from trainer.left_out import measured_finder
from trainer.left_out.measured_finder import finder_table, measure_finder

THRESHOLDS = {"white cell": 0.45, "red cell": 0.4}


class SeesTheFirstCell:
    """A finder that sees one white cell at the left of every field that has anything dark."""

    def __init__(self, model, outputs):
        assert (model, outputs) == (b"a finder", {"maps": "maps:0"})


def first_cell(looks, _scale, _least=0.1):
    """Return one white cell where the looked at picture has anything dark."""
    white = int(looks.pixels.min() < 100)
    return Detections(
        np.zeros(white, np.int64),
        np.full(white, 0.9, np.float32),
        np.array([(150, 140)] * white, np.float32).reshape(-1, 2),
        np.full(white, 120, np.float32),
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run that was trained on ankara, but for one of its fields."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "finder.tflite").write_bytes(b"a finder")
    record = {
        "sha256": hashlib.sha256(b"a finder").hexdigest(),
        "output": "maps:0",
        "recipe": {"thresholds": THRESHOLDS, "data": {"unseen": ["image-2"]}},
        "data": {"ankara": "hash"},
    }
    (folder / "finder.json").write_text(json.dumps(record), encoding="utf-8")
    monkeypatch.setattr(measured_finder, "Finder", SeesTheFirstCell)
    monkeypatch.setattr(Looks, "find", first_cell)
    return folder


def test_of_a_set_that_it_was_trained_on_what_was_kept_is_measured(run, tmp_path):
    rows = ["image,x,y,width,height,kind,label,group"]
    for number in (1, 2):
        write_image(tmp_path / "ankara" / "images" / f"image-{number}.png", [(90, 80, 120, 120)])
        rows += [
            f"image-{number}.png,90,80,120,120,white cell,,",
            f"image-{number}.png,400,300,90,90,white cell,,",
        ]
    (tmp_path / "ankara" / "boxes.csv").write_text("\n".join(rows), encoding="utf-8")
    measured = measure_finder(run, tmp_path, "ankara")
    assert measured.seen == "others of its microscope in training"
    assert measured.counts["fields"] == 1
    assert measured.figures["found"].value == pytest.approx(1 / 2)
    assert measured.figures["precision"].value == 1.0
    (run / "finder.json").write_text((run / "finder.json").read_text().replace("image-2", "image-9"))
    assert measure_finder(run, tmp_path, "ankara").seen == "in training"


@pytest.mark.parametrize(
    ("trained", "seen"),
    [("raabin/fields", "others of its microscope in training"), ("bccd/fields", "never seen")],
)
def test_fields_of_a_microscope_that_was_trained_on_under_another_name_are_not_called_unseen(
    run, tmp_path, trained, seen
):
    record = json.loads((run / "finder.json").read_text(encoding="utf-8"))
    (run / "finder.json").write_text(json.dumps(record | {"data": {trained: "hash"}}), encoding="utf-8")
    write_image(tmp_path / "fields-575" / "images" / "1.jpg", [(90, 80, 120, 120)])
    (tmp_path / "fields-575" / "labels").mkdir()
    (tmp_path / "fields-575" / "labels" / "1.txt").write_text("0 0.23 0.29 0.19 0.25", encoding="utf-8")
    measured = measure_finder(run, tmp_path, "fields-575")
    assert measured.seen == seen
    console = Console(width=100, record=True)
    console.print(finder_table([measured]))
    assert ("never seen" in console.export_text()) == (seen == "never seen")


def test_of_fields_without_a_white_cell_those_with_one_found_are_counted(run, tmp_path):
    for number in range(4):
        cells = [(90, 80, 120, 120)] if number == 0 else []
        write_image(tmp_path / "red-cells" / "images" / f"{number}.jpg", cells)
    measured = measure_finder(run, tmp_path, "red-cells")
    share = measured.figures["fields with a white cell"]
    assert share.value == 1 / 4
    assert 0 < share.low < 0.02
    assert 0.7 < share.high < 0.9
    assert finder_table([measured]).row_count == 1


def test_a_folder_without_a_finished_finder_is_named(tmp_path):
    with pytest.raises(ConfigError, match="holds no finished finder"):
        measure_finder(tmp_path, tmp_path, "ankara")
