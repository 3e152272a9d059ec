"""The last layer is read from the flatbuffer as it is, and written so that the file answers with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge.adaptation.last_layer import LastLayer, output_quantization, quantized
from edge.config import SHIPPED_MODEL
from edge.errors import BundleError
from edge.models.bundle import read_bundle
from edge.models.flatbuffer import Table
from edge.models.runtime import RUNTIMES, Runtime, installed

BUNDLE = read_bundle(SHIPPED_MODEL)
OUTPUTS = BUNDLE.description.outputs
CLASSES = len(BUNDLE.description.labels)
FEATURES = len(BUNDLE.description.reject.familiarity.spread)
CROPS = np.random.default_rng(3).integers(0, 256, (4, 120, 120, 3), np.uint8)


def opened(model=BUNDLE.model):
    content = bytearray(model)
    return content, LastLayer(content, OUTPUTS)


def expected_logits(layer, features):
    return np.clip(features @ layer.kernel().T + layer.offsets(), *layer.output_range())


def per_tensor():
    """Return the shipped network with one scale for all weights of its last layer, as older files have it."""
    model, last = opened()
    start = np.frombuffer(model, np.uint8).ctypes.data
    kernel, bias = last.dense.kernel(), last.dense.offsets()
    for layer, offsets in ((last.dense, bias), (last.maps, np.zeros(CLASSES))):
        weights, scale, whole = quantized(kernel, offsets, layer.input_scale, per_channel=False)
        layer.weights[:], layer.weight_scale[:], layer.bias[:] = weights, scale, whole
        layer.bias_scale[:] = np.float32(layer.input_scale) * scale
        for view in (layer.weight_scale, layer.bias_scale):
            at = view.ctypes.data - start - 4
            assert model[at : at + 4] == CLASSES.to_bytes(4, "little"), "a vector's length stands before it"
            model[at : at + 4] = (1).to_bytes(4, "little")
    root = Table.root(model)
    tensors = root.tables(2)[0].tables(0)
    for number in last.dense.tensors | last.maps.tensors:
        zeros = tensors[number].table(4).numbers(3, "<i8")
        if zeros.size == CLASSES:
            at = zeros.ctypes.data - start - 4
            model[at : at + 4] = (1).to_bytes(4, "little")
    return bytes(model)


def test_what_is_read_is_what_the_schema_says():
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    _, last = opened()
    graph = schema.Model.GetRootAs(BUNDLE.model, 0)
    tensors = [graph.Subgraphs(0).Tensors(i) for i in range(graph.Subgraphs(0).TensorsLength())]
    named = {tensor.Name().decode(): tensor for tensor in tensors}
    for layer, name in ((last.dense, "scores_1/MatMul"), (last.maps, "maps_1/convolution")):
        (tensor,) = [tensor for key, tensor in named.items() if key.endswith(name)]
        data = graph.Buffers(tensor.Buffer()).DataAsNumpy().view(np.int8)
        assert np.array_equal(layer.weights.ravel(), data)
        assert np.array_equal(layer.weight_scale, tensor.Quantization().ScaleAsNumpy())


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_features_times_weights_plus_bias_are_the_logits_of_the_file(runtime):
    if runtime not in installed():
        pytest.skip(f"{runtime} is not usable in this process")
    for model in (BUNDLE.model, per_tensor()):
        _, last = opened(model)
        session = Runtime(model, OUTPUTS, choice=runtime)
        for crop in CROPS:
            answer = session.run(crop)
            off = expected_logits(last.dense, answer["features"]) - answer["logits"]
            assert np.abs(off).max() < 0.6 * last.dense.output_scale[0]


def test_writing_what_is_there_changes_no_byte():
    model, last = opened()
    ranges = last.dense.output_range(), last.maps.output_range()
    last.write(last.dense.kernel(), last.dense.offsets(), *ranges)
    assert bytes(model) == BUNDLE.model


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
@pytest.mark.parametrize("per_channel", [True, False])
def test_what_is_written_is_what_the_file_answers(runtime, per_channel):
    if runtime not in installed():
        pytest.skip(f"{runtime} is not usable in this process")
    model, last = opened() if per_channel else opened(per_tensor())
    rng = np.random.default_rng(5)
    kernel = last.dense.kernel() + rng.normal(0, 0.2, last.dense.weights.shape)
    bias = last.dense.offsets() + rng.normal(0, 2, CLASSES)
    last.write(kernel, bias, (-40, 40), (-300, 300))
    session = Runtime(bytes(model), OUTPUTS, choice=runtime)
    for crop in CROPS:
        before, after = Runtime(BUNDLE.model, OUTPUTS, choice=runtime).run(crop), session.run(crop)
        assert np.array_equal(before["features"], after["features"])
        wanted = after["features"] @ kernel.T + bias
        assert np.abs(wanted - after["logits"]).max() < 0.5
        steps = np.abs(expected_logits(last.dense, after["features"]) - after["logits"])
        assert steps.max() < 0.6 * last.dense.output_scale[0]
        from_map = after["maps"].mean(axis=(0, 1)) + bias
        assert np.abs(from_map - after["logits"]).max() < 1.5, "the map still accounts for the score"


def test_only_the_last_layer_changes_and_a_row_that_stays_keeps_its_bytes():
    model, last = opened()
    _, was = opened()
    kernel, bias = last.dense.kernel(), last.dense.offsets()
    kernel[1] *= 3
    bias[1] += 1
    last.write(kernel, bias, (-20, 20), (-80, 80))
    kept = [0, 2, 3]
    for now, before in ((last.dense, was.dense), (last.maps, was.maps)):
        assert np.array_equal(now.weights[kept], before.weights[kept])
        assert np.array_equal(now.weight_scale[kept], before.weight_scale[kept])
        assert np.array_equal(now.bias[kept], before.bias[kept])
        assert now.weight_scale[1] == pytest.approx(3 * before.weight_scale[1], rel=1e-5)
    changed = np.flatnonzero(np.frombuffer(model, np.uint8) != np.frombuffer(BUNDLE.model, np.uint8))
    assert len(model) == len(BUNDLE.model)
    assert len(changed) < 200, "scales, a bias, ranges; the row is three times the same numbers"


numbers = st.floats(-50, 50, width=32)


@settings(max_examples=200, deadline=None)
@given(
    arrays(np.float64, (3, 7), elements=numbers),
    arrays(np.float64, 3, elements=st.floats(-1e4, 1e4)),
    st.floats(1e-4, 10),
    st.booleans(),
)
def test_quantized_weights_are_within_half_a_step_and_the_bias_fits(kernel, bias, input_scale, per_channel):
    weights, scale, offsets = quantized(kernel, bias, input_scale, per_channel=per_channel)
    assert (weights.dtype, scale.dtype, offsets.dtype) == (np.int8, np.float32, np.int32)
    assert scale.shape == ((3,) if per_channel else (1,))
    assert (scale > 0).all()
    assert weights.min() >= -127
    step = scale.astype(np.float64).reshape(-1, 1)
    assert (np.abs(weights * step - kernel) <= 0.5001 * step).all()
    assert (np.abs(offsets) <= 2**30 * 1.001).all()
    assert (np.abs(offsets * step[:, 0] * input_scale - bias) <= 0.5001 * step[:, 0] * input_scale).all()


@settings(max_examples=200, deadline=None)
@given(st.floats(-100, 100), st.floats(-100, 100))
def test_an_outputs_range_holds_what_was_asked_and_zero_exactly(one, other):
    low, high = sorted((one, other))
    scale, zero = output_quantization(low, high)
    assert scale > 0
    assert -128 <= zero <= 127
    assert (-128 - zero) * scale <= min(low, 0) + 0.51 * scale
    assert (127 - zero) * scale >= max(high, 0) - 0.51 * scale


def test_a_network_that_ends_otherwise_is_refused():
    without = {name: tensor for name, tensor in OUTPUTS.items() if name != "features"}
    for outputs, why in (
        (without, "no output for features"),
        (OUTPUTS | {"features": OUTPUTS["maps"]}, "not made from its features"),
        (OUTPUTS | {"maps": OUTPUTS["features"]}, "not made by one convolution"),
        (OUTPUTS | {"logits": "another"}, "it has no output another"),
    ):
        with pytest.raises(BundleError, match=why):
            LastLayer(bytearray(BUNDLE.model), outputs)


def test_maps_of_other_weights_than_the_logits_are_refused():
    model, last = opened()
    last.maps.weight_scale[2] *= 2
    with pytest.raises(BundleError, match="not made with the weights of its logits"):
        LastLayer(model, OUTPUTS)


def test_numbers_that_another_layer_shares_are_not_written_unnoticed():
    model, _ = opened()
    tensors = Table.root(model).tables(2)[0].tables(0)

    def of_shape(*shape):
        return next(tensor for tensor in tensors if tuple(tensor.numbers(0, "<i4")) == shape)

    place = of_shape(FEATURES, 1, 1, 6 * FEATURES)._field(2)  # noqa: SLF001 (where the number of its buffer stands)
    model[place : place + 4] = of_shape(CLASSES, FEATURES).number(2, "I").to_bytes(4, "little")
    last = LastLayer(model, OUTPUTS)
    with pytest.raises(BundleError, match="another layer shares"):
        last.write(last.dense.kernel()[::-1], last.dense.offsets(), (-9, 9), (-9, 9))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(BUNDLE.model) - 1), st.integers(1, 255))
def test_a_damaged_flatbuffer_is_read_or_refused_and_nothing_else(position, flip):
    model = bytearray(BUNDLE.model)
    model[position] ^= flip
    try:
        LastLayer(model, OUTPUTS)
    except BundleError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("length", [0, 3, 8, 400, 5000])
def test_a_cut_off_flatbuffer_is_refused(length):
    with pytest.raises(BundleError, match="cannot be refitted"):
        LastLayer(bytearray(BUNDLE.model[:length]), OUTPUTS)
