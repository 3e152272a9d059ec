"""How long each stage takes, from the encoded picture to the calls with their maps, and what peers take."""

from __future__ import annotations

import os
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import cv2

from benchmarks import delivering, network, pictures, timing
from benchmarks.peer_process import PEERS, PeerFacts, PeerProcess, PeersMissingError, job_for
from benchmarks.peers import BARE, BareLoop, float_network, other_runtimes
from edge.analyzer import Analyzer
from edge.cameras.image_files import read_image
from edge.finding.cells import CellFinder
from edge.masking import cut_crop
from edge.models.runtime import Runtime
from edge.naming.classifier import Classifier
from edge.quality.assessment import assess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

WITH_MAP, WITHOUT_MAP = "network with map, a look", "network without map, a look"
BARE_ONE = "bare loop, drawn field of one cell"
INTERPRETER = "bare interpreter call, a look"
FIELD = "field, picture to calls"
_IN_CPU = "notebook way / field of one cell, stored and published, processor's time"
NOTEBOOK = f"peer: {PEERS[0].name}, field of one cell"


@dataclass(frozen=True)
class Measured:
    """What a run gives. runtime: its name with its version. left_out: what could not be measured, and why."""

    rows: list[timing.Latency]
    ratios: dict[str, Ratio]
    runtime: str
    left_out: list[str]
    peers: list[PeerFacts]


@dataclass(frozen=True)
class Ratio:
    """A ratio within one run: the median over the repetitions, and the lowest and highest of them."""

    median: float
    lowest: float
    highest: float


def measure(
    files: Sequence[Path],
    model: Path,
    *,
    repetitions: int,
    threads: int,
    runtime: str,
    folder: Path,
    float_model: Path | None = None,
    peers_python: Path | None = None,
) -> Measured:
    """Time every stage and peer on picture files, in turns.

    Each picture is one call of read, mask and field, each cell one of crop and of classify. A look is one
    pass of the network over a cell; to classify takes as many as the bundle has turns.
    folder: where drawn fields and the store are written. peers_python: the interpreter that runs the peers
    with processes of their own; None leaves them out. Raises LeukoscopeError.
    """
    classifier = Classifier.load(model, threads=threads, runtime=runtime)
    analyzer = Analyzer(classifier)
    finder = CellFinder.of_bundle(classifier.bundle, threads=threads, runtime=runtime)
    frames = [read_image(file) for file in files]
    masks = [analyzer.find(frame) for frame in frames]
    cut = [(frame, cell) for frame, found in zip(frames, masks, strict=True) for cell in found.cells]
    crops = [cut_crop(*arguments) for arguments in cut]
    used = classifier.runtime_name.split()[0]
    description = classifier.bundle.description
    flatbuffer, outputs = classifier.bundle.model, description.outputs
    mapless = {name: tensor for name, tensor in outputs.items() if name != "maps"}
    whole = Runtime(flatbuffer, outputs, threads=threads, choice=used)
    cut_down = Runtime(network.keeping(flatbuffer, mapless.values()), mapless, threads=threads, choice=used)
    logits_only = network.keeping(flatbuffer, [outputs["logits"]])
    bare = BareLoop(logits_only, threads=threads, runtime=used)

    def analyze(file: Path) -> object:
        return analyzer.analyze(read_image(file))

    stages: dict[str, list[Callable[[], object]]] = {
        "read and decode": [partial(read_image, file) for file in files],
        "quality": [partial(assess, frame) for frame in frames],
        "find, without outlines": [partial(finder.find, frame) for frame in frames],
        "mask": [partial(analyzer.find, frame) for frame in frames],
        "crop, a cell": [partial(cut_crop, *arguments) for arguments in cut],
        "classify and map, a cell": [partial(classifier.classify, crop) for crop in crops],
        FIELD: [partial(analyze, file) for file in files],
        WITH_MAP: [partial(whole.run, crop) for crop in crops],
        WITHOUT_MAP: [partial(cut_down.run, crop) for crop in crops],
        INTERPRETER: [partial(bare.invoke, crop) for crop in crops],
        BARE: [partial(bare.run, file) for file in files],
    }
    many = pictures.crowded(folder)
    found = {count: len(analyzer.find(read_image(file)).cells) for count, file in many.items()}
    for count, file in many.items():
        stages[_of(count, found)] = [partial(analyze, file)] * 5
    stages[BARE_ONE] = [partial(bare.run, many[1])] * 5
    for size, file in pictures.resized(many[5], folder).items():
        stages[f"field of {size}, 5 cells"] = [partial(analyze, file)] * 3
    if threads == 1 and (cores := os.cpu_count() or 1) > 1:
        several = Analyzer(Classifier.load(model, threads=cores, runtime=runtime))
        stages[f"{FIELD}, {cores} threads"] = [partial(_threaded, several, file, cores) for file in files]
    peers, left_out = other_runtimes(model, used, threads)
    if float_model:
        peers["float network"] = float_network(float_model.read_bytes(), threads=threads, runtime=used)
    else:
        left_out.append("float network (no --float-model)")
    for name, call in peers.items():
        stages[f"peer: {name}, a look"] = [partial(call, crop) for crop in crops]
    with ExitStack() as stack:
        one = analyzer.analyze(read_image(many[1]))
        delivery, missing = stack.enter_context(
            delivering.stages(folder, one, classifier.reference, len(files))
        )
        stages |= delivery
        processes, absent = _processes(stack, model, many[1], crops, threads, folder, peers_python)
        for process in processes:
            whole_picture = process.peer.whole_pictures
            stage = NOTEBOOK if whole_picture else f"peer: {process.peer.name}, a look"
            stages[stage] = [partial(process.call, n) for n in range(5 if whole_picture else len(crops))]
        rows = timing.measure(stages, repetitions)
        ours = [int(whole.run(crop)["logits"].argmax()) for crop in crops]
        facts = [process.facts(ours) for process in processes]
    return Measured(rows, _ratios(rows, found), classifier.runtime_name, left_out + missing + absent, facts)


