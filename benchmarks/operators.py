"""What a network asks of a processor: multiply-accumulates and bytes of each operator, read from its file."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge.models.flatbuffer import Table

# Field numbers and codes of the TFLite schema.
_CODES, _SUBGRAPHS = 1, 2
_OLD_CODE, _CODE = 0, 3
_TENSORS, _OPERATORS = 0, 3
_SHAPE, _TYPE, _BUFFER = 0, 1, 2
_OPCODE, _INPUTS, _OUTPUTS = 0, 1, 2
_KINDS = {
    0: "add",
    3: "convolution",
    4: "depthwise convolution",
    6: "dequantize",
    9: "fully connected",
    22: "reshape",
    40: "mean",
    114: "quantize",
}
_SIZES = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1}  # bytes of a value, by the tensor's type


@dataclass(frozen=True)
class Operator:
    """kind: its name. moved_bytes: what it reads, its weights among it, and what it writes."""

    kind: str
    macs: int
    moved_bytes: int


def operators(model: bytes) -> list[Operator]:
    """Return the operators of a TFLite file in their order. Raises ValueError where it is damaged."""
    root = Table.root(bytearray(model))
    codes = [max(code.number(_OLD_CODE, "b"), code.number(_CODE, "i")) for code in root.tables(_CODES)]
    graph = root.tables(_SUBGRAPHS)[0]
    tensors = graph.tables(_TENSORS)
    shapes = [tuple(tensor.numbers(_SHAPE, "<i4").tolist()) for tensor in tensors]
    sizes = [
        math.prod(shape) * _SIZES.get(tensor.number(_TYPE, "b"), 4)
        for tensor, shape in zip(tensors, shapes, strict=True)
    ]
    found = []
    for operator in graph.tables(_OPERATORS):
        code = codes[operator.number(_OPCODE, "I")]
        # -1: an optional tensor that is not there
        inputs = [number for number in operator.numbers(_INPUTS, "<i4").tolist() if number >= 0]
        outputs = operator.numbers(_OUTPUTS, "<i4").tolist()
        kind = _KINDS.get(code, f"operator {code}")
        macs = 0
        if kind in {"convolution", "depthwise convolution", "fully connected"}:
            macs = math.prod(shapes[outputs[0]]) * _each(kind, shapes[inputs[1]])
        found.append(Operator(kind, macs, sum(sizes[number] for number in (*inputs, *outputs))))
    return found


def _each(kind: str, weights: tuple[int, ...]) -> int:
    """Return the multiply-accumulates for one value of the output."""
    # (out, height, width, in), (1, height, width, channels), (out, in)
    return math.prod(weights[1:3]) if kind == "depthwise convolution" else math.prod(weights[1:])
