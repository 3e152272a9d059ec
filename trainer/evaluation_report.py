"""An evaluation as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from trainer.evaluation import Evaluation
    from trainer.metrics import Estimate, Figures


def table(evaluation: Evaluation) -> RenderableType:
    """Give the figures of float and int8 side by side, the classes, and who is taken for whom."""
    columns = {"float": evaluation.float32}
    if evaluation.int8 is not None:
        columns["int8"] = evaluation.int8
    whole = Table("", *columns, box=None)
    for name, value in _ROWS.items():
        whole.add_row(name, *(value(figures) for figures in columns.values()))
    name, shown = columns.popitem()  # int8 where it was measured: it is what runs
    head = (
        f"{evaluation.recipe}: {evaluation.part}, {evaluation.images} images of "
        f"{evaluation.photographs} photographs; 95 % intervals over photographs"
    )
    tail = [f"float32 weights {evaluation.float_bytes / 1e6:.2f} MB"]
    if evaluation.int8_bytes is not None and evaluation.agreement is not None:
        tail = [
            f"float and int8 agree on {_percent(evaluation.agreement)} ({evaluation.runtime})",
            *tail,
            f"int8 file {evaluation.int8_bytes / 1e6:.2f} MB",
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
    rows = Table(name, "precision", "recall", "F1", "AUC", "images", "photographs", box=None)
    for one in figures.classes:
        shares = (_percent(share) for share in (one.precision, one.recall, one.f1))
        rows.add_row(one.label, *shares, _area(one.auc), str(one.images), str(one.photographs))
    return rows


def _confusion(figures: Figures) -> Table:
    labels = [one.label for one in figures.classes]
    rows = Table("is \\ is called", *labels, box=None)
    for label, calls in zip(labels, figures.confusion, strict=True):
        rows.add_row(label, *(str(count) for count in calls))
    return rows


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _area(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _interval(estimate: Estimate) -> str:
    return f"{_percent(estimate.value)} ({100 * estimate.low:.2f}-{100 * estimate.high:.2f})"


_ROWS: dict[str, Callable[[Figures], str]] = {
    "accuracy": lambda f: _interval(f.accuracy),
    "macro recall": lambda f: _interval(f.macro_recall),
    "accuracy, each photograph once": lambda f: _interval(f.photograph_accuracy),
    "macro recall, each photograph once": lambda f: _interval(f.photograph_macro_recall),
    "macro precision": lambda f: _percent(f.macro_precision),
    "macro F1": lambda f: _percent(f.macro_f1),
    "macro AUC": lambda f: _area(f.macro_auc),
    "calibration error": lambda f: _percent(f.ece),
}
