"""A TFLite file that is one int8 matrix product: what the same runtime gets out of this processor at best."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_FULLY_CONNECTED = 9
_INT8, _INT32 = 9, 2
_SCHEMA_VERSION = 3
_SCALE = 0.01


def matrix_product(rows: int, inner: int, columns: int) -> bytes:
    """A TFLite file that multiplies int8 (rows, inner) by drawn int8 weights into int8 (rows, columns).

    Raises ImportError where ai-edge-litert, which brings the schema, is not installed.
    """
    schema: Any = importlib.import_module("ai_edge_litert.schema_py_generated")
    flatbuffers: Any = importlib.import_module("flatbuffers")
    random = np.random.default_rng(1)

    def tensor(name: str, shape: Sequence[int], kind: int, buffer: int, scale: float) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name.encode(), list(shape), kind, buffer
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [0]
        return made

    def buffer(values: np.ndarray[Any, Any] | None) -> Any:
        made = schema.BufferT()
        if values is not None:
            made.data = values.view(np.uint8).ravel()
        return made

    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1, 2], [3]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("input", (rows, inner), _INT8, 0, _SCALE),
        tensor("weights", (columns, inner), _INT8, 1, _SCALE),
        tensor("bias", (columns,), _INT32, 2, _SCALE * _SCALE),
        tensor("output", (rows, columns), _INT8, 0, 1.0),
    ]
    graph.inputs, graph.outputs, graph.operators = [0], [3], [operator]
    code = schema.OperatorCodeT()
    code.deprecatedBuiltinCode = code.builtinCode = _FULLY_CONNECTED
    code.version = 4  # int8
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = _SCHEMA_VERSION, [code], [graph]
    weights = random.integers(-127, 128, (columns, inner), np.int8)
    model.buffers = [buffer(None), buffer(weights), buffer(np.zeros(columns, np.int32))]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
