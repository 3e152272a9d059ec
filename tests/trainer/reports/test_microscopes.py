"""What a person sees of the data sets: the table and the contact sheets."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from drawn_fields import write_image

from trainer.cli import main
from trainer.data.datasets import DATASETS

HEAD = "image,x,y,width,height,kind,label,group"
BLUE = (60, 70, 190)  # RGB, of the cells drawn here


@pytest.fixture
def data(tmp_path):
    """Return a folder with `chula`: 24 fields with a round blue lymphocyte, each larger than the last."""
    images, rows = tmp_path / "data" / "chula" / "images", [HEAD]
    for number in range(24):
        name, side = f"L-8_{number:04d}.jpg", 40 + 4 * number
        picture = np.full((480, 640, 3), 225, np.uint8)
        middle = (200 + side // 2, 100 + side // 2)
        cv2.circle(picture, middle, side // 2, BLUE[::-1], cv2.FILLED)
        images.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(images / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 100])
        rows.append(f"{name},200,100,{side},{side},white cell,lymphocyte,L-8")
    (images.parent / "boxes.csv").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path / "data"


def test_the_table_has_every_set_at_80_columns(data, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["microscopes", "--data", str(data)]) == 0
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= 80
    words = " ".join(re.sub("[│─┼├┤]", " ", told).split())
    assert "24 lymphocyte" in words
    assert words.count("not there") == len(DATASETS) - 2, "chula is there, as cells and as fields"
    first = "".join(line.split("│")[1].strip() + " " for line in told.splitlines() if line.startswith("│"))
    for name in DATASETS:
        assert f"{name} " in first.replace("/ ", "/"), "no name is cut off"


def test_a_set_that_is_not_as_it_should_be_says_why_and_the_others_are_shown(data, capsys):
    write_image(data / "ankara" / "images" / "image-1.png")
    assert main(["microscopes", "--data", str(data)]) == 0
    words = " ".join(re.sub("[│─┼├┤]", " ", capsys.readouterr().out).split())
    assert "24 lymphocyte" in words
    assert "there is no such" in words


def test_a_sheet_shows_twenty_cells_at_one_scale_in_true_colour(data, tmp_path, capsys):
    assert main(["microscopes", "--data", str(data), "--sheets", str(tmp_path / "out")]) == 0
    assert "microscopes.html" in capsys.readouterr().out
    page = (tmp_path / "out" / "microscopes.html").read_text(encoding="utf-8")
    shown = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', page)
    assert ("chula-lymphocyte.jpg", "lymphocyte: 20 of 24") in shown
    assert all((tmp_path / "out" / name).is_file() for name, _ in shown)
    sheet = cv2.cvtColor(cv2.imread(str(tmp_path / "out" / "chula-lymphocyte.jpg")), cv2.COLOR_BGR2RGB)
    assert sheet.shape == (2 * 96, 10 * 96, 3)
    for top in (0, 96):
        for left in range(0, 960, 96):
            cell = sheet[top : top + 96, left : left + 96].astype(int)
            assert np.abs(cell[40:56, 40:56] - BLUE).max() <= 6
            across = (cell[48, :, 0] < 140).sum()
            assert across == pytest.approx(96 / 1.35, abs=3), "small and large cells fill the same part"


def test_every_set_is_on_the_page_with_its_licence_and_what_is_wrong(data, tmp_path):
    assert main(["microscopes", "--data", str(data), "--sheets", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "microscopes.html").read_text(encoding="utf-8")
    for name, known in DATASETS.items():
        assert f"<h2>{name}</h2>" in page
        assert known.licence in page
    assert "for measuring only" in page


def test_of_a_folder_without_the_sets_no_sheets_are_written(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    arguments = ["microscopes", "--data", str(tmp_path / "empty"), "--sheets", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "empty: holds none of these sets, so there is nothing to show" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_sheets_are_written_over_nothing_but_earlier_sheets(data, tmp_path, capsys):
    pictures = tmp_path / "mine"
    pictures.mkdir()
    (pictures / "olympus-white-cell.jpg").write_bytes(b"a picture of somebody")
    assert main(["microscopes", "--data", str(data), "--sheets", str(pictures)]) != 0
    assert f"{pictures}: holds other files" in capsys.readouterr().err
    assert (pictures / "olympus-white-cell.jpg").read_bytes() == b"a picture of somebody"
    for _ in range(2):
        assert main(["microscopes", "--data", str(data), "--sheets", str(tmp_path / "out")]) == 0
