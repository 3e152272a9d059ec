"""How long each stage takes, from the encoded picture to the committed result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.analyzer import Analyzer
from edge.classifier import Classifier
from edge.masking import cut_crop, find_cells
from edge.quality import assess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

WARM_UP = 5
"""Calls before the clock counts: caches, lazily made buffers, the branch predictor."""


@dataclass(frozen=True)
class Latency:
    """One stage's times in milliseconds, over `calls` calls."""

    stage: str
    calls: int
    p50: float
    p90: float
    p99: float
    maximum: float


def measure(
    jpegs: Sequence[bytes], model: Path, *, repetitions: int, threads: int, runtime: str
) -> tuple[list[Latency], str]:
    """Time every stage on encoded pictures; give the rows and the runtime's name.

    Each picture is one call of decode, mask and field, each cell one of crop and of classify.
    """
    classifier = Classifier.load(model, threads=threads, runtime=runtime)
    analyzer = Analyzer(classifier)
    frames = [_decode(jpeg) for jpeg in jpegs]
    masks = [find_cells(frame) for frame in frames]
    cut = [(frame, found, cell) for frame, found in zip(frames, masks, strict=True) for cell in found.cells]
    crops = [cut_crop(*arguments) for arguments in cut]
    stages: dict[str, list[Callable[[], object]]] = {
        "decode": [lambda jpeg=jpeg: _decode(jpeg) for jpeg in jpegs],  # type: ignore[misc]
        "quality": [lambda frame=frame: assess(frame) for frame in frames],  # type: ignore[misc]
        "mask": [lambda frame=frame: find_cells(frame) for frame in frames],  # type: ignore[misc]
        "crop, a cell": [lambda a=a: cut_crop(*a) for a in cut],  # type: ignore[misc]
        "classify and map, a cell": [lambda crop=crop: classifier.classify(crop) for crop in crops],  # type: ignore[misc]
        "field, picture to calls": [lambda jpeg=jpeg: analyzer.analyze(_decode(jpeg)) for jpeg in jpegs],  # type: ignore[misc]
    }
    rows = [_time(stage, calls, repetitions) for stage, calls in stages.items() if calls]
    return rows, classifier.runtime_name


def _time(stage: str, calls: Sequence[Callable[[], object]], repetitions: int) -> Latency:
    for call in calls[:WARM_UP]:
        call()
    times = []
    for _ in range(repetitions):
        for call in calls:
            started = time.perf_counter()
            call()
            times.append(1000 * (time.perf_counter() - started))
    p50, p90, p99 = np.percentile(times, (50, 90, 99))
    return Latency(
        stage,
        len(times),
        round(float(p50), 3),
        round(float(p90), 3),
        round(float(p99), 3),
        round(max(times), 3),
    )


def _decode(jpeg: bytes) -> NDArray[np.uint8]:
    pixels = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
