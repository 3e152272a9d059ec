"""What a device says of itself: its status, and who it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from edge import identity
from edge.messages import Status, encode
from edge.mqtt.connection import Outgoing

if TYPE_CHECKING:
    from edge.messages import Info


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
