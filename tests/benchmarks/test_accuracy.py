"""The calls beside the truth, on what is labelled."""

from __future__ import annotations

import shutil

import pytest
from real_data import real_images

from benchmarks import accuracy, pictures
from edge.analyzer import Analyzer
from edge.cameras.image_files import read_image
from edge.config import SHIPPED_MODEL
from edge.errors import LeukoscopeError
from edge.naming.classifier import Classifier


@pytest.fixture(scope="module")
def analyzer():
    return Analyzer(Classifier.load(SHIPPED_MODEL))


def test_the_drawn_cells_are_what_is_counted(analyzer, tmp_path, monkeypatch):
    monkeypatch.delenv("LEUKOSCOPE_DATA", raising=False)
    measured = accuracy.measure(analyzer, None, tmp_path, 4)
    whole = sum(cell.complete for _, cells in pictures.drawn(4, tmp_path) for cell in cells)
    assert measured.pictures == "drawn slide"
    assert measured.cells == whole > 0
    assert measured.right + measured.wrong <= measured.found <= measured.cells
    assert measured.right > 0
    assert measured.low_percent <= measured.right_percent <= measured.high_percent


def test_a_call_by_another_s_name_is_wrong(analyzer, tmp_path):
    called = [
        (cells[0].confidence, file, cells[0].label)
        for file, _ in pictures.drawn(20, tmp_path)
        if (cells := analyzer.analyze(read_image(file)).cells) and cells[0].rejected is None
    ]
    _, file, own = max(called)  # the surest: the scale, and with it what is cut, changes a little
    other = next(name for name in analyzer.classifier.labels if name != own)
    for name, label in (("a", own), ("b", other)):
        (tmp_path / name / label.upper()).mkdir(parents=True)
        shutil.copy(file, tmp_path / name / label.upper())
    right, wrong = (accuracy.measure(analyzer, tmp_path / name, tmp_path, 1) for name in ("a", "b"))
    assert (right.cells, right.right, right.wrong) == (1, 1, 0)
    assert (wrong.cells, wrong.right, wrong.wrong) == (1, 0, 1)


def test_a_folder_without_classes_is_named(analyzer, tmp_path):
    with pytest.raises(LeukoscopeError, match="a folder for each class is wanted: eosinophil"):
        accuracy.measure(analyzer, tmp_path, tmp_path, 1)


def test_folders_are_known_by_a_class_as_people_write_it_and_others_are_named(analyzer, tmp_path, caplog):
    (file, _), *_ = pictures.drawn(1, tmp_path)
    folder = tmp_path / "labelled"
    for name in ("Neutrophils", "LYMPHOCYTE", "ig", ".thumbnails"):
        (folder / name).mkdir(parents=True)
    with pytest.raises(LeukoscopeError, match="labelled: holds no picture in LYMPHOCYTE, Neutrophils"):
        accuracy.measure(analyzer, folder, tmp_path, 1)
    shutil.copy(file, folder / "Neutrophils")
    shutil.copy(file, folder / "ig")
    assert accuracy.measure(analyzer, folder, tmp_path, 1).cells == 1
    assert set(caplog.messages) == {f"{folder / 'ig'}: is no class of the model, and is passed over"}


def test_real_photographs_are_called(analyzer, tmp_path):
    folder = real_images("blood-cell-images", "TEST_SIMPLE")
    measured = accuracy.measure(analyzer, folder, tmp_path, 1)
    assert measured.cells == 71
    assert measured.found >= 69
    assert measured.wrong <= 5
