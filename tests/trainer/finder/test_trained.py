"""The finder whose figures stand in docs/model.md: its record is true, and it finds as they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_data import DATA, real_images

import trainer.finder
from trainer.finder.run import FINDER, MAX_BYTES, read_record
from trainer.left_out.measured_finder import measure_finder

TRAINED = Path(trainer.finder.__file__).parent / "trained"


def test_it_is_small_and_was_trained_on_nothing_that_is_for_measuring_only():
    record = read_record(TRAINED)
    assert (TRAINED / FINDER).stat().st_size == record["bytes"] <= MAX_BYTES
    assert not {"olympus", "zheng1"} & record["data"].keys()
    assert len(record["recipe"]["data"]["unseen"]) == 77


def test_on_a_microscope_that_it_never_saw_it_finds_nearly_all_cells_and_hardly_anything_else():
    real_images("olympus")
    measured = measure_finder(TRAINED, DATA, "olympus")
    assert measured.seen == "never seen"
    assert measured.figures["found"].value >= 0.97
    assert measured.figures["precision"].value >= 0.95


@pytest.mark.parametrize(("name", "figure"), [("bccd/fields", "found"), ("bccd/fields", "precision")])
def test_it_finds_the_cells_of_the_fields_that_were_kept_from_it(name, figure):
    real_images("bccd")
    assert measure_finder(TRAINED, DATA, name).figures[figure].value >= 0.98


def test_in_fields_of_red_cells_it_sees_a_white_one_in_one_of_a_hundred_at_most():
    real_images("red-cells")
    measured = measure_finder(TRAINED, DATA, "red-cells")
    assert measured.figures["fields with a white cell"].value <= 0.01
