"""What a finished run is worth on what it has not been trained on: float and int8, side by side."""

from __future__ import annotations

import posixpath
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edge.errors import ConfigError, NoRuntimeError, OutputError
from edge.models.runtime import Runtime, installed
from trainer.data.arrays import Samples
from trainer.data.datasets import known_to
from trainer.data.fields import one_name_a_field
from trainer.data.own_sets import set_of_path
from trainer.data.photographs_of_sets import Contents, photographs_of_sets
from trainer.data.samples import load_samples, named
from trainer.evaluation.answers import Answers, median_ms, read_answers, write_answers
from trainer.evaluation.bootstrap import DRAWS
from trainer.evaluation.metrics import measure, share
from trainer.evaluation.record import SCHEMA, Evaluation, file_name, part_of, weights_sha256, write_evaluation
from trainer.networks.predicting import predict
from trainer.quantization.int8 import Quantized, run_int8
from trainer.training.fitting import centre
from trainer.training.run import Opened, open_run, progress_bar, quantized_run

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.progress import Progress

__all__ = ["INT8", "RUNTIMES", "Answers", "Evaluation", "evaluate_run", "file_name", "read_answers"]

INT8 = "int8.tflite"
RUNTIMES = {"litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}
"""Name on the command line -> distribution."""


def evaluate_run(
    folder: Path,
    data: Path,
    *,
    runtime: str = "litert",
    photographs: Path | None = None,
    on: str | None = None,
) -> Evaluation:
    """Measure a run's kept weights; write evaluation.json, answers.npz and, where quantized, int8.tflite.

    runtime: "float", or a name of `RUNTIMES`. photographs: groups file made earlier. on: a registered data
    set that the run was not made from, instead of what the run kept from training; its name is then in the
    files' (see `file_name`, `answers_name`).
    Raises ConfigError, DataError, ExportError, NoRuntimeError, OutputError.
    """
    chosen = None if runtime == "float" else _usable(RUNTIMES[runtime])
    with progress_bar() as progress:
        opened = open_run(folder, data, progress)
        measured = _measured_on(opened, folder, data, photographs, on, progress)
        samples = measured.samples
        if not len(samples.labels):
            raise ConfigError(f"{folder}: nothing was held out of this run's training to measure it on")
        pixels = centre(samples.pixels)
        classes = opened.run.recipe.data.classes
        answers = predict(opened.model, pixels, opened.run.recipe.turns)
        if not np.isfinite(answers).all():
            raise ConfigError(f"{folder}: the network's answers are no finite numbers; its training diverged")
        int8_answers, int8, agreement, size, milliseconds = None, None, None, None, None
        if chosen is not None:
            quantized = quantized_run(opened, progress)
            size = len(quantized.model)
            int8_answers, milliseconds = _int8_answers(quantized, pixels, chosen, progress)
            progress.console.print("measuring")
            int8 = measure(int8_answers, samples.labels, samples.photographs, classes, samples.shown())
            agreement = share(answers.argmax(axis=1) == int8_answers.argmax(axis=1), samples.photographs)
        result = Evaluation(
            schema=SCHEMA,
            recipe=opened.run.recipe.name,
            part=measured.part,
            on=on,
            images=len(samples.labels),
            photographs=len(set(samples.photographs)),
            uncut=measured.uncut,
            left_out=measured.left_out,
            data_sha256=measured.hashes,
            split_sha256=opened.run.split_sha256,
            bootstrap_draws=DRAWS,
            float32=measure(answers, samples.labels, samples.photographs, classes, samples.shown()),
            int8=int8,
            agreement=agreement,
            float_bytes=4 * opened.model.count_params(),
            int8_bytes=size,
            int8_ms=milliseconds,
            runtime=None if chosen is None else f"{chosen} {installed(in_new_process=True)[chosen]}",
            weights_sha256=weights_sha256(folder),
        )
    try:
        if chosen is not None:
            (folder / INT8).write_bytes(quantized.model)
        kept = Answers(samples.labels, samples.photographs, answers, int8_answers, samples.shown())
        write_answers(folder, kept, on)
        write_evaluation(folder, result)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written to ({error.strerror or error})") from None
    return result


def _usable(distribution: str) -> str:
    usable = installed(in_new_process=True)
    if distribution not in usable:
        raise NoRuntimeError(f"{distribution} is not usable here; usable: {', '.join(usable) or 'none'}")
    return distribution


@dataclass(frozen=True)
class _Measured:
    """What is measured on: its name and samples, with their true photographs. The rest: see `Evaluation`."""

    part: str
    samples: Samples
    left_out: int
    uncut: int
    hashes: dict[str, str]


def _measured_on(
    opened: Opened, folder: Path, data: Path, photographs: Path | None, on: str | None, progress: Progress
) -> _Measured:
    run, recipe = opened.run, opened.run.recipe

    def true_names(samples: Samples) -> tuple[str, ...]:
        if recipe.data.split != "study":
            return samples.photographs
        # Under this split an image passes for a photograph; intervals and leaks need to know better.
        fields = one_name_a_field(
            photographs_of_sets(recipe.data, data, folder, photographs, progress, Contents())
        )
        return tuple(fields[name] for name in samples.photographs)

    if on is None:
        samples = opened.held_out if recipe.data.split == "photographs" else opened.tested
        # Under the study's split each image passes for a cell of its own as well.
        cells = None if recipe.data.split == "study" else samples.cells
        samples = Samples(samples.pixels, samples.labels, true_names(samples), cells=cells)
        return _Measured(part_of(recipe.data), samples, run.left_out, run.uncut, run.data_sha256)
    on, described = set_of_path(on, data, known_to(recipe.data))
    if on in map(posixpath.normpath, recipe.data.sets):
        raise ConfigError(f"{on}: the run in {folder} was made from it; it measures nothing there")
    other = msgspec.structs.replace(
        recipe.data,
        sets=(on,),
        split="photographs",
        test_sets=(),
        leave_out=(),
        own={**recipe.data.own, **described},
    )
    contents = Contents()
    photographs_of_sets(recipe.data, data, folder, photographs, progress, contents)
    loaded = load_samples(
        msgspec.structs.replace(recipe, data=other),
        data,
        folder,
        photographs,
        progress,
        every_class=False,
        contents=contents,
    )
    shown = set(true_names(opened.seen)) | set(true_names(opened.held_out))
    known = named(loaded.samples, shown)
    if known.all():
        raise ConfigError(f"{on}: the run in {folder} was made from the same photographs")
    if known.any():
        progress.console.print(
            f"{on}: {known.sum()} of {len(known)} images left out: the run was made from their photographs"
        )
    unseen = loaded.samples.chosen(~known)
    return _Measured(on, unseen, loaded.left_out + int(known.sum()), loaded.uncut, loaded.hashes)


def _int8_answers(
    quantized: Quantized, pixels: NDArray[np.uint8], distribution: str, progress: Progress
) -> tuple[NDArray[np.float32], float]:
    """Return the int8 logits, and the milliseconds that one crop takes.

    tflite-runtime gets a process of its own: it cannot load beside TensorFlow.
    """
    logits = quantized.outputs["logits"]
    if distribution != "tflite-runtime":
        bar = progress.add_task("answering in int8", total=len(pixels), note="")
        answers = run_int8(quantized, pixels, distribution, lambda: progress.advance(bar))
        alone = Runtime(quantized.model, {"logits": logits}, choice=distribution, turns=quantized.turns)
        return answers, median_ms(alone, pixels[0])
    progress.console.print(f"answering {len(pixels)} crops on {distribution}")
    with tempfile.TemporaryDirectory() as name:
        model, crops, answered = (Path(name) / file for file in ("int8.tflite", "crops.npy", "answers.npy"))
        model.write_bytes(quantized.model)
        np.save(crops, pixels)
        command = [sys.executable, "-m", "trainer.evaluation.answers", str(model), logits]
        done = subprocess.run(  # noqa: S603 (our own interpreter and module)
            [*command, distribution, str(crops), str(answered), str(quantized.turns)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NoRuntimeError(f"{distribution}: {(done.stderr.strip() or 'it failed').splitlines()[-1]}")
        return np.asarray(np.load(answered), np.float32), float(done.stdout.split()[-1])
