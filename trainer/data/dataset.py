"""What is known of a data set before an image of it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.data.grouping import Grouping
    from trainer.data.images import Kind
    from trainer.data.readers import AnnotatedReader, LabelledReader

UNLABELLED = "unlabelled"
"""Stands for the label in the counts of a set without classes."""


@dataclass(frozen=True)
class Dataset:
    """One set of images.

    folder: below the data directory. reader: of its layout. counts: label -> images of the known release, or
    labelled cells where an image shows several. sha256: `fingerprint` of the known release. copies: whether
    its images are copies of photographs, several of one; originals: folder of these, where it is known.
    training: whether what ships may be trained on it; else it is for measuring only. microscope: the sets of
    one are left out together. grouping: how its images belong together; None: each stands alone, or `copies`.
    annotated: the kinds of which every one in an image has a box; of the others some have, or none.
    red_cell: median diameter of a red cell in its images, pixels; None: not measured. faults: what is wrong.
    """

    folder: str
    reader: LabelledReader | AnnotatedReader
    licence: str
    source: str
    counts: Mapping[str, int]
    sha256: str
    copies: bool = False
    originals: str | None = None
    training: bool = True
    microscope: str = ""
    grouping: Grouping | None = None
    annotated: tuple[Kind, ...] = ()
    red_cell: float | None = None
    faults: str = ""