def _processes(
    stack: ExitStack,
    model: Path,
    picture: Path,
    crops: Sequence[NDArray[np.uint8]],
    threads: int,
    folder: Path,
    python: Path | None,
) -> tuple[list[PeerProcess], list[str]]:
    """Start the peers that are there, one after the other; give them and the others, each with its reason."""
    if python is None or not crops:
        why = "--without-peers" if python is None else "no cell was found in the pictures"
        return [], [f"{peer.name} ({why})" for peer in PEERS]
    job = job_for(model, picture, crops, threads=threads, folder=folder)
    processes, absent = [], []
    for peer in PEERS:
        try:
            processes.append(stack.enter_context(PeerProcess(peer, job, python)))
        except PeersMissingError as error:
            absent.append(str(error))
    return processes, absent


def _threaded(analyzer: Analyzer, file: Path, threads: int) -> timing.Spent:
    """Analyse with OpenCV's own threads as well; setting them up is nobody's time."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    started, used = time.perf_counter(), time.process_time()
    analyzer.analyze(read_image(file))
    spent = timing.Spent(time.perf_counter() - started, time.process_time() - used)
    cv2.setNumThreads(before)
    return spent


def _of(count: int, found: dict[int, int]) -> str:
    """Name the stage of a field with this many cells."""
    missed = "" if found[count] == count else f", {found[count]} found"
    return f"field of {count} cell{'s' if count > 1 else ''}{missed}"


def _ratios(rows: Sequence[timing.Latency], found: dict[int, int]) -> dict[str, Ratio]:
    medians = {row.stage: row.medians for row in rows}

    def ratio(above: str, below: str) -> Ratio:
        return spread([a / b for a, b in zip(medians[above], medians[below], strict=True)])

    ratios = {}
    if WITH_MAP in medians:
        ratios["network with map / without"] = ratio(WITH_MAP, WITHOUT_MAP)
    ratios["field, picture to calls / bare loop"] = ratio(FIELD, BARE)
    few, lots = min(found), max(found)
    if INTERPRETER in medians and found[lots] > found[few]:
        names = [_of(count, found) for count in (few, lots)]
        further = [
            (b - a) / (found[lots] - found[few]) / call
            for a, b, call in zip(medians[names[0]], medians[names[1]], medians[INTERPRETER], strict=True)
        ]
        ratios["each further cell / bare interpreter call"] = spread(further)
    used = {row.stage: row.cpu_medians for row in rows}
    if NOTEBOOK in used and delivering.PUBLISH in used:
        ours = (used[name] for name in (_of(few, found), delivering.STORE, delivering.PUBLISH))
        whole = [sum(parts) for parts in zip(*ours, strict=True)]
        ratios[_IN_CPU] = spread([a / b for a, b in zip(used[NOTEBOOK], whole, strict=True)])
    return ratios


def spread(ratios: Sequence[float]) -> Ratio:
    """Return the ratio of a run from those of its repetitions."""
    return Ratio(round(statistics.median(ratios), 3), round(min(ratios), 3), round(max(ratios), 3))
