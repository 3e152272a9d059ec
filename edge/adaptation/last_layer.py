"""The last layer of an int8 network: found in its flatbuffer, read, and written again where it stands.

What is looked for is what `trainer.networks.registry.with_maps` exports: features -> fully connected ->
logits, and beside it the same weights as a 1x1 convolution without bias over the activation -> maps. Field
numbers and codes are those of TensorFlow Lite's schema (tensorflow/lite/schema/schema.fbs), quantization is
as its
specification has it: value = scale * (number - zero point), weights symmetric, a channel or a tensor at a
time, bias int32 at input scale * weight scale. Interpreters work out their multipliers from these scales when
they open the file, so new scales are all that new weights need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import BundleError
from edge.models.flatbuffer import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_CONV_2D, _DEQUANTIZE, _FULLY_CONNECTED = 3, 6, 9  # BuiltinOperator
_INT32, _INT8 = 2, 9  # TensorType
_NUMPY_TYPES = {_INT32: "<i4", _INT8: "i1"}
_STEPS = 127  # of int8 on each side of zero: weights leave -128 out
_MAX_BIAS = 2**30  # half of int32: the other half is room for the sum
_MIN_SCALE = 1e-6  # of a channel without weights; a scale of 0 is none


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor's numbers and quantization, as views. index: in the subgraph. values: (0,) where computed."""

    index: int
    shape: tuple[int, ...]
    type: int
    values: NDArray[Any]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    dimension: int

    @classmethod
    def read(cls, index: int, table: Table, buffers: list[Table]) -> _Tensor:
        kind, quantization = table.number(1, "b"), table.table(4)
        number = table.number(2, "I")
        if number >= len(buffers):
            raise ValueError("a tensor's buffer is not there")
        raw = buffers[number].numbers(0, "u1")
        return cls(
            index,
            tuple(table.numbers(0, "<i4").tolist()),
            kind,
            raw.view(_NUMPY_TYPES[kind]) if kind in _NUMPY_TYPES else raw,
            np.empty(0, np.float32) if quantization is None else quantization.numbers(2, "<f4"),
            np.empty(0, np.int64) if quantization is None else quantization.numbers(3, "<i8"),
            0 if quantization is None else quantization.number(6, "i"),
        )


@dataclass(frozen=True, slots=True)
class _Operator:
    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None


@dataclass(frozen=True, slots=True)
class Layer:
    """One int8 layer, as views into the file.

    weights: int8 (classes, n). weight_scale: float32 (classes,), or (1,) for a whole tensor. bias: int32
    (classes,), or (0,). input_scale: of what comes in. output_scale, output_zero_point: (1,). tensors: the
    numbers of those that are written.
    """

    tensors: frozenset[int]
    weights: NDArray[np.int8]
    weight_scale: NDArray[np.float32]
    bias: NDArray[np.int32]
    bias_scale: NDArray[np.float32]
    input_scale: float
    output_scale: NDArray[np.float32]
    output_zero_point: NDArray[np.int64]

    def kernel(self) -> Floats:
        """Return the weights as float64 (classes, n)."""
        return self.weights.astype(np.float64) * self.weight_scale.astype(np.float64).reshape(-1, 1)

    def offsets(self) -> Floats:
        """Return the bias as float64 (classes,), zeros where the layer has none."""
        if not self.bias.size:
            return np.zeros(len(self.weights))
        return self.bias.astype(np.float64) * self.bias_scale.astype(np.float64)

    def output_range(self) -> tuple[float, float]:
        """Return the lowest and the highest value that comes out; what lies beyond is cut off."""
        zero = int(self.output_zero_point[0])
        scale = float(self.output_scale[0])
        return (-128 - zero) * scale, (127 - zero) * scale

    def write(self, kernel: Floats, bias: Floats, output_range: tuple[float, float]) -> None:
        """Write weights (classes, n) and bias (classes,; not used without one), and the range of the outputs.

        A class whose row is what it was keeps its bytes where it has a scale of its own.
        """
        changed = (kernel != self.kernel()).any(axis=1) | (bias != self.offsets())
        weights, scale, offsets = quantized(
            kernel, bias, self.input_scale, per_channel=self.weight_scale.size > 1
        )
        if self.weight_scale.size == 1:  # the scale of all: a changed row changes every row's numbers
            changed, scales = np.ones_like(changed), np.array([True])
        else:
            scales = changed
        self.weights[changed], self.weight_scale[scales] = weights[changed], scale[scales]
        if self.bias.size:
            self.bias[changed] = offsets[changed]
            self.bias_scale[scales] = np.float32(self.input_scale) * scale[scales]
        self.output_scale[0], self.output_zero_point[0] = output_quantization(*output_range)


