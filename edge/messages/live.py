"""What the daemon says of the picture it looks at just now, to the device's own page."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from edge.messages.field import Box, Probability  # noqa: TC001 (msgspec reads annotations)

PICTURE, STATE, WANTED = "preview.jpg", "preview.json", "preview.wanted"
"""Files that daemon and page share: the picture, what is said of it, and that somebody looks."""

WANTED_S = 3.0
"""For how long a look is wanted after somebody has asked for one."""


class LiveCell(Struct, frozen=True):
    """A white cell in the picture. label: empty in a picture that is not counted, where nothing names it."""

    box: Box
    label: str
    probability: Probability
    rejected: str | None


class LiveFrame(Struct, frozen=True, kw_only=True):
    """The latest picture. width, height: of the frame, whose pixels the boxes are in.

    number: rises with every picture of the daemon's run. sequence: of its field; null where it is not
    counted.
    """

    run_id: str
    number: int
    sequence: int | None
    specimen_id: str | None
    width: int
    height: int
    cells: tuple[LiveCell, ...]
    refused: Annotated[str | None, Meta(description="why the picture is not of use; null: it is")]
    focus: float
    simulated: bool
