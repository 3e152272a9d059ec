"""A result as one HTML page that needs nothing from elsewhere: the report, with its plots."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

from benchmarks import pictures, report
from benchmarks.latency import INTERPRETER, WITH_MAP
from benchmarks.plots import Plots
from benchmarks.timing import YARDSTICK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_STYLE = """
body { margin: 0 auto; max-width: 60rem; padding: 0 1rem 3rem; color: #1a1a1a; background: #fff;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #ccc; }
.wide { overflow-x: auto; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; flex: 1 1 20rem; }
figcaption { font-weight: bold; }
svg { display: block; max-width: 100%; height: auto; }
"""


def page(result: dict[str, Any], boards: Sequence[dict[str, Any]] = ()) -> str:
    """Return the page of a run. Raises LeukoscopeError where matplotlib is not installed."""
    return _page(
        "Leukoscope: how fast, how large, how right", _plots(result), report.markdown(result, boards)
    )


def soak_page(result: dict[str, Any], text: str) -> str:
    """Return the page of a soak; text: its report in Markdown. Raises LeukoscopeError as `page` does."""
    return _page("Leukoscope: a soak", _soak_plots(result), text)


def _page(title: str, plots: Iterator[str], text: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(title)}</h1>\n<div class="plots">\n{"".join(plots)}\n</div>\n{_html(text)}\n'
        "</main>\n</body>\n</html>\n"
    )


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


def _html(markdown: str) -> str:
    """Return the report's Markdown, which has paragraphs and tables only, as HTML."""
    blocks = []
    for block in re.split(r"\n\n+", markdown.strip()):
        lines = block.split("\n")
        if lines[0].startswith("|"):
            head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
            body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>\n" for row in rows)
            tops = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
            table = f"<table><thead><tr>{tops}</tr></thead><tbody>\n{body}</tbody></table>"
            blocks.append(f'<div class="wide">{table}</div>')
        else:
            text = re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(" ".join(lines)))
            blocks.append(f"<p>{text}</p>")
    return "\n".join(blocks)
