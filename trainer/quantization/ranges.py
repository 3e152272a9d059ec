"""What int8 calibration took each tensor's range to be, beside the values that the float network has there.

TensorFlow's calibrator reads a tensor once more after an operator that works in place has written its own
output over it (TensorFlow issue 127842), and widens its range by the other's. Else only worse calls tell.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from trainer.quantization.int8 import float_twin, with_black_and_white

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.quantization.int8 import Quantized

# Their int8 range is the operator's own, whatever the values are.
_SETS_ITS_RANGE = {"TANH", "LOGISTIC", "SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION"}

# Their inputs and outputs have one scale and zero point, so that the range is that of the widest of them.
_KEEPS_THE_SCALE = {
    "AVERAGE_POOL_2D",
    "BATCH_TO_SPACE_ND",
    "CONCATENATION",
    "EXPAND_DIMS",
    "GATHER",
    "MAXIMUM",
    "MAX_POOL_2D",
    "MINIMUM",
    "MIRROR_PAD",
    "PACK",
    "PAD",
    "PADV2",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR",
    "SLICE",
    "SPACE_TO_BATCH_ND",
    "SPLIT",
    "SQUEEZE",
    "STRIDED_SLICE",
    "TILE",
    "TRANSPOSE",
    "UNPACK",
}


@dataclass(frozen=True)
class Range:
    """A tensor's range, low to high, by its int8 scale and zero point, and what the float values do.

    lowest, highest: of the float values and 0, which every int8 range holds. clipped: the share, 0 to 1, of
    the values that lie outside by more than one int8 step. Of tensors that an operator ties to one scale
    (pooling, concatenation), lowest and highest are of them all. fixed: an operator sets the range itself.
    """

    tensor: str
    operator: str
    low: float
    high: float
    lowest: float
    highest: float
    clipped: float
    fixed: bool

    def width(self) -> float:
        """Return how many times wider than the values the range is; 1 where all values are 0."""
        spanned = self.highest - self.lowest
        return (self.high - self.low) / spanned if spanned and not self.fixed else 1.0


@dataclass(frozen=True)
class _Tensor:
    """An int8 tensor; group: the first of those tied to its scale, by its number in the file."""

    name: str
    operator: str
    scale: float
    zero_point: int
    group: int

    def span(self) -> tuple[float, float]:
        return (-128 - self.zero_point) * self.scale, (127 - self.zero_point) * self.scale


def calibrated_ranges(
    quantized: Quantized, crops: NDArray[np.uint8]
) -> tuple[tuple[Range, ...], tuple[str, ...]]:
    """Compare every int8 tensor that an operator gives with the float network's tensor of its name.

    crops: uint8 (n, 120, 120, 3), of those that the calibration saw; its black and its white pixel are added.
    Gives the ranges in the order of the operators, and the names of int8 tensors without a float twin.
    """
    floats = Interpreter(
        model_content=float_twin(quantized),
        # XNNPACK would fuse operators away; without this, memory of one tensor serves the next.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    floats.allocate_tensors()
    wanted = {t for operator in floats._get_ops_details() for t in operator["outputs"]}  # noqa: SLF001
    places = {detail["name"]: detail["index"] for detail in floats.get_tensor_details()}
    tensors = _int8_tensors(quantized.model)
    compared = [tensor for tensor in tensors if places.get(tensor.name) in wanted]
    found = _extremes(floats, {tensor: places[tensor.name] for tensor in compared}, crops)
    return tuple(_tied(found)), tuple(t.name for t in tensors if t not in found)


def _int8_tensors(model: bytes) -> list[_Tensor]:
    """List what operators give in int8, outputs of the file by the names that they have there."""
    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    operators = interpreter._get_ops_details()  # noqa: SLF001
    # An output of the file is the int8 tensor, dequantized; only the latter has the float network's name.
    names = {
        operator["inputs"][0]: details[operator["outputs"][0]]["name"]
        for operator in operators
        if operator["op_name"] == "DEQUANTIZE"
    }
    group: dict[int, int] = {}
    for operator in operators:
        if operator["op_name"] in _KEEPS_THE_SCALE:
            # Not by equal scales: a tensor that was misread has the very range of the one it was taken for.
            both = (*operator["inputs"], *operator["outputs"])
            tied = [index for index in both if index >= 0 and details[index]["dtype"] is np.int8]
            if not tied:  # of the head, which is float
                continue
            merged = {group.get(index, index) for index in tied}
            first = min(merged)
            group |= {index: first for index, former in group.items() if former in merged}
            group |= dict.fromkeys(tied, first)
    tensors = []
    for operator in operators:
        for index in operator["outputs"]:
            detail = details[index]
            scale, zero_point = detail["quantization"]
            # QUANTIZE only changes the scale: of the camera's bytes, or of a tensor that was compared.
            if detail["dtype"] is np.int8 and scale and operator["op_name"] != "QUANTIZE":
                name = names.get(index, detail["name"])
                tied_to = group.get(index, index)
                tensors.append(_Tensor(name, operator["op_name"], float(scale), int(zero_point), tied_to))
    return tensors


def _extremes(interpreter: Any, places: dict[_Tensor, int], crops: NDArray[np.uint8]) -> dict[_Tensor, Range]:
    entry = interpreter.get_input_details()[0]["index"]
    lowest: dict[_Tensor, float] = defaultdict(float)
    highest: dict[_Tensor, float] = defaultdict(float)
    outside: dict[_Tensor, int] = defaultdict(int)
    count: dict[_Tensor, int] = defaultdict(int)
    for crop in with_black_and_white(crops):
        interpreter.set_tensor(entry, crop[None].astype(np.float32) / 255)
        interpreter.invoke()
        for tensor, index in places.items():
            values = interpreter.get_tensor(index)
            (low, high), step = tensor.span(), tensor.scale
            lowest[tensor] = min(lowest[tensor], float(values.min()))
            highest[tensor] = max(highest[tensor], float(values.max()))
            outside[tensor] += int(np.count_nonzero((values < low - step) | (values > high + step)))
            count[tensor] += values.size
    return {
        tensor: Range(
            tensor.name,
            tensor.operator,
            *tensor.span(),
            lowest[tensor],
            highest[tensor],
            outside[tensor] / count[tensor],
            tensor.operator in _SETS_ITS_RANGE,
        )
        for tensor in places
    }


def _tied(found: dict[_Tensor, Range]) -> list[Range]:
    groups: dict[int, list[Range]] = defaultdict(list)
    for tensor, one in found.items():
        groups[tensor.group].append(one)
    ranges = []
    for tensor, one in found.items():
        group = groups[tensor.group]
        ranges.append(
            replace(
                one,
                lowest=min(r.lowest for r in group),
                highest=max(r.highest for r in group),
                fixed=any(r.fixed for r in group),
            )
        )
    return ranges
