"""A run on a folder of one's own: what it was trained on is known again, wherever it lies."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
from drawn_data import CLASSES, draw_data

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from edge.errors import ConfigError
from trainer.cli import main
from trainer.data.images import DataError
from trainer.evaluation.bundle_measurement import measure_bundle
from trainer.training.run import open_run, progress_bar, read_run

RECIPE = """
[data]
sets = ["blood-cell-images/TRAIN"]
classes = ["eosinophil", "lymphocyte", "monocyte", "neutrophil"]
holdout = 0.3
[network]
name = "compact"
widths = [8, 8, 16, 16]
depth = 2
[training]
epochs = 1
images_per_epoch = 16
batch = 8
warmup_epochs = 0
average = 0.9
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a data directory with the folder `ours`: four pictures of each class, one cell each."""
    folder = tmp_path_factory.mktemp("own data")
    drawn = draw_data(folder / "drawn", photographs=4, copies=1)
    (drawn / "blood-cell-images" / "TRAIN").rename(folder / "ours")
    shutil.rmtree(drawn)
    return folder


@pytest.fixture(scope="module")
def run(data, recipe, tmp_path_factory):
    """Return a run on it, begun as a shell completes the folder's name."""
    out = tmp_path_factory.mktemp("runs") / "ours"
    assert main(["fit", "--recipe", recipe, "--data", str(data), "--set", "ours/", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def bundle(data, run, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundles") / "not there yet" / "ours.tflite"
    assert main(["export", "--run", str(run), "--data", str(data), "--out", str(path)]) == 0
    return path


def test_a_bundles_own_set_is_known_however_it_is_spelt(data, bundle, tmp_path):
    (tmp_path / "link").symlink_to(data / "ours")
    for spelt in ("ours", "ours/", "./ours/../ours", f"{data}/ours/", str(tmp_path / "link")):
        with pytest.raises(ConfigError, match=r"ours: .* was trained on it; give its run"):
            measure_bundle(bundle, data, spelt if spelt[0] != "." else str(data / spelt))


def test_with_its_run_what_was_held_out_is_measured_and_with_another_run_nothing(data, run, bundle, tmp_path):
    found = measure_bundle(bundle, data, "ours", run=run)
    assert (found.images, found.part) == (len(CLASSES), "held out of training")
    assert not list(bundle.parent.glob("*.json")), "nothing is left beside the bundle"
    other = tmp_path / "other"
    shutil.copytree(run, other)
    record = json.loads((other / "run.json").read_text(encoding="utf-8"))
    (other / "run.json").write_text(json.dumps(record | {"split_sha256": "0" * 64}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"other: is not the run that .* was made from"):
        measure_bundle(bundle, data, "ours", run=other)


def test_a_run_measures_no_set_that_has_changed_since(data, run, bundle, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(data, changed)
    next((changed / "ours").rglob("*.jpeg")).unlink()
    with pytest.raises(DataError, match=r"ours: is not as it was"):
        measure_bundle(bundle, changed, "ours", run=run)


def test_a_copy_of_what_was_trained_on_is_left_out_and_said(data, run, bundle, tmp_path, capsys):
    shutil.copytree(data / "ours", tmp_path / "copied")
    trained = 3 * len(CLASSES)
    arguments = ["measure", "--model", str(bundle), "--data", str(data), "--on", str(tmp_path / "copied")]
    assert main(arguments) == 0
    assert f"left out: {trained} images whose cell looks like one that the model" in capsys.readouterr().out
    by_run = measure_bundle(bundle, data, str(tmp_path / "copied"), run=run)
    assert (by_run.images, by_run.trained_on) == (len(CLASSES), trained)
    for held in read_run(run).held_out:
        (tmp_path / "copied" / held.removeprefix("ours/")).unlink()
    with pytest.raises(ConfigError, match=r"copied: .* was trained on the cells of all its images"):
        measure_bundle(bundle, data, str(tmp_path / "copied"))


def test_evaluate_drops_files_that_the_run_was_made_from(data, run, tmp_path, capsys):
    shutil.copytree(data / "ours", tmp_path / "copied")
    arguments = ["evaluate", "--run", str(run), "--data", str(data), "--runtime", "float", "--on"]
    assert main([*arguments, str(tmp_path / "copied")]) == ConfigError.exit_status
    assert "copied: the run in" in capsys.readouterr().err
    other = draw_data(tmp_path / "drawn", photographs=1, copies=1, first=50)
    (other / "blood-cell-images" / "TRAIN").rename(tmp_path / "others")
    mixed = next((data / "ours" / "MONOCYTE").iterdir())
    shutil.copy(mixed, tmp_path / "others" / "MONOCYTE")
    assert main([*arguments, str(tmp_path / "others")]) == 0
    assert "others: 1 of 5 images left out" in " ".join(capsys.readouterr().out.split())


def test_a_file_that_two_sets_share_is_on_one_side_of_the_split(data, recipe, tmp_path):
    shutil.copytree(data / "ours", tmp_path / "again")
    out = tmp_path / "run"
    sets = ["--set", "ours", "--set", str(tmp_path / "again")]
    assert main(["fit", "--recipe", recipe, "--data", str(data), *sets, "--out", str(out)]) == 0
    with progress_bar() as progress:
        opened = open_run(out, data, progress)
    assert len(opened.seen.labels) + len(opened.held_out.labels) == 32
    assert opened.run.photographs == 16
    seen, held = ({crop.tobytes() for crop in part.pixels} for part in (opened.seen, opened.held_out))
    assert (len(seen), len(held)) == (3 * len(CLASSES), len(CLASSES))
    assert not seen & held


def test_images_in_which_no_cell_is_found_are_counted_and_a_class_that_is_lost_by_it_says_so(
    data, recipe, tmp_path, capsys
):
    shutil.copytree(data / "ours", tmp_path / "blank")
    for number, path in enumerate(sorted((tmp_path / "blank" / "MONOCYTE").iterdir())):
        if number:
            cv2.imwrite(str(path), np.full((240, 320, 3), 225, np.uint8))
    arguments = ["fit", "--recipe", recipe, "--data", str(data), "--set", str(tmp_path / "blank"), "--out"]
    assert main([*arguments, str(tmp_path / "run")]) == 0
    said = "blank: no cell is found in 3 of 4 monocyte images, which are left out"
    assert said in " ".join(capsys.readouterr().out.split())
    cv2.imwrite(str(min((tmp_path / "blank" / "MONOCYTE").iterdir())), np.full((240, 320, 3), 225))
    assert main([*arguments, str(tmp_path / "other")]) == DataError.exit_status
    assert "leaves no monocyte to train on; in 4 of its images no cell is found" in capsys.readouterr().err
