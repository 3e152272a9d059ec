"""Two TFLite files made into one: what the first gives, the second takes. One subgraph, one signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION = b"min_runtime_version"


def spliced(first: bytes, second: bytes, joints: Mapping[str, str]) -> bytes:
    """Return one flatbuffer that runs the first and then the second; operators keep the converter's versions.

    Each has one subgraph and one signature. joints: an input of the second's signature -> the output of the
    first's that it takes; all inputs are named. The result has the first's inputs and the second's outputs,
    by their signatures' names. Raises ValueError where the two do not fit.
    """
    one, two = (flatbuffer_utils.read_model_from_bytearray(bytearray(content)) for content in (first, second))
    given = {_text(m.name): m.tensorIndex for m in one.signatureDefs[0].outputs}
    taken = {_text(m.name): m.tensorIndex for m in two.signatureDefs[0].inputs}
    if joints.keys() != taken.keys() or not set(joints.values()) <= given.keys():
        raise ValueError(f"{sorted(given)} do not fit {sorted(taken)} by {dict(joints)}")
    graph, head = one.subgraphs[0], two.subgraphs[0]
    place: dict[int, int] = {-1: -1}  # -1: an operator's optional tensor, left out
    for name, output in joints.items():
        here, there = graph.tensors[given[output]], head.tensors[taken[name]]
        if here.type != there.type or list(here.shape) != list(there.shape):
            raise ValueError(f"{output} is of another type or shape than {name}")
        place[taken[name]] = given[output]
    for index, tensor in enumerate(head.tensors):
        if index in place:
            continue
        place[index] = len(graph.tensors)
        tensor.buffer += len(one.buffers)
        tensor.name = b"head/" + tensor.name  # the runtime finds outputs by their names
        graph.tensors.append(tensor)
    for operator in head.operators:
        operator.opcodeIndex += len(one.operatorCodes)
        operator.inputs = [place[index] for index in operator.inputs]
        operator.outputs = [place[index] for index in operator.outputs]
        graph.operators.append(operator)
    one.operatorCodes += two.operatorCodes
    graph.outputs = [place[index] for index in head.outputs]
    one.signatureDefs[0].outputs = [_moved(output, place) for output in two.signatureDefs[0].outputs]
    newer = max(_needs(one), _needs(two))
    one.buffers += two.buffers
    _set_needs(one, newer)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(one))


def _moved(output: Any, place: Mapping[int, int]) -> Any:
    output.tensorIndex = place[output.tensorIndex]
    return output


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _needs(model: Any) -> tuple[int, ...]:
    """Return the oldest runtime that knows the file's operators, as the converter wrote it there."""
    for entry in model.metadata or ():
        if entry.name == _VERSION:
            said = bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode()
            return tuple(int(part) for part in said.split("."))
    raise ValueError("a file does not say which runtime knows its operators")


def _set_needs(model: Any, version: tuple[int, ...]) -> None:
    buffer = schema.BufferT()
    buffer.data = list(".".join(map(str, version)).encode().ljust(16, b"\0"))
    for entry in model.metadata:
        if entry.name == _VERSION:
            entry.buffer = len(model.buffers)
    model.buffers.append(buffer)
