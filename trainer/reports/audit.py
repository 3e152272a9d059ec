"""An audit as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from trainer.data.audit import Audit


def table(audit: Audit) -> RenderableType:
    """Return the sets, and what each two of them share."""
    sets = Table("folder", "images", "with a known photograph", "photographs", "same file again", box=None)
    for one in audit.sets:
        share = 100 * one.assigned / one.images
        known = f"{one.assigned} ({share:.1f} %)"
        sets.add_row(one.folder, str(one.images), known, str(one.photographs), str(one.same_bytes))
    leaks = Table("one side", "other side", "photographs in both", "images of the other side", box=None)
    for leak in (*audit.leaks, audit.random_split):
        style = "red" if leak.photographs else "green"
        of_b = f"{leak.images_of_b} ({100 * leak.share_of_b:.1f} %)"
        leaks.add_row(leak.a, leak.b, Text(str(leak.photographs), style), of_b)
    how = "against the originals" if audit.originals else "by clustering, without originals"
    return Group(Text(f"Photographs recovered {how}.", "bold"), sets, Text(), leaks)
