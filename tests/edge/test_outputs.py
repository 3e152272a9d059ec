"""A result overwrites no input, and no file that is not an earlier result of the same command."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_nuclei import draw_nucleus, field

from edge.cli import main
from edge.config import SHIPPED_MODEL
from edge.demo.dashboard import Dashboard
from edge.errors import OutputError


@pytest.fixture
def slide(tmp_path):
    """Return a folder with one drawn field, a.png."""
    folder = tmp_path / "slide"
    folder.mkdir()
    picture = cv2.cvtColor(draw_nucleus(field(), 320, 240), cv2.COLOR_RGB2BGR)
    assert cv2.imwrite(str(folder / "a.png"), picture)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


OPTIONS = [("--masks", ()), ("--overlays", ("--overlay-format", "png"))]


@pytest.mark.parametrize(("option", "more"), OPTIONS)
@pytest.mark.parametrize(
    "way", ["its own folder", "a linked folder", "a hard link", "the same file", "force"]
)
def test_no_image_is_ever_overwritten(slide, tmp_path, capsys, option, more, way):
    out = slide
    if way == "a linked folder":
        out = tmp_path / "link"
        out.symlink_to(slide)
    elif way == "a hard link":
        out = tmp_path / "out"
        out.mkdir()
        os.link(slide / "a.png", out / "a.png")
    given = slide / "a.png" if way == "the same file" else slide
    more = (*more, "--force") if way == "force" else more
    before = contents(slide)
    assert main(["analyze", option, str(out), *more, str(given)]) == 1
    assert contents(slide) == before
    told = capsys.readouterr()
    assert f"leukoscope: {out / 'a.png'}: is an input, which a result never overwrites" in told.err
    assert not told.out, "nothing was analysed"


@pytest.mark.parametrize(("option", "more"), OPTIONS)
def test_another_file_is_overwritten_only_by_force_and_an_earlier_result_at_once(
    slide, tmp_path, capsys, option, more
):
    out = tmp_path / "out"
    out.mkdir()
    notes = out / "a.png"
    notes.write_bytes(b"notes of a year")
    call = ["analyze", option, str(out), *more, str(slide)]
    assert main(call) == 1
    assert notes.read_bytes() == b"notes of a year"
    assert f"{notes}: is there already and was not written by `leukoscope analyze {option}`" in (
        capsys.readouterr().err
    )
    assert main([*call, "--force"]) == 0
    drawn = notes.read_bytes()
    assert main(call) == 0
    assert notes.read_bytes() == drawn
    assert [path.name for path in out.iterdir()] == ["a.png"], "nothing is left beside it"


def test_results_in_the_folder_that_is_analysed_are_no_images_of_it(slide, capsys):
    call = [
        "analyze",
        "--json",
        "--overlays",
        str(slide / "seen"),
        "--masks",
        str(slide / "seen"),
        str(slide),
    ]
    assert main(call) == 0
    first = capsys.readouterr().out
    assert main(call) == 0
    again = capsys.readouterr().out
    assert [json.loads(line)["file"] for line in again.splitlines()] == [str(slide / "a.png")]
    assert len(first.splitlines()) == 1
    assert sorted(path.name for path in (slide / "seen").iterdir()) == ["a.jpg", "a.png"]


def test_an_overlay_is_no_picture_of_a_slide(slide, tmp_path, capsys):
    assert main(["analyze", "--overlays", str(tmp_path / "out"), str(slide)]) == 0
    assert main(["analyze", str(tmp_path / "out")]) == 1
    assert "a.jpg: was drawn by `leukoscope analyze --overlays`: it is a result" in capsys.readouterr().err
    assert cv2.imread(str(tmp_path / "out" / "a.jpg")) is not None, "others read it"


def test_a_mask_and_an_overlay_do_not_overwrite_each_other(slide, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["analyze", "--masks", out, "--overlays", out, "--overlay-format", "png", str(slide)]) == 1
    assert "a.png: would be both a mask and an overlay" in capsys.readouterr().err


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_adapt_spares_the_cells_it_learns_from(slide, capsys, force):
    cells = slide / "neutrophil"
    cells.mkdir()
    shutil.move(slide / "a.png", cells / "a.png")
    before = contents(cells)
    assert main(["model", "adapt", str(slide), "--out", str(cells / "a.png"), *force]) == 1
    assert f"{cells / 'a.png'}: is an input" in capsys.readouterr().err
    assert contents(cells) == before


def test_adapt_spares_what_it_has_not_written(slide, tmp_path, capsys):
    for name, content in {"letter.txt": b"Dear Sir", "shipped.tflite": SHIPPED_MODEL.read_bytes()}.items():
        out = tmp_path / name
        out.write_bytes(content)
        assert main(["model", "adapt", str(slide), "--out", str(out)]) == 1
        assert (
            f"{out}: is there already and was not written by `leukoscope model adapt`"
            in capsys.readouterr().err
        )
        assert out.read_bytes() == content


def test_calibrate_camera_spares_what_it_has_not_written(tmp_path, capsys):
    config, out = tmp_path / "empty.toml", tmp_path / "camera.json"
    config.write_text('[camera]\nkind = "simulated"\nempty = true\n')
    text = config.read_text()
    call = ["camera", "calibrate", "--config", str(config), "--frames", "2", "--out"]
    for force in ((), ("--force",)):
        assert main([*call, str(config), *force]) == 1
        assert f"{config}: is an input" in capsys.readouterr().err
        assert config.read_text() == text
    out.write_text('{"settings": "of another program"}')
    assert main([*call, str(out)]) == 1
    assert "was not written by `leukoscope camera calibrate`" in capsys.readouterr().err
    assert main([*call, str(out), "--force"]) == 0
    assert main([*call, str(out)]) == 0, "an earlier calibration"


def test_the_note_in_a_result_leaves_its_pixels_as_they_are(slide, tmp_path):
    out = tmp_path / "out"
    assert main(["analyze", "--masks", str(out), str(slide)]) == 0
    mask = cv2.imread(str(out / "a.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (480, 640)
    assert set(np.unique(mask)) == {0, 128, 255}


def test_a_picture_of_the_longest_name_has_its_results(slide, tmp_path, capsys):
    image = (slide / "a.png").rename(slide / ("a" * 251 + ".png"))
    assert main(["analyze", str(image), "--masks", str(tmp_path / "m")]) == 0, capsys.readouterr().err
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["a" * 251 + ".png"]


def test_a_result_that_cannot_be_written_leaves_the_former_one_whole(tmp_path, monkeypatch):
    former = tmp_path / "screen.svg"
    former.write_text("<svg/>", encoding="utf-8")

    def full(path, _content):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    dashboard = Dashboard("a slide", "mosquitto", 1, None)
    with pytest.raises(OutputError, match=r"screen.svg: cannot be written: No space left on device"):
        dashboard.picture(former)
    assert former.read_text(encoding="utf-8") == "<svg/>"
    assert list(tmp_path.iterdir()) == [former]
