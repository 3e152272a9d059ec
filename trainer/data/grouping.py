"""Which images belong together: of one slide, which no split may part, or of one cell, which counts once.

`same_cells/` holds, for a set whose files do not tell, which images show the same cell (image, cell). They
were found by comparing all pictures of a set, and looked at: `chula` by correlation of the boxes and what is
around them (0.80 and more; of cells of different slides at most 0.79), the others as
`trainer.data.photographs` does it.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from trainer.data.fields import one_name_a_field
from trainer.data.images import AnnotatedImage, LabelledImage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAME_CELLS = Path(__file__).parent / "same_cells"

Image = TypeVar("Image", LabelledImage, AnnotatedImage)


@dataclass(frozen=True)
class Grouping:
    """How a set's images belong together.

    prefix: starts the names of groups and cells, so that those of two microscopes differ. same_cells: a file
    in `SAME_CELLS`, or "". cell, slide: regular expressions whose first group, in the name of a file or of
    its cell, is the cell or the slide; "": not told. merged: slides that share a cell -> their common name.
    """

    prefix: str = ""
    same_cells: str = ""
    cell: str = ""
    slide: str = ""
    merged: Mapping[str, str] = field(default_factory=dict)

    def of(self, images: Sequence[Image]) -> list[Image]:
        """Return the images with their `group` and `cell`, in the same order."""
        told = [self._told(image.name) for image in images]
        names = one_name_a_field({name: name for both in told for name in both})
        return [
            replace(image, group=names[group], cell=names[cell])
            for image, (group, cell) in zip(images, told, strict=True)
        ]

    def without_contradictions(self, cells: Sequence[LabelledImage]) -> list[LabelledImage]:
        """Return the cells of `of`, but those that `same_cells` says are one and whose labels differ."""
        labels = defaultdict(set)
        for cell in cells:
            labels[cell.cell].add(cell.label)
        return [cell for cell in cells if not self.same_cells or len(labels[cell.cell]) == 1]

    def _told(self, name: str) -> tuple[str, str]:
        """Return the group and the cell of an image."""
        known = _same_cells(self.same_cells) if self.same_cells else {}
        own = name.partition("/images/")[2] or name.rpartition("/")[2]
        cell = known.get(own) or known.get(f"{own}#1") or _first(self.cell, own) or own
        slide = _first(self.slide, cell)
        group = self.merged.get(slide, slide) or cell
        return f"{self.prefix}{group}", f"{self.prefix}{cell}"


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text) if pattern else None
    return found[1] if found else ""


@cache
def _same_cells(name: str) -> dict[str, str]:
    with (SAME_CELLS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return {row["image"]: row["cell"] for row in csv.DictReader(file)}
