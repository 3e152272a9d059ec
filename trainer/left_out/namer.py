"""The namer with a microscope left out: trained, made int8, and measured as the device would call."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edge.errors import ConfigError
from edge.labels import OTHER
from edge.masking import CROPS
from edge.naming.classifier import Classifier
from trainer.data.datasets import DATASETS, fingerprint, list_images
from trainer.data.readers import LabelledReader
from trainer.data.samples import load_samples
from trainer.data.shipped_finder import finder_version
from trainer.data.splits import photograph_weights
from trainer.evaluation.rejection import Outputs
from trainer.evaluation.trust import trust_curve
from trainer.export.bundling import export_run
from trainer.left_out.adapting import adapting_figures
from trainer.left_out.aligning import aligned
from trainer.left_out.figures import naming_figures
from trainer.left_out.in_turn import Measured, sets_without
from trainer.networks.predicting import predict
from trainer.quantization.int8 import ExportError
from trainer.recipe import Data, Recipe, changed
from trainer.training.fitting import centre
from trainer.training.run import fit_run, open_run, progress_bar
from trainer.training.shares import weights_on_slides

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.naming.alignment import Aligner
    from trainer.data.arrays import Samples
    from trainer.evaluation.metrics import Estimate
    from trainer.evaluation.trust import TrustPoint

BUNDLE = "namer.tflite"


@dataclass(frozen=True)
class NamerHalf:
    """A recipe's network, augmentation and training, on those of its sets that are of other microscopes."""

    recipe: Recipe
    name: str = "namer"

    def made_from(self, microscope: str, data: Path) -> str:
        """Return the hash of recipe, masking, finder that cuts, and of all images, seen and measured on."""
        asked = self.without(microscope)
        parts = [msgspec.json.encode(asked), CROPS[asked.data.masking].encode()]
        parts += [finder_version().encode()] if asked.data.masking == "found" else []
        names = (*asked.data.sets, *self.measured_on(microscope))
        parts += [fingerprint(list_images(data, name)).encode() for name in names]
        return hashlib.sha256(b"\n".join(parts)).hexdigest()

    def measure(self, microscope: str, data: Path, folder: Path) -> Measured:
        """Fit, export and measure. A bundle that passes no gate leaves the figures of float, and a note."""
        asked = self.without(microscope)
        fit_run(asked, data, folder)
        notes: list[str] = []
        bundle: Path | None = folder / BUNDLE
        try:
            export_run(folder, data, folder / BUNDLE, (), alone=True)
        except ExportError as error:
            bundle = None
            notes.append(f"no int8, so nothing is refused: {error}")
        with progress_bar() as progress:
            model = open_run(folder, data, progress).model
            loaded = load_samples(self.on(microscope), data, folder, None, progress, every_class=False)
        samples = loaded.samples
        sets = self.measured_on(microscope)
        classes = asked.data.classes
        counted = [number for number, label in enumerate(classes) if label != OTHER]
        if not np.isin(samples.labels, counted).any():
            raise ConfigError(f"{', '.join(sets)}: no cell could be cut of a class that the recipe counts")
        likeliest = predict(model, centre(samples.pixels), asked.turns).argmax(axis=1)
        figures = {"float macro recall": _named(samples, likeliest, None, counted)["macro recall"]}
        trust: tuple[TrustPoint, ...] = ()
        if bundle is not None:
            classifier = Classifier.load(bundle)
            figures = _named(samples, *_called(classifier, samples), counted) | figures
            aligner = aligned(classifier, samples, classes)
            if aligner is not None:
                calls = _named(samples, *_called(classifier, samples, aligner), counted)
                figures |= {f"{name}, aligned": value for name, value in calls.items()}
            figures |= adapting_figures(bundle, samples, classes)
            trust = _trust(classifier, samples, aligner, asked.data)
        counts = {
            "cells": len(samples.labels),
            "distinct": len(set(samples.shown())),
            "groups": len(set(samples.photographs)),
            "not used": loaded.left_out,
        }
        return Measured(asked.data.sets, sets, counts, figures, tuple(notes), trust)

    def without(self, microscope: str) -> Recipe:
        """Return the recipe without the microscope's sets. Raises ConfigError where no set is left."""
        data = self.recipe.data
        sets = sets_without(microscope, data.sets)
        if not sets:
            raise ConfigError(f"recipe {self.recipe.name}: without {microscope} there is nothing to train on")
        # Some classes are of one microscope alone: without it there is none to train on.
        there = {label for name in sets for label in DATASETS[name].counts}
        merged = {label: tuple(one for one in ones if one in there) for label, ones in data.merged.items()}
        return changed(
            self.recipe,
            data={
                "sets": sets,
                "merged": merged,
                "leave_out": self._photographs(sets),
                "split": "photographs",
                "test_sets": (),
            },
            training={},
        )

    def on(self, microscope: str) -> Recipe:
        """Return the recipe on what of the microscope is measured on, with all classes that it merges."""
        sets = self.measured_on(microscope)
        here = {"sets": sets, "leave_out": self._photographs(sets), "test_sets": (), "context": 1.0}
        return changed(self.recipe, data={**here, "split": "photographs"}, training={})

    def measured_on(self, microscope: str) -> tuple[str, ...]:
        """Return the microscope's sets of cells that are counted; no copies of photographs."""
        counted = set(self.recipe.data.classes) - {OTHER}
        return tuple(
            name
            for name, known in DATASETS.items()
            if known.microscope == microscope
            and isinstance(known.reader, LabelledReader)
            and not known.copies
            and counted & set(known.counts)
        )

    def _photographs(self, sets: Sequence[str]) -> tuple[str, ...]:
        """Return the photographs that the recipe leaves out, where one of the sets may show them."""
        ours = any(DATASETS[name].originals for name in sets)
        return self.recipe.data.leave_out if ours else ()


def _named(
    samples: Samples, likeliest: NDArray[np.int64], called: NDArray[np.bool_] | None, counted: list[int]
) -> dict[str, Estimate]:
    return naming_figures(
        samples.labels,
        likeliest,
        called,
        counted=counted,
        groups=samples.photographs,
        cells=samples.shown(),
    )


def _trust(
    classifier: Classifier, samples: Samples, aligner: Aligner | None, data: Data
) -> tuple[TrustPoint, ...]:
    about = classifier.bundle.description
    outputs = [classifier.raw_outputs(crop) for crop in samples.pixels]
    logits, features = (
        np.array([one[name] for one in outputs], np.float32).reshape(len(outputs), -1)
        for name in ("logits", "features")
    )
    if aligner is not None:
        logits = logits - aligner.offset.astype(np.float32)
    found = Outputs(logits, features, samples.labels)
    return trust_curve(
        found.probabilities(about.temperature).astype(np.float32),
        features,
        samples.labels,
        weights_on_slides(photograph_weights(samples.shown()), samples.labels, data),
        about.reject,
        about.labels,
    )


def _called(
    classifier: Classifier, samples: Samples, aligner: Aligner | None = None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return each crop's likeliest class, int64 (n,), and whether the device calls it, bool (n,)."""
    calls = classifier.classify_all(samples.pixels, aligner)
    likeliest = np.array([np.argmax(call.probabilities) for call in calls], np.int64)
    return likeliest, np.array([call.rejected is None for call in calls], np.bool_)
