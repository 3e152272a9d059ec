"""How long each stage takes, from the encoded picture to the calls with their maps."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.analyzer import Analyzer
from edge.cameras.replay import read_image
from edge.classifier import Classifier
from edge.masking import cut_crop, find_cells
from edge.quality import assess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


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
    files: Sequence[Path], model: Path, *, repetitions: int, threads: int, runtime: str
) -> tuple[list[Latency], str]:
    """Time every stage on picture files; give the rows and the runtime's name.

    Each picture is one call of read, mask and field, each cell one of crop and of classify.
    """
    classifier = Classifier.load(model, threads=threads, runtime=runtime)
    analyzer = Analyzer(classifier)
    frames = [read_image(file) for file in files]
    masks = [find_cells(frame) for frame in frames]
    cut = [(frame, found, cell) for frame, found in zip(frames, masks, strict=True) for cell in found.cells]
    crops = [cut_crop(*arguments) for arguments in cut]
    stages: dict[str, list[Callable[[], object]]] = {
        "read and decode": [lambda file=file: read_image(file) for file in files],  # type: ignore[misc]
        "quality": [lambda frame=frame: assess(frame) for frame in frames],  # type: ignore[misc]
        "mask": [lambda frame=frame: find_cells(frame) for frame in frames],  # type: ignore[misc]
        "crop, a cell": [lambda a=a: cut_crop(*a) for a in cut],  # type: ignore[misc]
        "classify and map, a cell": [lambda crop=crop: classifier.classify(crop) for crop in crops],  # type: ignore[misc]
        "field, picture to calls": [
            lambda file=file: analyzer.analyze(read_image(file))  # type: ignore[misc]
            for file in files
        ],
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
