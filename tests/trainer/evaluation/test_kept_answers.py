"""The answers that a run keeps: read back as they were, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError
from trainer.evaluation.answers import Answers, answers_name, read_answers, write_answers
from trainer.files import put_in_place

SEVERAL = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def answers(*, int8=True):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(40, 4)).astype(np.float32)
    names = tuple(f"photograph {i % 7}, größer" for i in range(40))
    cells = tuple(f"cell {i % 20}" for i in range(40))
    return Answers(rng.integers(0, 4, 40), names, logits, np.round(logits) if int8 else None, cells)


def same(one, other):
    if (one.int8 is None) != (other.int8 is None):
        return False
    if (one.photographs, one.cells) != (other.photographs, other.cells):
        return False
    pairs = [(one.labels, other.labels), (one.float32, other.float32), (one.int8, other.int8)]
    return all(np.array_equal(a, b) for a, b in pairs if a is not None)


@pytest.mark.parametrize("on", [None, "blood-cell-images/TEST"])
@pytest.mark.parametrize("int8", [True, False])
def test_answers_are_read_back_as_they_were(tmp_path, on, int8):
    write_answers(tmp_path, answers(int8=int8), on)
    assert [path.name for path in tmp_path.iterdir()] == [answers_name(on)]
    found = read_answers(tmp_path, on)
    assert same(found, answers(int8=int8))
    assert found.labels.dtype == np.int64
    assert found.float32.dtype == np.float32


@SEVERAL
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7), keep=st.floats(0, 1))
def test_a_damaged_file_is_refused_by_name_or_has_lost_nothing(tmp_path, place, bit, keep):
    write_answers(tmp_path, answers())
    path = tmp_path / answers_name()
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[place % len(whole)] ^= 1 << bit
    path.write_bytes(flipped)
    try:
        assert same(read_answers(tmp_path), answers())
    except ConfigError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 (a flipped time of day is no damage)
    path.write_bytes(whole[: int(keep * (len(whole) - 1))])
    with pytest.raises(ConfigError, match=r"answers\.npz: cannot be read"):
        read_answers(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "wrong"),
    [
        ({"labels": None}, "has no array labels"),
        ({"labels": np.zeros(40)}, "array labels is float64"),
        ({"labels": np.zeros(39, np.int64)}, "not of one length"),
        ({"cells": np.array(["a"] * 39)}, "not of one length"),
        ({"cells": np.zeros(40)}, "array cells is float64"),
        ({"labels": np.full(40, 4)}, "no number of a class"),
        ({"int8": np.zeros((40, 3), np.float32)}, "do not match"),
        ({"photographs": np.array([None] * 40)}, "cannot be read"),
    ],
)
def test_a_file_with_other_arrays_is_refused(tmp_path, arrays, wrong):
    one = answers()
    stored = {"labels": one.labels, "photographs": np.array(one.photographs), "float32": one.float32}
    stored = {name: array for name, array in (stored | arrays).items() if array is not None}
    np.savez(tmp_path / answers_name(), **stored)
    with pytest.raises(ConfigError, match=wrong):
        read_answers(tmp_path)


def test_answers_that_are_not_there_say_how_to_get_them(tmp_path):
    with pytest.raises(ConfigError, match=r"evaluate --run .* --on a/b first"):
        read_answers(tmp_path, "a/b")


def test_what_cannot_be_written_leaves_what_was_there(tmp_path):
    folder = tmp_path / "taken"
    folder.mkdir()
    (folder / "kept").touch()
    with pytest.raises(OSError, match="irectory"):
        put_in_place(folder, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
