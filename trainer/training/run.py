"""A run: one folder with the recipe, the split, the checkpoints and what was learnt, from data to bundle."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import Struct
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge.errors import ConfigError
from edge.masking import CROPS
from trainer.data.images import DataError
from trainer.data.samples import Loaded, load_samples, named
from trainer.data.shipped_finder import finder_version
from trainer.data.splits import deal_as_the_study, grouped_fold, hold_out_photographs
from trainer.networks.baselines import DRAWN
from trainer.networks.registry import first_weights
from trainer.quantization.int8 import Quantized, quantize
from trainer.recipe import Recipe  # noqa: TC001 (msgspec reads annotations at run time)
from trainer.training.checkpoints import DAMAGED, WEIGHTS, is_begun, last_checkpoint, refuse_another_kind
from trainer.training.compute import PLAIN, Compute, Precision
from trainer.training.fitting import check_network, fit, representative, steps_per_epoch
from trainer.training.run_lock import locked
from trainer.training.shares import expect_share
from trainer.versions import versions

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from trainer.data.arrays import Samples

RUN = "run.json"
TOOLS = ("tensorflow", "keras", "opencv-python-headless", "numpy")
"""Distributions whose versions a run and its bundle record."""


class Run(Struct, frozen=True):
    """What a run was made from: enough to repeat it, and to refuse to go on with other data.

    held_out: the photographs of the validation part. tested: those of the test part, where the split has one.
    Under the study's split both name images. left_out, uncut: images not used, and used whole. versions: of
    the tools, and the git commit. precision: of the arithmetic when the run was begun. first_weights: where
    the network's first weights came from. preprocessing: version of the masking that cut the crops. finder:
    of the finder that cut those without a box; "": of masking "study", or not recorded.
    """

    recipe: Recipe
    data_sha256: dict[str, str]
    split_sha256: str
    photographs: int
    held_out: tuple[str, ...]
    left_out: int
    python: str
    tested: tuple[str, ...] = ()
    uncut: int = 0
    versions: dict[str, str] = {}
    precision: Precision = "float32"
    first_weights: str = DRAWN
    preprocessing: str = ""
    finder: str = ""


def fit_run(
    recipe: Recipe,
    data: Path,
    out: Path,
    photographs: Path | None = None,
    compute: Compute = PLAIN,
) -> Run:
    """Cut crops, recover the photographs behind copies, split over them, and train, all into `out`.

    Raises DataError, ConfigError (the folder holds another run), RunInUseError, OutputError, TrainingError.
    """
    refuse_another_kind(out, RUN)
    if not is_begun(out):
        check_network(recipe)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out), progress_bar() as progress:
        loaded = load_samples(recipe, data, out, photographs, progress)
        samples = loaded.samples
        former = read_run(out) if (out / RUN).exists() and is_begun(out) else None
        seen, held, tested = _split(recipe, loaded) if former is None else _as_split(samples, former)
        run = Run(
            recipe=recipe,
            data_sha256=loaded.hashes,
            split_sha256=_split_hash(samples, held, tested),
            photographs=len(set(samples.photographs)),
            held_out=tuple(sorted({samples.photographs[i] for i in np.flatnonzero(held)})),
            left_out=loaded.left_out,
            python=platform.python_version(),
            tested=tuple(sorted({samples.photographs[i] for i in np.flatnonzero(tested)})),
            uncut=loaded.uncut,
            versions=versions(TOOLS),
            precision=compute.precision,
            # A run that goes on has its checkpoint, and needs no file.
            first_weights=first_weights(recipe.network) if former is None else former.first_weights,
            preprocessing=CROPS[recipe.data.masking],
            finder=finder_version() if recipe.data.masking == "found" else "",
        )
        if former is None:
            (out / RUN).write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1))
        else:
            _check_same(former, run, out)
        progress.console.print(f"first weights: {run.first_weights}", soft_wrap=True)
        settings = recipe.training
        steps = steps_per_epoch(settings, int(seen.sum()))
        epochs = settings.members * settings.epochs
        bar = progress.add_task("training", total=epochs * steps, note="")

        def report(epoch: int, step: int, logs: dict[str, float]) -> None:
            note = "  ".join(f"{name} {value:.3f}" for name, value in sorted(logs.items()))
            if step < 0:
                progress.console.print(f"epoch {epoch + 1:3d}/{epochs}  {note}")
                progress.update(bar, completed=(epoch + 1) * steps)
            else:
                progress.update(
                    bar, completed=epoch * steps + step + 1, note=f"loss {logs.get('loss', 0):.3f}"
                )

        fit(recipe, samples.chosen(seen), samples.chosen(held), out, report, compute)
    return run


@dataclass(frozen=True)
class Opened:
    """A run's record, its network as it is kept, and its samples: seen in training, held out, and tested."""

    run: Run
    model: keras.Model
    seen: Samples
    held_out: Samples
    tested: Samples


