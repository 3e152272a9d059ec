"""`leukoscope measure`: how right a model is on named cells, counted anew by hand."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from found_cells import find_cells
from real_data import real_images

from edge.cameras.image_files import read_image
from edge.cameras.simulation.camera import SimulatedCamera
from edge.cli import main
from edge.config import SHIPPED_MODEL, SimulatedConfig
from edge.differential.intervals import exact
from edge.masking import cut_crop
from edge.models.bundle import read_bundle
from edge.naming.classifier import Classifier
from edge.naming.seen_cells import MAX_HASHES, hash_crops, pack, seen_before, unpack


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """Return a folder of drawn cells by class, one of them in the wrong folder, one image without a cell."""
    folder = tmp_path_factory.mktemp("named")
    camera = SimulatedCamera(SimulatedConfig(seed=4, cells=40))
    number = 0
    while (frame := camera.read()) is not None:
        for true in camera.truth(frame.name):
            x, y = map(round, true.center)
            if not true.complete or true.label not in {"lymphocyte", "neutrophil"} or x < 90 or y < 90:
                continue
            number += 1
            label = "lymphocyte" if number == 1 else true.label
            target = folder / f"{label.upper()}S" / f"{number}.png"
            target.parent.mkdir(exist_ok=True)
            cut = frame.pixels[y - 90 : y + 90, x - 90 : x + 90]
            cv2.imwrite(str(target), cut[:, :, ::-1])
    plain = np.full((180, 180, 3), (215, 220, 225), np.uint8)
    cv2.imwrite(str(folder / "NEUTROPHILS" / "empty.png"), plain)
    (folder / "NEUTROPHILS" / "broken.jpg").write_bytes(b"text")
    return folder


def test_the_figures_are_those_that_one_counts_by_hand(named, capsys):
    assert main(["measure", str(named), "--model", str(SHIPPED_MODEL), "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    classifier = Classifier.load(SHIPPED_MODEL)
    right, called, wrong, of = 0, 0, 0, {"lymphocyte": [0, 0], "neutrophil": [0, 0]}
    for file in named.rglob("*.png"):
        pixels = read_image(file)
        masks = find_cells(pixels)
        if not masks.cells:
            continue
        call = classifier.classify(cut_crop(pixels, masks.cells[0]))
        label = file.parent.name.lower().removesuffix("s")
        of[label][0] += call.label == label
        of[label][1] += 1
        right += call.label == label
        called += call.rejected is None
        wrong += call.rejected is None and call.label != label
    cells = sum(every for _, every in of.values())
    files = [*named.rglob("*.png"), *named.rglob("*.jpg")]
    assert (found["cells"], found["images"]) == (cells, len(files))
    assert cells >= 0.9 * (len(files) - 2), "of two there is nothing to be seen"
    assert (found["right"]["count"], found["right"]["of"]) == (right, cells)
    assert (found["called"]["count"], found["wrong_calls"]["count"]) == (called, wrong)
    assert found["wrong_calls"]["of"] == called
    low, high = exact(right, cells)
    assert (found["right"]["low"], found["right"]["high"]) == (round(low, 2), round(high, 2))
    for one in found["classes"]:
        assert [one["recall"]["count"], one["recall"]["of"]] == of[one["label"]]
        assert sum(one["called"].values()) == one["recall"]["of"]
    by_label = {one["label"]: one for one in found["classes"]}
    assert by_label["neutrophil"]["without_cell"] == 1
    assert "broken.jpg" in captured.err
    assert "empty.png" in captured.err
    assert any("broken.jpg" in remark for remark in found["remarks"])


def test_a_person_gets_a_page_of_80_columns(named, capsys):
    assert main(["measure", str(named), "--model", str(SHIPPED_MODEL)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{read_bundle(SHIPPED_MODEL).description.name} (")
    assert max(len(line.rstrip()) for line in lines[1:]) <= 80
    shown = "\n".join(lines)
    for part in (
        "right",
        "called",
        "wrong",
        "recall %",
        "neutrophil",
        "macro recall",
        "Not a medical device",
    ):
        assert part in shown


def test_a_folder_that_is_no_class_is_named_with_the_one_that_is_meant(tmp_path, capsys):
    (tmp_path / "neutrofil").mkdir()
    assert main(["measure", str(tmp_path)]) == 1
    assert "neutrofil: is no class of the model; did you mean neutrophil?" in capsys.readouterr().err


def crops_of(folder, count):
    found = []
    for file in sorted(folder.iterdir())[:count]:
        pixels = read_image(file)
        masks = find_cells(pixels)
        if masks.cells:
            found.append((pixels, cut_crop(pixels, masks.cells[0])))
    return found


def test_a_cell_is_known_again_turned_and_saved_anew_and_others_are_not():
    pairs = crops_of(real_images("pbc") / "neutrophil", 60)
    crops = [crop for _, crop in pairs]
    seen = pack(hash_crops(crops[:30]))
    assert seen_before(crops[:30], seen).all()
    assert not seen_before(crops[30:], seen).any()
    assert seen_before([np.rot90(crop, 1)[:, ::-1] for crop in crops[:30]], seen).all()
    anew = []
    for pixels, _ in pairs[:30]:
        file = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        decoded = np.ascontiguousarray(cv2.imdecode(file, cv2.IMREAD_COLOR)[:, :, ::-1])
        masks = find_cells(decoded)
        anew.append(cut_crop(decoded, masks.cells[0]))
    assert seen_before(anew, seen).mean() > 0.5


def test_the_cells_of_a_microscope_stay_when_there_are_too_many_to_keep():
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 256, (MAX_HASHES + 500, 16), np.uint8)
    kept = unpack(pack(hashes, first=200))
    assert len(kept) == MAX_HASHES
    assert np.array_equal(kept[:200], hashes[:200])
    assert not seen_before([np.zeros((120, 120, 3), np.uint8)], b"").any()


def test_a_class_that_is_a_link_to_nowhere_is_named(tmp_path, capsys):
    (tmp_path / "neutrophil").symlink_to(tmp_path / "other disk")
    assert main(["measure", str(tmp_path)]) == 1
    assert (
        f"neutrophil: is a link to {tmp_path / 'other disk'}, which is not there" in capsys.readouterr().err
    )
