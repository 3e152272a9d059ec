"""The ways in which cells are found and cut, and the version of each: a model reads crops of its own only."""

from __future__ import annotations

from typing import Literal

Recipe = Literal["found", "study"]

CROPS: dict[Recipe, str] = {"found": "found/1", "study": "study/2"}
"""Version of each recipe's crops, as it stands in the bundle."""
