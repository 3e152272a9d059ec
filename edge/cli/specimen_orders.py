"""`leukoscope specimen start` and other orders: the broker's commands at the device, over the store.

The daemon need not run. Where it does, it looks into the store before each frame, and tells the broker.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from edge.cli.config_option import config_of_store
from edge.errors import SpecimenError
from edge.messages.commands import (
    DiscardSpecimen,
    RenameSpecimen,
    SetWbcCount,
    SignSpecimen,
    StartSpecimen,
    StopSpecimen,
)
from edge.messages.ids import refused
from edge.messages.target import MOST_CELLS
from edge.specimens.service import SpecimenService
from edge.specimens.words import standing_in_words
from edge.store.database import expect_store

if TYPE_CHECKING:
    from edge.store.specimen import Specimen

_Kind = TypeVar("_Kind")
_TYPED = {"specimen_id": "SPECIMEN", "new_id": "NEW", "cell_ids": "--cell", "label": "--as"}
"""What a person typed for a key of an order, where it is not `--key`."""
_MEANT = {
    "label": "give a class, such as lymphocyte",
    "reason": "give one of 1 to 200 characters, on one line",
    "target": f"give a whole number from 1 to {MOST_CELLS}",
    "wbc_count": "write it as 7.2 or 7,2 (10^9/L), or as 7200/uL",
}
"""What to write for a key, where its rule alone does not say it."""


def order(action: str, config: Path, given: dict[str, object]) -> int:
    """Start, stop, sign, rename or discard a specimen, or give it its total count; say how it stands.

    given: what the request carries. Raises SpecimenError, StoreError, ConfigError.
    """
    with config_of_store(config) as settings:
        if action != "start":
            expect_store(Path(settings.store.path))
        specimen = _ordered(SpecimenService(settings), action, given)
    print(standing_in_words(specimen))
    return 0


def _ordered(orders: SpecimenService, action: str, given: dict[str, object]) -> Specimen:
    match action:
        case "start":
            return orders.start(request(given, StartSpecimen))
        case "stop":
            return orders.stop(request(given, StopSpecimen))
        case "sign":
            return orders.sign(request(given, SignSpecimen))
        case "rename":
            return orders.rename(request(given, RenameSpecimen))
        case "wbc-count":
            return orders.set_wbc_count(request(given, SetWbcCount))
        case _:
            return orders.discard(request(given, DiscardSpecimen))


def request(given: dict[str, object], kind: type[_Kind]) -> _Kind:
    """Return the order that was typed, None left out. Raises SpecimenError with what cannot be."""
    try:
        return msgspec.convert({key: value for key, value in given.items() if value is not None}, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        key = re.sub(r"\W.*", "", where)
        name = _TYPED.get(key, f"--{key.replace('_', '-')}" if key else "")
        what = _MEANT.get(key) or refused(what) or what
        raise SpecimenError(f"{name}: {what[:1].lower()}{what[1:]}" if name else what) from None
