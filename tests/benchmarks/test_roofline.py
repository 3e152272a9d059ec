"""The roof is what the runtime can do, and the network's demands are those of its operators."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from benchmarks import roofline
from benchmarks.matrix import matrix_product
from benchmarks.operators import operators
from edge.config import SHIPPED_MODEL
from edge.models.bundle import read_bundle
from edge.models.runtime import RUNTIMES, installed


@pytest.fixture
def runtime():
    pytest.importorskip("ai_edge_litert")
    return next(iter(installed()))


def test_the_matrix_product_is_one(runtime):
    module = importlib.import_module(RUNTIMES[runtime])
    interpreter = module.Interpreter(model_content=matrix_product(4, 32, 8))
    interpreter.allocate_tensors()
    left = np.random.default_rng(2).integers(-127, 128, (4, 32), np.int8)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], left)
    interpreter.invoke()
    weights = np.random.default_rng(1).integers(-127, 128, (8, 32), np.int8)
    expected = np.clip(np.round(left.astype(int) @ weights.T.astype(int) * 1e-4), -128, 127)
    np.testing.assert_allclose(
        interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), expected, atol=1
    )


@pytest.mark.usefixtures("runtime")
def test_a_product_s_demands_are_counted():
    (product,) = operators(matrix_product(4, 32, 8))
    assert product.kind == "fully connected"
    assert product.macs == 4 * 32 * 8
    assert product.moved_bytes == 4 * 32 + 8 * 32 + 8 * 4 + 4 * 8  # left, weights, bias of int32, product


def test_the_shipped_network_s_first_convolution_is_counted():
    convolution = next(one for one in operators(read_bundle(SHIPPED_MODEL).model) if one.macs)
    assert convolution.kind == "convolution"
    assert convolution.macs == 60 * 60 * 32 * 3 * 3 * 3  # stride 2 on 120 x 120 x 3, 32 channels


def test_the_network_stands_under_its_roof(runtime):
    network = read_bundle(SHIPPED_MODEL).model
    roof = roofline.measure(network, 5.0, threads=1, runtime=runtime)
    assert roof.macs == sum(share.macs for share in roof.kinds)
    assert roof.bound_ms > 0
    assert roof.bound_ms >= 1000 * roof.macs / (roof.peak_gmacs * 1e9) * 0.99
    assert roof.share == pytest.approx(roof.bound_ms / 5.0, rel=0.02, abs=1e-3)


def test_a_damaged_network_is_refused():
    with pytest.raises(ValueError, match="leads out of the file"):
        operators(read_bundle(SHIPPED_MODEL).model[:2000])