def quantized(
    kernel: Floats, bias: Floats, input_scale: float, *, per_channel: bool
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int32]]:
    """Quantize a dense layer's weights (classes, n) and bias (classes,) as TensorFlow Lite wants them.

    Gives int8 weights, float32 scales, (classes,) or (1,), and int32 bias at input_scale * scale. Each
    weight is off by half a step at most. The scale is wider than the weights need where the bias would not
    fit otherwise.
    """
    needed = np.maximum(np.abs(kernel).max(axis=1) / _STEPS, np.abs(bias) / (input_scale * _MAX_BIAS))
    needed = np.maximum(needed if per_channel else needed.max(keepdims=True), _MIN_SCALE)
    scale = needed.astype(np.float32)
    exact = scale.astype(np.float64)
    weights = np.clip(np.rint(kernel / exact[:, None]), -_STEPS, _STEPS).astype(np.int8)
    offsets = np.rint(bias / (input_scale * exact)).astype(np.int32)
    return weights, scale, offsets


def output_quantization(low: float, high: float) -> tuple[float, int]:
    """Return scale and zero point of int8 numbers from `low` to `high`; zero is among them and is exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / 255, _MIN_SCALE)
    return scale, int(np.clip(np.rint(-128 - low / scale), -128, 127))


class LastLayer:
    """The last layer of a network, found in its flatbuffer, which is written in place.

    model: the flatbuffer. outputs: our name -> the tensor's name. dense: what gives the logits. maps: the
    same weights as a 1x1 convolution. Raises BundleError where the network ends otherwise.
    """

    def __init__(self, model: bytearray, outputs: Mapping[str, str]) -> None:
        try:
            network = _Network(model)
            self.dense, self.maps = _found(network, outputs)
        except (ValueError, IndexError) as error:  # the reader's and NumPy's; a list that is too short
            raise BundleError(f"its last layer cannot be refitted: {error}") from None
        self._network = network

    def write(
        self, kernel: Floats, bias: Floats, logit_range: tuple[float, float], map_range: tuple[float, float]
    ) -> None:
        """Write float64 weights (classes, n) and bias (classes,), and the ranges of both outputs.

        Raises BundleError, the flatbuffer then being of no use, where what was written cannot be read again
        or another tensor shares its bytes.
        """
        before = self._network.bytes_but_of(self.dense, self.maps)
        self.dense.write(kernel, bias, logit_range)
        self.maps.write(kernel, np.zeros(len(bias)), map_range)
        if self._network.bytes_but_of(self.dense, self.maps) != before:
            raise BundleError("its last layer cannot be refitted: another layer shares its numbers")
        for layer in (self.dense, self.maps):
            # Where both layers share one vector of weights, the later has the last word on the earlier.
            steps = np.abs(layer.kernel() - kernel) / layer.weight_scale.reshape(-1, 1)
            if not steps.max() <= 0.51:  # also where a scale is no number
                raise BundleError("its last layer cannot be refitted: logits and maps need other weights")


class _Network:
    """Tensors and operators of a TFLite file that has one subgraph."""

    def __init__(self, model: bytearray) -> None:
        root = Table.root(model)
        subgraphs, buffers = root.tables(2), root.tables(4)
        if len(subgraphs) != 1:
            raise ValueError(f"it has {len(subgraphs)} subgraphs")
        (graph,) = subgraphs
        tensors = graph.tables(0)
        # Below 127 the code stands in the first field, from there on in the last: the larger one is it.
        codes = [max(code.number(0, "b"), code.number(3, "i")) for code in root.tables(1)]
        self.names = [table.text(3) for table in tensors]
        self.outputs = tuple(graph.numbers(2, "<i4").tolist())
        self.tensors = [_Tensor.read(index, table, buffers) for index, table in enumerate(tensors)]
        self.operators = []
        for operator in graph.tables(3):
            code = operator.number(0, "I")
            ends = [tuple(operator.numbers(field, "<i4").tolist()) for field in (1, 2)]
            if code >= len(codes) or max((*ends[0], *ends[1]), default=0) >= len(tensors):
                raise ValueError("an operator takes what is not there")
            self.operators.append(_Operator(codes[code], ends[0], ends[1], operator.table(4)))

    def output(self, name: str) -> int:
        """Return the tensor behind an output's name, the int8 one where float is made of it at the end."""
        for index in self.outputs:
            if 0 <= index < len(self.names) and self.names[index] == name:
                made_by = self.producer(index)
                if made_by is not None and made_by.code == _DEQUANTIZE:
                    return made_by.inputs[0]
                return int(index)
        raise ValueError(f"it has no output {name}")

    def producer(self, index: int) -> _Operator | None:
        return next((operator for operator in self.operators if index in operator.outputs), None)

    def used_further(self, index: int) -> bool:
        return any(index in operator.inputs and operator.code != _DEQUANTIZE for operator in self.operators)

    def bytes_but_of(self, *layers: Layer) -> list[bytes]:
        """Return the numbers and the quantization of all tensors that are not these layers' own."""
        own = {index for layer in layers for index in layer.tensors}
        return [
            part.tobytes()
            for tensor in self.tensors
            if tensor.index not in own
            for part in (tensor.values, tensor.scale, tensor.zero_point)
        ]


