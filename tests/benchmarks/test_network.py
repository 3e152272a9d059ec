"""A network without its map is the same network: else the map's cost is a figure of something else."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.network import keeping
from edge.config import SHIPPED_MODEL
from edge.models.bundle import read_bundle
from edge.models.runtime import Runtime


def test_what_is_kept_answers_as_before():
    bundle = read_bundle(SHIPPED_MODEL)
    outputs = bundle.description.outputs
    mapless = {name: tensor for name, tensor in outputs.items() if name != "maps"}
    crop = np.random.default_rng(3).integers(0, 256, (120, 120, 3), np.uint8)
    whole = Runtime(bundle.model, outputs).run(crop)
    cut = Runtime(keeping(bundle.model, mapless.values()), mapless).run(crop)
    assert set(cut) == set(whole) - {"maps"}
    for name, values in cut.items():
        np.testing.assert_array_equal(values, whole[name])


def test_an_output_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="not all of the outputs nothing"):
        keeping(read_bundle(SHIPPED_MODEL).model, ["nothing"])
