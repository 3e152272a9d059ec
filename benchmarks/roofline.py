"""How far the network is from what this processor can do: the roofline (Williams, Waterman, Patterson 2009).

The roof is measured: an int8 matrix product through the same runtime, and copies of arrays that lie in the
cache and in memory. No operator can take less than its multiply-accumulates at the one rate, or its bytes at
the other; their sum bounds the network.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.matrix import matrix_product
from benchmarks.operators import Operator, operators
from benchmarks.timing import timed
from edge.models.runtime import RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Callable

_PRODUCT = 256, 512, 512
_CACHE_BYTES, _MEMORY_BYTES = 96 << 10, 64 << 20
_ENOUGH_S = 0.3


@dataclass(frozen=True)
class Share:
    """All operators of a kind: how many, what they ask for, and the least they can take, milliseconds."""

    kind: str
    count: int
    macs: int
    moved_bytes: int
    bound_ms: float


@dataclass(frozen=True)
class Roofline:
    """The network, the roof, and where the network stands under it.

    file_bytes: of the network with its weights, which are read once a call. peak_gmacs: 10^9 int8
    multiply-accumulates a second. cache_gbs, memory_gbs: 10^9 bytes a second, read and written.
    bound_ms: the least that the network can take. network_ms: what it takes. share: the one over the other.
    """

    macs: int
    moved_bytes: int
    file_bytes: int
    peak_gmacs: float
    cache_gbs: float
    memory_gbs: float
    bound_ms: float
    network_ms: float
    share: float
    kinds: tuple[Share, ...]


def measure(model: bytes, network_ms: float, *, threads: int, runtime: str) -> Roofline:
    """Measure the roof, and set the network under it.

    network_ms: what a call takes. Raises ImportError where ai-edge-litert is not installed.
    """
    peak = _peak(threads, runtime)
    cache, memory = _bandwidth(_CACHE_BYTES), _bandwidth(_MEMORY_BYTES)
    found = operators(model)

    def bound_s(one: Operator) -> float:
        return max(one.macs / peak, one.moved_bytes / cache)

    kinds = []
    for kind in dict.fromkeys(one.kind for one in found):
        those = [one for one in found if one.kind == kind]
        kinds.append(
            Share(
                kind,
                len(those),
                sum(one.macs for one in those),
                sum(one.moved_bytes for one in those),
                round(1000 * sum(map(bound_s, those)), 5),
            )
        )
    bound = 1000 * sum(map(bound_s, found))
    return Roofline(
        sum(one.macs for one in found),
        sum(one.moved_bytes for one in found),
        len(model),
        round(peak / 1e9, 2),
        round(cache / 1e9, 2),
        round(memory / 1e9, 2),
        round(bound, 4),
        network_ms,
        round(bound / network_ms, 3),
        tuple(kinds),
    )


def _peak(threads: int, runtime: str) -> float:
    """Return int8 multiply-accumulates a second: the best of many products."""
    rows, inner, columns = _PRODUCT
    module = importlib.import_module(RUNTIMES[runtime])
    interpreter: Any = module.Interpreter(
        model_content=matrix_product(rows, inner, columns), num_threads=threads
    )
    interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]["index"]
    interpreter.set_tensor(place, np.random.default_rng(2).integers(-127, 128, (rows, inner), np.int8))
    return rows * inner * columns / _best_s(interpreter.invoke)


def _bandwidth(size: int) -> float:
    """Return bytes a second, read and written, of copying an array of this size: the best of many copies."""
    source, target = np.ones(size, np.uint8), np.empty(size, np.uint8)
    return 2 * size / _best_s(lambda: np.copyto(target, source))


def _best_s(call: Callable[[], object]) -> float:
    call()
    times = [timed(call).wall_s]
    until = time.perf_counter() + _ENOUGH_S
    while time.perf_counter() < until:
        times.append(timed(call).wall_s)
    return min(times)
