"""How far long work has come, for whoever looks on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Report: TypeAlias = "Callable[[str, int, int], None]"
"""Takes what is being done, how much of it is done, and how much there is."""


def no_report(_what: str, _done: int, _total: int) -> None:
    """Nobody looks on."""
