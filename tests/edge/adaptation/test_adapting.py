"""`leukoscope model adapt`: a better bundle that names its parent, or one sentence and nothing written."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundles import rewritten
from found_cells import find_cells
from muddled_model import write_muddled
from real_data import real_images

from edge.adaptation import adapting
from edge.adaptation.labelled_cells import LabelledCellsError, read_labelled
from edge.adaptation.last_layer import LastLayer
from edge.cameras.image_files import read_image
from edge.cameras.simulation.camera import SimulatedCamera
from edge.cli import main
from edge.config import SHIPPED_MODEL, SimulatedConfig, load_config
from edge.masking import cut_crop
from edge.models.bundle import read_bundle
from edge.naming.classifier import Classifier
from edge.updates.choice import answering
from edge.updates.device_key import sign_for_device
from edge.updates.model_store import ModelStore
from edge.updates.signing import make_key

SHIPPED = read_bundle(SHIPPED_MODEL).description.name
STAIN = np.array([0.6, 1.5, 0.6])  # optical density of another stain, R, G, B: neutrophils look eosinophil
REACH = 160  # pixels around a cell's middle: its red cells are the ruler of its picture
WANTED = {"eosinophil": 7, "lymphocyte": 12, "neutrophil": 20}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Return two folders of drawn cells in another stain: to learn from, and others to measure on."""
    folder, others = tmp_path_factory.mktemp("labelled"), tmp_path_factory.mktemp("others")
    camera = SimulatedCamera(SimulatedConfig(seed=4, cells=150))
    counts: Counter[str] = Counter()
    while (frame := camera.read()) is not None:
        for true in camera.truth(frame.name):
            if not true.complete or true.label not in WANTED:
                continue
            x, y = map(round, true.center)
            cut = frame.pixels[max(0, y - REACH) : y + REACH, max(0, x - REACH) : x + REACH]
            stained = np.rint(255 * (cut / 255) ** STAIN).astype(np.uint8)
            if not find_cells(stained).cells:
                continue  # of what is not found nothing can be learnt
            counts[true.label] += 1
            root = folder if counts[true.label] <= WANTED[true.label] else others
            target = root / true.label.capitalize() / f"{counts[true.label]}.png"
            target.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(target), stained[:, :, ::-1])
    return folder, others


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """Return a model that is often wrong on the drawn cells, as one from another microscope is."""
    return write_muddled(tmp_path_factory.mktemp("parent") / "parent.tflite")


