"""Plots of the proof: what randomisation leaves of a map, and what deletion and insertion do to a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from matplotlib.figure import Figure

from trainer.explanations.baselines import BASELINES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.explanations.records import MeanCurves, Randomisation

_BLUE, _RED, _GREEN, _ORANGE, _PINK, _GREY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#767676"
# Okabe and Ito's palette; baselines are grey, and line styles differ besides.
_METHODS = ((_BLUE, "-"), (_RED, "-"), (_GREEN, "--"), (_ORANGE, "-."), (_PINK, (0, (5, 1))))
_BASELINES = ((_GREY, ":"), (_GREY, "--"), (_GREY, "-."), (_GREY, (0, (1, 4))))


def randomised(found: Randomisation) -> Figure:
    """Draw the mean correlation with the first map after each step, with its 95 % interval."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set_title("Likeness to the first map")
    places = range(1 + len(found.steps))
    looks = zip((_BLUE, _RED, _GREY), ("-", "--", ":"), strict=True)
    for name, (colour, style) in zip(found.steps[0].pearson, looks, strict=False):
        line = [step.pearson[name] for step in found.steps]
        low, high = ([1.0, *(getattr(one, end) for one in line)] for end in ("low", "high"))
        axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(places, [1.0, *(one.value for one in line)], color=colour, linestyle=style, label=name)
    labels = ["none", *(step.layer.replace("$", r"\$") for step in found.steps)]
    axes.set_xticks(list(places), labels, rotation=60, ha="right")
    axes.set_ylabel("Pearson correlation")
    axes.set_xlabel("weights drawn anew, from the head down to")
    axes.legend(loc="best")
    return figure


def changed(curves: Sequence[MeanCurves], kind: Literal["deletion", "insertion"]) -> Figure:
    """Draw the mean probability of the called class over the share of the crop that was changed."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.set_title("Deletion: lower is better" if kind == "deletion" else "Insertion: higher is better")
    looks = {True: iter(_BASELINES), False: iter(_METHODS)}
    for one in sorted(curves, key=lambda one: one.method in BASELINES):
        colour, style = next(looks[one.method in BASELINES])
        line = one.deletion if kind == "deletion" else one.insertion
        shares = [100 * k / (len(line) - 1) for k in range(len(line))]
        label = f"{one.method} (n {one.images})"
        axes.plot(shares, line, color=colour, linestyle=style, linewidth=1.3, label=label)
    axes.set(ylim=(-0.02, 1.02))
    axes.set_xlabel(
        "% of the crop "
        + ("replaced by its mean colour" if kind == "deletion" else "shown, the rest blurred")
    )
    axes.set_ylabel("probability of the called class")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
