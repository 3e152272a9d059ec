"""An audit finds the copies of one photograph on both sides, and shows them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest
from drawn_data import draw_data

from edge.errors import OutputError
from trainer.cli import main
from trainer.data.audit import GROUPS, REPORT, audit
from trainer.data.images import DataError
from trainer.data.photographs import read_groups


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return draw_data(tmp_path_factory.mktemp("data"), photographs=2, copies=4)


def test_a_random_split_of_copies_leaks_and_folders_of_other_photographs_do_not(data, tmp_path):
    sets = tmp_path / "sets"
    shutil.copytree(data / "blood-cell-images", sets)
    for folder in sorted((sets / "TRAIN").iterdir()):
        for file in folder.glob("*-2-*"):
            target = sets / "TEST" / folder.name
            target.mkdir(parents=True, exist_ok=True)
            file.rename(target / file.name)
    originals = data / "bccd" / "JPEGImages"
    found = audit(sets, tmp_path / "out", originals=originals)
    assert found.assigned_share == 1
    assert {s.folder: s.photographs for s in found.sets} == {"TEST": 4, "TRAIN": 4}
    (leak,) = found.leaks
    assert (leak.photographs, leak.images_of_b) == (0, 0)
    assert found.random_split.share_of_b > 0.5
    picture = cv2.imread(str(tmp_path / "out" / "leak-random-split.png"))
    assert picture.shape[1] == 640
    groups = read_groups(tmp_path / "out" / GROUPS)
    assert all(name.rsplit("/", 1)[1].startswith(photograph) for name, photograph in groups.items())


def test_one_shared_photograph_is_found_and_drawn(data, tmp_path, capsys):
    sets = tmp_path / "sets"
    shutil.copytree(data / "blood-cell-images" / "TRAIN", sets / "TRAIN")
    (sets / "TEST" / "MONOCYTE").mkdir(parents=True)
    (sets / "TRAIN" / "MONOCYTE" / "monocyte-1-3.jpeg").rename(sets / "TEST" / "MONOCYTE" / "x.jpeg")
    out = tmp_path / "out"
    assert main(["audit", str(sets), "--originals", str(data / "bccd/JPEGImages"), "--out", str(out)]) == 0
    (leak,) = json.loads((out / REPORT).read_text(encoding="utf-8"))["leaks"]
    assert (leak["a"], leak["b"], leak["photographs"]) == ("TEST", "TRAIN", 1)
    assert leak["images_of_b"] == 3
    assert (out / "leak-TEST-TRAIN.png").is_file()
    assert "photographs in both" in capsys.readouterr().out


def test_a_report_is_not_written_into_what_is_audited(data, monkeypatch):
    monkeypatch.chdir(data / "blood-cell-images")
    for out in (Path("audit"), Path(), data / "blood-cell-images" / "TRAIN"):
        with pytest.raises(OutputError, match="lies in what is audited"):
            audit(Path(), out)
    assert [path.name for path in (data / "blood-cell-images").iterdir()] == ["TRAIN"]


def test_nothing_to_audit_is_said(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        audit(tmp_path / "none", tmp_path / "out")
    with pytest.raises(DataError, match="holds no folder with images"):
        audit(tmp_path, tmp_path / "out")
    (tmp_path / "a").mkdir()
    cv2.imwrite(str(tmp_path / "a" / "x.png"), cv2.UMat(8, 8, cv2.CV_8UC3).get())
    with pytest.raises(DataError, match="no such folder of originals"):
        audit(tmp_path, tmp_path / "out", originals=tmp_path / "none")
