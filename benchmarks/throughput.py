"""How many fields a second one process gets through, with one thread and with several."""

from __future__ import annotations

import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.analyzer import Analyzer
from edge.cameras.image_files import read_image
from edge.naming.classifier import Classifier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FEWEST_FIELDS = 20


@dataclass(frozen=True)
class Throughput:
    """Fields a second, picture to calls: the median of the repetitions, their lowest and their highest.

    threads: each reads, masks and classifies fields of its own, with an interpreter of its own.
    """

    threads: int
    fields_per_second: float
    lowest: float
    highest: float


def measure(files: Sequence[Path], model: Path, *, repetitions: int, runtime: str) -> list[Throughput]:
    """Run over the pictures with one thread and with as many as there are cores, in turns.

    OpenCV's own threads are as the caller set them. Raises LeukoscopeError.
    """
    counts = sorted({1, os.cpu_count() or 1})
    pictures = list(files) * -(-_FEWEST_FIELDS // len(files))
    analyzers = [Analyzer(Classifier.load(model, runtime=runtime)) for _ in range(counts[-1])]
    rates: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(repetitions):
        for count, found in rates.items():
            found.append(_rate(analyzers[:count], pictures))
    return [
        Throughput(
            count, *(round(figure, 2) for figure in (statistics.median(found), min(found), max(found)))
        )
        for count, found in rates.items()
    ]


def _rate(analyzers: Sequence[Analyzer], pictures: Sequence[Path]) -> float:
    rest = iter(pictures)  # one for all: `next` of a list's iterator is one step, so no picture comes twice

    def work(analyzer: Analyzer) -> None:
        for file in rest:
            analyzer.analyze(read_image(file))

    with ThreadPoolExecutor(len(analyzers)) as pool:
        started = time.perf_counter()
        for done in [pool.submit(work, analyzer) for analyzer in analyzers]:
            done.result()
        return len(pictures) / (time.perf_counter() - started)
