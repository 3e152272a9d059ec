"""What an adapted bundle says of itself: where it comes from, how right it is, and how it errs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from edge import __version__
from edge.adaptation.refit import fit_temperature, folds_of
from edge.adaptation.refusal import adapted_rule, judged_apart
from edge.models.bundle import Parent
from edge.naming.confusion_matrix import confusion_matrix
from edge.naming.known_microscopes import known_microscopes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.adaptation.refit import Figures, Floats, LabelledFeatures
    from edge.models.bundle import Description
    from edge.models.reject import Reject
    from edge.naming.classifier import Classifier

_ON = "named cells, each held back once"


class Calibrated(NamedTuple):
    """temperature: of the logits. probabilities: (cells, classes), by it. rule: when no call is made."""

    temperature: float
    probabilities: Floats
    rule: Reject


def adapted_description(
    parent: Classifier, record: dict[str, Any], held_back: Floats, cells: LabelledFeatures
) -> Description:
    """The parent's description with what is other in the adapted bundle.

    record: of its adaptation. held_back: logits (cells, classes), each cell's by a layer that was fitted
    without it: temperature, thresholds and confusion matrix are by them.
    """
    about = parent.bundle.description
    limit = "Its last layer was fitted to named cells of one microscope: it is meant for that one."
    temperature, probabilities, rule = calibrated(about, held_back, cells)
    named = cells.features[:, 0], cells.labels, probabilities, folds_of(cells.labels)
    judged = judged_apart(about.reject, rule, about.labels, *named)
    said = probabilities.astype(np.float32), judged, cells.labels, np.ones(len(cells.labels))
    return msgspec.structs.replace(
        about,
        name=f"{about.name.removesuffix('-adapted')}-adapted",
        parent=Parent(parent.bundle.sha256, about.name),
        adaptation=record | {"runtime": parent.runtime_name, "leukoscope": __version__},
        measured={_ON: record["after"]},
        temperature=temperature,
        reject=rule,
        confusion=confusion_matrix(  # the parent's says nothing: the new layer errs elsewhere
            *said, classes=about.labels, on=_ON
        ),
        known=known_microscopes(*said, classes=about.labels, on=_ON),
        limits=about.limits if limit in about.limits else f"{about.limits} {limit}",
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def calibrated(about: Description, held_back: Floats, cells: LabelledFeatures) -> Calibrated:
    """Return what is made of the logits of an adapted layer: of named cells held back, (cells, classes)."""
    temperature = fit_temperature(held_back, cells.labels)
    exponent = np.exp((held_back - held_back.max(axis=1, keepdims=True)) / temperature)
    probabilities = exponent / exponent.sum(axis=1, keepdims=True)
    named = cells.features[:, 0], cells.labels, probabilities, folds_of(cells.labels)
    return Calibrated(temperature, probabilities, adapted_rule(about.reject, about.labels, *named))


def figures_of(figures: Figures, labels: Sequence[str]) -> dict[str, Any]:
    """Figures as a bundle and the JSON of `model adapt` carry them: shares from 0 to 1."""
    return {
        "macro_recall": round(figures.macro_recall, 4),
        "right": figures.right,
        "of": figures.cells,
        "log_loss": round(figures.log_loss, 4),
        "recall": {labels[c]: round(share, 4) for c, share in figures.recall.items()},
    }
