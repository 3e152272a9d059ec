"""Plots of a result as SVG to stand inside a page; nothing is loaded from elsewhere."""

from __future__ import annotations

import importlib
import io
import re
from html import escape
from typing import TYPE_CHECKING, Any

from edge.errors import LeukoscopeError
from trainer.reports.plot_style import BLUE, GREY, ORANGE, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Plots:
    """Draws with matplotlib. Raises LeukoscopeError where that is not installed."""

    def __init__(self) -> None:
        try:
            self._figure: Any = importlib.import_module("matplotlib.figure").Figure
            self._style: Any = importlib.import_module("matplotlib.style")
        except ImportError:
            raise LeukoscopeError(
                "the page's plots want matplotlib: pip install 'leukoscope[bench]'"
            ) from None
        self._drawn = 0

    def bars(self, title: str, rows: Sequence[tuple[str, float, float]], unit: str) -> str:
        """Draw a bar a row, (name, median, 99th percentile), on a logarithmic axis; the latter is a mark."""
        with self._style.context(["default", SETTINGS]):
            figure, axes = self._new((7.2, 0.8 + 0.24 * len(rows)))
            names, medians, high = zip(*rows, strict=True)
            places = range(len(rows))
            axes.barh(places, medians, color=BLUE, height=0.7)
            axes.plot(high, places, "|", color=ORANGE, markersize=9, markeredgewidth=2)
            axes.set_yticks(places, names)
            axes.invert_yaxis()
            axes.set_xscale("log")
            axes.set_xlabel(f"{unit}: bar median, mark 99th percentile")
            return self._svg(figure, title)

    def lines(self, title: str, curves: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> str:
        """Draw curves of points (x, y), each by its name."""
        with self._style.context(["default", SETTINGS]):
            figure, axes = self._new((4.6, 3.2))
            for (name, points), colour in zip(curves.items(), (BLUE, ORANGE, GREY), strict=False):
                axes.plot(*zip(*points, strict=True), marker="o", markersize=3, color=colour, label=name)
            axes.set_xlabel(x)
            axes.set_ylabel(y)
            axes.set_ylim(bottom=0)
            if len(curves) > 1:
                axes.legend()
            return self._svg(figure, title)

    def roof(self, title: str, roof: Mapping[str, Any]) -> str:
        """Draw the roofline, and the network under it."""
        with self._style.context(["default", SETTINGS]):
            figure, axes = self._new((4.6, 3.2))
            steps = [0.25 * 2**step for step in range(13)]
            for name, style in (("cache", "-"), ("memory", "--")):
                rate = roof[f"{name}_gbs"]
                intensities = sorted([*steps, roof["peak_gmacs"] / rate])
                reach = [min(roof["peak_gmacs"], rate * each) for each in intensities]
                axes.plot(intensities, reach, style, color=BLUE, label=f"{name}, {rate:.0f} GB/s")
            reached = roof["macs"] / (roof["network_ms"] * 1e6)
            axes.plot([roof["macs"] / roof["moved_bytes"]], [reached], "o", color=ORANGE, label="the network")
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel("multiply-accumulates a byte")
            axes.set_ylabel("10^9 a second")
            axes.legend()
            return self._svg(figure, title)

    def _new(self, inches: tuple[float, float]) -> tuple[Any, Any]:
        figure = self._figure(figsize=inches, layout="constrained")
        return figure, figure.subplots()

    def _svg(self, figure: Any, title: str) -> str:
        """Return the plot as a figure of HTML, with ids that no other plot of the page has."""
        self._drawn += 1
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        svg = file.getvalue()
        svg = svg[svg.index("<svg") :]
        svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\1p{self._drawn}-", svg)
        svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
        return f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>"
