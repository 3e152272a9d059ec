"""What a data set says of an image: its class, or where things lie in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["white cell", "red cell", "platelet"]


class DataError(LeukoscopeError):
    """A data set is missing, or something in it is missing, empty, unknown, malformed or cut off."""

    exit_status = 2


@dataclass(frozen=True)
class Box:
    """What lies where in an image: the upper left corner and the size in pixels, all of it in the image."""

    kind: Kind
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class LabelledImage:
    """One white cell of known class, and the name by which groups and reports know it.

    box: the cell, in an image that may show several; None where the image shows one. detail: what the set
    says more exactly than the label does. group: what no split may part, as a slide; "": `name` alone.
    cell: images of one cell share it, and count once together; "": `name` alone.
    """

    path: Path
    label: str
    name: str
    box: Box | None = None
    detail: str = ""
    group: str = ""
    cell: str = ""


@dataclass(frozen=True)
class AnnotatedImage:
    """A field or a cell without a class: what is known is where things lie.

    boxes: () in a set without boxes. mask: a grey image of the image's size, 255 nucleus, 128 cytoplasm
    where the set tells it, 0 the rest; None in a set without masks. group, cell: as of `LabelledImage`.
    """

    path: Path
    name: str
    boxes: tuple[Box, ...] = ()
    mask: Path | None = None
    group: str = ""
    cell: str = ""
