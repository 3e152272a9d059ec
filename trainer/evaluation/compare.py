"""What a split is worth: the same networks under the study's split, the folders, and grouped folds."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import Struct

from edge.errors import ConfigError, OutputError
from trainer.evaluation.answers import Answers, read_answers
from trainer.evaluation.evaluate import evaluate_run
from trainer.evaluation.metrics import Estimate, Figures, measure, share
from trainer.evaluation.record import file_name, read_evaluation, weights_sha256
from trainer.files import put_in_place
from trainer.recipe import changed, load_recipe
from trainer.training.compute import PLAIN, Compute
from trainer.training.run import fit_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trainer.recipe import Recipe, Split

SCHEMA = "leukoscope.comparison/1"
COMPARISON = "comparison.json"
SPLITS: dict[Split, str] = {
    "study": "study's: copies dealt by chance",
    "folders": "folders: {trained} to {tested}",
    "grouped": "grouped: {folds} folds of photographs",
}
"""Split -> what it says of itself in the table. The order is that of the table."""
_START, _END = "<!-- compare: begin -->", "<!-- compare: end -->"


class Row(Struct, frozen=True):
    """One network under one split. Folds are pooled: each image is answered by the run that did not see it.

    agreement: share of images that float and int8 call the same. runs: their folders, below the comparison's.
    sets, test_sets, epochs: as in the recipe that was in force.
    """

    recipe: str
    split: str
    sets: tuple[str, ...]
    test_sets: tuple[str, ...]
    epochs: int
    runs: tuple[str, ...]
    images: int
    photographs: int
    float32: Figures
    int8: Figures
    agreement: Estimate


class Comparison(Struct, frozen=True):
    """All rows, networks in the order asked for."""

    schema: str
    rows: tuple[Row, ...]


def compare(
    recipes: Sequence[str],
    data: Path,
    out: Path,
    *,
    splits: Sequence[Split] = tuple(SPLITS),
    training: dict[str, int] | None = None,
    photographs: Path | None = None,
    compute: Compute = PLAIN,
) -> Comparison:
    """Fit, quantize and measure every recipe under every split, each run in its own folder below `out`.

    What is finished is not done again, so a stopped comparison goes on where it was; and the rows of other
    recipes and splits that an earlier call left in `out` stay, before the new ones. training: fields of the
    recipes' training to replace. Writes comparison.json. Raises ConfigError, DataError, TrainingError.
    """
    former = _former(out / COMPARISON)
    rows = []
    loaded = [load_recipe(name) for name in recipes]
    # What cannot be is to be said before the first of many hours.
    asked = [
        changed(one, data={"split": split}, training=training or {}) for one in loaded for split in splits
    ]
    for recipe in asked:
        done = []
        for folder, one in _runs(recipe, out):
            fit_run(one, data, folder, photographs, compute)
            if not _is_measured(folder):
                evaluate_run(folder, data, photographs=photographs)
            done.append(folder)
        rows.append(_row(recipe, [folder.name for folder in done], [read_answers(f) for f in done]))
    again = {(row.recipe, row.split) for row in rows}
    kept = [row for row in former if (row.recipe, row.split) not in again]
    result = Comparison(SCHEMA, (*kept, *rows))
    _replace(out / COMPARISON, msgspec.json.format(msgspec.json.encode(result), indent=1))
    return result


def _former(path: Path) -> tuple[Row, ...]:
    """Return the rows of an earlier call. Raises ConfigError for a file that is none of this version."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Comparison)
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); remove it to compare again") from None
    if found.schema != SCHEMA:
        raise ConfigError(f"{path}: is {found.schema}, not {SCHEMA}; remove it to compare again")
    return found.rows


def _is_measured(folder: Path) -> bool:
    """Tell whether the folder's evaluation is of its last checkpoint."""
    path = folder / file_name()
    return path.exists() and read_evaluation(path).weights_sha256 == weights_sha256(folder)


