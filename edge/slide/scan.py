"""One specimen's slide as it is seen: where each field lies, and what that changes in the count of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.messages.position import FieldPosition, MergedRegion
from edge.slide.contribution import SMEARED, CellStanding, Contribution, likeness, standing
from edge.slide.motion_blur import MotionBlur
from edge.slide.places import Joined, Place
from edge.slide.registration import thumbnail
from edge.slide.sightings import DistinctCells
from edge.slide.slide_map import Located, SlideMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.messages import Cell, FieldResult
    from edge.slide.registration import Thumbnail


class Scan:
    """The slide of one specimen, from its first frame to its last.

    Its results are in the store, as each field's share of the count. So is what a later run needs to go on:
    the fields, and the thumbnails that the map remembers. For a live camera `restore` takes these. A source
    that begins again, such as a video, shows the same frames again, and `replay` takes them.
    first_region: a number that no region had before.
    """

    def __init__(self, first_region: int) -> None:
        self._map = SlideMap(first_region)
        self._cells = DistinctCells()
        self._motion_blur = MotionBlur()
        self._is_behind = False

    def locate(self, pixels: NDArray[np.uint8]) -> Located | None:
        """Find the place of an accepted frame, uint8 RGB (height, width, 3); None if motion blurred it."""
        picture = thumbnail(pixels)
        return None if self._motion_blur.is_blurred(picture) else self._map.locate(pixels, picture)

    def replay(self, pixels: NDArray[np.uint8], field: FieldResult) -> None:
        """Add an accepted field that an earlier run has counted, with its frame, just as that run did."""
        picture = thumbnail(pixels)
        if not self._motion_blur.is_blurred(picture):
            self._is_behind = True
            begun = (
                field.position.region if field.position is not None and field.position.new_region else None
            )
            self._take(field, told(self._map.locate(pixels, picture, begun)))

    def restore(self, field: FieldResult, picture: Thumbnail | None) -> None:
        """Add a field that an earlier run has counted, with its thumbnail if one is stored; call it in order.

        Afterwards the cells are as they were, except for those that are no longer in the store. What motion
        blur is compared with comes from the stored thumbnails.
        """
        position = field.position
        if position is None:
            return
        self._is_behind = True
        if picture is not None:
            self._motion_blur.is_blurred(picture)
        self._map.restore(_located(position, picture), (field.height, field.width, 3))
        self._take(field, position)

    def contribution(self, field: FieldResult) -> Contribution:
        """Return what an accepted field changes in the count: below 0 where it corrects an earlier sighting.

        Its cells lie where the field says, so that the same fields read from the store make the same count.
        """
        if field.position is None:
            return Contribution(accepted=True, counted={}, unclassified={}, incomplete=0, model=field.model)
        before = self._cells.contribution()
        if self._is_behind:
            self._cells.changes()  # an earlier run has reported these
            self._is_behind = False
        first = self._take(field, field.position)
        after = self._cells.contribution()
        return Contribution(
            accepted=True,
            counted=_change(before.counted, after.counted),
            unclassified=_change(before.unclassified, after.unclassified),
            incomplete=after.incomplete - before.incomplete,
            model=field.model,
            likeness=likeness(first),  # one cell that stays in view for a minute is one cell
        )

    def standings(self, field: FieldResult) -> tuple[CellStanding, ...]:
        """Return what cells count as since the last field that was asked for, where that changed."""
        if field.position is None:
            return tuple(standing(cell, SMEARED) for cell in field.cells)
        return self._cells.changes()

    def _take(self, field: FieldResult, position: FieldPosition) -> list[Cell]:
        """Take a field's cells, and return those that no field before showed whole."""
        located = _located(position)
        if located.joined is not None:
            self._cells.join(located.joined)
        size = field.width, field.height
        return self._cells.add(located.place, field.cells, field.quality.focus, size)


def told(located: Located) -> FieldPosition:
    """Return a position as the field's message says it."""
    place, merged = located.place, located.joined
    return FieldPosition(
        *place,
        new_region=located.is_new,
        merged=None if merged is None else MergedRegion(merged.region, merged.x, merged.y),
    )


def _located(position: FieldPosition, remembered: Thumbnail | None = None) -> Located:
    """Return a place as the map says it."""
    region, merged = position.region, position.merged
    return Located(
        Place(region, position.x, position.y),
        position.new_region,
        None if merged is None else Joined(merged.region, region, merged.x, merged.y),
        remembered,
    )


def _change(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    change = {key: after.get(key, 0) - before.get(key, 0) for key in (after | before)}
    return {key: count for key, count in change.items() if count}
