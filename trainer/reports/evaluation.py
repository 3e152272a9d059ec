"""An evaluation as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from trainer.evaluation.evaluate import Evaluation
    from trainer.evaluation.metrics import Estimate, Figures


def table(evaluation: Evaluation) -> RenderableType:
    """Return the figures of float and int8 side by side, the classes, and who is taken for whom."""
    columns = {"float": evaluation.float32}
    if evaluation.int8 is not None:
        columns["int8"] = evaluation.int8
    whole = Table("", *columns, box=None)
    for name, title in ROWS.items():
        whole.add_row(title, *(interval(getattr(figures, name)) for figures in columns.values()))
    name, shown = columns.popitem()  # int8 where it was measured: it is what runs
    head = (
        f"{evaluation.recipe}: {evaluation.part}, {evaluation.images} images of "
        f"{evaluation.photographs} photographs or slides; 95 % intervals over these"
    )
    tail = [f"float32 weights {evaluation.float_bytes / 1e6:.2f} MB"]
    if evaluation.int8_bytes is not None and evaluation.agreement is not None:
        tail = [
            f"float and int8 agree on {interval(evaluation.agreement)} ({evaluation.runtime})",
            *tail,
            f"int8 file {evaluation.int8_bytes / 1e6:.2f} MB",
            f"{evaluation.int8_ms:.2f} ms a crop",
        ]
    return Group(
        Text(head, "bold"),
        whole,
        Text("; ".join(tail)),
        Text(),
        _classes(name, shown),
        Text(),
        _confusion(shown),
    )


def _classes(name: str, figures: Figures) -> Table:
    heads = (f"{name}, %", "precision", "recall", "F1", "AUC", "images", "photographs")
    # Folded, not cut off: at 80 columns the upper ends of intervals were lost.
    rows = Table(*(Column(head, overflow="fold") for head in heads), box=None, padding=(0, 1, 0, 0))
    for one in figures.classes:
        shares = (_short(figure) for figure in (one.precision, one.recall, one.f1, one.auc))
        rows.add_row(one.label, *shares, str(one.images), str(one.photographs))
    return rows


def _confusion(figures: Figures) -> Table:
    labels = [one.label for one in figures.classes]
    heads = ("is \\ is called", *labels)
    rows = Table(*(Column(head, overflow="fold") for head in heads), box=None)
    for label, calls in zip(labels, figures.confusion, strict=True):
        rows.add_row(label, *(str(count) for count in calls))
    return rows


def interval(estimate: Estimate | None) -> str:
    """Write a figure of 0 to 1 and its interval in percent."""
    if estimate is None:
        return "-"
    return f"{_percent(estimate.value)} ({100 * estimate.low:.2f}-{100 * estimate.high:.2f})"


def _short(estimate: Estimate | None) -> str:
    """Write a figure and, on a line of its own, its interval: in percent, for a narrow column."""
    if estimate is None:
        return "-"
    return f"{100 * estimate.value:.1f}\n{100 * estimate.low:.1f}-{100 * estimate.high:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


FIGURES = {
    "accuracy": "accuracy",
    "macro_recall": "macro recall",
    "macro_precision": "macro precision",
    "macro_f1": "macro F1",
    "macro_auc": "macro AUC",
    "ece": "calibration error",
}
"""Name of a figure -> what a person calls it."""
ROWS = {
    name: title
    for prefix, after in (("", ""), ("photograph_", ", each cell once"))
    for name, title in ((prefix + n, t + after) for n, t in FIGURES.items())
}
