"""What a refitted bundle says of itself: where it comes from, how right it is, and how it errs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edge import __version__
from edge.adaptation.refit import fit_temperature
from edge.models.bundle import Parent
from edge.naming.confusion_matrix import confusion_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.adaptation.labelled_cells import LabelledCells
    from edge.adaptation.refit import Chosen, Figures, Floats, LabelledFeatures
    from edge.models.bundle import Description
    from edge.models.confusion import Confusion
    from edge.naming.classifier import Classifier


def refitted_description(
    parent: Classifier, record: dict[str, Any], chosen: Chosen, cells: LabelledCells
) -> Description:
    """The parent's description with what is other in the refitted bundle. record: of its calibration."""
    about = parent.bundle.description
    limit = "Its last layer was refitted to labelled cells of one microscope: it is meant for that one."
    return msgspec.structs.replace(
        about,
        name=f"{about.name.removesuffix('-calibrated')}-calibrated",
        parent=Parent(parent.bundle.sha256, about.name),
        calibration=record | {"runtime": parent.runtime_name, "leukoscope": __version__},
        measured={"labelled cells, each held back once": record["after"]},
        temperature=fit_temperature(chosen.logits, cells.labels),
        confusion=None,  # the parent's: the new layer errs elsewhere
        limits=about.limits if limit in about.limits else f"{about.limits} {limit}",
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def held_back_confusion(
    about: Description, held_back: Floats, features: LabelledFeatures, cells: LabelledCells
) -> Confusion:
    """How it errs: each labelled cell called once, by a layer that was fitted without it."""
    scaled = held_back / about.temperature
    exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return confusion_matrix(
        (exponent / exponent.sum(axis=1, keepdims=True)).astype(np.float32),
        features.features[:, 0].astype(np.float32),
        cells.labels,
        np.ones(len(cells.labels)),
        classes=about.labels,
        rule=about.reject,
        on="labelled cells, each held back once",
    )


def figures_of(figures: Figures, labels: Sequence[str]) -> dict[str, Any]:
    """Figures as a bundle and the JSON of `model adapt` carry them: shares from 0 to 1."""
    return {
        "macro_recall": round(figures.macro_recall, 4),
        "right": figures.right,
        "of": figures.cells,
        "log_loss": round(figures.log_loss, 4),
        "recall": {labels[c]: round(share, 4) for c, share in figures.recall.items()},
    }
