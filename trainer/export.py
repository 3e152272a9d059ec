"""From trained weights to the bundle: full int8, all-class maps, goldens, and gates that stop a bad file."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge.bundle import Description, Golden, write_bundle
from edge.cameras.simulated import SimulatedCamera
from edge.config import SimulatedConfig
from edge.masking import PREPROCESSING, cut_crop, find_cells
from edge.runtime import Runtime
from edge.versions import versions
from trainer.quantization import ExportError, Quantized
from trainer.run import TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.rejection import Reject
    from trainer.recipe import Recipe

MAX_BUNDLE_BYTES = 400_000
MAX_ACCURACY_DROP = 0.005
MIN_AGREEMENT = 0.985
GOLDEN_TOLERANCE = 0.5  # logits; runtimes differ by a few of the output's quantization steps

INTENDED_USE = (
    "Research and training: naming white blood cells in stained peripheral smears. Not a medical device; "
    "every count is to be confirmed by a qualified person."
)
LIMITS = (
    "Trained on the few microscopes and stains of its data sets. On another one it is less often right: "
    "measure it there before relying on it. It knows the classes it lists and no other: a blast, or whatever "
    "it was not shown, may be called by one of their names."
)


def fit_temperature(
    logits: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64]
) -> float:
    """Give the temperature with the least log loss on held-out cells (Guo et al. 2017).

    logits: (n, classes), labels: (n,), weights: (n,), so that each photograph counts once. Searched on a
    grid: the loss is smooth and one-dimensional.
    """
    if not len(labels):
        return 1.0
    candidates = np.geomspace(0.5, 4.0, 121)
    losses = []
    for temperature in candidates:
        scaled = logits / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        log_probability = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        losses.append(-np.average(log_probability[np.arange(len(labels)), labels], weights=weights))
    return float(round(candidates[int(np.argmin(losses))], 3))


def _golden_crops(recipe: Recipe, count: int = 3) -> Iterator[NDArray[np.uint8]]:
    """Cut the largest cells of the first drawn fields, without noise, which PNG cannot pack."""
    camera = SimulatedCamera(SimulatedConfig(seed=20, noise=0))
    while count and (frame := camera.read()):
        masks = find_cells(frame.pixels, recipe.data.masking)
        if masks.cells:
            yield cut_crop(frame.pixels, masks, masks.cells[0])
            count -= 1


def goldens_of(quantized: Quantized, recipe: Recipe) -> tuple[tuple[Golden, ...], dict[str, bytes]]:
    """Draw the golden inputs and answer them: drawn cells, so that no photograph rides in the bundle."""
    opened = Runtime(quantized.model, quantized.outputs)
    goldens, images = [], {}
    for number, crop in enumerate(_golden_crops(recipe)):
        name = f"golden/{number}.png"
        ok, png = cv2.imencode(
            ".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9]
        )
        if not ok:
            raise ExportError(f"{name}: could not be encoded")
        outputs = opened.run(crop)
        best = int(np.argmax(outputs["logits"]))
        goldens.append(
            Golden(
                name,
                tuple(round(float(v), 5) for v in outputs["logits"]),
                tuple(round(float(v), 4) for v in outputs["maps"][:, :, best].ravel()),
            )
        )
        images[name] = png.tobytes()
    return tuple(goldens), images


def gate(
    float_logits: NDArray[np.float32],
    int8_logits: NDArray[np.float32],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> dict[str, float]:
    """Compare int8 with float on held-out cells; give the figures. Raises ExportError for a failed gate."""
    if not len(labels):
        return {}
    float_calls, int8_calls = float_logits.argmax(axis=1), int8_logits.argmax(axis=1)
    figures = {
        "float_accuracy": round(float((float_calls == labels).mean()), 4),
        "int8_accuracy": round(float((int8_calls == labels).mean()), 4),
        "int8_accuracy_per_photograph": round(float(np.average(int8_calls == labels, weights=weights)), 4),
        "agreement": round(float((float_calls == int8_calls).mean()), 4),
    }
    drop = figures["float_accuracy"] - figures["int8_accuracy"]
    if drop > MAX_ACCURACY_DROP:
        raise ExportError(
            f"int8 loses {100 * drop:.1f} points of accuracy; {100 * MAX_ACCURACY_DROP} are allowed"
        )
    if figures["agreement"] < MIN_AGREEMENT:
        raise ExportError(
            f"int8 and float agree on {100 * figures['agreement']:.1f} % of cells; "
            f"{100 * MIN_AGREEMENT} % are needed"
        )
    return figures


def write(
    path: Path,
    quantized: Quantized,
    recipe: Recipe,
    *,
    temperature: float,
    reject: Reject,
    training: dict[str, Any],
    measured: dict[str, Any],
    max_bytes: int = MAX_BUNDLE_BYTES,
) -> None:
    """Write the bundle and try it on every runtime that is installed; a file that fails is removed again.

    Raises ExportError or BundleError.
    """
    goldens, images = goldens_of(quantized, recipe)
    description = Description(
        format="leukoscope.bundle/1",
        name=recipe.name,
        labels=recipe.data.classes,
        preprocessing=PREPROCESSING[recipe.data.masking],
        model_sha256=hashlib.sha256(quantized.model).hexdigest(),
        outputs=quantized.outputs,
        temperature=temperature,
        reject=reject,
        goldens=goldens,
        tolerance=GOLDEN_TOLERANCE,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        intended_use=INTENDED_USE,
        limits=LIMITS,
        training=training,
        measured=measured,
        tools=versions(TOOLS),
    )
    trial = path.with_name(f"trial-{path.name}")
    write_bundle(trial, quantized.model, description, images)
    try:
        if trial.stat().st_size > max_bytes:
            raise ExportError(f"the bundle has {trial.stat().st_size} bytes; {max_bytes} are allowed")
        _try_on_every_runtime(trial)
        trial.replace(path)
    finally:
        trial.unlink(missing_ok=True)


def _try_on_every_runtime(path: Path) -> None:
    """Run the goldens in a process without TensorFlow, beside which tflite-runtime cannot load."""
    done = subprocess.run(  # noqa: S603 (our own interpreter and module)
        [sys.executable, "-m", "edge.cli", "model", "verify", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ExportError(
            done.stderr.strip().splitlines()[-1] if done.stderr else f"{path}: could not be verified"
        )
