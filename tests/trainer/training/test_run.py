"""From a folder of images to a bundle that the device takes, by the researcher's two commands."""

from __future__ import annotations

import json
import shutil
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from drawn_data import CLASSES

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

import keras
from tiny_runs import fit_with_a_stop, history

from edge.errors import ConfigError
from edge.masking import CROPS
from edge.models.bundle import read_bundle
from edge.naming.classifier import Classifier
from trainer.cli import main
from trainer.data.arrays import Samples
from trainer.data.datasets import list_images
from trainer.data.images import DataError
from trainer.data.shipped_finder import finder_version
from trainer.export import bundling
from trainer.quantization.int8 import ExportError
from trainer.recipe import load_recipe
from trainer.training import run as runs
from trainer.training.checkpoints import STATE, WEIGHTS, TrainingError, last_checkpoint, save_checkpoint

RECIPE = """
[data]
sets = ["blood-cell-images/TRAIN"]
classes = ["eosinophil", "lymphocyte", "monocyte", "neutrophil"]
context = 1.3
holdout = 0.3
[network]
name = "compact"
widths = [8, 8, 16, 16]
depth = 2
[augmentation]
noise = 3.0
[training]
epochs = 3
images_per_epoch = 64
batch = 8
warmup_epochs = 0
average = 0.9
"""
DRAWN = {"photographs": 3, "copies": 2}


def test_a_run_records_what_it_was_made_from(finished):
    record = json.loads((finished / runs.RUN).read_text(encoding="utf-8"))
    assert record["photographs"] == 3 * len(CLASSES)
    assert len(record["held_out"]) == len(CLASSES)
    assert record["data_sha256"].keys() == {"blood-cell-images/TRAIN"}
    assert len(history(finished)) == 3


def test_a_run_goes_on_with_the_split_that_it_was_begun_with(finished, data, recipe, tmp_path, monkeypatch):
    # As in a later version, which draws otherwise.
    drawn = runs.hold_out_photographs
    monkeypatch.setattr(runs, "hold_out_photographs", lambda *given: drawn(*given[:3], given[3] + 1))
    arguments = ["fit", "--recipe", recipe, "--data", str(data), "--out"]
    assert main([*arguments, str(finished)]) == 0
    assert main([*arguments, str(tmp_path / "another"), "--epochs", "1"]) == 0
    assert runs.read_run(finished).held_out != runs.read_run(tmp_path / "another").held_out


def test_the_exported_bundle_is_taken_by_the_device_and_classifies(finished, data, tmp_path):
    bundle = tmp_path / "tiny.tflite"
    assert main(["export", "--run", str(finished), "--data", str(data), "--out", str(bundle)]) == 0
    classifier = Classifier.load(bundle)
    about = read_bundle(bundle).description
    assert classifier.labels == CLASSES
    assert about.training["photographs_held_out"] == len(CLASSES)
    assert about.confusion.on == "held-out photographs of blood-cell-images/TRAIN"
    assert [sum(row) for row in about.confusion.counts] == pytest.approx([1.0] * len(CLASSES))
    call = classifier.classify(np.full((120, 120, 3), 200, np.uint8))
    assert call.probabilities.shape == (4,)
    assert call.activation_map.shape == (15, 15)


