"""One specimen's slide as it is seen: where each field lies, and what that changes in the count of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.differential import Tally, tally
from edge.place import FieldPlace, JoinedRegion
from edge.registration import thumbnail
from edge.sightings import DistinctCells
from edge.slide_map import SlideMap
from edge.steadiness import Steadiness

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.messages import FieldResult
    from edge.slide_map import Located


class Scan:
    """The slide of one specimen, from the first frame of a run to its last.

    What was seen is remembered for the run only. What it came to is in the store, as each field's share of
    the count. A source that begins anew after a restart, as a video does, shows again what it showed, and
    `recall` takes it. After a live camera's restart the first field begins a region, and a cell that was seen
    before is counted again when it is seen again. first_region: a number that no region had before.
    """

    def __init__(self, first_region: int) -> None:
        self._map = SlideMap(first_region)
        self._cells = DistinctCells()
        self._steadiness = Steadiness()

    def locate(self, pixels: NDArray[np.uint8]) -> Located | None:
        """Find the place of an accepted frame, uint8 RGB (height, width, 3); None where it is smeared."""
        picture = thumbnail(pixels)
        return None if self._steadiness.is_smeared(picture) else self._map.locate(pixels, picture)

    def recall(self, pixels: NDArray[np.uint8], field: FieldResult) -> None:
        """Take an accepted field that an earlier run has counted, and its frame, as that run took them."""
        picture = thumbnail(pixels)
        if not self._steadiness.is_smeared(picture):
            begun = field.place.region if field.place is not None and field.place.begins else None
            self._take(field, self._map.locate(pixels, picture, begun))

    def share(self, field: FieldResult, located: Located | None) -> Tally:
        """Give what an accepted field changes in the count: below 0 where it corrects an earlier sighting."""
        alone = tally(field)
        if located is None:
            return Tally(alone.accepted, counted={}, unclassified={}, incomplete=0, model=alone.model)
        before = self._cells.tally()
        self._take(field, located)
        after = self._cells.tally()
        return Tally(
            accepted=alone.accepted,
            counted=_change(before.counted, after.counted),
            unclassified=_change(before.unclassified, after.unclassified),
            incomplete=after.incomplete - before.incomplete,
            model=alone.model,
        )

    def _take(self, field: FieldResult, located: Located) -> None:
        if located.joined is not None:
            self._cells.join(located.joined)
        size = field.width, field.height
        self._cells.add(located.place, field.cells, field.quality.focus, size)


def told(located: Located) -> FieldPlace:
    """Give a place as the field's message says it."""
    place, joined = located.place, located.joined
    return FieldPlace(
        place.region,
        round(place.x, 1),
        round(place.y, 1),
        begins=located.is_new,
        joined=None
        if joined is None
        else JoinedRegion(joined.region, round(joined.x, 1), round(joined.y, 1)),
    )


def _change(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    change = {key: after.get(key, 0) - before.get(key, 0) for key in (after | before)}
    return {key: count for key, count in change.items() if count}
