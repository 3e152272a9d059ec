"""What is in one photograph, as a process of its own: a stranger's file never meets the page's process.

Started by the page; the picture comes on the standard input, the answer leaves as JSON.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import Any

import msgspec

from edge.errors import LeukoscopeError

CPU_S = 60
"""Seconds of computing; the kernel ends what takes longer."""

_NICE = 10  # counting goes first


class Settings(msgspec.Struct, frozen=True):
    """With which model, and how."""

    model: str
    recipe: str
    runtime: str
    name: str


def main() -> int:
    """Answer one picture. The exit status is 0 where there is an answer, also one that says why not."""
    settings = msgspec.json.decode(sys.argv[1], type=Settings)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)
    data = sys.stdin.buffer.read()
    try:
        answer = analyzed(data, settings)
    except LeukoscopeError as error:
        answer = {"error": str(error)}
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 0


def analyzed(data: bytes, settings: Settings) -> dict[str, Any]:
    """Return what `leukoscope analyze --json` says of a picture, with the second guess of each cell.

    Raises UnreadableFrameError, BundleError, NoRuntimeError.
    """
    from edge.analyzer import Analyzer  # noqa: PLC0415 (after the limits are set)
    from edge.cameras.image_files import decode_image  # noqa: PLC0415
    from edge.naming.classifier import Classifier  # noqa: PLC0415

    pixels = decode_image(data, Path(settings.name))
    classifier = Classifier.load(Path(settings.model), runtime=settings.runtime)
    field = Analyzer(classifier, settings.recipe).analyze(pixels)  # type: ignore[arg-type]
    return {
        "width": field.width,
        "height": field.height,
        "cells": [_cell(cell) for cell in field.cells],
        "refused": field.quality.reason,
        "quality": field.quality,
        "scale": field.scale,
        "red_cells": field.red_cells,
        "platelets": field.platelets,
    }


def _cell(cell: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {k: v for k, v in msgspec.to_builtins(cell).items() if k != "cell_id"}
    others = {label: value for label, value in cell.probabilities.items() if label != cell.label}
    second = max(others, key=lambda label: others[label], default=None)
    plain["second_label"] = second
    plain["second_probability"] = None if second is None else others[second]
    return plain


if __name__ == "__main__":
    sys.exit(main())
