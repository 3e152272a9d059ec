"""What a broker keeps of each specimen by itself, so that one can be read while another one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.mqtt.connection import Outgoing

if TYPE_CHECKING:
    from edge.mqtt.mailbox import Version


class RetainedSpecimens:
    """What goes to `result/specimen/<specimen_uuid>` on one connection. root: the device's topic."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._asked = 0
        self._cleared = ""

    def message(self, version: Version, payload: bytes) -> Outgoing | None:
        """Return what is to be sent before a differential; None where nothing is, and when asked again.

        payload: the differential's, which is what is sent; of a specimen that runs, an empty one is, which
        clears the topic.
        """
        differential = version.differential
        if differential is None or version.number == self._asked:
            return None
        self._asked = version.number
        uuid, running = differential.specimen_uuid, differential.state == "running"
        if not uuid or (running and self._cleared == uuid):
            return None
        self._cleared = uuid if running else ""
        topic = f"{self._root}/result/specimen/{uuid}"
        return Outgoing(("specimen", str(version.number)), topic, b"" if running else payload, retain=True)
