"""leukoscope-bench: latency of every stage, cold start and memory, with what they were measured on."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from benchmarks import latency, memory
from benchmarks.environment import environment
from edge.cameras.replay import ReplayCamera
from edge.cameras.simulated import SimulatedCamera
from edge.config import SHIPPED_MODEL, ReplayConfig, SimulatedConfig
from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; print Markdown, write JSON where asked."""
    parser = argparse.ArgumentParser(prog="leukoscope-bench", description="Measure latency and memory.")
    parser.add_argument(
        "--images", nargs="+", metavar="PATH", help="instead of 640x480 fields of the simulated slide"
    )
    parser.add_argument("--fields", type=_count, default=20, help="how many pictures (default: 20)")
    parser.add_argument("--repetitions", type=_count, default=5, help="passes over them (default: 5)")
    parser.add_argument("--threads", type=_count, default=1)
    parser.add_argument("--runtime", choices=("auto", "ai-edge-litert", "tflite-runtime"), default="auto")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as well")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(options.threads)
    try:
        with tempfile.TemporaryDirectory() as folder:
            files = _pictures(options.images, options.fields, Path(folder))
            rows, runtime = latency.measure(
                files,
                options.model,
                repetitions=options.repetitions,
                threads=options.threads,
                runtime=options.runtime,
            )
            cold = memory.measure(files[0], options.model, runtime=options.runtime)
    except LeukoscopeError as error:
        print(f"leukoscope-bench: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_status
    status = 0
    result = {
        "schema": "leukoscope.bench/1",
        "environment": environment(),
        "runtime": runtime,
        "threads": options.threads,
        "pictures": options.images or f"simulated slide, {len(files)} fields of 640x480",
        "latency_ms": [asdict(row) for row in rows],
        "cold_start": asdict(cold),
    }
    if options.json:
        try:
            options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            print(f"leukoscope-bench: {options.json}: cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201
            status = 1
    print(_markdown(result))  # noqa: T201
    return status


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _pictures(images: Sequence[str] | None, count: int, folder: Path) -> list[Path]:
    if images:
        return list(ReplayCamera(ReplayConfig(tuple(images))).files[:count])
    camera = SimulatedCamera(SimulatedConfig(cells=count))
    files: list[Path] = []
    while len(files) < count and (frame := camera.read()):
        file = folder / f"{len(files):04d}.jpg"
        cv2.imwrite(str(file), cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
        files.append(file)
    return files


def _markdown(result: dict[str, Any]) -> str:
    facts = result["environment"]
    lines = [
        f"{facts['processor']}, {facts['cores']} cores, kernel {facts['kernel']}",
        f"{result['runtime']}, {result['threads']} thread(s); {result['pictures']};",
        f"commit {facts.get('commit', 'unknown')}",
        "",
        "| stage | calls | p50 ms | p90 ms | p99 ms | maximum ms |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['stage']} | {row['calls']} | {row['p50']} | {row['p90']} | {row['p99']} | {row['maximum']} |"
        for row in result["latency_ms"]
    ]
    cold = result["cold_start"]
    lines += [
        "",
        f"Cold start, median of {cold['starts']}: imports {cold['import_s']} s,",
        f"model with its golden inputs {cold['model_s']} s, first field {cold['first_field_s']} s,",
        f"in all {cold['total_s']} s; peak RSS {cold['peak_rss_mib']:.0f} MiB.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
