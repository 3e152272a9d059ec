"""What in a differential wants a second look: flags, each with its rule, its version, a sentence. Pure.

A rule speaks of a percentage, or of an absolute count where the specimen came with a total white count, and
never of the one for the other. Where the whole interval has passed the limit the flag is definite; where only
the figure itself has, it is possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from edge.messages.differential import Flag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge.messages.differential import Absolute, Certainty, Share

UNCLASSIFIED = "unclassified"
"""What the rules call the share of whole cells that the model did not name."""

BLAST_LIKE = "cells like blasts"
"""What the rules call the share of whole cells that are of no class that is counted: blasts are among them,
and never called anything else on purpose."""

BLAST = "blast"
"""What people call a blast. One is enough for a look at the smear, of however many cells."""

LEAST_CELLS = 20
"""With fewer, no other flag is raised: of three cells, one is a third."""


class Figure(NamedTuple):
    """A figure and its 95 % interval, in the rule's unit."""

    value: float
    low: float
    high: float


class Rule(NamedTuple):
    """More, or less, of a class than this. unit: percent of the counted cells, or 10^9/L of blood."""

    rule: str
    version: int
    label: str
    side: Literal["more", "less"]
    limit: float
    unit: Literal["%", "10^9/L"]


# The percentages are this device's own: wide of the usual reference ranges, so that a flag is worth its look.
# The absolute limits follow those for review of adults' blood by the international consensus group for
# haematology (Barnes et al. 2005, first time), and are yet to be compared with the print.
RULES = (
    Rule("neutrophil-percent-high", 1, "neutrophil", "more", 85.0, "%"),
    Rule("neutrophil-percent-low", 1, "neutrophil", "less", 30.0, "%"),
    Rule("lymphocyte-percent-high", 1, "lymphocyte", "more", 60.0, "%"),
    Rule("monocyte-percent-high", 1, "monocyte", "more", 15.0, "%"),
    Rule("eosinophil-percent-high", 1, "eosinophil", "more", 10.0, "%"),
    Rule("basophil-percent-high", 1, "basophil", "more", 3.0, "%"),
    Rule("unclassified-percent-high", 2, UNCLASSIFIED, "more", 20.0, "%"),
    Rule("blast-like-percent-high", 2, BLAST_LIKE, "more", 10.0, "%"),
    Rule("blast-named", 1, BLAST, "more", 0.0, "%"),
    Rule("neutrophil-count-low", 1, "neutrophil", "less", 1.0, "10^9/L"),
    Rule("neutrophil-count-high", 1, "neutrophil", "more", 20.0, "10^9/L"),
    Rule("lymphocyte-count-high", 1, "lymphocyte", "more", 5.0, "10^9/L"),
    Rule("monocyte-count-high", 1, "monocyte", "more", 1.5, "10^9/L"),
    Rule("eosinophil-count-high", 1, "eosinophil", "more", 2.0, "10^9/L"),
    Rule("basophil-count-high", 1, "basophil", "more", 0.5, "10^9/L"),
)


def flags_of(
    shares: Mapping[str, Share],
    absolutes: Mapping[str, Absolute],
    unnamed: Mapping[str, Share],
    *,
    counted: int,
    white: int,
) -> tuple[Flag, ...]:
    """Return the flags of a count, in the rules' order; with few cells, only that a blast was named.

    shares, absolutes: of each class, by its label; no absolutes without a total count. unnamed: shares of
    what the model did not name, by what the rules call them. counted, white: how many cells count, and how
    many there are with those that the model did not name.
    """
    percentages = {}
    if counted >= LEAST_CELLS:
        percentages = {label.casefold(): _of_share(share) for label, share in shares.items()}
    if BLAST in shares:
        percentages[BLAST] = _of_share(shares[BLAST])
    if white >= LEAST_CELLS:
        percentages |= {label: _of_share(share) for label, share in unnamed.items()}
    of_blood = {label.casefold(): Figure(a.value, a.low, a.high) for label, a in absolutes.items()}
    return raised(percentages, of_blood if absolutes and counted >= LEAST_CELLS else None)


def _of_share(share: Share) -> Figure:
    return Figure(share.percent, share.low, share.high)


def raised(
    percentages: Mapping[str, Figure], absolutes: Mapping[str, Figure] | None, rules: Iterable[Rule] = RULES
) -> tuple[Flag, ...]:
    """Return the flags of a differential, in the rules' order.

    percentages, absolutes: the figure of each class by its label. absolutes: None without a total count; no
    rule of that unit is then asked.
    """
    flags = []
    for rule in rules:
        figures = percentages if rule.unit == "%" else absolutes or {}
        figure = figures.get(rule.label)
        certainty = None if figure is None else _certainty(rule, figure)
        if figure is not None and certainty is not None:
            flags.append(
                Flag(rule.rule, rule.version, rule.label, certainty, _sentence(rule, figure, certainty))
            )
    return tuple(flags)


def _certainty(rule: Rule, figure: Figure) -> Certainty | None:
    sign = 1 if rule.side == "more" else -1
    nearest = figure.low if rule.side == "more" else figure.high
    if sign * nearest > sign * rule.limit:
        return "definite"
    return "possible" if sign * figure.value > sign * rule.limit else None


_ADVICE = {
    UNCLASSIFIED: "look at the smear",
    BLAST_LIKE: "the model counts no blasts: have the smear looked at",
    BLAST: "have the smear looked at",
}


def _sentence(rule: Rule, figure: Figure, certainty: Certainty) -> str:
    what = {UNCLASSIFIED: "unclassified cells", BLAST_LIKE: BLAST_LIKE}.get(rule.label, f"{rule.label}s")
    possibly = "Possibly " if certainty == "possible" else ""
    text = f"{possibly}{rule.side} than {rule.limit:g} {rule.unit} {what}"
    value, low, high = (_figure(one, rule.limit) for one in figure)
    interval = f"{value} ({low} to {high}) {rule.unit}"
    advice = _ADVICE.get(rule.label, "confirm by eye")
    return f"{text[:1].upper()}{text[1:]}: {interval}; {advice}."


def _figure(value: float, limit: float) -> str:
    # Rounded as the classes are published; and of more than a thousand no power of ten, which few can read.
    shown, digits = float(f"{round(value, 2):.3g}"), 3
    # "More than 60 %: 60" reads as wrong.
    while (shown > limit, shown < limit) != (value > limit, value < limit):
        digits += 1
        shown = float(f"{value:.{digits}g}")
    return f"{shown:.{max(6, digits)}g}"
