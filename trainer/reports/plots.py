"""Plots of a report as SVG to stand inside a page; text stays text, and nothing is loaded from elsewhere."""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING

import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainer.reports.plot_style import BLUE, GREEN, GREY, ORANGE, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from matplotlib.axes import Axes

    from trainer.evaluation.curves import Bin, Roc
    from trainer.evaluation.metrics import Estimate

COLOURS = {"float": BLUE, "int8": ORANGE}
_STYLES = {"float": "-", "int8": "--"}  # for who sees no colours
_SQUARE = (3.7, 3.7)  # inches


def style() -> AbstractContextManager[None]:
    """Draw inside this: whatever the user has set for other plots, these look the same everywhere."""
    return matplotlib.style.context(["default", SETTINGS])


def confusion(counts: Sequence[Sequence[int]], labels: Sequence[str], title: str) -> Figure:
    """Draw counts and row shares; rows are the truth."""
    side = max(3.2, 1.0 + 0.75 * len(labels))
    figure, axes = _new((side + 0.6, side), title)
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            dark = shares[i][j] > 0.5
            share = f"{100 * shares[i][j]:.1f} %" if sum(row) else "-"
            axes.text(
                j + 0.5,
                i + 0.5,
                f"{count}\n{share}",
                ha="center",
                va="center",
                color="white" if dark else "black",
            )
    places = [i + 0.5 for i in range(len(labels))]
    axes.set_xticks(places, [_plain(label) for label in labels], rotation=30, ha="right")
    axes.set_yticks(places, [_plain(label) for label in labels])
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set_xlabel("called")
    axes.set_ylabel("is")
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def roc(curves: dict[str, tuple[Roc, Estimate]], title: str) -> Figure:
    """Draw one class's curves by arithmetic, each with its AUC and its band."""
    figure, axes = _new(_SQUARE, title)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    for name, (curve, auc) in curves.items():
        label = f"{name}: AUC {auc.value:.3f} ({auc.low:.3f}-{auc.high:.3f})"
        colour = COLOURS[name]
        axes.fill_between(
            curve.band_at, curve.band_low, curve.band_high, color=colour, alpha=0.15, linewidth=0
        )
        rates = curve.false_positive_rate, curve.true_positive_rate
        axes.plot(*rates, color=colour, linestyle=_STYLES[name], label=label)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.legend(loc="lower right")
    return figure


def reliability(bins: Sequence[Bin], name: str, title: str) -> Figure:
    """Draw how often calls of each confidence are right, and below how many there are of them."""
    figure = Figure(figsize=(3.7, 4.4), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    above.set_title(_plain(title))
    above.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    values = [one.accuracy.value for one in bins]
    errors = [
        [one.accuracy.value - one.accuracy.low for one in bins],
        [one.accuracy.high - one.accuracy.value for one in bins],
    ]
    above.errorbar(
        [one.confidence for one in bins],
        values,
        yerr=errors,
        color=COLOURS[name],
        linestyle=_STYLES[name],
        marker="o",
        markersize=4,
        elinewidth=1,
        capsize=2,
    )
    above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.05), ylabel="share right")
    below.bar(
        [one.low for one in bins],
        [one.images for one in bins],
        width=[one.high - one.low for one in bins],
        align="edge",
        color=COLOURS[name],
        edgecolor="white",
    )
    below.set(xlabel="probability of the called class", ylabel="images")
    return figure


def learning(history: Sequence[dict[str, float]], lines: dict[str, str], title: str) -> Figure:
    """Draw what training noted after each epoch: `lines` is from its name to the words for it."""
    figure, axes = _new((4.6, 3.2), title)
    looks = zip((BLUE, ORANGE, GREEN), ("-", "--", "-."), strict=True)
    for (key, words), (colour, style) in zip(lines.items(), looks, strict=False):
        known = [(epoch, logs[key]) for epoch, logs in enumerate(history, 1) if key in logs]
        # A dot shows a run of one epoch, which has no line.
        marker = "o" if len(known) == 1 else None
        xs, ys = [x for x, _ in known], [y for _, y in known]
        axes.plot(xs, ys, color=colour, linestyle=style, marker=marker, label=words)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(lines) > 1:
        axes.legend(loc="best")
    else:
        axes.set_ylabel(next(iter(lines.values())))
    return figure


def svg(figure: Figure, label: str, number: int) -> str:
    """The figure as an `<svg>` element. number: of the plot in its page, as ids must be unique there."""
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"(\bid=\"|href=\"#|url\(#)", rf"\1p{number}-", text)
    box = re.search(r"viewBox=\"[^\"]*\"", text)
    opening = f'<svg {box.group() if box else ""} role="img" aria-label="{escape(label)}"'
    opening += ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return re.sub(r"^<svg[^>]*>", lambda _: opening, text).strip()


def _new(size: tuple[float, float], title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set_title(_plain(title))
    return figure, axes


def _plain(text: str) -> str:
    """Keep a label's dollar signs from being read as mathematics."""
    return text.replace("$", r"\$")
