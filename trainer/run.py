"""A run: one folder with the recipe, the split, the checkpoints and what was learnt, from data to bundle."""

from __future__ import annotations

import hashlib
import platform
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import Struct
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge.errors import ConfigError
from trainer import export, training
from trainer.datasets import DATASETS, DataError, LabelledImage, cached_crops, list_images
from trainer.fields import one_name_a_field
from trainer.photographs import UNKNOWN, find_photographs, read_groups, write_groups
from trainer.recipe import Recipe  # noqa: TC001 (msgspec reads annotations at run time)
from trainer.splits import hold_out_photographs, photograph_weights
from trainer.training import Samples, centre, fit, last_checkpoint, predict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

RUN = "run.json"
PHOTOGRAPHS = "photographs.json"
_REPRESENTATIVE = 300
_MINIMUM_PROBABILITY = 0.5  # below it the other classes together are likelier than the one called


class Run(Struct, frozen=True):
    """What a run was made from: enough to repeat it, and to refuse to go on with other data."""

    recipe: Recipe
    data_sha256: dict[str, str]
    split_sha256: str
    photographs: int
    held_out: tuple[str, ...]
    left_out: int
    python: str


def fit_run(recipe: Recipe, data: Path, out: Path, photographs: Path | None = None) -> Run:
    """Cut crops, recover the photographs behind copies, split over them, and train, all into `out`.

    Raises DataError, ConfigError (the folder holds another run), TrainingError.
    """
    out.mkdir(parents=True, exist_ok=True)
    with progress_bar() as progress:
        samples, hashes, left_out = _samples(recipe, data, out, photographs, progress)
        held = hold_out_photographs(
            samples.labels, samples.photographs, recipe.data.holdout, recipe.training.seed
        )
        run = Run(
            recipe=recipe,
            data_sha256=hashes,
            split_sha256=_split_hash(samples.photographs, held),
            photographs=len(set(samples.photographs)),
            held_out=tuple(sorted({samples.photographs[i] for i in np.flatnonzero(held)})),
            left_out=left_out,
            python=platform.python_version(),
        )
        _same_or_new(run, out)
        settings = recipe.training
        steps = max(1, settings.images_per_epoch // settings.batch)
        bar = progress.add_task("training", total=settings.epochs * steps, note="")

        def report(epoch: int, step: int, logs: dict[str, float]) -> None:
            note = "  ".join(f"{name} {value:.3f}" for name, value in sorted(logs.items()))
            if step < 0:
                progress.console.print(f"epoch {epoch + 1:3d}/{settings.epochs}  {note}")
                progress.update(bar, completed=(epoch + 1) * steps)
            else:
                progress.update(
                    bar, completed=epoch * steps + step + 1, note=f"loss {logs.get('loss', 0):.3f}"
                )

        fit(recipe, samples.chosen(~held), samples.chosen(held), out, report)
    return run


def export_run(folder: Path, data: Path, out: Path) -> None:
    """Quantize the run's averaged weights, pass the gates on its held-out photographs, and write the bundle.

    Raises ConfigError when the folder holds no finished run, DataError, ExportError.
    """
    import keras  # noqa: PLC0415

    run = _read(folder)
    checkpoint = last_checkpoint(folder)
    if checkpoint is None:
        raise ConfigError(f"{folder}: holds no checkpoint; run leukoscope-train fit first")
    recipe = run.recipe
    with progress_bar() as progress:
        samples, hashes, _ = _samples(recipe, data, folder, None, progress)
        if hashes != run.data_sha256:
            raise DataError(f"{data}: is not the data that the run in {folder} was trained on")
        held_names = set(run.held_out)
        held = np.array([name in held_names for name in samples.photographs])
        model = keras.models.load_model(checkpoint / training.WEIGHTS)
        seen = samples.chosen(~held)
        rng = np.random.default_rng(recipe.training.seed)
        chosen = rng.choice(len(seen.labels), min(_REPRESENTATIVE, len(seen.labels)), replace=False)
        progress.console.print(f"quantizing with {len(chosen)} crops of training photographs")
        quantized = export.quantize(model, centre(seen.pixels[chosen]))
        unseen = samples.chosen(held)
        pixels = centre(unseen.pixels)
        bar = progress.add_task("comparing int8 with float", total=len(pixels), note="")
        int8_logits = export.run_int8(quantized, pixels, progress=lambda: progress.advance(bar))
        weights = photograph_weights(unseen.photographs)
        figures = export.gate(predict(model, pixels), int8_logits, unseen.labels, weights)
        temperature = export.fit_temperature(int8_logits, unseen.labels, weights)
        export.write(
            out,
            quantized,
            recipe,
            temperature=temperature,
            minimum_probability=_MINIMUM_PROBABILITY,
            training={
                "data": {name: {"sha256": h, "source": DATASETS[name].source} for name, h in hashes.items()},
                "split_sha256": run.split_sha256,
                "photographs": run.photographs,
                "photographs_held_out": len(run.held_out),
                "recipe": msgspec.to_builtins(recipe),
            },
            measured={"held-out photographs of the training sets": figures} if figures else {},
        )
        note = "  ".join(f"{name} {value}" for name, value in figures.items())
        progress.console.print(f"{out}: {out.stat().st_size} bytes, temperature {temperature}  {note}")


def _samples(
    recipe: Recipe, data: Path, out: Path, photographs: Path | None, progress: Progress
) -> tuple[Samples, dict[str, str], int]:
    """Give all crops with their photographs, each set's hash, and how many images were left out."""
    parts: list[Samples] = []
    hashes: dict[str, str] = {}
    left_out = 0
    for name in recipe.data.sets:
        images = list_images(data, name)
        bar = progress.add_task(f"cutting cells of {name}", total=len(images), note="")
        crops, hashes[name] = cached_crops(
            out / "crops",
            images,
            recipe.data.classes,
            recipe=recipe.data.masking,
            context=recipe.data.context,
            progress=lambda done, bar=bar: progress.update(bar, completed=done),  # type: ignore[misc]
        )
        groups = _groups(name, images, data, out, photographs, progress)
        # A copy whose photograph is unknown could stand on both sides of the split: it is not used.
        usable = np.array(
            [
                not groups[n].startswith(UNKNOWN) and groups[n] not in recipe.data.leave_out
                for n in crops.names
            ]
        )
        fields = one_name_a_field(groups)
        left_out += len(images) - int(usable.sum())
        whole = Samples(crops.pixels, crops.labels, tuple(fields[n] for n in crops.names))
        parts.append(whole.chosen(usable))
    joined = Samples(
        np.concatenate([p.pixels for p in parts]),
        np.concatenate([p.labels for p in parts]),
        tuple(n for p in parts for n in p.photographs),
    )
    return joined, hashes, left_out


def _groups(
    name: str, images: Sequence[LabelledImage], data: Path, out: Path, given: Path | None, progress: Progress
) -> dict[str, str]:
    """Give the photograph of each image, from a file or by recovering it; kept in the run's folder."""
    dataset = DATASETS[name]
    if not dataset.copies:
        return {image.name: image.name for image in images}
    path = given or out / f"{name.replace('/', '-')}-{PHOTOGRAPHS}"
    if not path.exists():
        if given is not None:
            raise DataError(f"{given}: there is no such groups file")
        folder = data / dataset.originals if dataset.originals else None
        originals = sorted(folder.glob("*.jp*g")) if folder and folder.is_dir() else None
        bar = progress.add_task(f"recovering the photographs of {name}", total=len(images), note="")
        matches = find_photographs(
            [image.path for image in images],
            originals,
            lambda done, total: progress.update(bar, completed=done, total=total),
        )
        write_groups(path, matches, data)
    try:
        groups = read_groups(path)
    except ValueError as error:
        raise DataError(str(error)) from None
    missing = [image.name for image in images if image.name not in groups]
    if missing:
        raise DataError(f"{path}: says nothing of {missing[0]} and {len(missing) - 1} more images")
    return groups


def _split_hash(photographs: Sequence[str], held: NDArray[np.bool_]) -> str:
    lines = sorted({f"{name}\t{int(h)}" for name, h in zip(photographs, held, strict=True)})
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _same_or_new(run: Run, out: Path) -> None:
    path = out / RUN
    if path.exists() and last_checkpoint(out) is not None:
        former = _read(out)
        if (former.recipe, former.data_sha256, former.split_sha256) != (
            run.recipe,
            run.data_sha256,
            run.split_sha256,
        ):
            raise ConfigError(f"{out}: holds a run of another recipe or other data; give another --out")
        return
    path.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1))


def _read(folder: Path) -> Run:
    try:
        return msgspec.json.decode((folder / RUN).read_bytes(), type=Run)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{folder / RUN}: is not the record of a run ({error})") from None


def progress_bar() -> Progress:
    """Give a bar that shows how far a task is, and how long it will take."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