def open_run(folder: Path, data: Path, progress: Progress) -> Opened:
    """Read a run back, with the data that it was made from.

    Raises ConfigError when the folder holds no run or no checkpoint, DataError when the data are others.
    """
    import keras  # noqa: PLC0415

    run = read_run(folder)
    checkpoint = last_checkpoint(folder)
    if checkpoint is None:
        raise ConfigError(f"{folder}: holds no checkpoint; run leukoscope-train fit first")
    _same_preprocessing(run, folder)
    loaded = load_samples(run.recipe, data, folder, None, progress)
    if loaded.hashes != run.data_sha256:
        raise DataError(f"{data}: is not the data that the run in {folder} was trained on")
    in_training, held, tested = _as_split(loaded.samples, run)
    if _split_hash(loaded.samples, held, tested) != run.split_sha256:
        raise DataError(f"{folder}: the photographs behind its images are grouped otherwise than in training")
    try:
        model = keras.models.load_model(checkpoint / WEIGHTS)
    except DAMAGED as error:
        raise ConfigError(f"{checkpoint / WEIGHTS}: cannot be read ({error})") from None
    seen = loaded.samples.chosen(in_training)
    expect_share(model, run.recipe, seen)
    return Opened(
        run,
        model,
        seen,
        loaded.samples.chosen(held),
        loaded.samples.chosen(tested),
    )


def quantized_run(opened: Opened, progress: Progress) -> Quantized:
    """Quantize a run's network with crops that it was trained on. Raises ExportError."""
    crops = calibration_crops(opened)
    progress.console.print(f"quantizing with {len(crops)} training crops")
    return replace(quantize(opened.model, crops), turns=opened.run.recipe.turns)


def calibration_crops(opened: Opened) -> NDArray[np.uint8]:
    """Draw the training crops that int8 is calibrated with, by the recipe's seed: uint8 (n, 120, 120, 3)."""
    return representative(opened.seen, opened.run.recipe.training.seed)


def _split(recipe: Recipe, loaded: Loaded) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return training, validation and test, bool (n,) each; "photographs" has no test part.

    Raises DataError where a class has nothing to train on, ConfigError for folds that cannot be dealt.
    """
    asked, samples, seed = recipe.data, loaded.samples, recipe.training.seed
    if asked.split == "study":
        seen, held, tested = deal_as_the_study(samples.labels, seed)
    else:
        if asked.split == "grouped":
            tested = grouped_fold(samples.labels, samples.photographs, asked.folds, asked.fold, seed)
        elif asked.split == "folders":
            tested = loaded.in_test_sets
        else:
            tested = np.zeros_like(loaded.in_test_sets)
        held = np.zeros_like(tested)
        rest = samples.chosen(~tested)
        held[~tested] = hold_out_photographs(rest.labels, rest.photographs, asked.holdout, seed)
        seen = ~held & ~tested
    for number, label in enumerate(asked.classes):
        if not (samples.labels[seen] == number).any():
            missed = loaded.missed.get(label, 0)
            why = f"; in {missed} of its images no cell is found" if missed else ""
            raise DataError(f"recipe {recipe.name}: its split leaves no {label} to train on{why}")
    return seen, held, tested


def _as_split(samples: Samples, run: Run) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return training, validation and test as a run has parted them, bool (n,) each.

    A run goes on with the split that it was begun with, also where a later version would draw another one.
    """
    held, tested = named(samples, run.held_out), named(samples, run.tested)
    return ~held & ~tested, held, tested


def _split_hash(samples: Samples, held: NDArray[np.bool_], tested: NDArray[np.bool_]) -> str:
    """Hash which photograph each image is of, and on which side; images come in one order, sorted by name."""
    rows = zip(samples.photographs, samples.labels.tolist(), (held + 2 * tested).tolist(), strict=True)
    return hashlib.sha256(
        "\n".join(f"{name}\t{label}\t{side}" for name, label, side in rows).encode()
    ).hexdigest()


def _same_preprocessing(run: Run, folder: Path) -> None:
    now = CROPS[run.recipe.data.masking]
    if run.preprocessing != now:
        raise ConfigError(
            f"{folder}: was trained on crops of the masking {run.preprocessing or 'of an unknown version'}; "
            f"it is {now} now, and the network would be shown others"
        )
    if run.finder and run.finder != finder_version():
        raise ConfigError(
            f"{folder}: was trained on crops of the finder {run.finder[:18]}; the bundle that ships has "
            f"{finder_version()} now, and the network would be shown others"
        )


def _check_same(former: Run, run: Run, out: Path) -> None:
    """See that a run goes on with what it was begun with. Raises ConfigError."""
    _same_preprocessing(former, out)
    if former.precision != run.precision:
        raise ConfigError(f"{out}: was begun with --precision {former.precision}; go on with the same")
    if (former.recipe, former.data_sha256, former.split_sha256) != (
        run.recipe,
        run.data_sha256,
        run.split_sha256,
    ):
        raise ConfigError(f"{out}: holds a run of another recipe or other data; give another --out")


def read_run(folder: Path) -> Run:
    """The record of the run in a folder. Raises ConfigError where there is none."""
    try:
        return msgspec.json.decode((folder / RUN).read_bytes(), type=Run)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{folder / RUN}: is not the record of a run ({error})") from None


def progress_bar() -> Progress:
    """Return a bar that shows how far a task is, and how long it will take."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
