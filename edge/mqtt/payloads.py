"""Payloads: what a device says of itself, and the fields that it has stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from edge import identity
from edge.messages import MAX_PAYLOAD, Status, decode_field, encode
from edge.mqtt.connection import Outgoing

if TYPE_CHECKING:
    from edge.messages import Info
    from edge.store.outbox import Waiting


def status_message(device_id: str, state: Literal["online", "offline"]) -> Outgoing:
    """Make the birth, the farewell, or the will."""
    status = Status(device_id=device_id, state=state, boot_id=identity.boot_id())
    return Outgoing(("status", state), f"leukoscope/{device_id}/status", encode(status), retain=True)


def fitting_info(info: Info) -> bytes:
    """Return the payload of `info`, without the configuration where that is too long for a message."""
    try:
        return encode(info)
    except ValueError:  # a configuration may name thousands of files
        return encode(msgspec.structs.replace(info, config={}))


def field_payload(row: Waiting, *, late: bool) -> bytes:
    """Return the payload of a stored field. Raises ValueError, msgspec.MsgspecError where it has none."""
    # What this process has stored is in today's words.
    if not late and len(row.payload) <= MAX_PAYLOAD:
        return row.payload
    field = decode_field(row.payload)
    return encode(msgspec.structs.replace(field, historical=late, specimen_uuid=row.specimen_uuid))