def _runs(recipe: Recipe, out: Path) -> Iterator[tuple[Path, Recipe]]:
    folds = recipe.data.folds if recipe.data.split == "grouped" else 1
    for fold in range(folds):
        suffix = f"-{fold + 1}" if folds > 1 else ""
        yield (
            out / f"{recipe.name}-{recipe.data.split}{suffix}",
            changed(recipe, data={"fold": fold}, training={}),
        )


def _row(recipe: Recipe, runs: list[str], answers: list[Answers]) -> Row:
    labels = np.concatenate([a.labels for a in answers])
    photographs = [name for a in answers for name in a.photographs]
    cells = [name for a in answers for name in (a.cells or a.photographs)]
    float32 = np.concatenate([a.float32 for a in answers])
    int8 = np.concatenate([a.int8 for a in answers if a.int8 is not None])
    if len(int8) != len(float32):
        raise ConfigError(f"{runs[0]}: was evaluated in float only; remove its {file_name()} to measure int8")
    classes = recipe.data.classes
    return Row(
        recipe=recipe.name,
        split=recipe.data.split,
        sets=recipe.data.sets,
        test_sets=recipe.data.test_sets,
        epochs=recipe.training.epochs,
        runs=tuple(runs),
        images=len(labels),
        photographs=len(set(photographs)),
        float32=measure(float32, labels, photographs, classes, cells),
        int8=measure(int8, labels, photographs, classes, cells),
        agreement=share(float32.argmax(axis=1) == int8.argmax(axis=1), photographs),
    )


def markdown(comparison: Comparison) -> str:
    """Return the table, in percent with 95 % intervals over photographs, all in int8."""
    head = ["recipe", "split", "epochs", "images / photographs"]
    head += ["accuracy", "macro recall", "by photograph", "float"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in comparison.rows:
        one = row.int8
        cells = (
            f"`{row.recipe}`",
            _split_label(row),
            f"{row.epochs}",
            f"{row.images:,} / {row.photographs:,}",
            *(_percent(value) for value in (one.accuracy, one.macro_recall, one.photograph_accuracy)),
            f"{100 * row.float32.accuracy.value:.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _split_label(row: Row) -> str:
    trained, tested = (
        " + ".join(_short_names(row.sets)[name] for name in row.sets if (name in row.test_sets) is test)
        for test in (False, True)
    )
    text = SPLITS[row.split]  # type: ignore[index]
    return text.format(folds=len(row.runs), trained=trained, tested=tested)


def _short_names(sets: Sequence[str]) -> dict[str, str]:
    """Return the data sets' names without the folder that is common to all of them."""
    if len({posixpath.isabs(name) for name in sets}) > 1:
        return {name: name for name in sets}  # a folder of one's own beside a registered set
    common = posixpath.commonpath([posixpath.dirname(name) for name in sets])
    return {name: name.removeprefix(f"{common}/") for name in sets}


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} ({100 * estimate.low:.1f}-{100 * estimate.high:.1f})"


def check_page(page: Path) -> None:
    """Raise ConfigError for a page that cannot be read, or has not both markers for the table."""
    _around_table(page)


def write_into(page: Path, table: str) -> None:
    """Put the table between the page's two markers. Raises ConfigError as `check_page`, OutputError."""
    before, after = _around_table(page)
    _replace(page, f"{before}\n{table}\n{after}".encode())


def _around_table(page: Path) -> tuple[str, str]:
    """Return the page up to its first marker and from its second one, both markers included."""
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{page}: cannot be read ({error})") from None
    before, start, rest = text.partition(_START)
    _, end, after = rest.partition(_END)
    if not start or not end:
        raise ConfigError(f"{page}: has no place for the table: {_START} and, below, {_END}")
    return before + start, end + after


def _replace(path: Path, content: bytes) -> None:
    try:
        put_in_place(path, content)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None
