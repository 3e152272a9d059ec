"""Which ids specimens and devices may have, and the sentence why."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

ID_CHARACTERS = "[A-Za-z0-9_.-]"
"""Of an id: they stand in MQTT topics, file names and exports as they are."""

WHY = "letters, digits and - _ . only: it goes out over MQTT, so it is never a name"
"""What an id may hold, and why."""

_LONGEST = re.compile(r"\{\d+,(\d+)\}")

SpecimenId = Annotated[
    str,
    Meta(pattern=rf"^{ID_CHARACTERS}{{1,64}}\Z", description=f"what the operator typed: {WHY}"),
]
# Specimens of release 0.1 may have any id on one line, and must be found by it.
KnownSpecimenId = Annotated[
    str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,64}\Z", description="the id of a specimen that is there")
]


def refused(message: str) -> str | None:
    """Return the sentence for a text that breaks a rule of this module, from msgspec's message; else None."""
    if "matching regex" not in message:
        return None
    longest = _LONGEST.search(message)
    limit = f"at most {longest[1]} characters, " if longest else ""
    return f"{limit}{WHY}" if ID_CHARACTERS in message else f"{limit}on one line"
