"""The page of a report: HTML that needs nothing from elsewhere, with its plots inside."""

from __future__ import annotations

from html import escape
from itertools import count
from typing import TYPE_CHECKING

from trainer.reports import plots
from trainer.reports.evaluation import FIGURES, interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from matplotlib.figure import Figure

    from trainer.evaluation.curves import Curves
    from trainer.evaluation.metrics import Estimate, Figures
    from trainer.evaluation.record import Evaluation
    from trainer.reports.contents import Report, RunReport, Section

STYLE = """
body { margin: 0 auto; max-width: 72rem; padding: 0 1rem 3rem; background: #fff; color: #1a1a1a;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1, h2, h3, h4 { line-height: 1.25; margin: 2rem 0 .5rem; }
h2 { border-top: 2px solid #1a1a1a; padding-top: 1rem; }
.measures { border-left: .4rem solid #0072B2; padding: .5rem 1rem; font-size: 1.1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
caption { text-align: left; padding: .5rem 0; color: #444; }
th, td { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0;
  border-bottom: 1px solid #ccc; }
td { white-space: nowrap; }
tbody th { min-width: 8rem; }
td.long { white-space: normal; overflow-wrap: anywhere; min-width: 14rem; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; flex: 1 1 17rem; max-width: 27rem; }
svg { display: block; width: 100%; height: auto; stroke-linejoin: round; stroke-linecap: butt; }
"""
_OF_CLASS = {"precision": "precision", "recall": "recall", "f1": "F1", "auc": "AUC"}
_EACH = {"": "each image counts", "photograph_": "each photograph counts once"}

_INTERVALS = (
    "After each figure stands its 95 % interval by bootstrap over photographs: copies of one photograph are "
    "drawn together. Where nothing was answered wrong, the interval has no width and says nothing of rarer "
    "errors."
)


def page(report: Report) -> str:
    """Return the whole page. The same report gives the same page, to the byte."""
    parts = [
        "<h1>Leukoscope: what the runs are worth</h1>",
        f"<p>{escape(_INTERVALS)}</p>",
    ]
    if len(report.runs) > 1:
        parts += ["<h2>Side by side</h2>", _side_by_side(report.runs)]
    numbers = count(1)
    with plots.style():
        for run in report.runs:
            parts += ["<section>", *_run(run, numbers), "</section>"]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Leukoscope report</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _side_by_side(runs: Sequence[RunReport]) -> str:
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
    head += ("accuracy, each photograph once", "float and int8 agree", "int8 file")
    return table("int8 where it was measured, as that is what runs on the device", head, rows)


def _run(run: RunReport, numbers: Iterator[int]) -> Iterator[str]:
    yield f"<h2>{escape(run.record.recipe.name)} <small>({escape(run.folder)})</small></h2>"
    yield f'<p class="measures">{escape(run.measures)}</p>'
    for i, section in enumerate(run.sections):
        title = section.evaluation.part
        yield f"<h3>{'Another data set: ' if i else 'Measured on: '}{escape(title)}</h3>"
        yield from _section(section, numbers)
    yield "<h3>Learning curves</h3>"
    yield from _learning(run, numbers)
    yield "<h3>What was run</h3>"
    yield _what_was_run(run)


