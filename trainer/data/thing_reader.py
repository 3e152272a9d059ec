"""A reader of what in a field is no white cell: red cells and platelets, to be known as `other`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.data.images import Box, LabelledImage

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    from trainer.data.images import AnnotatedImage

    class FieldReader(Protocol):
        """Reads fields with boxes."""

        def read(self, folder: Path, data: Path) -> list[AnnotatedImage]:
            """List the fields by name."""


@dataclass(frozen=True)
class Things:
    """The red cells and platelets of a set's fields, as a finder that errs would give them to the classifier.

    fields: reads the fields. most: how many of each kind, spread evenly over all. A platelet is shown as
    large as a red cell, and with what lies around it.
    """

    fields: FieldReader
    red_cell: float
    most: int = 150

    def read(self, folder: Path, data: Path) -> list[LabelledImage]:
        """List the things by kind and name. Raises DataError."""
        things = []
        for field in self.fields.read(folder, data):
            for number, box in enumerate(field.boxes, 1):
                if box.kind != "white cell" and box.x > 0 and box.y > 0:
                    around = _as_large_as(box, self.red_cell)
                    things.append(LabelledImage(field.path, box.kind, f"{field.name}#{number}", around))
        chosen = []
        for kind in ("red cell", "platelet"):
            own = [thing for thing in things if thing.label == kind]
            chosen += own[:: max(1, -(-len(own) // self.most))]
        return chosen


def _as_large_as(box: Box, least: float) -> Box:
    """Return the square around a box's middle, at least `least` pixels large."""
    side = max(least, box.width, box.height)
    return Box(
        box.kind,
        round(box.x + (box.width - side) / 2),
        round(box.y + (box.height - side) / 2),
        round(side),
        round(side),
    )