def _found(network: _Network, outputs: Mapping[str, str]) -> tuple[Layer, Layer]:
    missing = {"logits", "maps", "features"} - outputs.keys()
    if missing:
        raise ValueError(f"its description names no output for {', '.join(sorted(missing))}")
    logits, maps, features = (network.output(outputs[name]) for name in ("logits", "maps", "features"))
    dense, convolution = network.producer(logits), network.producer(maps)
    if dense is None or dense.code != _FULLY_CONNECTED or dense.inputs[0] != features:
        raise ValueError("its logits are not made from its features by one dense layer")
    if convolution is None or convolution.code != _CONV_2D:
        raise ValueError("its maps are not made by one convolution")
    # Fields of FullyConnectedOptions and Conv2DOptions: what must be 0, and the strides.
    plain = dense.options is None or not (dense.options.number(0, "b") or dense.options.number(1, "b"))
    slides = convolution.options is None or any(convolution.options.number(side, "i") != 1 for side in (1, 2))
    if not plain or slides or (convolution.options is not None and convolution.options.number(3, "b")):
        raise ValueError("its last layer does more than weigh and add")
    if network.used_further(logits) or network.used_further(maps):
        raise ValueError("something comes after its logits or its maps")
    head, grid = (_layer(network, operator) for operator in (dense, convolution))
    if not head.bias.size or grid.bias.any():
        raise ValueError("its logits have no bias, or its maps have one")
    steps = head.weight_scale.max() + grid.weight_scale.max()
    same = head.weights.shape == grid.weights.shape and np.abs(head.kernel() - grid.kernel()).max() <= steps
    if not same:  # also where a scale is no number
        raise ValueError("its maps are not made with the weights of its logits")
    return head, grid


def _layer(network: _Network, operator: _Operator) -> Layer:
    source, kernel, target = (network.tensors[index] for index in (*operator.inputs[:2], operator.outputs[0]))
    bias = (
        network.tensors[operator.inputs[2]] if len(operator.inputs) > 2 and operator.inputs[2] >= 0 else None
    )
    classes, length = kernel.shape[0], kernel.shape[-1]
    int8 = all(tensor.type == _INT8 for tensor in (source, kernel, target))
    if not int8 or kernel.values.size != classes * length or (bias is not None and bias.type != _INT32):
        raise ValueError("its last layer is not int8, dense or 1x1")
    one = source.scale.size == target.scale.size == target.zero_point.size == 1
    fitting = kernel.scale.size == 1 or (kernel.scale.size == classes and kernel.dimension == 0)
    if not one or not fitting or kernel.zero_point.any():
        raise ValueError("its last layer is quantized in another way")
    # No bias has no bytes; a bias has a number a class, and as many scales as the weights.
    if bias is not None and (bias.values.size, bias.scale.size) != (classes, kernel.scale.size):
        raise ValueError("the bias of its last layer is quantized in another way")
    return Layer(
        frozenset({kernel.index, target.index} | ({bias.index} if bias is not None else set())),
        kernel.values.reshape(classes, length),
        kernel.scale,
        np.empty(0, np.int32) if bias is None else bias.values,
        np.empty(0, np.float32) if bias is None else bias.scale,
        float(source.scale[0]),
        target.scale,
        target.zero_point,
    )
