"""The ways in which cells are found and cut, and the version of each: a model reads crops of its own only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from edge.models.bundle import FinderDescription

Recipe = Literal["found", "study"]

CROPS: dict[Recipe, str] = {"found": "found/1", "study": "study/2"}
"""Version of each recipe's crops, as it stands in the bundle."""

FINDER_VERSION = "finder/1"
"""Of a finder's maps, of the scale that its network wants, and of the light made even before."""


def finder_problem(finder: FinderDescription | None) -> str | None:
    """Return what is wrong with a bundle whose finder is this, for the recipe "found"; None: nothing."""
    if finder is None:
        return "has no finder; give a bundle of version 0.2 or later"
    if finder.version != FINDER_VERSION:
        return f"has a finder of version {finder.version}; this device reads {FINDER_VERSION}"
    return None
