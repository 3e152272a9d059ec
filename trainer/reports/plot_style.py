"""How every plot of a page looks, the trainer's and the benchmark's. Nothing is imported for it."""

from __future__ import annotations

# Okabe and Ito's palette, which colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#767676"

SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "leukoscope",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
"""For matplotlib, over its defaults: text stays text, and the same plot has the same bytes."""
