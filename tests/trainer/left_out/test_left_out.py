"""Each microscope left out in turn: what is trained on, what is done again after a stop, and the table."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from edge.errors import ConfigError
from trainer.data.datasets import DATASETS
from trainer.evaluation.metrics import Estimate
from trainer.left_out.in_turn import (
    MICROSCOPES,
    RESULTS,
    TABLE,
    Measured,
    leave_each_out,
    left_out_table,
    sets_without,
)


class Half:
    """A half that notes what it is asked for, and reaches 0.90, 0.91, ... in this order."""

    name = "namer"

    def __init__(self, made_from="a", stops_at=None):
        self.asked = []
        self.hash, self.stops_at = made_from, stops_at

    def made_from(self, microscope, data):  # noqa: ARG002
        return f"{self.hash}-{microscope}"

    def measure(self, microscope, data, folder):  # noqa: ARG002
        if microscope == self.stops_at:
            raise KeyboardInterrupt
        self.asked.append(microscope)
        value = 0.9 + len(self.asked) / 100
        figures = {"macro recall": Estimate(value, value - 0.1, value + 0.05)}
        return Measured(("pbc",), (microscope,), {"cells": 40}, figures)


@pytest.mark.parametrize("microscope", MICROSCOPES)
def test_nothing_of_the_microscope_left_out_is_trained_on(microscope):
    sets = sets_without(microscope, tuple(DATASETS))
    assert sets
    for name in sets:
        assert DATASETS[name].microscope != microscope
        assert DATASETS[name].training
    assert any(known.microscope == microscope for known in DATASETS.values())


@pytest.mark.parametrize(
    "name", ["olympus", "zheng1", "blood-cell-images/TEST", "blood-cell-images/TEST_SIMPLE"]
)
def test_what_is_for_measuring_only_is_never_trained_on(name):
    assert all(name not in sets_without(microscope, tuple(DATASETS)) for microscope in MICROSCOPES)


def test_a_killed_run_goes_on_with_what_is_not_measured(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        leave_each_out([Half(stops_at="raabin")], tmp_path, tmp_path)
    rest = Half()
    found = leave_each_out([rest], tmp_path, tmp_path)
    assert rest.asked == ["raabin", "chula", "munich"]
    assert [step.microscope for step in found.steps] == list(MICROSCOPES)
    assert [round(step.measured.figures["macro recall"].value, 2) for step in found.steps] == [
        0.91,
        0.92,
        0.91,
        0.92,
        0.93,
    ]


def test_another_recipe_is_measured_again_and_other_halves_stay(tmp_path):
    leave_each_out([Half()], tmp_path, tmp_path)
    other = Half("b")
    leave_each_out([other], tmp_path, tmp_path, ["chula"])
    assert other.asked == ["chula"]
    finder = Half("c")
    finder.name = "finder"
    found = leave_each_out([finder], tmp_path, tmp_path, ["munich"])
    assert [(step.half, step.microscope) for step in found.steps] == [
        ("finder", "munich"),
        *(("namer", microscope) for microscope in MICROSCOPES),
    ]
    assert len(json.loads((tmp_path / RESULTS).read_text(encoding="utf-8"))["steps"]) == 6


def test_the_table_has_each_figure_with_its_interval_and_the_mean(tmp_path):
    found = leave_each_out([Half()], tmp_path, tmp_path)
    page = (tmp_path / TABLE).read_text(encoding="utf-8")
    assert "| `bccd` | 40 | 91.0 (81.0-96.0) |" in page
    assert "| mean | | 93.0 |" in page
    console = Console(width=80, record=True)
    console.print(left_out_table(found))
    told = console.export_text()
    assert "macro recall 95.0 (85.0-100.0)" in told
    assert max(map(len, told.splitlines())) <= 80


def test_a_mean_over_some_microscopes_only_is_not_given(tmp_path):
    class Unfinished(Half):
        def measure(self, microscope, data, folder):
            measured = super().measure(microscope, data, folder)
            return Measured(
                ("pbc",), (microscope,), {"cells": 40}, {} if microscope == "pbc" else measured.figures
            )

    leave_each_out([Unfinished()], tmp_path, tmp_path)
    page = (tmp_path / TABLE).read_text(encoding="utf-8")
    assert "| mean | | - |" in page
    assert "| `pbc` | 40 | - |" in page


def test_what_another_process_has_measured_meanwhile_stays(tmp_path):
    class Beside(Half):
        def measure(self, microscope, data, folder):
            leave_each_out([Half()], tmp_path, tmp_path, ["munich"])
            return super().measure(microscope, data, folder)

    found = leave_each_out([Beside()], tmp_path, tmp_path, ["bccd"])
    assert [step.microscope for step in found.steps] == ["bccd", "munich"]
    assert '"munich"' in (tmp_path / RESULTS).read_text(encoding="utf-8")


def test_a_recipe_without_a_microscope_to_measure_on_is_refused_before_another_is_trained(
    tmp_path,
):
    class OfFour(Half):
        def made_from(self, microscope, data):
            if microscope == "munich":
                raise ConfigError("recipe tiny: has no set of munich to measure on")
            return super().made_from(microscope, data)

    half = OfFour()
    with pytest.raises(ConfigError, match="no set of munich"):
        leave_each_out([half], tmp_path, tmp_path)
    assert not half.asked


def test_results_of_a_microscope_that_is_none_are_named(tmp_path):
    leave_each_out([Half()], tmp_path, tmp_path, ["bccd"])
    results = (tmp_path / RESULTS).read_text(encoding="utf-8")
    (tmp_path / RESULTS).write_text(results.replace('"microscope": "bccd"', '"microscope": "leica"'))
    with pytest.raises(ConfigError, match=r"left-out\.json: leica is no microscope to leave out"):
        leave_each_out([Half()], tmp_path, tmp_path, ["bccd"])


def test_what_cannot_be_is_refused_before_anything_is_trained(tmp_path):
    half = Half()
    with pytest.raises(ConfigError, match="olympus: is no microscope to leave out; these are: bccd, pbc"):
        leave_each_out([half], tmp_path, tmp_path, ["chula", "olympus"])
    (tmp_path / RESULTS).write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"left-out\.json: cannot be read .*; remove it to begin again"):
        leave_each_out([half], tmp_path, tmp_path)
    assert not half.asked
