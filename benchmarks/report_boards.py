"""A row a machine. Those that it is made for have one too, empty until somebody runs it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.latency import BARE_ONE, FIELD

if TYPE_CHECKING:
    from collections.abc import Sequence

WANTED = ("Raspberry Pi 5", "Raspberry Pi 4", "Raspberry Pi Zero 2 W")
COMMAND = "leukoscope-bench --daemon --json pi.json"
"""What fills a row: run there; then `readme --board pi.json` here, or `readme` there."""

_HEAD = (
    "machine",
    "field, picture to calls ms",
    "bare loop ms",
    "daemon, a result every ms",
    "frame to acknowledgement ms",
    "first result s",
    "peak RSS MiB",
)


def table(results: Sequence[dict[str, Any]]) -> list[str]:
    """The lines of a Markdown table: the results' machines, then the wanted that are not among them."""
    rows = [_row(result) for result in results]
    known = [result["environment"]["board"] for result in results]
    missing = [name for name in WANTED if not any(board.startswith(name) for board in known)]
    empty = " |" * (len(_HEAD) - 1)
    lines = [f"| {' | '.join(_HEAD)} |", "|---" * len(_HEAD) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += [f"| {name}{empty} |" for name in missing]
    if missing:
        lines += ["", f"Rows without figures were not measured; on the machine, `{COMMAND}` does it."]
    return lines


def _row(result: dict[str, Any]) -> list[str]:
    facts, run = result["environment"], result.get("daemon") or {}
    medians = {row["stage"]: row["p50"] for row in result["latency_ms"] if "p50" in row}
    board = facts["board"]
    name = board if facts["processor"] == "unknown" else f"{board}, {facts['processor']}"
    figures = (
        medians.get(FIELD),
        medians.get(BARE_ONE),
        run.get("interval_ms"),
        run.get("single_p50_ms"),
        run.get("first_result_s"),
        run.get("peak_rss_mib") or result["cold_start"]["peak_rss_mib"],
    )
    return [name, *("" if figure is None else f"{figure:.4g}" for figure in figures)]
