"""Cells that an operator has named: a folder for each class, and in each image the largest cell is meant."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path  # noqa: TC003 (part of the public signature)
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from edge.adaptation.progress import no_report
from edge.adaptation.remark import Remark, of_image
from edge.analyzer import Analyzer
from edge.cameras.image_files import read_image
from edge.cameras.image_folders import SUFFIXES, is_left_out
from edge.cameras.replay import ReplayCamera
from edge.config import ReplayConfig
from edge.errors import CameraError, LeukoscopeError, UnreadableFrameError
from edge.labels import did_you_mean, same_class
from edge.masking import CROPS, cut_crop
from edge.quality.assessment import assess

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from edge.adaptation.progress import Report
    from edge.imaging.pixels import Pixels
    from edge.masking import FieldMasks
    from edge.naming.classifier import Classifier

MAX_IMAGES_OF_A_CLASS = 200
"""More take longer and teach the last layer hardly more; of more, as many are taken, evenly."""


Find: TypeAlias = "Callable[[Pixels], FieldMasks]"
"""Finds the white cells of a frame, uint8 RGB (height, width, 3), the largest first."""


class LabelledCellsError(LeukoscopeError):
    """The folder of labelled cells cannot be used: a wrong class, too few cells, one cell of two classes.

    remarks: on each image that was not taken.
    """

    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class LabelledCells:
    """crops: uint8 RGB (120, 120, 3) each. labels: int64 (cells,), places in the model's list of labels.

    remarks: on each image or class that was not taken as it was given. source: where they are from, as errors
    name it. images: how many were looked at. without_cell: place of the label -> images of it in which no
    cell was found.
    """

    crops: tuple[Pixels, ...]
    labels: NDArray[np.int64]
    remarks: tuple[Remark, ...]
    source: str
    images: int = 0
    without_cell: Mapping[int, int] = field(default_factory=dict)

    def of(self, places: Collection[int]) -> LabelledCells:
        """The cells of these labels only."""
        kept = np.isin(self.labels, list(places))
        crops = tuple(crop for crop, wanted in zip(self.crops, kept, strict=True) if wanted)
        return replace(self, crops=crops, labels=self.labels[kept])


def read_labelled(
    folder: Path,
    labels: Sequence[str],
    find: Find,
    *,
    most: int | None = None,
    report: Report = no_report,
) -> LabelledCells:
    """Find the largest cell of each image in the folder's folders, which are named as the labels are.

    Their case does not matter, nor a plural. An image that cannot be read, has no cell, or would not be
    analysed on the device is left out with a remark, as is one that is there twice: held back and learnt, it
    would flatter. So is a folder without images. most: images of a class that are taken; None: as many as
    teach the last layer something.

    Raises LabelledCellsError.
    """
    chosen, remarks = _chosen(folder, labels, MAX_IMAGES_OF_A_CLASS if most is None else most)
    crops: list[Pixels] = []
    numbers: list[int] = []
    without_cell: Counter[int] = Counter()
    seen: dict[bytes, tuple[Path, int]] = {}
    for done, (place, file) in enumerate(chosen, 1):
        report("finding the cells", done, len(chosen))
        try:
            pixels = read_image(file)
        except UnreadableFrameError as error:
            remarks.append(of_image(f"{error}; it is passed over"))
            continue
        first, its_place = seen.setdefault(hashlib.sha256(pixels.tobytes()).digest(), (file, place))
        if its_place != place:
            raise LabelledCellsError(
                f"{file}: is the same image as {first}, which is named {labels[its_place]}"
            )
        if first != file:
            remarks.append(of_image(f"{file}: is left out: it is the same image as {first}"))
            continue
        crop = _largest(pixels, find)
        if isinstance(crop, str):
            without_cell[place] += 1
            remarks.append(of_image(f"{file}: is left out: {crop}"))
            continue
        crops.append(crop)
        numbers.append(place)
    missing = [label for place, label in enumerate(labels) if place not in numbers]
    if missing and numbers:  # with no cell at all, nothing is measured on any class
        text = f"{folder}: has no {' and no '.join(missing)}: how right it is on them is not measured"
        remarks.append(of_image(text))
    return LabelledCells(
        tuple(crops),
        np.array(numbers, np.int64),
        tuple(remarks),
        str(folder),
        len(chosen),
        dict(without_cell),
    )


def finder_of(classifier: Classifier) -> Find:
    """How the cells are found whose crops a model reads. Raises BundleError where it is not known here."""
    asked = classifier.bundle.description.preprocessing
    analyzer = Analyzer(classifier, "study" if asked == CROPS["study"] else "found")

    def find(pixels: Pixels) -> FieldMasks:
        analyzer.restore()  # each picture may be of another microscope
        return analyzer.find(pixels)

    return find


def _chosen(folder: Path, labels: Sequence[str], most: int) -> tuple[list[tuple[int, Path]], list[Remark]]:
    """The place of its label and the path of each image that is taken, and remarks on those that are not."""
    chosen: list[tuple[int, Path]] = []
    remarks = []
    for place, class_folder in _class_folders(folder, labels):
        try:
            files = ReplayCamera(ReplayConfig((str(class_folder),))).files
        except CameraError as error:
            remarks.append(of_image(f"{error}; it is passed over"))
            continue
        if len(files) > most:
            remarks.append(of_image(f"{class_folder}: {most} of its {len(files)} images are taken"))
            files = tuple(files[len(files) * k // most] for k in range(most))
        chosen += [(place, file) for file in files]
    return chosen, remarks


def _class_folders(folder: Path, labels: Sequence[str]) -> list[tuple[int, Path]]:
    """Return the place of the label and the folder for each class, in the order of their names."""
    wanted = f"a folder for each class is wanted: {', '.join(labels)}"
    found = []
    try:
        entries = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        raise LabelledCellsError(f"{folder}: there is no such folder") from None
    except OSError as error:
        raise LabelledCellsError(f"{folder}: cannot be read: {error.strerror}") from None
    for entry in entries:
        if is_left_out(entry.name):
            continue
        if not entry.exists():
            raise LabelledCellsError(f"{entry}: is a link to {entry.readlink()}, which is not there")
        if entry.is_dir():
            label = same_class(entry.name, labels)
            if label is None:
                meant = did_you_mean(entry.name, labels)
                raise LabelledCellsError(f"{entry}: is no class of the model{meant or f'; {wanted}'}")
            found.append((list(labels).index(label), entry))
        elif entry.suffix.lower() in SUFFIXES:
            raise LabelledCellsError(f"{entry}: lies in no class's folder; {wanted}")
    if not found:
        raise LabelledCellsError(f"{folder}: {wanted}")
    return found


def _largest(pixels: Pixels, find: Find) -> Pixels | str:
    """Return the crop of the largest cell, or why there is none."""
    quality = assess(pixels)
    if not quality.accepted:
        return f"the device would not analyse it: {quality.reason}"
    masks = find(pixels)
    return cut_crop(pixels, masks.cells[0]) if masks.cells else "no white cell is found in it"
