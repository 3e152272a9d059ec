"""What changed between two runs, beyond their noise.

What is compared is the processor's time, each repetition's median over the run's yardstick, so that a
machine that is busier or clocked lower for one run does not pass for a change. Of these the ratio of the two
runs' medians is bootstrapped (Efron 1979); a stage has changed when the whole 99 % interval lies more than a
tolerance off 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from benchmarks.timing import YARDSTICK
from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SCHEMA = "leukoscope.bench/2"
_DRAWS = 2000
_INTERVAL = (0.5, 99.5)
_TOLERANCE = 0.05
_FEWEST = 3


@dataclass(frozen=True)
class Change:
    """One stage: the second run's time over the first's, its interval, and whether that is a change."""

    stage: str
    ratio: float
    low: float
    high: float
    changed: bool


def load(file: Path) -> dict[str, Any]:
    """Read a result. Raises LeukoscopeError where the file is none of this version."""
    try:
        result = msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise LeukoscopeError(f"{file}: cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise LeukoscopeError(f"{file}: is no result of leukoscope-bench ({error})") from None
    if not isinstance(result, dict) or result.get("schema") != SCHEMA:
        raise LeukoscopeError(
            f"{file}: is no result of this leukoscope-bench; run it again with --json {file}"
        )
    return result


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Return each stage that both results have, in the order of the first.

    Raises LeukoscopeError where one has too few repetitions to tell its noise.
    """
    first, second = _relative(before), _relative(after)
    if min(before["repetitions"], after["repetitions"]) < _FEWEST:
        raise LeukoscopeError(
            f"a comparison needs {_FEWEST} repetitions in each result; run with --repetitions"
        )
    return [_change(stage, first[stage], second[stage]) for stage in first if stage in second]


def table(changes: list[Change]) -> str:
    """Return what changed as Markdown, or the one sentence that nothing did."""
    changed = [change for change in changes if change.changed]
    if not changed:
        return f"Nothing changed beyond noise in {len(changes)} stages."
    lines = ["| stage | after / before | 99 % interval |  |", "|---|---|---|---|"]
    lines += [
        f"| {c.stage} | {c.ratio:.2f} | {c.low:.2f}-{c.high:.2f} | {'slower' if c.ratio > 1 else 'faster'} |"
        for c in changed
    ]
    return "\n".join(lines)


def _relative(result: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    medians = {row["stage"]: np.array(row["cpu_medians"], np.float64) for row in result["latency_ms"]}
    yardstick = np.median(medians.pop(YARDSTICK))
    return {stage: times / yardstick for stage, times in medians.items()}


def _change(stage: str, before: NDArray[np.float64], after: NDArray[np.float64]) -> Change:
    random = np.random.default_rng(1)  # the same two files give the same answer
    drawn = [np.median(random.choice(times, (_DRAWS, len(times))), axis=1) for times in (before, after)]
    low, high = np.percentile(drawn[1] / drawn[0], _INTERVAL)
    ratio = float(np.median(after) / np.median(before))
    changed = bool(low > 1 + _TOLERANCE or high < 1 - _TOLERANCE)
    return Change(stage, round(ratio, 3), round(float(low), 3), round(float(high), 3), changed)
