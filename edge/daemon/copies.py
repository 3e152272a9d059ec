"""Pictures that a specimen has already, under another name."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.cameras import Frame

log = logging.getLogger(__name__)

COPY = "the same picture again"
"""Why a frame counts for nothing, as health says it."""


class Copies:
    """Knows the pictures of a specimen by their content.

    source_ids: of the pictures that are stored, as `Frame` has them.
    """

    def __init__(self, source_ids: Iterable[str]) -> None:
        self._names: dict[str, str] = {}
        for source_id in source_ids:
            name, _, content = source_id.rpartition(":")
            self._names.setdefault(content, name)

    def is_one(self, frame: Frame) -> bool:
        """Whether a frame has the content of one before it, which is then named; else it is remembered."""
        if frame.content is None:
            return False
        first = self._names.setdefault(frame.content, frame.name)
        if first == frame.name:
            return False
        log.warning("%s: is the same picture as %s: its cells count once", frame.name, first)
        return True
