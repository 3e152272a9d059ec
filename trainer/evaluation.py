"""What a finished run is worth on what it has not been trained on: float and int8, side by side."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import Struct

from edge.errors import ConfigError, NoRuntimeError
from edge.runtime import installed
from trainer.fields import one_name_a_field
from trainer.metrics import DRAWS, Figures, measure
from trainer.quantization import Quantized, run_int8
from trainer.run import Opened, open_run, progress_bar, quantized_run
from trainer.samples import load_samples, photographs_of
from trainer.training import Samples, centre, predict

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.progress import Progress

SCHEMA = "leukoscope.evaluation/1"
INT8 = "int8.tflite"
RUNTIMES = {"litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}
"""Name on the command line -> distribution."""


class Evaluation(Struct, frozen=True):
    """The figures of a run and all that is needed to say what they are figures of.

    part: what was measured on. uncut: images of the whole run that no cell was found in and that count whole;
    left_out: images of the part without a cell or without a known photograph. float_bytes: float32 weights.
    int8, agreement, int8_bytes, runtime: None where only float was measured. agreement: share of images that
    float and int8 call the same.
    """

    schema: str
    recipe: str
    part: str
    images: int
    photographs: int
    uncut: int
    left_out: int
    data_sha256: dict[str, str]
    split_sha256: str
    bootstrap_draws: int
    float32: Figures
    int8: Figures | None
    agreement: float | None
    float_bytes: int
    int8_bytes: int | None
    runtime: str | None


def evaluate_run(
    folder: Path,
    data: Path,
    *,
    runtime: str = "litert",
    photographs: Path | None = None,
    on: str | None = None,
) -> Evaluation:
    """Measure a run's kept weights; write `evaluation.json` and, where quantized, `int8.tflite` beside them.

    runtime: "float", or a name of `RUNTIMES`. photographs: groups file made earlier. on: a registered data
    set that the run was not made from, instead of the run's test part or held-out photographs; its name is
    then in the file's (see `file_name`).
    Raises ConfigError, DataError, ExportError, NoRuntimeError.
    """
    chosen = None if runtime == "float" else _usable(RUNTIMES[runtime])
    with progress_bar() as progress:
        opened = open_run(folder, data, progress)
        part, samples, left_out = _measured_on(opened, folder, data, photographs, on, progress)
        if not len(samples.labels):
            raise ConfigError(f"{folder}: nothing was held out of this run's training to measure it on")
        pixels = centre(samples.pixels)
        classes = opened.run.recipe.data.classes
        answers = predict(opened.model, pixels)
        int8, agreement, size = None, None, None
        if chosen is not None:
            quantized = quantized_run(opened, progress)
            (folder / INT8).write_bytes(quantized.model)
            size = len(quantized.model)
            int8_answers = _int8_answers(quantized, pixels, chosen, progress)
            int8 = measure(int8_answers, samples.labels, samples.photographs, classes)
            agreement = float((answers.argmax(axis=1) == int8_answers.argmax(axis=1)).mean())
        result = Evaluation(
            schema=SCHEMA,
            recipe=opened.run.recipe.name,
            part=part,
            images=len(samples.labels),
            photographs=len(set(samples.photographs)),
            uncut=opened.run.uncut,
            left_out=left_out,
            data_sha256=opened.run.data_sha256,
            split_sha256=opened.run.split_sha256,
            bootstrap_draws=DRAWS,
            float32=measure(answers, samples.labels, samples.photographs, classes),
            int8=int8,
            agreement=agreement,
            float_bytes=4 * opened.model.count_params(),
            int8_bytes=size,
            runtime=None if chosen is None else f"{chosen} {installed(in_new_process=True)[chosen]}",
        )
    (folder / file_name(on)).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))
    return result


def file_name(on: str | None = None) -> str:
    """Give the name, in a run's folder, of the evaluation on its own test part or on another data set."""
    return "evaluation.json" if on is None else f"evaluation-{on.replace('/', '-')}.json"


def _usable(distribution: str) -> str:
    usable = installed(in_new_process=True)
    if distribution not in usable:
        raise NoRuntimeError(f"{distribution} is not usable here; usable: {', '.join(usable) or 'none'}")
    return distribution


def _measured_on(
    opened: Opened, folder: Path, data: Path, photographs: Path | None, on: str | None, progress: Progress
) -> tuple[str, Samples, int]:
    """Give the part's name, its samples with their true photographs, and how many images it leaves out."""
    recipe = opened.run.recipe
    if on is not None:
        if on in recipe.data.sets:
            raise ConfigError(f"{on}: the run in {folder} was made from it; it measures nothing there")
        other = msgspec.structs.replace(recipe.data, sets=(on,), split="photographs", leave_out=())
        loaded = load_samples(
            msgspec.structs.replace(recipe, data=other), data, folder, photographs, progress
        )
        return on, loaded.samples, loaded.left_out
    if recipe.data.split == "photographs":
        return "held-out photographs", opened.held_out, 0
    # Under this split an image passes for a photograph; the intervals need to know better.
    groups: dict[str, str] = {}
    for name in recipe.data.sets:
        groups |= photographs_of(name, data, folder, photographs, progress)
    fields = one_name_a_field(groups)
    tested = opened.tested
    names = tuple(fields[name] for name in tested.photographs)
    return "test part of the study's random split", Samples(tested.pixels, tested.labels, names), 0


def _int8_answers(
    quantized: Quantized, pixels: NDArray[np.uint8], distribution: str, progress: Progress
) -> NDArray[np.float32]:
    """Give the int8 logits. tflite-runtime gets a process of its own: it cannot load beside TensorFlow."""
    if distribution != "tflite-runtime":
        bar = progress.add_task("answering in int8", total=len(pixels), note="")
        return run_int8(quantized, pixels, distribution, lambda: progress.advance(bar))
    progress.console.print(f"answering {len(pixels)} crops on {distribution}")
    with tempfile.TemporaryDirectory() as name:
        model, crops, answers = (Path(name) / file for file in ("int8.tflite", "crops.npy", "answers.npy"))
        model.write_bytes(quantized.model)
        np.save(crops, pixels)
        command = [sys.executable, "-m", "trainer.answers", str(model), quantized.outputs["logits"]]
        done = subprocess.run(  # noqa: S603 (our own interpreter and module)
            [*command, distribution, str(crops), str(answers)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NoRuntimeError(f"{distribution}: {(done.stderr.strip() or 'it failed').splitlines()[-1]}")
        return np.asarray(np.load(answers), np.float32)
