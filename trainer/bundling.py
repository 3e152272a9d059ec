"""From a finished run to the bundle: quantized, passed through the gates, with its rule of refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from trainer import export
from trainer.datasets import DATASETS
from trainer.networks import has_maps
from trainer.quantization import ExportError, int8_outputs
from trainer.rejection import Outputs, fit_rejection
from trainer.run import Opened, open_run, progress_bar, quantized_run
from trainer.splits import photograph_weights
from trainer.training import Samples, centre, predict

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN_A_CLASS = 200
_MINIMUM_PROBABILITY = 0.5  # below it the other classes together are likelier than the one called


def export_run(folder: Path, data: Path, out: Path) -> None:
    """Quantize the run's averaged weights, pass the gates on its held-out photographs, and write the bundle.

    A network without class activation maps is written as a plain .tflite file, which no device takes.
    Raises ConfigError when the folder holds no finished run, DataError, ExportError.
    """
    with progress_bar() as progress:
        opened = open_run(folder, data, progress)
        run, model, hashes = opened.run, opened.model, opened.run.data_sha256
        recipe = run.recipe
        if not len(opened.held_out.labels):
            raise ExportError(f"{folder}: holds nothing out of training, so int8 can pass no gate")
        if recipe.data.split == "study" and has_maps(model):
            raise ExportError(
                f"{folder}: its split parts copies of one photograph, so what it holds out measures nothing; "
                "a bundle is made from a run that is split over photographs"
            )
        quantized = quantized_run(opened, progress)
        unseen = opened.held_out
        pixels = centre(unseen.pixels)
        bar = progress.add_task("comparing int8 with float", total=len(pixels), note="")
        wanted = ("logits", "features") if has_maps(model) else ("logits",)
        outputs = int8_outputs(quantized, pixels, wanted, progress=lambda: progress.advance(bar))
        int8_logits = outputs["logits"]
        weights = photograph_weights(unseen.photographs)
        figures = export.gate(predict(model, pixels), int8_logits, unseen.labels, weights)
        note = "  ".join(f"{name} {value}" for name, value in figures.items())
        if not has_maps(model):
            # The device explains each call; without maps it cannot, so this is a file to measure, no bundle.
            out.write_bytes(quantized.model)
            size = f"{len(quantized.model)} bytes"
            progress.console.print(f"{out}: {size}, plain int8 without maps: no bundle  {note}")
            return
        temperature = export.fit_temperature(int8_logits, unseen.labels, weights)
        shown = _shown(opened, recipe.training.seed)
        bar = progress.add_task("learning where the classes lie", total=len(shown.labels), note="")
        seen = int8_outputs(quantized, centre(shown.pixels), wanted, progress=lambda: progress.advance(bar))
        reject, rejecting = fit_rejection(
            Outputs(seen["logits"], seen["features"], shown.labels),
            Outputs(int8_logits, outputs["features"], unseen.labels),
            weights,
            recipe.data.classes,
            temperature,
            _MINIMUM_PROBABILITY,
        )
        export.write(
            out,
            quantized,
            recipe,
            temperature=temperature,
            reject=reject,
            training={
                "data": {name: {"sha256": h, "source": DATASETS[name].source} for name, h in hashes.items()},
                "split_sha256": run.split_sha256,
                "photographs": run.photographs,
                "photographs_held_out": len(run.held_out),
                "recipe": msgspec.to_builtins(recipe),
            },
            measured={"held-out photographs of the training sets": figures | rejecting} if figures else {},
        )
        progress.console.print(f"{out}: {out.stat().st_size} bytes, temperature {temperature}  {note}")


def _shown(opened: Opened, seed: int) -> Samples:
    """Give some training crops of every class: where a class lies is known from a few hundred."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(opened.seen.labels), np.bool_)
    for label in np.unique(opened.seen.labels):
        own = np.flatnonzero(opened.seen.labels == label)
        chosen[rng.permutation(own)[:_SHOWN_A_CLASS]] = True
    return opened.seen.chosen(chosen)
