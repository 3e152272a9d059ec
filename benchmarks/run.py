"""One run over all that is measured: its parts one after the other, each in turns with its peers."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from benchmarks import accuracy, comparison, daemon, latency, memory, pictures, roofline, soak, throughput
from benchmarks.environment import environment
from benchmarks.timing import WARM_UP
from edge.analyzer import Analyzer
from edge.models.bundle import read_bundle
from edge.naming.classifier import Classifier

if TYPE_CHECKING:
    import argparse


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what the command line asks for; give the result file's content. Raises LeukoscopeError."""
    cv2.setNumThreads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facts = environment(folder) | {"load": f"{os.getloadavg()[0]:.1f}"}
        files = pictures.chosen(options.images, options.fields, folder)
        measured = latency.measure(
            files,
            options.model,
            repetitions=options.repetitions,
            threads=options.threads,
            runtime=options.runtime,
            folder=folder,
            float_model=options.float_model,
            peers_python=None if options.without_peers else options.peers_python or Path(sys.executable),
        )
        result: dict[str, Any] = {
            "schema": comparison.SCHEMA,
            "environment": facts,
            "runtime": measured.runtime,
            "threads": options.threads,
            "pictures": options.images or f"simulated slide, {len(files)} fields of 640x480",
            "warm_up": WARM_UP,
            "repetitions": options.repetitions,
            "latency_ms": [asdict(row) for row in measured.rows],
            "ratios": {name: asdict(ratio) for name, ratio in measured.ratios.items()},
            "peers": [asdict(facts) for facts in measured.peers],
            "left_out": measured.left_out,
        }
        flatbuffer = read_bundle(options.model).model
        _add_roofline(result, options, measured, flatbuffer)
        analyzer = Analyzer(Classifier.load(options.model, threads=options.threads, runtime=options.runtime))
        result["accuracy"] = asdict(accuracy.measure(analyzer, options.labelled, folder, options.fields))
        rates = throughput.measure(
            files, options.model, repetitions=options.repetitions, runtime=options.runtime
        )
        result["throughput"] = [asdict(rate) for rate in rates]
        if options.daemon:
            _add_daemon(result, options, measured, folder)
        result["cold_start"] = asdict(memory.measure(files[0], options.model, runtime=options.runtime))
    return result


def soaked(options: argparse.Namespace) -> dict[str, Any]:
    """Soak as the command line asks for; give the result file's content. Raises LeukoscopeError."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facts = environment(folder) | {"load": f"{os.getloadavg()[0]:.1f}"}
        found = soak.measure(
            options.model, folder, minutes=options.minutes, every_s=options.every, runtime=options.runtime
        )
    return {"schema": soak.SCHEMA, "environment": facts, "minutes": options.minutes, **found}


def _add_roofline(
    result: dict[str, Any], options: argparse.Namespace, measured: latency.Measured, flatbuffer: bytes
) -> None:
    network_ms = next((row.p50 for row in measured.rows if row.stage == latency.WITH_MAP), None)
    if network_ms is None:
        result["left_out"].append("roofline (no cell was found in the pictures)")
        return
    runtime = measured.runtime.split()[0]
    try:
        roof = roofline.measure(flatbuffer, network_ms, threads=options.threads, runtime=runtime)
    except ImportError as error:
        result["left_out"].append(f"roofline ({error.name} is not installed)")
    else:
        result["roofline"] = asdict(roof)


def _add_daemon(
    result: dict[str, Any], options: argparse.Namespace, measured: latency.Measured, folder: Path
) -> None:
    """Run the daemon as well, and set its time beside the bare loop's and the notebook's, on one field."""
    run = daemon.measure(
        pictures.crowded(folder, (1,))[1],
        options.model,
        folder,
        fields=3 * options.fields,
        repetitions=options.repetitions,
        runtime=options.runtime,
    )
    result["daemon"] = asdict(run)
    medians = {row.stage: row.medians for row in measured.rows}
    bare = [a / b for a, b in zip(run.intervals_ms, medians[latency.BARE_ONE], strict=True)]
    result["ratios"]["daemon, sustained / bare loop"] = asdict(latency.spread(bare))
    if latency.NOTEBOOK in medians:
        notebook = [a / b for a, b in zip(medians[latency.NOTEBOOK], run.intervals_ms, strict=True)]
        result["ratios"]["notebook way / daemon, sustained"] = asdict(latency.spread(notebook))
