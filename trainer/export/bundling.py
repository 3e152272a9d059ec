"""From a finished run to the bundle: quantized, passed through the gates, with its rule of refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edge.errors import ConfigError
from edge.labels import OTHER
from edge.models.reject import Reject
from trainer.data.datasets import find_set
from trainer.data.splits import photograph_weights
from trainer.evaluation.confusion import confusion_of
from trainer.evaluation.known_microscopes import known_microscopes, microscope_weights
from trainer.evaluation.metrics import measure
from trainer.evaluation.rejection import Outputs, fit_rejection
from trainer.evaluation.trust import read_trust
from trainer.export import bundle_writer
from trainer.export.measured import evaluated, main_figures
from trainer.export.model_card import CARD_TITLE
from trainer.export.seen import hashes_of
from trainer.finder.bundled import TRAINED, finder_part
from trainer.networks.predicting import predict
from trainer.networks.registry import has_maps
from trainer.outputs import files_below, has_mark, is_exported, refuse_output
from trainer.quantization import gates
from trainer.quantization.int8 import ExportError, Quantized, int8_outputs
from trainer.training.fitting import centre
from trainer.training.run import Opened, calibration_crops, open_run, progress_bar, quantized_run
from trainer.training.shares import weights_on_slides

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.progress import Progress

    from edge.models.confusion import Confusion
    from trainer.data.arrays import Samples
    from trainer.evaluation.trust import LeftOutTrust
    from trainer.recipe import Data

HELD_OUT = "held-out photographs"
HELD_OUT_COPIES = "held-out copies of photographs trained on"
_SHOWN_A_CLASS = 200
_COMPARED_CROPS = 20
_MINIMUM_PROBABILITY = 0.5  # below it the other classes together are likelier than the one called


def export_run(
    folder: Path,
    data: Path,
    out: Path,
    evaluations: Sequence[Path] = (),
    finder: Path | None = None,
    *,
    alone: bool = False,
    left_out: Path | None = None,
    force: bool = False,
) -> None:
    """Quantize the run's averaged weights, pass the gates on its held-out photographs, and write the bundle.

    evaluations: files that `evaluate` wrote, of this run or another, whose int8 figures the bundle is to
    carry. finder: its run, for a recipe of masking "found"; None: the one that ships. alone: to be
    measured without one, which no device does, so that no agreement with float is asked of it either.
    left_out: what `microscopes --left-out` wrote, which then says how sure a call must be.
    A network without class activation maps is written as a plain .tflite file, which no device takes.
    The study's own split, whose held-out part measures nothing, is taken with the study's masking alone, and
    the bundle says so.
    force: over any file at `out` and its card's place but an input; else over earlier bundles and cards only.

    Raises ConfigError when the folder holds no finished run or an evaluation cannot be used, DataError,
    ExportError, OutputError for a file in the way.
    """
    if out.suffix == ".md":
        raise ConfigError(f"{out}: is where the model card goes; name the bundle .tflite")
    inputs = [*evaluations, *files_below([folder]), *([] if left_out is None else [left_out])]
    refuse_output(out, "export", is_exported, inputs=inputs, force=force)
    card = out.with_suffix(".md")
    refuse_output(card, "export", has_mark(CARD_TITLE), inputs=inputs, force=force)
    out.parent.mkdir(parents=True, exist_ok=True)  # before the long work, not after it
    with progress_bar() as progress:
        elsewhere = evaluated(evaluations, folder)
        elsewhere_trust = None if left_out is None else read_trust(left_out)
        opened = open_run(folder, data, progress)
        run, recipe = opened.run, opened.run.recipe
        with_maps = has_maps(opened.model)
        by_finder = recipe.data.masking == "found"
        if finder is not None and not by_finder:
            raise ConfigError(f"{folder}: a model of masking {recipe.data.masking} takes no finder: --finder")
        own_finder = finder_part(finder or TRAINED) if by_finder and not alone else None
        if not len(opened.held_out.labels):
            raise ExportError(f"{folder}: holds nothing out of training, so int8 can pass no gate")
        if recipe.data.split == "study" and with_maps and recipe.data.masking != "study":
            raise ExportError(
                f"{folder}: its split parts copies of one photograph, so what it holds out measures nothing; "
                "a bundle is made from a run that is split over photographs"
            )
        quantized = quantized_run(opened, progress)
        int8 = {"min_runtime_version": gates.check_operators(quantized.model)}
        progress.console.print("comparing the ranges of int8 with float")
        int8 |= gates.check_ranges(quantized, calibration_crops(opened)[:_COMPARED_CROPS])
        answers = _answers(opened.held_out, quantized, opened, progress)
        measured = compared(opened, answers, gated=not alone)
        together = next(iter(measured.values()))
        note = "  ".join(f"{key} {together[key]}" for key in ("float_accuracy", "int8_accuracy", "agreement"))
        if not with_maps:
            # The device explains each call; without maps it cannot, so this is a file to measure, no bundle.
            out.write_bytes(quantized.model)
            size = f"{len(quantized.model)} bytes"
            progress.console.print(f"{out}: {size}, plain int8 without maps: no bundle  {note}")
            return
        unseen, weights = opened.held_out, photograph_weights(opened.held_out.shown())
        on_slides = weights_on_slides(weights, unseen.labels, recipe.data)
        temperature = bundle_writer.fit_temperature(answers.int8, unseen.labels, on_slides)
        outputs = Outputs(answers.int8, answers.features, unseen.labels)
        reject = Reject(_MINIMUM_PROBABILITY)
        known = None
        if "features" in quantized.outputs:
            shown = _shown(opened, recipe.training.seed)
            seen = _answers(shown, quantized, None, progress)
            reject, rejecting = fit_rejection(
                Outputs(seen.int8, seen.features, shown.labels),
                outputs,
                on_slides,
                recipe.data.classes,
                temperature,
                _MINIMUM_PROBABILITY,
                None if elsewhere_trust is None else elsewhere_trust.asked,
                unseen.photographs,
            )
            about = _about_refusing(reject, recipe.data, elsewhere_trust) if rejecting else {}
            together["rejecting"] = rejecting | about
            known = known_microscopes(
                outputs,
                _balanced(opened, weights),
                unseen.sets,
                recipe.data.classes,
                temperature=temperature,
                rule=reject,
                on=f"{HELD_OUT} of {', '.join(recipe.data.sets)}",
            )
        bundle_writer.write(
            out,
            quantized,
            recipe,
            finder=own_finder,
            temperature=temperature,
            reject=reject,
            known=known,
            training={
                "data": {
                    name: {
                        "sha256": run.data_sha256[name],
                        "source": find_set(name, recipe.data.own).source,
                        "licence": find_set(name, recipe.data.own).licence,
                        "photographs": _photographs(opened, number),
                    }
                    for number, name in enumerate(recipe.data.sets)
                },
                "split_sha256": run.split_sha256,
                "photographs": run.photographs,
                "photographs_held_out": len(run.held_out),
                "first_weights": run.first_weights,
                "recipe": msgspec.to_builtins(recipe),
                "int8": int8,
            },
            measured=measured | elsewhere,
            confusion=_confusion(outputs, weights, opened, temperature, reject),
            seen=hashes_of(opened.seen),
            max_bytes=bundle_writer.allowed_bytes(opened.model, quantized, own_finder),
        )
        progress.console.print(f"{out}: {out.stat().st_size} bytes, temperature {temperature}  {note}")


def _balanced(opened: Opened, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights by which each microscope's held-out cells weigh the same."""
    unseen, classes = opened.held_out, opened.run.recipe.data.classes
    counted = np.array([label != OTHER for label in classes])
    return microscope_weights(weights, unseen.sets, counted[unseen.labels])


