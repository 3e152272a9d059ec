"""How a specimen stands, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.messages.wbc_count import UNIT

if TYPE_CHECKING:
    from edge.store.specimen import Specimen


def specimen_in_words(specimen: Specimen, cells: int) -> str:
    """Say how a specimen stands, such as `specimen S-7: stopped at 100 cells, waits for a signature`."""
    counted = number_of(cells, "cell")
    if specimen.discarded is not None:
        how = f"discarded: {specimen.discarded.why}"
    elif specimen.signature is not None:
        how = f"signed by {specimen.signature.operator}, {counted}"
    elif specimen.state == "open":
        how = f"counting, {counted} so far"
    elif specimen.state == "stopped":
        how = f"stopped at {counted}, waits for a signature"
    elif specimen.changes:
        how = f"{specimen.state}, {specimen.changes[-1].what}, {counted}"
    else:
        how = f"its source has ended, {counted}"
    return f"specimen {specimen.specimen_id}: {how}"


def number_of(count: int, what: str) -> str:
    """Return `1 cell` or `2 cells`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def standing_in_words(specimen: Specimen) -> str:
    """What an order has come to, such as `specimen S-7: stopped, waits for a signature`."""
    marked = " (a simulated slide: no blood)" if specimen.simulated else ""
    return f"specimen {specimen.specimen_id}: {_spoken(specimen)}{marked}"


def _spoken(specimen: Specimen) -> str:
    match specimen.state:
        case "open":
            return _shown_count(specimen, "open")
        case "stopped":
            return _shown_count(specimen, "stopped, waits for a signature")
        case "discarded":
            return "discarded"
        case state:
            return _signed(specimen, state)


def _signed(specimen: Specimen, state: str) -> str:
    if specimen.signature is None:
        return f"{state} ({specimen.ended})" if specimen.ended else state
    reason = f" because: {specimen.signature.reason}" if specimen.signature.reason else ""
    return f"{state}, signed by {specimen.signature.operator}{reason}"


def _shown_count(specimen: Specimen, state: str) -> str:
    return state if specimen.wbc_count is None else f"{state}; {specimen.wbc_count:g} {UNIT} white cells"
