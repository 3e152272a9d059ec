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
    from edge.naming.classifier import Classifier  # noqa: PLC0415
    from edge.specimens.photographs import analyze_photograph  # noqa: PLC0415

    classifier = Classifier.load(Path(settings.model), runtime=settings.runtime)
    analyzer = Analyzer(classifier, settings.recipe)  # type: ignore[arg-type]
    photograph = analyze_photograph(analyzer, data, Path(settings.name))
    answer = photograph.plain()
    answer["refused"] = photograph.field.quality.reason
    for cell in answer["cells"]:
        _add_second_guess(cell)
    return answer


def _add_second_guess(cell: dict[str, Any]) -> None:
    others = {label: value for label, value in cell["probabilities"].items() if label != cell["label"]}
    second = max(others, key=lambda label: others[label], default=None)
    cell["second_label"] = second
    cell["second_probability"] = None if second is None else others[second]


if __name__ == "__main__":
    sys.exit(main())