@pytest.fixture(scope="module")
def adapted(drawn, parent, tmp_path_factory):
    """Return an adapted bundle, its path, and what the command printed as JSON."""
    out = tmp_path_factory.mktemp("out") / "new.tflite"
    command = [sys.executable, "-m", "edge.cli", "model", "adapt", str(drawn[0]), "--out", str(out), "--json"]
    command += ["--model", str(parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout), done.stderr


@pytest.fixture
def labelled(drawn, tmp_path):
    """Return a folder of labelled cells that a test may spoil."""
    return Path(shutil.copytree(drawn[0], tmp_path / "labelled"))


def macro_recall(bundle, folder):
    classifier = Classifier.load(bundle)
    right: dict[str, list[bool]] = {}
    for file in sorted(folder.rglob("*.*")):
        pixels = read_image(file)
        masks = find_cells(pixels)
        call = classifier.classify(cut_crop(pixels, masks.cells[0])).label if masks.cells else ""
        label = file.parent.name.lower()
        right.setdefault(label, []).append(call == label)
    return float(np.mean([np.mean(calls) for calls in right.values()]))


def refused(arguments, capsys, out):
    """Run the command, which must fail with one sentence and write nothing; give the sentence."""
    before = sorted(out.parent.iterdir())
    assert main(["model", "adapt", *map(str, arguments), "--out", str(out)]) in {1, 2}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sorted(out.parent.iterdir()) == before
    return [line for line in captured.err.splitlines() if line.startswith("leukoscope: ")][-1]


def test_it_is_better_on_cells_that_it_has_never_seen(drawn, parent, adapted):
    out, line, _ = adapted
    before, after = macro_recall(parent, drawn[1]), macro_recall(out, drawn[1])
    assert before < 0.8
    assert after > before + 0.1
    assert line["after"]["macro_recall"] > line["before"]["macro_recall"]
    assert line["seconds"] < 60


def test_the_new_bundle_says_where_it_comes_from(adapted, parent):
    out, line, complaints = adapted
    bundle, parent = read_bundle(out), read_bundle(parent)
    about = bundle.description
    assert line["sha256"] == bundle.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (about.parent.sha256, about.parent.name) == (parent.sha256, parent.description.name)
    assert line["parent"] == {"sha256": parent.sha256, "name": SHIPPED}
    assert about.name == line["name"] == f"{SHIPPED}-adapted"
    assert about.adaptation["cells"] == line["cells"] == WANTED
    for when in ("before", "after"):
        assert about.adaptation[when] == line[when]
        assert set(line[when]) == {"macro_recall", "right", "of", "log_loss", "recall"}
    assert about.reject.familiarity.centres != parent.description.reject.familiarity.centres
    assert about.temperature == line["temperature"] >= 1
    assert "one microscope" in about.limits
    assert "has no monocyte" in complaints
    assert parent.description.parent is None
    assert parent.description.adaptation is None
    assert len(bundle.model) == len(parent.model)


def test_the_new_bundle_works_on_every_runtime(adapted, capsys):
    assert main(["model", "verify", str(adapted[0])]) == 0
    assert "golden inputs pass" in capsys.readouterr().out


def test_int8_logits_are_features_times_weights_plus_bias_and_nothing_is_cut_off(drawn, adapted):
    classifier = Classifier.load(adapted[0])
    layer = LastLayer(bytearray(classifier.bundle.model), classifier.bundle.description.outputs)
    for crop in read_labelled(drawn[0], classifier.labels, find_cells).crops:
        answer = classifier.raw_outputs(crop)
        wanted = answer["features"] @ layer.dense.kernel().T + layer.dense.offsets()
        assert np.abs(wanted - answer["logits"]).max() < 0.6 * layer.dense.output_scale[0]
        low, high = layer.maps.output_range()
        assert low < answer["maps"].min() < answer["maps"].max() < high
    assert adapted[1]["int8_agreement"] > 0.97
    assert adapted[1]["int8_logits_off"] < 0.3


def test_an_adapted_bundle_can_be_adapted_again_or_is_no_better(labelled, adapted, tmp_path, capsys):
    out = tmp_path / "again.tflite"
    status = main(["model", "adapt", str(labelled), "--model", str(adapted[0]), "--out", str(out)])
    captured = capsys.readouterr()
    if status:
        assert "no better" in captured.err
    else:
        about = read_bundle(out).description
        assert about.parent.sha256 == adapted[1]["sha256"]
        assert about.name == f"{SHIPPED}-adapted"
        assert about.limits.count("one microscope:") == 1
        assert "before" in captured.out
        assert f"{out}: written in" in captured.out


def test_a_refit_that_is_worse_is_refused_and_the_old_file_stays(labelled, tmp_path, capsys, monkeypatch):
    def worse(features, start, _known):
        return -start.logits(features.features[:, 0])

    monkeypatch.setattr(adapting, "held_back_logits", worse)
    out = tmp_path / "new.tflite"
    out.write_bytes(b"what was there")
    sentence = refused([labelled, "--force"], capsys, out)
    assert "held back the adapted model is no better" in sentence
    assert "nothing is written" in sentence
    assert out.read_bytes() == b"what was there"


def test_a_file_that_fails_its_proof_is_not_written(labelled, tmp_path, capsys, monkeypatch):
    from edge.adaptation import adapted_bundle

    monkeypatch.setattr(adapted_bundle, "answered", lambda bundle, _model: bundle.description.goldens[::-1])
    out = tmp_path / "new.tflite"
    out.write_bytes(b"what was there")
    assert "golden input 1 wrongly" in refused([labelled, "--force"], capsys, out)
    assert out.read_bytes() == b"what was there"


def test_the_parent_is_never_written(labelled, tmp_path, capsys):
    parent = tmp_path / "parent.tflite"
    shutil.copy(SHIPPED_MODEL, parent)
    sentence = refused([labelled, "--model", parent], capsys, parent)
    assert "stays as it is: give another name" in sentence
    assert parent.read_bytes() == SHIPPED_MODEL.read_bytes()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (shutil.rmtree, "there is no such folder"),
        (
            lambda folder: [shutil.rmtree(entry) for entry in folder.iterdir()],
            "a folder for each class is wanted",
        ),
        (lambda folder: (folder / "blast").mkdir(), "blast: is no class of the model"),
        (
            lambda folder: (folder / "Lymphocyte").rename(folder / "lymphozyte"),
            "lymphozyte: is no class of the model; did you mean lymphocyte?",
        ),
        (
            lambda folder: (folder / "Neutrophil" / "1.png").rename(folder / "1.png"),
            "lies in no class's folder",
        ),
        (
            lambda folder: shutil.copy(folder / "Neutrophil" / "1.png", folder / "Lymphocyte" / "copy.png"),
            "is the same image as",
        ),
        (
            lambda folder: [shutil.rmtree(folder / name) for name in ("Eosinophil", "Lymphocyte")],
            "too few named cells: 20 of neutrophil",
        ),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_is_written(labelled, tmp_path, capsys, spoil, complaint):
    (tmp_path / "out").mkdir()
    spoil(labelled)
    sentence = refused([labelled], capsys, tmp_path / "out" / "new.tflite")
    assert complaint in sentence
    assert str(labelled) in sentence


def test_what_is_broken_or_too_small_is_passed_over_by_name(labelled, parent, tmp_path, capsys):
    (labelled / "Neutrophil" / "1.png").write_bytes(b"text")
    (labelled / "monocyte").mkdir()
    (labelled / "Lymphocyte").rename(labelled / "LYMPHOCYTES")
    for number in range(4, 8):
        (labelled / "Eosinophil" / f"{number}.png").unlink()
    out = tmp_path / "new.tflite"
    command = ["model", "adapt", str(labelled), "--model", str(parent), "--out", str(out), "--json"]
    assert main(command) == 0
    captured = capsys.readouterr()
    line = json.loads(captured.out)
    assert line["cells"] == {"lymphocyte": 12, "neutrophil": 19}
    for said in (
        f"{labelled / 'Neutrophil' / '1.png'}: ",
        f"{labelled / 'monocyte'}: the folder holds no image",
        "eosinophil: is passed over: 3 cells, and at least 5 are needed",
    ):
        assert any(said in remark for remark in line["remarks"])
        assert said in captured.err
    assert "━" not in captured.err, "a bar is for terminals"


def test_it_says_how_it_errs_from_its_own_cross_validation(adapted):
    about = read_bundle(adapted[0]).description
    assert about.confusion.labels == about.labels
    of_class = dict(zip(about.labels, map(sum, about.confusion.counts), strict=True))
    assert {label: count for label, count in of_class.items() if count} == WANTED
    right = sum(row[place] for place, row in enumerate(about.confusion.counts))
    assert right <= adapted[1]["after"]["right"], "what is refused is not called"
    assert right > 0.5 * sum(WANTED.values())


def test_without_out_it_answers_on_this_device_and_can_be_taken_back(labelled, parent, tmp_path, capsys):
    config = tmp_path / "leukoscope.toml"
    config.write_text('[camera]\nkind = "simulated"\n', encoding="utf-8")
    settings = load_config(config)
    here = ["--config", str(config)]
    own = tmp_path / "own.tflite"
    shutil.copy(parent, own)
    sign_for_device(own, settings)
    assert main(["model", "install", str(own), *here]) == 0
    ModelStore(settings.models).end_trial(read_bundle(own).sha256, passed=True)
    assert main(["model", "adapt", str(labelled), *here]) == 0
    told = capsys.readouterr().out
    assert "it answers on this device from the next field on" in told
    first = answering(settings)
    assert read_bundle(first.path).description.parent.sha256 == read_bundle(own).sha256
    assert first.sha256[:12] in told
    assert main(["model", "list", *here]) == 0
    listed = capsys.readouterr().out
    assert f"{SHIPPED}-adapted" in listed
    assert "this device" in listed
    # Again, it starts from what it started from before: cells that were learnt once are not learnt twice.
    shutil.rmtree(labelled / "Eosinophil")
    assert main(["model", "adapt", str(labelled), *here]) == 0
    again = answering(settings)
    assert again.sha256 != first.sha256
    assert read_bundle(again.path).description.parent.sha256 == read_bundle(own).sha256
    assert main(["model", "rollback", *here]) == 0
    assert answering(settings).sha256 == read_bundle(own).sha256


def test_without_a_device_there_is_nowhere_to_install_and_model_is_for_a_file(
    labelled, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["model", "adapt", str(labelled)]) == 2
    assert "name it with --config, or give --out FILE" in capsys.readouterr().err
    config = tmp_path / "leukoscope.toml"
    config.write_text('[camera]\nkind = "simulated"\n[model]\npath = "my.tflite"\n', encoding="utf-8")
    assert main(["model", "adapt", str(labelled)]) == 2
    assert "no installed model would be used" in capsys.readouterr().err
    assert main(["model", "adapt", str(labelled), "--model", str(SHIPPED_MODEL)]) == 2
    assert "is for --out FILE" in capsys.readouterr().err


def test_its_last_line_is_a_command_that_works_on_this_device_and_on_no_other(
    labelled, parent, tmp_path, capsys
):
    configs = []
    for name in ("here", "elsewhere"):
        (tmp_path / name / "keys").mkdir(parents=True)
        make_key(tmp_path / name / "keys" / "maker")
        config = tmp_path / name / "leukoscope.toml"
        config.write_text('[camera]\nkind = "simulated"\n[model]\ntrusted_keys = "keys"\n', encoding="utf-8")
        configs.append(config)
    out = tmp_path / "new model.tflite"
    command = ["model", "adapt", str(labelled), "--model", str(parent), "--out", str(out)]
    assert main([*command, "--config", str(configs[0])]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    program, *following = shlex.split(last.removeprefix("next: "))
    assert (program, following[:2]) == ("leukoscope", ["model", "install"])
    assert main([*following[:-1], str(configs[1])]) == 1
    assert "is not signed by a key that is trusted here (maker)" in capsys.readouterr().err
    assert main(following) == 0
    assert "signed by this device" in capsys.readouterr().out
    models = load_config(configs[0]).models
    assert ModelStore(models).state().current == read_bundle(out).sha256
    assert stat.S_IMODE((models / "device.key").stat().st_mode) == 0o600
    with out.open("ab") as file:
        file.write(b"!")
    assert main(following) == 1
    assert "or was changed since" in capsys.readouterr().err
    # What it was fitted to is no measure of it, and it knows.
    assert main(["measure", str(labelled), "--config", str(configs[0]), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"]["sha256"] == ModelStore(models).state().current
    assert found["seen"] == found["cells"] == sum(WANTED.values())


def test_without_a_device_the_last_line_measures_the_new_model(adapted):
    following = shlex.split(adapted[1]["next"])
    assert following[:2] == ["leukoscope", "measure"]
    assert following[-2:] == ["--model", str(adapted[0])]


def test_images_that_are_left_out_are_named(labelled):
    labels = read_bundle(SHIPPED_MODEL).description.labels
    folder = labelled / "Neutrophil"
    plain = np.full((180, 180, 3), (215, 220, 225), np.uint8)
    cv2.imwrite(str(folder / "empty.png"), plain)
    cv2.imwrite(str(folder / "black.png"), np.zeros((180, 180, 3), np.uint8))
    shutil.copy(folder / "2.png", folder / "twice.png")
    (folder / "notes.txt").write_text("not an image", encoding="utf-8")
    (labelled / ".thumbnails").mkdir()
    cells = read_labelled(labelled, labels, find_cells)
    assert Counter(labels[n] for n in cells.labels) == WANTED
    left_out = {Path(remark.split(": ")[0]).name: remark for remark in map(str, cells.remarks)}
    assert set(left_out) == {"empty.png", "black.png", "twice.png", "labelled"}
    assert "would not analyse it" in left_out["black.png"]
    assert "is the same image as" in left_out["twice.png"]


def test_a_folder_without_a_usable_cell_is_refused_without_a_list_of_all_classes(labelled, tmp_path, capsys):
    """Named photographs of empty glass, as when the wrong folder was taken."""
    for number, image in enumerate(labelled.rglob("*.png")):
        glass = np.full((240, 240, 3), 230, np.uint8)
        glass[0, 0] = number
        cv2.imwrite(str(image), glass)
    out = tmp_path / "new.tflite"
    assert main(["model", "adapt", str(labelled), "--out", str(out)])
    said = capsys.readouterr().err
    assert "and no" not in said
    assert f"{labelled}: too few named cells: none; at least 5 of a class" in said.splitlines()[-1]
    assert not out.exists()


def test_of_very_many_images_some_are_taken(labelled, monkeypatch):
    monkeypatch.setattr("edge.adaptation.labelled_cells.MAX_IMAGES_OF_A_CLASS", 10)
    cells = read_labelled(labelled, read_bundle(SHIPPED_MODEL).description.labels, find_cells)
    assert sorted(Counter(cells.labels.tolist()).values()) == [7, 10, 10]
    assert any("10 of its 20 images are taken" in str(remark) for remark in cells.remarks)


def test_an_unknown_folder_is_refused_by_its_own_class(tmp_path):
    with pytest.raises(LabelledCellsError):
        read_labelled(tmp_path, ("a", "b"), find_cells)


def test_models_that_cannot_be_refitted_are_refused(labelled, tmp_path, capsys):
    out = tmp_path / "new.tflite"
    outputs = dict(read_bundle(SHIPPED_MODEL).description.outputs)
    del outputs["features"]
    scores = rewritten(tmp_path / "scores.tflite", outputs=outputs)
    assert f"{scores}: its last layer cannot be refitted" in refused(
        [labelled, "--model", scores], capsys, out
    )
    other = rewritten(tmp_path / "other.tflite", preprocessing="adaptive/999")
    assert "crops of recipe adaptive/999" in refused([labelled, "--model", other], capsys, out)
    none = tmp_path / "none.tflite"
    assert f"{none}: there is no such model file" in refused([labelled, "--model", none], capsys, out)


def test_a_place_where_nothing_can_be_written_is_refused_first(labelled, tmp_path, capsys):
    for out, complaint in (
        (tmp_path, "is there, and is no file"),
        (Path("/dev/null"), "is there, and is no file"),
        (tmp_path / "none" / "new.tflite", "there is no such folder"),
    ):
        assert main(["model", "adapt", str(labelled), "--out", str(out)]) == 1
        assert complaint in capsys.readouterr().err


def test_help_loads_neither_opencv_nor_a_runtime():
    code = (
        "import sys, contextlib\nfrom edge.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['model', 'adapt', '--help'])\n"
        "assert not {'cv2', 'numpy', 'ai_edge_litert', 'tflite_runtime'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--out FILE" in done.stdout


def test_real_cells_that_the_parent_gets_wrong(tmp_path, parent, capsys):
    source = real_images("pbc")
    classes = ("eosinophil", "lymphocyte", "monocyte", "neutrophil")
    rng = np.random.default_rng(1)
    for label in classes:
        files = sorted((source / label).iterdir())
        chosen = [files[n] for n in rng.permutation(len(files))[:55]]
        for name, part in (("labelled", chosen[:25]), ("others", chosen[25:])):
            (tmp_path / name / label).mkdir(parents=True)
            for file in part:
                (tmp_path / name / label / file.name).symlink_to(file)
    out = tmp_path / "pbc.tflite"
    labelled = str(tmp_path / "labelled")
    assert main(["model", "adapt", labelled, "--out", str(out), "--json", "--model", str(parent)]) == 0
    line = json.loads(capsys.readouterr().out)
    assert line["cells"] == dict.fromkeys(classes, 25)
    assert line["seconds"] < 60
    before, after = (macro_recall(bundle, tmp_path / "others") for bundle in (parent, out))
    assert before < 0.6
    assert after > 0.8
    # What was measured on cells held back must be what comes of others, within what 100 cells can tell.
    assert abs(line["after"]["macro_recall"] - after) < 0.12