def _section(section: Section, numbers: Iterator[int]) -> Iterator[str]:
    one = section.evaluation
    columns = _arithmetics(one)
    yield (
        f"<p>{one.images} images of {one.photographs} photographs; {one.bootstrap_draws} bootstrap draws.</p>"
    )
    yield table(
        "All classes; macro: mean over classes",
        ("", *(f"{name}, {words}" for words in _EACH.values() for name in columns)),
        [
            (title, *(interval(getattr(f, prefix + name)) for prefix in _EACH for f in columns.values()))
            for name, title in FIGURES.items()
        ],
    )
    yield table(
        "Size and speed",
        ("", "value"),
        [
            ("float and int8 agree on", interval(one.agreement)),
            ("float32 weights", _megabytes(one.float_bytes)),
            ("int8 file", _megabytes(one.int8_bytes)),
            ("int8, median time of a crop", "-" if one.int8_ms is None else f"{one.int8_ms:.2f} ms"),
            ("runtime", one.runtime or "-"),
        ],
    )
    yield "<h4>Classes</h4>"
    for prefix, words in _EACH.items():
        yield _classes(columns, prefix, words)
    yield "<h4>Who is taken for whom</h4>"
    yield _figures(_confusions(columns), numbers)
    yield "<h4>ROC: each class against the others</h4>"
    both = {"float": section.float32} | ({} if section.int8 is None else {"int8": section.int8})
    yield "<p>Shaded: the 95 % band of the true positive rate at each false positive rate.</p>"
    yield _figures(_rocs(columns, both), numbers)
    yield "<h4>Calibration</h4>"
    yield (
        "<p>How often calls of one confidence are right, with 95 % intervals. On the dotted line they are "
        "right as often as they are confident; above it, more often. ECE: expected calibration error.</p>"
    )
    yield _figures(_reliabilities(columns, both), numbers)


def _arithmetics(one: Evaluation) -> dict[str, Figures]:
    return {"float": one.float32} | ({} if one.int8 is None else {"int8": one.int8})


def _classes(columns: dict[str, Figures], prefix: str, words: str) -> str:
    rows = []
    for i, one in enumerate(next(iter(columns.values())).classes):
        for name, figures in columns.items():
            shown = (interval(getattr(figures.classes[i], prefix + figure)) for figure in _OF_CLASS)
            rows.append((one.label, name, *shown, str(one.images), str(one.photographs)))
    return table(
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


def _learning(run: RunReport, numbers: Iterator[int]) -> Iterator[str]:
    if not run.history:
        yield "<p>The folder holds no checkpoint, and so no history of the training.</p>"
        return
    noted = set().union(*run.history)
    accuracies = {
        "accuracy": "training images",
        "val_accuracy": "validation, accuracy",
        "val_macro_recall": "validation, macro recall",
    }
    drawn = []
    for title, lines in (("Loss", {"loss": "loss in training"}), ("Accuracy", accuracies)):
        known = {name: words for name, words in lines.items() if name in noted}
        if known:
            last = ", ".join(
                f"{words} {run.history[-1][name]:.3f}"
                for name, words in known.items()
                if name in run.history[-1]
            )
            label = f"{title} over {len(run.history)} epochs; after the last one: {last}"
            drawn.append((plots.learning(run.history, known, title), label))
    yield _figures(drawn, numbers)
    yield (
        "<p>One training of one network: there is no interval to give. In validation each photograph counts "
        "once.</p>"
    )


def _what_was_run(run: RunReport) -> str:
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
    return table("From the run's record", ("", "value"), rows, long=True)


def _figures(drawn: Iterable[tuple[Figure, str]], numbers: Iterator[int]) -> str:
    shown = (
        f"<figure>{plots.svg(figure, label, number)}</figure>"
        for (figure, label), number in zip(drawn, numbers, strict=False)
    )
    return f'<div class="plots">{"".join(shown)}</div>'


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, long: bool = False) -> str:
    """Return a table in a box of its own that scrolls sideways on a narrow screen; all text is escaped."""
    cell = '<td class="long">' if long else "<td>"
    # An empty corner is no header of anything.
    tops = "".join(f'<th scope="col">{escape(text)}</th>' if text else "<td></td>" for text in head)
    lines = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"{cell}{escape(text)}</td>" for text in rest)
        + "</tr>\n"
        for first, *rest in rows
    )
    label = escape(caption)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{label}">\n'
        f"<table><caption>{label}</caption>\n"
        f"<thead><tr>{tops}</tr></thead>\n<tbody>\n{lines}</tbody></table></div>"
    )


def _short(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f}-{100 * estimate.high:.1f})"


def _megabytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e6:.2f} MB"
