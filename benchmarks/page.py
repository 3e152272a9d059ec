"""A result as one HTML page that needs nothing from elsewhere: the report, with its plots."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, PackageLoader
from markupsafe import Markup

from benchmarks import pictures, report
from benchmarks.latency import INTERPRETER, WITH_MAP
from benchmarks.plots import Plots
from benchmarks.timing import YARDSTICK
from trainer.reports.html import TEMPLATES, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_TEMPLATES = TEMPLATES.overlay(
    loader=ChoiceLoader([PackageLoader("benchmarks"), PackageLoader("trainer.reports")])
)
"""The trainer's pages give theirs their look."""


def page(result: dict[str, Any], boards: Sequence[dict[str, Any]] = ()) -> str:
    """Return the page of a run. Raises LeukoscopeError where matplotlib is not installed."""
    return _page(
        "Leukoscope: how fast, how large, how right", _plots(result), report.markdown(result, boards)
    )


def soak_page(result: dict[str, Any], text: str) -> str:
    """Return the page of a soak; text: its report in Markdown. Raises LeukoscopeError as `page` does."""
    return _page("Leukoscope: a soak", _soak_plots(result), text)


def _page(title: str, plots: Iterable[str], text: str) -> str:
    svgs = Markup("\n").join(map(Markup, plots))  # our own, with their titles escaped
    return _TEMPLATES.get_template("measured.html").render(title=title, plots=svgs, blocks=_blocks(text))


def _plots(result: dict[str, Any]) -> Iterator[str]:
    plots = Plots()
    rows = {row["stage"]: (row["stage"], row["p50"], row["p99"]) for row in result["latency_ms"]}
    rows.pop(YARDSTICK, None)
    peers = [
        row for name, row in rows.items() if name.startswith("peer: ") or name in {WITH_MAP, INTERPRETER}
    ]
    stages = [row for name, row in rows.items() if not name.startswith(("peer: ", "field of "))]
    yield plots.bars("Stages", stages, "ms")
    if len(peers) > 2:
        yield plots.bars("The network, and what one could run instead", peers, "ms")
    counts = [(n, _median(rows, rf"field of {n} cells?(,|$)")) for n in pictures.COUNTS]
    known = [(float(n), ms) for n, ms in counts if ms is not None]
    if known:
        yield plots.lines("A field by its white cells", {"field": known}, "cells", "ms")
    sizes = [(w * h / 1e6, _median(rows, f"field of {w}x{h}")) for w, h in pictures.SIZES]
    sized = [(size, ms) for size, ms in sizes if ms is not None]
    if sized:
        yield plots.lines("A field of five cells by its pixels", {"field": sized}, "megapixels", "ms")
    if result.get("roofline"):
        yield plots.roof("The network under the roofline", result["roofline"])


def _median(rows: dict[str, tuple[str, float, float]], pattern: str) -> float | None:
    return next((row[1] for name, row in rows.items() if re.match(pattern, name)), None)


def _soak_plots(result: dict[str, Any]) -> Iterator[str]:
    plots = Plots()
    for title, key, unit in (
        ("Throughput", "fields_per_second", "fields a second"),
        ("Memory of the daemon", "rss_mib", "MiB"),
        ("Temperature", "temperature_c", "°C"),
        ("Clock", "clock_mhz", "MHz"),
    ):
        points = [(row["at_s"] / 60, row[key]) for row in result["rows"] if row[key] is not None]
        if points:
            yield plots.lines(title, {title: points}, "minutes", unit)


def _blocks(markdown: str) -> Iterator[Table | list[str]]:
    """The paragraphs and tables of the report's Markdown. Of a paragraph every second part is code."""
    for block in re.split(r"\n\n+", markdown.strip()):
        lines = block.split("\n")
        if lines[0].startswith("|"):
            head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
            yield Table(head[0], head, rows)
        else:
            yield " ".join(lines).split("`")