def test_the_bundle_carries_its_card_its_gates_and_what_was_measured_elsewhere(finished, data, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    assert main(["evaluate", "--run", str(run), "--data", str(data)]) == 0
    own = run / "evaluation.json"
    told = json.loads(own.read_text(encoding="utf-8"))
    other = tmp_path / "other.json"
    changed = told | {"weights_sha256": "0" * 64, "recipe": "another", "part": "pbc"}
    other.write_text(json.dumps(changed), encoding="utf-8")
    out = tmp_path / "tiny.tflite"
    arguments = ["export", "--run", str(run), "--data", str(data), "--out", str(out)]
    assert main([*arguments, "--measured", str(own), str(other)]) == 0
    about = read_bundle(out).description
    held_out, this, elsewhere = about.measured.items()
    assert held_out[0] == "held-out photographs of the training sets"
    assert this[0] == "held-out photographs"
    assert elsewhere[0] == "pbc, another model: recipe another"
    assert this[1]["photograph_accuracy"] == held_out[1]["photograph_accuracy"]
    assert this[1]["accuracy"]["value"] == pytest.approx(told["int8"]["accuracy"]["value"], abs=1e-4)
    assert "one image" in held_out[1]["allowed"]
    assert about.training["int8"]["widest_range"] < 4
    assert about.training["data"]["blood-cell-images/TRAIN"]["photographs"] == dict.fromkeys(CLASSES, 2)
    with zipfile.ZipFile(out) as archive:
        card = archive.read("MODEL_CARD.md").decode()
    assert card == out.with_suffix(".md").read_text(encoding="utf-8")
    assert "pbc, another model: recipe another" in card


def test_evaluations_that_cannot_be_carried_are_refused_before_anything_is_done(
    finished, data, tmp_path, capsys
):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    arguments = ["export", "--run", str(run), "--data", str(data), "--out", str(tmp_path / "x.tflite")]
    own = run / "evaluation.json"
    assert main([*arguments, "--measured", str(own)]) == ConfigError.exit_status
    assert "evaluation.json: is not there" in capsys.readouterr().err
    assert main(["evaluate", "--run", str(run), "--data", str(data), "--runtime", "float"]) == 0
    assert main([*arguments, "--measured", str(own)]) == ConfigError.exit_status
    assert "has no figures of int8" in capsys.readouterr().err
    assert main(["evaluate", "--run", str(run), "--data", str(data)]) == 0
    assert main([*arguments, "--measured", str(own), str(own)]) == ConfigError.exit_status
    assert "is measured by another of the files as well" in capsys.readouterr().err
    assert not list(tmp_path.glob("x.*"))
    assert main([*arguments[:-1], str(tmp_path / "x.md")]) == ConfigError.exit_status
    assert "is where the model card goes" in capsys.readouterr().err


def test_a_set_on_which_int8_fails_stops_the_export_although_all_together_pass():
    labels = np.arange(2200) % 4
    logits = np.eye(4, dtype=np.float32)[labels]
    sets = np.repeat([0, 1], [2000, 200])
    held_out = Samples(np.zeros((2200, 1, 1, 3), np.uint8), labels, tuple(map(str, labels)), sets)
    recipe = SimpleNamespace(
        data=SimpleNamespace(sets=("large", "small"), classes=CLASSES, split="photographs")
    )
    opened = SimpleNamespace(held_out=held_out, run=SimpleNamespace(recipe=recipe))
    int8 = logits.copy()
    int8[[2000, 2001]] = logits[[2001, 2002]]  # one point of the small set
    answers = bundling.Answers(logits, int8, logits)
    with pytest.raises(
        ExportError, match=r"gate accuracy: on held-out photographs of small int8 loses 1\.00"
    ):
        bundling.compared(opened, answers)
    int8[2001] = logits[2001]
    found = bundling.compared(opened, answers)
    together = "held-out photographs of the training sets"
    assert list(found) == [together, "held-out photographs of large", "held-out photographs of small"]
    assert found["held-out photographs of small"]["int8_accuracy"] == 0.995


def test_what_a_bundle_says_of_slides_counts_each_of_their_cells():
    labels = np.zeros(5, np.int64)
    logits = np.eye(4, dtype=np.float32)[[0, 0, 0, 0, 1]]
    held_out = Samples(
        np.zeros((5, 1, 1, 3), np.uint8), labels, ("slide 1",) * 4 + ("slide 2",), None, tuple("abcde")
    )
    recipe = SimpleNamespace(data=SimpleNamespace(sets=("raabin",), classes=CLASSES, split="photographs"))
    opened = SimpleNamespace(held_out=held_out, run=SimpleNamespace(recipe=recipe))
    found = bundling.compared(opened, bundling.Answers(logits, logits, logits))
    figures = found["held-out photographs of the training sets"]
    assert figures["photograph_accuracy"]["value"] == 0.8, "four of five cells; each slide as one: 0.5"
    assert figures["photographs"] == 2


def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(finished, data, recipe, tmp_path):
    out = tmp_path / "stopped"
    fit_with_a_stop(recipe, data, out)
    for stopped, whole in zip(history(out), history(finished), strict=True):
        assert stopped["loss"] == pytest.approx(whole["loss"], abs=1e-4)


def test_a_full_disk_keeps_the_last_good_checkpoint(finished, tmp_path, monkeypatch):
    out = tmp_path / "full"
    shutil.copytree(finished, out)
    good = last_checkpoint(out)

    def no_room(*_, **__):
        raise OSError(28, "No space left on device")

    model = keras.models.load_model(good / WEIGHTS)
    monkeypatch.setattr(type(model), "save", no_room)
    with pytest.raises(
        TrainingError, match=r"No space left on device.*the last good checkpoint is .*epoch-0003"
    ):
        save_checkpoint(model, model, [{}] * 4, out)
    assert last_checkpoint(out) == good
    assert not list(out.glob("partial-*"))


def test_a_folder_that_holds_another_run_is_not_overwritten(finished, data, recipe, capsys):
    arguments = ["fit", "--recipe", recipe, "--data", str(data), "--out", str(finished), "--seed", "9"]
    assert main(arguments) == ConfigError.exit_status
    assert "holds a run of another recipe" in capsys.readouterr().err


def test_a_run_on_crops_of_another_masking_is_not_gone_on_with_or_measured(
    finished, data, recipe, tmp_path, capsys
):
    out = tmp_path / "former"
    shutil.copytree(finished, out)
    record = json.loads((out / runs.RUN).read_text(encoding="utf-8"))
    assert record["preprocessing"] == CROPS["found"]
    record["preprocessing"] = "adaptive/0"
    (out / runs.RUN).write_text(json.dumps(record), encoding="utf-8")
    for command in (["fit", "--recipe", recipe, "--out", str(out)], ["evaluate", "--run", str(out)]):
        assert main([*command, "--data", str(data)]) == ConfigError.exit_status
        assert "was trained on crops of the masking adaptive/0" in capsys.readouterr().err


def test_a_run_on_crops_of_another_finder_is_not_gone_on_with_or_measured(
    finished, data, recipe, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "former"
    shutil.copytree(finished, out)
    record = json.loads((out / runs.RUN).read_text(encoding="utf-8"))
    assert record["finder"] == finder_version()
    monkeypatch.setattr(runs, "finder_version", lambda: "another finder")
    for command in (["fit", "--recipe", recipe, "--out", str(out)], ["evaluate", "--run", str(out)]):
        assert main([*command, "--data", str(data)]) == ConfigError.exit_status
        assert f"was trained on crops of the finder {record['finder']};" in capsys.readouterr().err
    # A record of before says nothing of it.
    del record["finder"]
    (out / runs.RUN).write_text(json.dumps(record), encoding="utf-8")
    assert main(["evaluate", "--run", str(out), "--data", str(data), "--runtime", "float"]) == 0


@pytest.mark.parametrize("at", [0.3, 0.6, 0.999])
def test_a_damaged_checkpoint_is_named(finished, data, recipe, tmp_path, capsys, at):
    out = tmp_path / "damaged"
    shutil.copytree(finished, out)
    for name in (WEIGHTS, STATE):
        path = last_checkpoint(out) / name
        content = bytearray(path.read_bytes())
        place = int(at * (len(content) - 1))
        content[place : place + 64] = bytes(byte ^ 0xFF for byte in content[place : place + 64])
        path.write_bytes(content)
    evaluate = ["evaluate", "--run", str(out), "--data", str(data), "--runtime", "float"]
    assert main(evaluate) == ConfigError.exit_status
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "leukoscope-train" in line]
    assert f"{WEIGHTS}: cannot be read" in said
    assert main(["fit", "--recipe", recipe, "--data", str(data), "--out", str(out)]) == 1
    assert "epoch-0003: cannot be resumed from" in capsys.readouterr().err


def test_a_run_is_not_measured_or_gone_on_with_under_other_photographs(
    finished, data, recipe, tmp_path, capsys
):
    out = tmp_path / "regrouped"
    shutil.copytree(finished, out)
    (own,) = out.glob("*photographs.json")
    told = json.loads(own.read_text(encoding="utf-8"))
    names = list(told["groups"])
    told["groups"] = dict(zip(names, [told["groups"][n] for n in [*names[2:], *names[:2]]], strict=True))
    other = tmp_path / "other.json"
    other.write_text(json.dumps(told), encoding="utf-8")
    arguments = ["--data", str(data), "--photographs", str(other)]
    assert main(["fit", "--recipe", recipe, "--out", str(out), *arguments]) == DataError.exit_status
    assert "differs from the groups that" in capsys.readouterr().err
    own.write_text(json.dumps(told), encoding="utf-8")
    assert main(["evaluate", "--run", str(out), "--data", str(data)]) == DataError.exit_status
    assert "grouped otherwise than in training" in capsys.readouterr().err


def test_a_run_that_holds_nothing_out_makes_no_bundle(data, recipe, tmp_path, capsys):
    path = tmp_path / "all.toml"
    path.write_text(f'extends = "{recipe}"\n[data]\nholdout = 0\n[training]\nepochs = 1\n', encoding="utf-8")
    out = tmp_path / "all"
    assert main(["fit", "--recipe", str(path), "--data", str(data), "--out", str(out)]) == 0
    bundle = tmp_path / "all.tflite"
    assert main(["export", "--run", str(out), "--data", str(data), "--out", str(bundle)]) != 0
    assert "holds nothing out of training" in capsys.readouterr().err
    assert not bundle.exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ('[network]\nname = "compct"', "network.name is compct; known: compact"),
        ("[network]\ndepht = 2", "depht"),
        ("[network]\nwidths = [8, 8]", "recipe wrong: the network or the augmentation cannot be made"),
        ("[augmentation]\nnoize = 1.0", "noize"),
        (
            '[data]\nsets = ["blood-cell-images/TRAIN", "blood-cell-images/TRAIN"]',
            "names one twice",
        ),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_before_anything_is_cut(
    data, recipe, tmp_path, capsys, change, sentence
):
    path = tmp_path / "wrong.toml"
    path.write_text(f'extends = "{recipe}"\n{change}\n', encoding="utf-8")
    out = tmp_path / "out"
    assert (
        main(["fit", "--recipe", str(path), "--data", str(data), "--out", str(out)])
        == ConfigError.exit_status
    )
    assert sentence in capsys.readouterr().err
    assert not out.exists()


def test_a_fold_is_for_a_grouped_split(data, recipe, tmp_path, capsys):
    arguments = [
        "fit",
        "--recipe",
        recipe,
        "--data",
        str(data),
        "--out",
        str(tmp_path / "out"),
        "--fold",
        "3",
    ]
    assert main(arguments) == ConfigError.exit_status
    assert "--fold is for a grouped split" in capsys.readouterr().err


def test_images_that_are_not_there_or_not_of_the_set_are_named(data, recipe, tmp_path, capsys):
    with pytest.raises(DataError, match="the data set blood-cell-images/TRAIN is not there"):
        list_images(tmp_path, "blood-cell-images/TRAIN")
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    (copy / "blood-cell-images/TRAIN/BASOPHILE").mkdir()
    with pytest.raises(DataError, match="BASOPHILE, which is no class"):
        list_images(copy, "blood-cell-images/TRAIN")
    (copy / "blood-cell-images/TRAIN/BASOPHILE").rmdir()
    for file in (copy / "blood-cell-images/TRAIN/MONOCYTE").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="MONOCYTE: holds no image of the class monocyte"):
        list_images(copy, "blood-cell-images/TRAIN")
    truncated = copy / "blood-cell-images/TRAIN/MONOCYTE/x.jpeg"
    truncated.write_bytes(b"\xff\xd8\xff")
    out = tmp_path / "out"
    arguments = ["fit", "--recipe", recipe, "--data", str(copy), "--out", str(out)]
    assert main(arguments) == DataError.exit_status
    assert f"{truncated}: is not an image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[data]\nsets = 1", "sets"),
        (RECIPE.replace("[training]", "[training]\nepoch = 3"), "epoch"),
        (RECIPE.replace('name = "compact"', ""), "network.name is missing"),
        ("[", "tiny.toml"),
    ],
)
def test_a_recipe_that_is_wrong_is_refused_by_name(tmp_path, text, sentence):
    path = tmp_path / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=sentence):
        load_recipe(str(path))


def test_a_recipe_that_is_not_there_names_those_that_are():
    with pytest.raises(ConfigError, match=r"with the package come: .*clinic"):
        load_recipe("clinik")
