"""One finder's run: train, make int8, pass the gates, measure; its folder holds all that came of it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import tensorflow as tf
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge.errors import ConfigError
from edge.finding import KINDS
from edge.finding.finder import Finder
from edge.models.recipes import FINDER_VERSION
from trainer.files import put_in_place
from trainer.finder.canvases import draw_canvas
from trainer.finder.export import quantize_finder
from trainer.finder.loading import check_left_out, load_fields
from trainer.finder.measuring import average_precision, measured_on
from trainer.finder.training import chances, check_finder, fit_finder, float_detections
from trainer.quantization.gates import check_operators
from trainer.quantization.int8 import ExportError
from trainer.training.augmentation import Augmentation
from trainer.training.checkpoints import last_checkpoint, refuse_another_kind
from trainer.training.run import TOOLS
from trainer.training.run_lock import locked
from trainer.versions import versions

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from trainer.finder.fields import TrainingField
    from trainer.finder.recipe import FinderRecipe

FINDER = "finder.tflite"
RECORD = "finder.json"
RECIPE = "recipe.json"
MAX_BYTES = 150_000
MAX_DROP = 0.005  # of the mean average precision, int8 against float
_CALIBRATION = 96  # canvases
_COMPARED = 400  # fields


def fit_finder_run(
    recipe: FinderRecipe, data: Path, out: Path, left_out: Collection[str] = ()
) -> dict[str, Any]:
    """Train a finder, or go on, and write `finder.tflite` and `finder.json` into `out`; return the record.

    left_out: microscopes of which nothing is used. Raises ConfigError, DataError, TrainingError, ExportError.
    """
    check_left_out(recipe, left_out)
    check_finder(recipe)
    refuse_another_kind(out, RECIPE)
    former = _former(out)
    out.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with locked(out), Progress(*columns, TextColumn("{task.fields[note]}")) as progress:
        reading = progress.add_task("reading fields", total=None, note="")
        fields, hashes = load_fields(recipe, data, left_out)
        progress.update(reading, total=len(fields), completed=len(fields))
        _same_or_new(out, former, recipe, hashes, left_out)
        steps = recipe.training.canvases_per_epoch // recipe.training.batch
        bar = progress.add_task("training", total=recipe.training.epochs * steps, note="")

        def report(epoch: int, step: int, logs: dict[str, float]) -> None:
            if step < 0:
                note = f"loss {logs['loss']:.3f}, {logs['seconds']:.0f} s"
                progress.console.print(f"epoch {epoch + 1:3d}/{recipe.training.epochs}  {note}")
            else:
                note = f"loss {logs.get('loss', 0):.3f}"
                progress.update(bar, completed=epoch * steps + step + 1, note=note)

        model = fit_finder(recipe, fields, out, report)
        return _exported(recipe, model, fields, out, hashes, left_out)


def read_record(folder: Path) -> dict[str, Any]:
    """Return what a finder's run says of itself. Raises ConfigError where the folder holds none."""
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        content = (folder / FINDER).read_bytes()
    except (OSError, ValueError):
        raise ConfigError(
            f"{folder}: holds no finished finder; run leukoscope-train fit-finder first"
        ) from None
    if not isinstance(record, dict) or hashlib.sha256(content).hexdigest() != record.get("sha256"):
        raise ConfigError(f"{folder / FINDER}: is not the file that {RECORD} describes; run fit-finder again")
    return record


def _former(out: Path) -> Any:
    """Return what the checkpoints in a folder are of, or None where there are none. Raises ConfigError."""
    if last_checkpoint(out) is None:
        return None
    try:
        return json.loads((out / RECIPE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{out / RECIPE}: cannot be read ({error}), so nobody knows what its checkpoints are of; "
            "give another --out"
        ) from None


def _same_or_new(
    out: Path, former: Any, recipe: FinderRecipe, hashes: dict[str, str], left_out: Collection[str]
) -> None:
    """Refuse to go on in a folder whose checkpoints are of another recipe or other data."""
    wanted = {"recipe": msgspec.to_builtins(recipe), "data": hashes, "left_out": sorted(left_out)}
    wanted = json.loads(json.dumps(wanted))
    if former is not None and former != wanted:
        raise ConfigError(f"{out}: holds a run of another recipe or other data; give another --out")
    put_in_place(out / RECIPE, json.dumps(wanted, indent=1).encode())


def _exported(
    recipe: FinderRecipe,
    model: keras.Model,
    fields: Sequence[TrainingField],
    out: Path,
    hashes: dict[str, str],
    left_out: Collection[str],
) -> dict[str, Any]:
    quantized = quantize_finder(model, _calibration(recipe, fields))
    check_operators(quantized.model)
    if len(quantized.model) > MAX_BYTES:
        raise ExportError(f"gate size: the finder has {len(quantized.model)} bytes; {MAX_BYTES} are allowed")
    int8 = Finder(quantized.model, quantized.outputs)
    marked = [one for one in fields if len(one.kinds)][:: max(1, len(fields) // _COMPARED)]
    precision = {
        "float": average_precision(marked, lambda one: float_detections(model, one)),
        "int8": average_precision(marked, lambda one: measured_on(int8, one)),
    }
    lost = precision["float"] - precision["int8"]
    if lost > MAX_DROP:
        raise ExportError(
            f"gate agreement: int8 loses {100 * lost:.2f} points of mean average precision; "
            f"at most {100 * MAX_DROP:g} are allowed"
        )
    record = {
        "version": FINDER_VERSION,
        "sha256": hashlib.sha256(quantized.model).hexdigest(),
        "output": quantized.outputs["maps"],
        "bytes": len(quantized.model),
        "average_precision": {name: round(value, 4) for name, value in precision.items()},
        "recipe": msgspec.to_builtins(recipe),
        "data": hashes,
        "left_out": sorted(left_out),
        "kinds": KINDS,
        "tools": versions(TOOLS),
    }
    put_in_place(out / FINDER, quantized.model)
    put_in_place(out / RECORD, json.dumps(record, indent=1).encode())
    return record


def _calibration(recipe: FinderRecipe, fields: Sequence[TrainingField]) -> NDArray[np.uint8]:
    """Return what the int8 ranges are measured on: canvases, half of them in changed light and stain."""
    rng = np.random.default_rng([recipe.training.seed, 8])
    chance = chances(fields, recipe.training.balance)
    plain = np.stack([draw_canvas(fields, chance, rng, recipe.drawing)[0] for _ in range(_CALIBRATION)])
    augment = Augmentation(seed=recipe.training.seed, moves=False, **recipe.light)
    changed = np.asarray(augment(plain, tf.constant(-1, tf.int64)))
    half = _CALIBRATION // 2
    return np.concatenate([plain[:half], np.rint(255 * changed[half:]).astype(np.uint8)])
