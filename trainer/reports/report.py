"""Finished and evaluated runs as one page: what is in their folders, gathered, and written with its plots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np

from edge.errors import ConfigError, OutputError
from trainer.evaluation.answers import answers_name, read_answers
from trainer.evaluation.curves import curves
from trainer.evaluation.record import Evaluation, file_name, read_evaluation
from trainer.files import put_in_place
from trainer.outputs import files_below, has_mark, refuse_output
from trainer.reports.contents import Record, Report, RunReport, Section
from trainer.training.checkpoints import last_checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.evaluation.answers import Answers

_T = TypeVar("_T")
SCHEMA = "leukoscope.report/1"
TITLE = "Leukoscope report"


def report_runs(
    folders: Sequence[Path], out: Path, figures: Path | None = None, *, force: bool = False
) -> Report:
    """Write the page to `out`, and its figures as JSON to `figures` (default: beside it, ending in .json).

    force: over any files there but those of the runs; else over earlier reports only.

    Raises ConfigError for a run that is not evaluated or holds a damaged file, OutputError for a file that
    cannot be written or is in the way.
    """
    from trainer.reports.page import page  # noqa: PLC0415 (matplotlib; what is wrong is found before)

    beside = figures or out.with_suffix(".json")
    if beside.resolve() == out.resolve():
        raise ConfigError(f"{out}: the page and its figures cannot be one file; give another --json")
    inputs = list(files_below(folders))
    refuse_output(beside, "report", has_mark(SCHEMA), inputs=inputs, force=force)
    refuse_output(out, "report", has_mark(f"<title>{TITLE}</title>"), inputs=inputs, force=force)
    report = Report(SCHEMA, tuple(_run(folder) for folder in folders))
    _replace(beside, msgspec.json.format(msgspec.json.encode(report), indent=1))
    _replace(out, page(report).encode())
    return report


def _run(folder: Path) -> RunReport:
    record = _decoded(folder / "run.json", Record)
    own = read_evaluation(folder / file_name())
    others = [read_evaluation(path) for path in sorted(folder.glob("evaluation-*.json"))]
    checkpoint = last_checkpoint(folder)
    history = (
        () if checkpoint is None else _decoded(checkpoint / "history.json", tuple[dict[str, float], ...])
    )
    seconds = [logs["seconds"] for logs in history if "seconds" in logs]
    return RunReport(
        folder=str(folder),
        record=record,
        measures=_measures(record.recipe.data.split),
        history=history,
        seconds_per_epoch=float(np.median(seconds)) if seconds else None,
        sections=tuple(_section(folder, one) for one in (own, *others)),
    )


def _measures(split: str) -> str:
    if split == "study":
        return (
            "Copies of the same photograph stand on both sides of this split: this measures memory as much "
            "as sight."
        )
    return "No photograph is on both sides of this split: what is measured was not seen in training."


def _section(folder: Path, evaluation: Evaluation) -> Section:
    answers = read_answers(folder, evaluation.on)
    if not _belong_together(answers, evaluation):
        both = f"{folder / answers_name(evaluation.on)}: is not of one measurement with "
        raise ConfigError(f"{both}{file_name(evaluation.on)}; run leukoscope-train evaluate again")
    return Section(
        evaluation,
        curves(answers.float32, answers.labels, answers.photographs),
        None if answers.int8 is None else curves(answers.int8, answers.labels, answers.photographs),
    )


def _belong_together(answers: Answers, evaluation: Evaluation) -> bool:
    pairs = ((answers.float32, evaluation.float32), (answers.int8, evaluation.int8))
    for logits, figures in pairs:
        if logits is None or figures is None:
            if logits is not None or figures is not None:
                return False
            continue
        classes = len(figures.confusion)
        if logits.shape[1] != classes:
            return False
        confusion = np.zeros((classes, classes), np.int64)
        np.add.at(confusion, (answers.labels, logits.argmax(axis=1)), 1)
        if confusion.tolist() != [list(row) for row in figures.confusion]:
            return False
    return True


def _decoded(path: Path, kind: type[_T]) -> _T:
    try:
        # Not msgspec's own reader: a training that diverged notes NaN, which json writes and reads.
        return msgspec.convert(json.loads(path.read_bytes()), kind)
    except FileNotFoundError:
        raise ConfigError(f"{path}: is not there; {path.parent} holds no finished run") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is damaged ({error})") from None


def _replace(path: Path, content: bytes) -> None:
    try:
        put_in_place(path, content)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None
