"""The network without one of its outputs: what that output costs, the difference tells."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from edge.models.flatbuffer import Table

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

# Field numbers of the TFLite schema.
_SUBGRAPHS = 2
_TENSORS, _OUTPUTS, _OPERATORS = 0, 2, 3
_OPERATOR_INPUTS, _OPERATOR_OUTPUTS = 1, 2
_TENSOR_NAME = 3


def keeping(model: bytes, names: Collection[str]) -> bytes:
    """Return a TFLite file with these outputs only, and without the operators that served the others alone.

    names: of tensors. Raises ValueError where the file has no such output or is damaged.
    """
    content = bytearray(model)
    graph = Table.root(content).tables(_SUBGRAPHS)[0]
    tensors = graph.tables(_TENSORS)
    outputs = graph.numbers(_OUTPUTS, "<i4")
    kept = [int(number) for number in outputs if tensors[number].text(_TENSOR_NAME) in names]
    if len(kept) != len(names):
        raise ValueError(f"the network has not all of the outputs {', '.join(sorted(names))}")
    needed = set(kept)
    operators = graph.tables(_OPERATORS)
    used = []
    for place in reversed(range(len(operators))):
        if needed.intersection(operators[place].numbers(_OPERATOR_OUTPUTS, "<i4").tolist()):
            needed.update(operators[place].numbers(_OPERATOR_INPUTS, "<i4").tolist())
            used.append(place)
    used.reverse()
    outputs[: len(kept)] = kept
    _shorten(content, outputs, len(kept))
    offsets = graph.numbers(_OPERATORS, "<u4")
    # An offset counts from its own place.
    offsets[: len(used)] = [offsets[old] + 4 * (old - new) for new, old in enumerate(used)]
    _shorten(content, offsets, len(used))
    return bytes(content)


def _shorten(content: bytearray, entries: NDArray[np.generic], length: int) -> None:
    start = entries.__array_interface__["data"][0] - _address(content)
    struct.pack_into("<I", content, start - 4, length)


def _address(content: bytearray) -> int:
    address: int = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    return address
