"""From trained weights to the bundle: full int8, all-class maps, goldens, and gates that stop a bad file."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SimulatedConfig
from edge.labels import OTHER
from edge.masking import CROPS, cut_crop, study
from edge.masking.crops import cut_cell
from edge.models.bundle import SEEN, Description, Golden, write_bundle
from edge.models.runtime import Runtime
from trainer.data.datasets import find_set
from trainer.export.model_card import MODEL_CARD, model_card
from trainer.files import put_in_place
from trainer.quantization.int8 import ExportError, Quantized
from trainer.training.run import TOOLS
from trainer.versions import versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from edge.models.confusion import Confusion
    from edge.models.known import KnownMicroscopes
    from edge.models.reject import Reject
    from trainer.finder.bundled import FinderPart
    from trainer.recipe import Data, Recipe

MAX_BUNDLE_BYTES = 400_000
_BYTES_A_WEIGHT = 1.4  # int8, its scales and the graph; a float weight has four
_BYTES_A_FLOAT = 2  # float16
MAX_ACCURACY_DROP = 0.005
MIN_AGREEMENT = 0.985
_OFTEN_MISSING = ("basophil", "immature granulocyte", "erythroblast", "platelet")
GOLDEN_TOLERANCE = 0.5  # logits; runtimes differ by a few of the output's quantization steps

INTENDED_USE = (
    "Research and training: naming white blood cells in stained peripheral smears. Not a medical device; "
    "every count is to be confirmed by a qualified person."
)
_NUMBERS = {1: "one microscope and stain", 2: "two microscopes and stains", 3: "three microscopes and stains"}


def limits(asked: Data) -> str:
    """Say in a few sentences what a model cannot do that was trained on a recipe's data."""
    # Sets made from one folder of originals are of one microscope.
    sources = {(find_set(name, asked.own).originals or name).partition("/")[0] for name in asked.sets}
    number = _NUMBERS.get(len(sources), f"{len(sources)} microscopes and stains")
    classes = asked.class_of()
    counted = [label for label in asked.classes if label != OTHER]
    sentences = [
        f"Trained on photographs from {number} ({', '.join(asked.sets)}).",
        "On another one it is less often right: measure it there before relying on it.",
        f"It counts {_listed([f'{label}s' for label in counted])}.",
    ]
    if OTHER in asked.classes:
        merged = [f"{label}s" for label in asked.merged.get(OTHER, ())]
        seen = f" ({_listed(merged)})" if merged else ""
        sentences.append(f"What it calls other{seen} it does not count.")
    if asked.split == "study":
        sentences.append(
            "Its figures are of copies of photographs it was trained on: they tell nothing of others."
        )
    strange = [f"{label}s" for label in (*_OFTEN_MISSING, "blast") if label not in classes]
    if strange:
        sentences.append(f"It was never shown {_listed(strange)}: these may be called by its names.")
    return " ".join(sentences)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def fit_temperature(
    logits: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64]
) -> float:
    """Return the temperature with the least log loss on held-out cells (Guo et al. 2017).

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


def allowed_bytes(network: keras.Model, quantized: Quantized, finder: FinderPart | None = None) -> int:
    """Return how large a network's bundle may be: one that shipped would fit, or hardly more than its int8.

    A flattened head is in the file twice, forwards and backwards, and in float. A finder has its own gate,
    and comes on top where the namer is larger than one that shipped.
    """
    head = quantized.head
    in_float: int = 0 if head is None else _BYTES_A_FLOAT * head.count_params()
    beside = 0 if finder is None else sum(map(len, finder.members.values()))
    return max(MAX_BUNDLE_BYTES, round(_BYTES_A_WEIGHT * float(network.count_params())) + beside) + in_float


def _golden_crops(recipe: Recipe, count: int = 3) -> Iterator[NDArray[np.uint8]]:
    """Cut the largest cells of the first drawn fields, without noise, which PNG cannot pack."""
    camera = SimulatedCamera(SimulatedConfig(seed=20, noise=0))
    while count and (frame := camera.read()):
        if recipe.data.masking == "found":
            whole = [cell for cell in camera.truth(frame.name) if cell.complete]
            for cell in whole[:1]:
                yield cut_cell(frame.pixels, cell.center, math.sqrt(cell.box[2] * cell.box[3]))
                count -= 1
            continue
        masks = study.find(frame.pixels)
        if masks.cells:
            yield cut_crop(frame.pixels, masks.cells[0])
            count -= 1


def goldens_of(quantized: Quantized, recipe: Recipe) -> tuple[tuple[Golden, ...], dict[str, bytes]]:
    """Draw the golden inputs and answer them: drawn cells, so that no photograph rides in the bundle."""
    opened = Runtime(quantized.model, quantized.outputs, turns=quantized.turns)
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
                tuple(float(f"{v:.5g}") for v in outputs["maps"][:, :, best].ravel()),
            )
        )
        images[name] = png.tobytes()
    return tuple(goldens), images


def write(
    path: Path,
    quantized: Quantized,
    recipe: Recipe,
    *,
    temperature: float,
    reject: Reject,
    training: dict[str, Any],
    measured: dict[str, Any],
    confusion: Confusion | None = None,
    seen: bytes = b"",
    max_bytes: int = MAX_BUNDLE_BYTES,
    finder: FinderPart | None = None,
    known: KnownMicroscopes | None = None,
) -> None:
    """Write the bundle, with its model card in it and beside it, after it ran on every installed runtime.

    seen: hashes of the training cells, which `max_bytes` does not count. A file that fails is removed again.
    Raises ExportError or BundleError.
    """
    goldens, images = goldens_of(quantized, recipe)
    description = Description(
        format="leukoscope.bundle/1",
        name=recipe.name,
        labels=recipe.data.classes,
        preprocessing=CROPS[recipe.data.masking],
        model_sha256=hashlib.sha256(quantized.model).hexdigest(),
        outputs=quantized.outputs,
        temperature=temperature,
        reject=reject,
        goldens=goldens,
        tolerance=GOLDEN_TOLERANCE,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        intended_use=INTENDED_USE,
        limits=limits(recipe.data),
        training=training,
        measured=measured,
        tools=versions(TOOLS),
        confusion=confusion,
        finder=None if finder is None else finder.description,
        known=known,
        turns=recipe.turns,
    )
    trial = path.with_name(f"trial-{path.name}")
    card = model_card(description)
    members = images | {MODEL_CARD: card.encode()} | dict(finder.members if finder else {})
    if seen:
        members[SEEN] = seen
    write_bundle(trial, quantized.model, description, members)
    try:
        size = trial.stat().st_size - len(seen)
        if size > max_bytes:
            raise ExportError(f"gate size: the bundle has {size} bytes; {max_bytes} are allowed")
        _try_on_every_runtime(trial)
        trial.replace(path)
        put_in_place(path.with_suffix(".md"), card.encode())
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
