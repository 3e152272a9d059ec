"""The command line as its users meet it: what it prints, its exit status, and that it starts at once."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from drawn_nuclei import draw_nucleus, field
from real_data import real_images

from edge.cli import main
from edge.config import SHIPPED_MODEL


@pytest.fixture
def pictures(tmp_path):
    """Return a folder with two drawn fields, a text that calls itself an image, and half an image."""
    folder = tmp_path / "slide"
    folder.mkdir()
    picture = cv2.cvtColor(draw_nucleus(field(), 320, 240), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(folder / "a.png"), picture)
    cv2.imwrite(str(folder / "d.jpg"), picture)
    (folder / "b.jpg").write_text("this is no picture", encoding="utf-8")
    (folder / "c.jpg").write_bytes((folder / "d.jpg").read_bytes()[:300])
    return folder


def lines(capsys):
    captured = capsys.readouterr()
    return [json.loads(line) for line in captured.out.splitlines()], captured.err.splitlines()


def test_analyze_goes_on_past_what_it_cannot_read_and_says_so(pictures, capsys):
    assert main(["analyze", "--json", str(pictures)]) == 1
    results, complaints = lines(capsys)
    assert [r["file"][-5:] for r in results] == ["a.png", "b.jpg", "c.jpg", "d.jpg"]
    for result in (results[0], results[3]):
        (cell,) = result["cells"]
        assert (result["width"], result["height"]) == (640, 480)
        assert "cell_id" not in cell
        assert set(cell) == {
            *(
                "box",
                "crop",
                "label",
                "probability",
                "probabilities",
                "logits",
                "confidence",
                "distance",
                "rejected",
                "cut_by_edge",
            ),
            *("glass_rgb", "heatmap", "evidence_in_cell", "evidence_in_nucleus", "flags"),
        }
        assert 0 < cell["evidence_in_nucleus"] <= cell["evidence_in_cell"] <= 1
        assert result["scale"]["source"] == "red cells"
        assert result["quality"]["accepted"]
        assert result["timings_ms"]["total"] > 0
    for result in results[1:3]:
        assert "is not an image that can be read" in result["error"]
        assert "cells" not in result
    assert len(complaints) == 2


def test_analyze_goes_on_past_a_folder_that_is_not_there(pictures, capsys):
    assert main(["analyze", "--json", str(pictures / "none"), str(pictures / "a.png")]) == 1
    results, complaints = lines(capsys)
    assert "no such file or folder" in results[0]["error"]
    assert len(results[1]["cells"]) == 1
    assert complaints == [f"leukoscope: {pictures / 'none'}: there is no such file or folder"]


def test_analyze_speaks_to_people_as_well(pictures, capsys):
    assert main(["analyze", str(pictures / "a.png")]) == 0
    assert capsys.readouterr().out.startswith(f"{pictures / 'a.png'}: ")


def test_masks_are_pictures_of_the_images_size_named_after_them(pictures, tmp_path):
    masks = tmp_path / "masks"
    assert main(["analyze", "--masks", str(masks), str(pictures / "a.png"), str(pictures / "d.jpg")]) == 0
    assert sorted(p.name for p in masks.iterdir()) == ["a.png", "d.png"]
    mask = cv2.imread(str(masks / "a.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (480, 640)
    assert set(np.unique(mask)) == {0, 128, 255}
    assert mask[240, 320] == 255


def test_overlays_show_the_frame_outlined_and_each_cell_beside_its_map(pictures, tmp_path, capsys):
    overlays = tmp_path / "overlays"
    cv2.imwrite(str(pictures / "black.png"), np.zeros((200, 300, 3), np.uint8))
    files = [str(pictures / name) for name in ("a.png", "black.png")]
    assert main(["analyze", "--json", "--overlays", str(overlays), *files]) == 0
    drawn, plain = cv2.imread(str(overlays / "a.jpg")).astype(int), cv2.imread(files[0]).astype(int)
    side = 403  # of a cell that is alone: its four pictures are as tall as the frame drawn twice
    assert drawn.shape == (960, 640 + 8 + 2 * side, 3)
    outlined = np.abs(drawn[:480, :640] - plain).sum(axis=2) > 150
    columns = np.nonzero(outlined[195:])[1]  # above it stands its name, as wide as the word is
    assert 250 < columns.min() < columns.max() < 390, "the outline is around the cell and nowhere else"
    heatmap = lines(capsys)[0][0]["cells"][0]["heatmap"]
    grid = np.frombuffer(base64.b64decode(heatmap["data"]), np.uint8).reshape(8, 8)
    below, left = 66 + side + 22, 640 + 8
    unmapped, mapped = (drawn[below : below + side, start : start + side] for start in (left, left + side))
    places = ((np.arange(8) + 0.5) * side / 8).astype(int)
    middles = np.abs(unmapped - mapped).sum(axis=2)[np.ix_(places, places)]
    assert middles[grid > 128].mean() > 2 * middles[grid < 8].mean(), "the map lies where the evidence is"
    assert cv2.imread(str(overlays / "black.jpg")).shape[0] > 200, "a refused frame says so below it"


def test_a_folder_that_cannot_be_made_is_named(pictures, tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["analyze", "--masks", str(tmp_path / "file" / "masks"), str(pictures / "a.png")]) == 1
    assert "cannot be made a folder" in capsys.readouterr().err


def test_a_refused_picture_says_why(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((100, 100, 3), np.uint8))
    assert main(["analyze", "--json", str(tmp_path)]) == 0
    (result,), _ = lines(capsys)
    assert result["quality"] == {**result["quality"], "accepted": False, "reason": "too dark"}
    assert result["cells"] == []


def test_a_damaged_model_is_refused_in_one_sentence_before_anything_is_analysed(pictures, tmp_path, capsys):
    damaged = tmp_path / "damaged.tflite"
    content = bytearray(SHIPPED_MODEL.read_bytes())
    content[5000] ^= 1
    damaged.write_bytes(content)
    assert main(["analyze", "--json", "--model", str(damaged), str(pictures)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"leukoscope: {damaged}: is damaged: the network is not the one that its description names\n"
    )
    assert main(["model", "verify", str(damaged)]) == 1


def test_a_model_of_another_masking_recipe_is_refused(pictures, capsys):
    assert main(["analyze", "--recipe", "study", str(pictures)]) == 1
    assert "was trained on crops of recipe found/1" in capsys.readouterr().err


def test_model_info_and_verify_tell_of_the_shipped_model(capsys):
    assert main(["model", "info"]) == 0
    told = capsys.readouterr().out
    assert "medical device" in " ".join(told.split())
    assert "eosinophil" in told
    assert main(["model", "verify"]) == 0
    assert "golden inputs pass on ai-edge-litert" in capsys.readouterr().out


def test_check_config_says_right_or_what_is_wrong(tmp_path, capsys):
    path = tmp_path / "device.toml"
    path.write_text('[camera]\nkind = "simulated"\n', encoding="utf-8")
    assert main(["config", "check", str(path)]) == 0
    assert "right" in capsys.readouterr().out
    path.write_text('[camera]\nkind = "simulated"\ncolour = 1\n', encoding="utf-8")
    assert main(["config", "check", str(path)]) == 2
    assert "camera.colour is not a known key" in capsys.readouterr().err
    path.write_text('[camera]\nkind = "simulated"\n[model]\npath = "none.tflite"\n', encoding="utf-8")
    assert main(["config", "check", str(path)]) == 2
    assert "model.path" in capsys.readouterr().err
    assert main(["config", "check", str(path), "--config", str(path)]) == 2
    assert "give one configuration" in capsys.readouterr().err


def test_results_of_a_store_that_is_not_there(tmp_path, capsys):
    assert main(["results", "list", "--store", str(tmp_path / "none.db")]) == 1
    assert "there is no result store" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        ('kind = "usb"\ndevice = 2', "usb /dev/video2"),
        ('kind = "video"\npath = "a.mp4"', "video {}/a.mp4"),
        ('kind = "replay"\npaths = ["slides"]', "replay of {}/slides"),
        ('kind = "simulated"', "simulated slide"),
    ],
)
def test_check_config_says_which_camera_it_is(tmp_path, capsys, camera, said):
    path = tmp_path / "device.toml"
    (tmp_path / "slides").mkdir()
    for name in ("slides/a.jpg", "a.mp4"):
        (tmp_path / name).touch()
    path.write_text(f"[camera]\n{camera}\n")
    assert main(["config", "check", str(path)]) == 0
    assert f"camera: {said.format(tmp_path)}, broker" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["--help"], ["config", "check"], ["model", "info"]])
def test_what_needs_no_pictures_loads_neither_opencv_nor_a_runtime(command, tmp_path):
    config = tmp_path / "device.toml"
    config.write_text('[camera]\nkind = "simulated"\n', encoding="utf-8")
    arguments = [*command, str(config)] if command == ["config", "check"] else command
    script = (
        "import sys\nfrom edge.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'cv2', 'ai_edge_litert', 'tflite_runtime', 'paho', 'tensorflow'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [["--version"], ["schema", "field"], ["camera", "--help"]])
def test_a_command_loads_nothing_of_the_other_commands(command):
    script = (
        "import sys\nfrom edge.cli import main\n"
        f"try:\n    main({command!r})\nexcept SystemExit:\n    pass\n"
        "others = ('config', 'model', 'mqtt', 'specimen', 'user', 'web')\n"
        "print(*(name for name in others if f'edge.cli.{name}' in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.split()) == (0, [])


def test_a_reader_who_leaves_early_is_no_error(pictures):
    command = f"{sys.executable} -m edge.cli analyze --json {pictures}/a.png {pictures}/d.jpg | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_the_held_back_photographs_are_named_rightly(capsys):
    # What the shipped model is released for: 60 of 71 photographs it has not been trained on.
    folder = real_images("blood-cell-images", "TEST_SIMPLE")
    assert main(["analyze", "--json", str(folder)]) == 0
    results, _ = lines(capsys)
    assert len(results) == 71
    results = [result for result in results if "same_as" not in result]
    assert len(results) == 69, "two are copies of others"
    assert all(result["cells"] for result in results)
    right = [max(r["cells"], key=area)["label"].upper() in r["file"] for r in results]
    assert sum(right) >= 60


def area(cell):
    return cell["box"][2] * cell["box"][3]


def test_each_image_has_its_mask_whatever_its_name_and_whether_it_was_analysed(pictures, tmp_path):
    (pictures / "x").mkdir()
    shutil.copy(pictures / "d.jpg", pictures / "x" / "d.jpg")
    shutil.copy(pictures / "d.jpg", pictures / "x" / "d.jpeg")
    black = np.zeros((50, 60, 3), np.uint8)
    cv2.imwrite(str(pictures / "x" / "d.png"), black)
    masks = tmp_path / "masks"
    files = [str(pictures / "d.jpg"), str(pictures / "x")]
    assert main(["analyze", "--masks", str(masks), *files]) == 0
    written = sorted(masks.iterdir())
    assert len(written) == 4
    shapes = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape for path in written]
    assert sorted(shapes) == [(50, 60), (480, 640), (480, 640), (480, 640)]


def test_names_that_are_no_utf8_or_look_like_a_home_folder_are_taken(pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "~nobody-has-this-name"
    folder.mkdir()
    shutil.copy(pictures / "a.png", os.fsencode(folder) + b"/\xff.png")
    assert main(["analyze", "--json", folder.name]) == 0
    (result,), _ = lines(capsys)
    assert result["file"].startswith("~nobody-has-this-name/")
    assert len(result["cells"]) == 1


def test_output_that_cannot_be_written_is_said(pictures):
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "edge.cli", "analyze", str(pictures / "a.png")],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_copies_under_one_name_do_not_overwrite_each_others_mask(pictures, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(pictures / "a.png", other / "a.png")
    masks = tmp_path / "masks"
    assert main(["analyze", "--masks", str(masks), str(pictures / "a.png"), str(other / "a.png")]) == 0
    assert sorted(p.name for p in masks.iterdir()) == ["a.png", "other_a.png"]
