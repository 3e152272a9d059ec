"""How right the calls on a drawn slide were: the drawing knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.cameras.simulation.camera import SimulatedCamera
    from edge.messages import FieldResult


class Truth:
    """Compares fields with what was drawn. Counts complete cells only, as the differential does.

    drawn, found, named: cells that were drawn, of these found, of these called what they are.
    """

    def __init__(self, camera: SimulatedCamera) -> None:
        self._camera = camera
        self.drawn = self.found = self.named = 0

    def add(self, field: FieldResult) -> None:
        """Take a field that arrived."""
        for true in self._camera.truth(field.source):
            if not true.complete:
                continue
            self.drawn += 1
            x, y = true.center
            over = [
                cell
                for cell in field.cells
                if cell.box[0] <= x <= cell.box[0] + cell.box[2]
                and cell.box[1] <= y <= cell.box[1] + cell.box[3]
            ]
            self.found += bool(over)
            self.named += any(cell.label == true.label and cell.rejected is None for cell in over)