def _about_refusing(reject: Reject, data: Data, elsewhere: LeftOutTrust | None) -> dict[str, Any]:
    """Return what the rule's figures are of, and what its threshold does on microscopes left out."""
    told: dict[str, Any] = {}
    if reject.familiarity is None:
        return told
    if data.other_share:
        told["other_share"] = data.other_share
    if elsewhere is not None:
        point = elsewhere.at(reject.familiarity.minimum_trust)
        told |= {
            "left_out": list(elsewhere.microscopes),
            "left_out_called": point.called,
            "left_out_wrong_calls": point.wrong_calls,
        }
    return told


def _confusion(
    held_out: Outputs, weights: NDArray[np.float64], opened: Opened, temperature: float, reject: Reject
) -> Confusion | None:
    """Return how the model errs on photographs held out of training; None where copies of them were not."""
    data = opened.run.recipe.data
    if data.split == "study":
        return None
    return confusion_of(
        held_out,
        weights,
        data.classes,
        temperature=temperature,
        rule=reject,
        on=f"{HELD_OUT} of {', '.join(data.sets)}",
    )


@dataclass(frozen=True)
class Answers:
    """Float and int8 logits, float32 (n, classes), and features (n, f), where the network gives any."""

    floats: NDArray[np.float32]
    int8: NDArray[np.float32]
    features: NDArray[np.float32]


