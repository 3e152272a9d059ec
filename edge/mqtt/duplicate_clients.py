"""Another client under this device's id: a broker lets the last one in and throws the other out, in turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.mqtt.connection import TakenOverError, UnexplainedError

if TYPE_CHECKING:
    from edge.mqtt.connection import ConnectionLostError

_ODD = 3
"""Connections in a row that the broker accepted and soon ended without a reason: no chance any more."""


class DuplicateClientDetector:
    """What is known of one, by how this device's connections ended.

    notice: a sentence for the operator; None while there is nothing to say. client_id: ours. rest_s: the
    longest that the other one, which is a device as this one, would rest before it comes back.
    """

    def __init__(self, client_id: str, rest_s: float) -> None:
        self.notice: str | None = None
        self._client_id = client_id
        self._rest_s = rest_s
        self._odd = 0

    def connection_lost(self, error: ConnectionLostError) -> None:
        """Learn from the end of a connection that the broker had accepted, and no field can be blamed for.

        A broker of MQTT 5 says so, if it is a new one: mosquitto 2.0 hangs up as if the network were gone.
        """
        self._odd += isinstance(error, UnexplainedError)
        if isinstance(error, TakenOverError):
            self.notice = (
                f"another client uses this device's id, {self._client_id}: give each device its own device_id"
            )
        elif self._odd >= _ODD and self.notice is None:
            self.notice = (
                f"perhaps another client uses this device's id, {self._client_id}: the broker accepts this"
                " device and soon ends the connection, again and again; give each device its own device_id"
            )

    def has_left(self, connected_s: float) -> bool:
        """Whether there was one that did not come back for longer than it would rest. Then forget it."""
        if connected_s <= 2 * self._rest_s:
            return False
        told, self.notice, self._odd = self.notice, None, 0
        return told is not None
