"""How right a model is on cells that an operator has named, as the device would answer. Figures only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from msgspec import Struct

from edge.adaptation.counted_share import CountedShare
from edge.adaptation.labelled_cells import LabelledCellsError, finder_of, read_labelled
from edge.adaptation.progress import no_report
from edge.differential.intervals import METHODS
from edge.labels import OTHER
from edge.messages import ModelReference  # noqa: TC001 (msgspec reads annotations at run time)
from edge.naming.classifier import Classifier
from edge.naming.seen_cells import seen_before

if TYPE_CHECKING:
    from pathlib import Path

    from edge.adaptation.progress import Report

MAX_IMAGES_OF_A_CLASS = 1000
"""More hold no more than memory for what a percent less of an interval is worth."""


class ClassMeasurement(Struct, frozen=True):
    """What became of the cells of one true class.

    recall: called by their name, before any refusal. called: label -> cells, the likeliest class of each.
    refused: not to be counted, of those. without_cell: images in which no cell was found.
    """

    label: str
    recall: CountedShare
    called: dict[str, int]
    refused: int
    without_cell: int


class Measurement(Struct, frozen=True, kw_only=True):
    """A model's figures on labelled images.

    right: of all cells, called by their name before any refusal. macro_recall: percent, each class the same.
    called: cells of counted classes that the model does not refuse. wrong_calls: of all calls it does not
    refuse. seen: cells that look like ones it was trained on or fitted to. remarks: a sentence for each image
    that was not taken.
    """

    schema: Literal["leukoscope.measure/1"] = "leukoscope.measure/1"
    model: ModelReference
    folder: str
    images: int
    cells: int
    right: CountedShare
    macro_recall: float
    called: CountedShare
    wrong_calls: CountedShare
    interval: str
    classes: tuple[ClassMeasurement, ...]
    seen: int
    remarks: tuple[str, ...]


def measure(folder: Path, model: Path, report: Report = no_report) -> Measurement:
    """Call the largest cell of each image in the folder's folders, and compare with the folders' names.

    Raises LabelledCellsError, BundleError, NoRuntimeError.
    """
    classifier = Classifier.load(model)
    labels = classifier.labels
    cells = read_labelled(folder, labels, finder_of(classifier), most=MAX_IMAGES_OF_A_CLASS, report=report)
    if not cells.crops:
        first = f"; {cells.remarks[0]}" if cells.remarks else ""
        error = LabelledCellsError(f"{folder}: no image in it shows a white cell that is found{first}")
        error.remarks = cells.remarks
        raise error
    calls = []
    for done, crop in enumerate(cells.crops, 1):
        calls.append(classifier.classify(crop))
        report("asking the model", done, len(cells.crops))
    likeliest = np.array([call.called for call in calls])
    accepted = np.array([call.rejected is None for call in calls])
    right = likeliest == cells.labels
    counted = np.array([label != OTHER for label in labels])[cells.labels]
    classes = tuple(
        ClassMeasurement(
            label,
            CountedShare.counted(int((right & own).sum()), int(own.sum())),
            {
                labels[other]: int((likeliest[own] == other).sum())
                for other in range(len(labels))
                if (likeliest[own] == other).any()
            },
            int((own & ~accepted).sum()),
            cells.without_cell.get(place, 0),
        )
        for place, label in enumerate(labels)
        if (own := cells.labels == place).any() or cells.without_cell.get(place)
    )
    recalls = [one.recall.percent for one in classes if one.recall.percent is not None]
    return Measurement(
        model=classifier.reference,
        folder=str(folder),
        images=cells.images,
        cells=len(calls),
        right=CountedShare.counted(int(right.sum()), len(calls)),
        macro_recall=round(float(np.mean(recalls)), 2),
        called=CountedShare.counted(int((accepted & counted).sum()), int(counted.sum())),
        wrong_calls=CountedShare.counted(int((accepted & ~right).sum()), int(accepted.sum())),
        interval=METHODS["exact"][0],
        classes=classes,
        seen=int(seen_before(cells.crops, classifier.bundle.seen).sum()),
        remarks=tuple(str(each) for each in cells.remarks),
    )


def to_json(found: Measurement) -> str:
    """The figures as one line of JSON."""
    return msgspec.json.encode(found).decode()
