"""The page of a report: HTML that needs nothing from elsewhere, with its plots inside."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from trainer.reports import plots
from trainer.reports.evaluation import FIGURES, interval
from trainer.reports.html import Table, drawn, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from markupsafe import Markup
    from matplotlib.figure import Figure

    from trainer.evaluation.curves import Curves
    from trainer.evaluation.metrics import Estimate, Figures
    from trainer.evaluation.record import Evaluation
    from trainer.reports.contents import Report, RunReport, Section

_OF_CLASS = {"precision": "precision", "recall": "recall", "f1": "F1", "auc": "AUC"}
_EACH = {"": "each image counts", "photograph_": "each cell counts once"}


def page(report: Report) -> str:
    """Return the whole page. The same report gives the same page, to the byte."""
    numbers = count(1)
    with plots.style():
        runs = [_run(run, numbers) for run in report.runs]
    beside = _side_by_side(report.runs) if len(report.runs) > 1 else None
    return render("report.html", title="Leukoscope report", beside=beside, runs=runs)


def _side_by_side(runs: Sequence[RunReport]) -> Table:
    head = ("run", "recipe", "measured on", "arithmetic", "images / photographs", *FIGURES.values())
    rows = []
    for run in runs:
        for section in run.sections:
            one = section.evaluation
            name, figures = list(_arithmetics(one).items())[-1]
            rows.append(
                (
                    run.folder,
                    one.recipe,
                    one.part,
                    name,
                    f"{one.images} / {one.photographs}",
                    *(interval(getattr(figures, figure)) for figure in FIGURES),
                    interval(figures.photograph_accuracy),
                    interval(one.agreement),
                    _megabytes(one.int8_bytes),
                )
            )
    head += ("accuracy, each cell once", "float and int8 agree", "int8 file")
    return Table("int8 where it was measured, as that is what runs on the device", head, rows)


def _run(run: RunReport, numbers: Iterator[int]) -> dict[str, object]:
    return {
        "recipe": run.record.recipe.name,
        "folder": run.folder,
        "measures": run.measures,
        "sections": [_section(section, numbers) for section in run.sections],
        "learning": _learning(run, numbers),
        "record": _what_was_run(run),
    }


def _section(section: Section, numbers: Iterator[int]) -> dict[str, object]:
    one = section.evaluation
    columns = _arithmetics(one)
    both = {"float": section.float32} | ({} if section.int8 is None else {"int8": section.int8})
    return {
        "title": one.part,
        "images": one.images,
        "photographs": one.photographs,
        "draws": one.bootstrap_draws,
        "overall": Table(
            "All classes; macro: mean over classes",
            ("", *(f"{name}, {words}" for words in _EACH.values() for name in columns)),
            [
                (title, *(interval(getattr(f, prefix + name)) for prefix in _EACH for f in columns.values()))
                for name, title in FIGURES.items()
            ],
        ),
        "cost": Table(
            "Size and speed",
            ("", "value"),
            [
                ("float and int8 agree on", interval(one.agreement)),
                ("float32 weights", _megabytes(one.float_bytes)),
                ("int8 file", _megabytes(one.int8_bytes)),
                ("int8, median time of a crop", "-" if one.int8_ms is None else f"{one.int8_ms:.2f} ms"),
                ("runtime", one.runtime or "-"),
            ],
        ),
        "classes": [_classes(columns, prefix, words) for prefix, words in _EACH.items()],
        "confusions": _figures(_confusions(columns), numbers),
        "rocs": _figures(_rocs(columns, both), numbers),
        "reliabilities": _figures(_reliabilities(columns, both), numbers),
    }


def _arithmetics(one: Evaluation) -> dict[str, Figures]:
    return {"float": one.float32} | ({} if one.int8 is None else {"int8": one.int8})


def _classes(columns: dict[str, Figures], prefix: str, words: str) -> Table:
    rows = []
    for i, one in enumerate(next(iter(columns.values())).classes):
        for name, figures in columns.items():
            shown = (interval(getattr(figures.classes[i], prefix + figure)) for figure in _OF_CLASS)
            rows.append((one.label, name, *shown, str(one.images), str(one.photographs)))
    return Table(
        f"One class against the others; {words}",
        ("class", "arithmetic", *_OF_CLASS.values(), "images", "photographs"),
        rows,
    )


def _confusions(columns: dict[str, Figures]) -> Iterator[tuple[Figure, str]]:
    for name, figures in columns.items():
        labels = [one.label for one in figures.classes]
        said = "; ".join(
            f"{label}: " + ", ".join(f"{n} called {other}" for n, other in zip(row, labels, strict=True) if n)
            for label, row in zip(labels, figures.confusion, strict=True)
        )
        title = f"Confusion matrix, {name}"
        yield plots.confusion(figures.confusion, labels, title), f"{title}, images. {said}"


def _rocs(columns: dict[str, Figures], both: dict[str, Curves]) -> Iterator[tuple[Figure, str]]:
    for i, one in enumerate(columns["float"].classes):
        found = {}
        for name, figures in columns.items():
            curve, area = both[name].roc[i], figures.classes[i].auc
            if curve is not None and area is not None:
                found[name] = (curve, area)
        if found:
            areas = "; ".join(f"{name} AUC {interval(area)}" for name, (_, area) in found.items())
            yield plots.roc(found, one.label), f"ROC curve of {one.label} against the others: {areas}"


def _reliabilities(columns: dict[str, Figures], both: dict[str, Curves]) -> Iterator[tuple[Figure, str]]:
    for name, figures in columns.items():
        title = f"{name}: ECE {_short(figures.ece)}"
        label = f"Reliability diagram, {name}: calibration error {interval(figures.ece)}"
        yield plots.reliability(both[name].reliability, name, title), label


def _learning(run: RunReport, numbers: Iterator[int]) -> Markup | None:
    if not run.history:
        return None
    noted = set().union(*run.history)
    accuracies = {
        "accuracy": "training images",
        "val_accuracy": "validation, accuracy",
        "val_macro_recall": "validation, macro recall",
    }
    figures = []
    for title, lines in (("Loss", {"loss": "loss in training"}), ("Accuracy", accuracies)):
        known = {name: words for name, words in lines.items() if name in noted}
        if known:
            last = ", ".join(
                f"{words} {run.history[-1][name]:.3f}"
                for name, words in known.items()
                if name in run.history[-1]
            )
            label = f"{title} over {len(run.history)} epochs; after the last one: {last}"
            figures.append((plots.learning(run.history, known, title), label))
    return _figures(figures, numbers)


def _what_was_run(run: RunReport) -> Table:
    record, recipe = run.record, run.record.recipe
    training = recipe.training
    seconds = run.seconds_per_epoch
    network = ", ".join(f"{key} {value}" for key, value in recipe.network.items())
    rows = [
        ("recipe", recipe.name),
        ("network", network),
        ("classes", ", ".join(recipe.data.classes)),
        ("data sets", ", ".join(recipe.data.sets)),
        ("split", recipe.data.split),
        ("photographs in all", str(record.photographs)),
        ("images left out", str(record.left_out)),
        ("images used whole, without a cell", str(record.uncut)),
        ("training", f"{training.epochs} epochs, {training.optimizer}, batch {training.batch}"),
        ("learning rate", f"{training.learning_rate} ({training.schedule}), seed {training.seed}"),
        ("precision in training", record.precision),
        ("seconds per epoch, median", "-" if seconds is None else f"{seconds:.1f}"),
        ("Python", record.python),
        *record.versions.items(),
        *((f"sha256 of {name}", value) for name, value in record.data_sha256.items()),
        ("sha256 of the split", record.split_sha256),
    ]
    return Table("From the run's record", ("", "value"), rows, long=True)


def _figures(figures: Iterable[tuple[Figure, str]], numbers: Iterator[int]) -> Markup:
    return drawn(
        plots.svg(figure, label, number) for (figure, label), number in zip(figures, numbers, strict=False)
    )


def _short(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f}-{100 * estimate.high:.1f})"


def _megabytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e6:.2f} MB"
