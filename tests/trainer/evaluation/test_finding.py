"""How well cells are found is told beside boxes and masks that people drew, apart from what was tuned on."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from drawn_fields import LEFT, RIGHT, write_image

from trainer.cli import main
from trainer.data.images import AnnotatedImage, DataError
from trainer.evaluation.finding import dice, images_of_part, matches, measure_finding


def write_yolo(folder, name, boxes, drawn, size=(640, 480)):
    write_image(folder / "images" / f"{name}.jpg", drawn, size)
    lines = [
        f"0 {(x + w / 2) / size[0]} {(y + h / 2) / size[1]} {w / size[0]} {h / size[1]}"
        for x, y, w, h in boxes
    ]
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "labels" / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")


def figures(finding):
    return {(one.dataset, one.figure): one for one in finding.figures}


def test_recall_and_precision_count_boxes_missed_and_boxes_too_many(tmp_path):
    folder = tmp_path / "fields-575"
    write_yolo(folder, "0", [LEFT, RIGHT], [LEFT])  # one is not there to be found
    write_yolo(folder, "5", [RIGHT], [LEFT, RIGHT])  # one that nobody marked
    for name in "1234":
        write_yolo(folder, name, [LEFT], [])
    held = figures(measure_finding(tmp_path))
    recall, precision = held["fields-575", "box recall"], held["fields-575", "box precision"]
    assert (recall.right, recall.of, recall.images) == (2, 3, 2)
    assert (precision.right, precision.of) == (2, 3)
    assert recall.worst == ("fields-575/images/0.jpg",)
    assert precision.worst == ("fields-575/images/5.jpg",)
    assert recall.estimate.low <= recall.estimate.value <= recall.estimate.high
    tuning = figures(measure_finding(tmp_path, "tuning"))
    assert tuning["fields-575", "box recall"].right == 0


def test_masks_are_compared_pixel_by_pixel(tmp_path):
    folder = tmp_path / "zheng1"
    write_image(folder / "images" / "1.png", [(40, 40, 120, 120)], (240, 240))
    (folder / "masks").mkdir()
    mask = np.zeros((240, 240), np.uint8)
    cv2.circle(mask, (100, 100), 60, 128, cv2.FILLED)
    cv2.circle(mask, (100, 100), 45, 255, cv2.FILLED)
    cv2.imwrite(str(folder / "masks" / "1.png"), mask)
    found = figures(measure_finding(tmp_path))
    assert found["zheng1", "nucleus Dice"].estimate.value > 0.93
    assert found["zheng1", "cell Dice"].estimate.value > 0.7


def test_a_cell_counts_once_however_many_boxes_are_on_it():
    box, shifted = (100, 100, 50, 50), (110, 100, 50, 50)
    assert matches([box], [shifted, box]) == {0: 1}
    assert matches([box, shifted], [box]) == {0: 0}
    assert matches([box, shifted], [shifted, box]) == {0: 1, 1: 0}
    assert matches([box], [(140, 140, 50, 50)]) == {}


def test_cells_that_the_frame_cuts_are_no_errors_among_whole_cells(tmp_path):
    folder = tmp_path / "fields-416"
    write_yolo(folder, "0", [LEFT], [LEFT, (300, -40, 120, 120)])  # cut, and nobody marked it
    write_yolo(folder, "5", [LEFT, (0, 300, 20, 60)], [LEFT])  # cut, and hardly to be seen
    for name in "1234":
        write_yolo(folder, name, [LEFT], [])
    held = figures(measure_finding(tmp_path))
    assert (held["fields-416", "box precision"].right, held["fields-416", "box precision"].of) == (2, 3)
    assert held["fields-416", "box recall"].of == 3
    assert held["fields-416", "box precision, whole cells"].estimate.value == 1
    assert held["fields-416", "box recall, whole cells"].estimate.value == 1


def test_dice_of_two_empty_masks_is_full():
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    assert (dice(empty, empty), dice(full, full), dice(empty, full)) == (1, 1, 0)


def test_held_and_tuning_parts_share_no_image_and_leave_none_out(tmp_path):
    images = [AnnotatedImage(tmp_path, f"{k}") for k in range(12)]
    held, tuning = images_of_part(images, "held"), images_of_part(images, "tuning")
    assert [image.name for image in held] == ["0", "5", "10"]
    assert sorted((*held, *tuning), key=lambda image: int(image.name)) == images


def test_the_command_prints_figures_with_their_goals_and_writes_them(tmp_path, capsys):
    write_yolo(tmp_path / "fields-416", "0", [LEFT], [LEFT])
    out = tmp_path / "out.json"
    assert main(["find", "--data", str(tmp_path), "--json", str(out)]) == 0
    told = capsys.readouterr().out
    assert "1 of 1" in told
    assert "0.98" in told
    assert "Not there: zheng1, bccd/fields, fields-575" in told
    written = json.loads(out.read_text(encoding="utf-8"))
    assert [one["estimate"]["value"] for one in written["figures"]] == [1.0] * 4


def test_what_cannot_be_measured_is_said(tmp_path, capsys):
    with pytest.raises(DataError, match="holds none of the data sets"):
        measure_finding(tmp_path)
    assert main(["find", "--data", str(tmp_path)]) == 2
    assert "holds none of the data sets" in capsys.readouterr().err
    write_yolo(tmp_path / "fields-416", "0", [LEFT], [LEFT])
    with pytest.raises(DataError, match="no image of this part"):
        measure_finding(tmp_path, "tuning")
