"""Rounds over all that is compared, so that a machine that slows down slows all of it alike.

Every second round goes backwards: who comes next finds in the processor's caches what the one before left
there, a tenth of a network's time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Calls = Sequence[Callable[[], object]]

WARM_UP = 5
"""Calls before the clock counts: caches, lazily made buffers, the branch predictor."""

YARDSTICK = "yardstick"
"""Work that never changes, timed in every repetition: by it two runs are compared."""


class Spent(NamedTuple):
    """What a call gives that takes its own time, as one in another process does. Seconds."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Latency:
    """One stage's times in milliseconds.

    p50 to maximum: the medians over the repetitions of each repetition's own figure. medians: each
    repetition's p50. cpu_medians: the same of the processor's time, which others on the machine take no part
    of.
    """

    stage: str
    calls: int
    p50: float
    p90: float
    p99: float
    maximum: float
    medians: tuple[float, ...]
    cpu_medians: tuple[float, ...]


def measure(stages: Mapping[str, Calls], repetitions: int) -> list[Latency]:
    """Time stages in turns, call by call, once in each repetition; the yardstick is the last row."""
    rows: dict[str, Calls] = {stage: list(calls) for stage, calls in stages.items() if calls}
    rows[YARDSTICK] = [yardstick] * max((len(calls) for calls in rows.values()), default=1)
    for calls in rows.values():
        for call in calls[:WARM_UP]:
            call()
    return [_summary(stage, times) for stage, times in _rounds(rows, repetitions).items()]


def _summary(stage: str, repetitions: Sequence[Sequence[tuple[float, float]]]) -> Latency:
    """Return the row of a stage from its times, wall and processor, milliseconds, in each repetition."""
    percentiles = np.array([np.percentile(times, (50, 90, 99, 100), axis=0) for times in repetitions])
    p50, p90, p99, maximum = (round(float(value), 4) for value in np.median(percentiles[:, :, 0], axis=0))
    wall, cpu = (tuple(round(float(v), 4) for v in percentiles[:, 0, clock]) for clock in (0, 1))
    return Latency(stage, sum(map(len, repetitions)), p50, p90, p99, maximum, wall, cpu)


def yardstick() -> float:
    """Do a fixed piece of work of the kinds that the pipeline does: OpenCV, NumPy, Python."""
    image = cv2.GaussianBlur(_PICTURE, (5, 5), 0)
    total = float(np.log(image.astype(np.float32) + 1).sum())
    for number in range(2000):
        total += number % 7
    return total


def _rounds(rows: dict[str, Calls], repetitions: int) -> dict[str, list[list[tuple[float, float]]]]:
    times: dict[str, list[list[tuple[float, float]]]] = {stage: [] for stage in rows}
    for _ in range(repetitions):
        for found in times.values():
            found.append([])
        for turn in range(max(map(len, rows.values()))):
            for stage in reversed(rows) if turn % 2 else rows:
                calls = rows[stage]
                if turn < len(calls):
                    spent = timed(calls[turn])
                    times[stage][-1].append((1000 * spent.wall_s, 1000 * spent.cpu_s))
    return times


def timed(call: Callable[[], object]) -> Spent:
    """Return the time that a call took, or what it says itself."""
    started, used = time.perf_counter(), time.process_time()
    outcome = call()
    cpu = time.process_time() - used
    return outcome if isinstance(outcome, Spent) else Spent(time.perf_counter() - started, cpu)


_PICTURE = np.random.default_rng(1).integers(0, 256, (240, 320), np.uint8)