def _answers(samples: Samples, quantized: Quantized, opened: Opened | None, progress: Progress) -> Answers:
    """Answer samples in int8, and with `opened` in float as well."""
    pixels = centre(samples.pixels)
    task = "learning where the classes lie" if opened is None else "comparing int8 with float"
    bar = progress.add_task(task, total=len(pixels), note="")
    wanted = [name for name in ("logits", "features") if name in quantized.outputs]
    outputs = int8_outputs(quantized, pixels, wanted, progress=lambda: progress.advance(bar))
    logits = outputs["logits"]
    return Answers(
        np.empty_like(logits) if opened is None else predict(opened.model, pixels, quantized.turns),
        logits,
        outputs.get("features", np.empty((len(pixels), 0), np.float32)),
    )


def compared(opened: Opened, answers: Answers, *, gated: bool = True) -> dict[str, dict[str, Any]]:
    """Pass the gate of the calls on all held-out samples, and on those of each set; give the figures.

    gated: False for the figures alone, of what no device gets.
    """
    samples, recipe = opened.held_out, opened.run.recipe
    held_out = HELD_OUT_COPIES if recipe.data.split == "study" else HELD_OUT
    parts = {f"{held_out} of the training sets": np.ones(len(samples.labels), np.bool_)}
    if samples.sets is not None and len(recipe.data.sets) > 1:
        parts |= {f"{held_out} of {name}": samples.sets == n for n, name in enumerate(recipe.data.sets)}
    found = {}
    for name, chosen in parts.items():
        if not chosen.any():  # a test set
            continue
        part = samples.chosen(chosen)
        figures = gates.check_calls(
            name,
            answers.floats[chosen],
            answers.int8[chosen],
            part.labels,
            max_drop=bundle_writer.MAX_ACCURACY_DROP if gated else 1.0,
            min_agreement=bundle_writer.MIN_AGREEMENT if gated else 0.0,
        )
        figures["photographs"] = len(set(part.photographs))
        measured = measure(
            answers.int8[chosen], part.labels, part.photographs, recipe.data.classes, part.shown()
        )
        found[name] = figures | main_figures(measured)
    return found


def _photographs(opened: Opened, number: int) -> dict[str, int]:
    """Count the photographs of each class in one set that the network was trained on."""
    seen = opened.seen
    of_set = np.ones(len(seen.labels), np.bool_) if seen.sets is None else seen.sets == number
    names = np.array(seen.photographs)
    classes = enumerate(opened.run.recipe.data.classes)
    counts = {label: len(np.unique(names[of_set & (seen.labels == n)])) for n, label in classes}
    return {label: count for label, count in counts.items() if count}


def _shown(opened: Opened, seed: int) -> Samples:
    """Return some training crops of every class: where a class lies is known from a few hundred."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(opened.seen.labels), np.bool_)
    for label in np.unique(opened.seen.labels):
        own = np.flatnonzero(opened.seen.labels == label)
        chosen[rng.permutation(own)[:_SHOWN_A_CLASS]] = True
    return opened.seen.chosen(chosen)
