"""What comes after the calls, one field at a time: onto the disk, and to the broker and back."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from edge import identity
from edge.config import MqttConfig
from edge.demo.broker import LocalBroker
from edge.errors import BrokerError, LeukoscopeError
from edge.messages import FieldResult, encode
from edge.mqtt.connection import Connection, ConnectionLostError, Outgoing
from edge.mqtt.payloads import status_message
from edge.store.fields import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge.analyzer import Field
    from edge.messages import ModelReference

STORE, PUBLISH = "store durably, a field", "publish to acknowledgement, a field"
_DEVICE, _SPECIMEN = "bench", "BENCH"
_TURN_S = 1.0


@contextmanager
def stages(
    folder: Path, analyzed: Field, model: ModelReference, count: int
) -> Iterator[tuple[dict[str, list[Callable[[], object]]], list[str]]]:
    """Return calls that store and publish a field as the daemon does, and what was left out, with its reason.

    A call stores a field of its own, committed with synchronous FULL in a store in the folder. count: how
    many calls of each. Raises LeukoscopeError, the calls as well.
    """
    left_out: list[str] = []
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(folder / "stages.db"))
        store.start_specimen(_SPECIMEN)
        calls = {STORE: [_storing(store, analyzed, model)] * count}
        try:
            broker = stack.enter_context(LocalBroker())
        except BrokerError as error:
            left_out.append(f"publish ({error})")
        else:
            payload = encode(_field(0, analyzed, model))
            calls[PUBLISH] = [_publishing(stack, broker, payload)] * count
        yield calls, left_out


def _storing(store: Store, analyzed: Field, model: ModelReference) -> Callable[[], object]:
    def add() -> None:
        field = _field(store.next_sequence(), analyzed, model)
        store.add(field, f"bench:{field.field_id}")

    return add


def _publishing(stack: ExitStack, broker: LocalBroker, payload: bytes) -> Callable[[], object]:
    ears, mouth = (stack.enter_context(end) for end in socket.socketpair())
    del mouth  # nobody wakes us
    # A quiet hour: other stages are timed in between, and the broker must not miss us.
    protocol: Any = broker.protocol
    config = MqttConfig(host="127.0.0.1", port=broker.port, protocol=protocol, keepalive_s=3600)
    will = status_message(_DEVICE, "offline")
    connection = Connection(config, _DEVICE, None, will, f"leukoscope/{_DEVICE}/cmd/#")
    stack.enter_context(closing(connection))

    def until(done: Callable[[], object]) -> None:
        try:
            while not done():
                connection.turn(_TURN_S, ears)
        except ConnectionLostError as error:
            raise LeukoscopeError(f"publishing came to an end: {error}") from None

    def publish() -> None:
        connection.send(Outgoing(("field", ""), f"leukoscope/{_DEVICE}/result/field", payload))
        until(lambda: connection.outcomes)
        refusal = connection.outcomes.popleft().refusal
        if refusal is not None:
            raise LeukoscopeError(f"the broker refused a field: {refusal}")

    until(lambda: connection.ready)
    return publish


def _field(sequence: int, analyzed: Field, model: ModelReference) -> FieldResult:
    return FieldResult(
        field_id=identity.new_id(),
        specimen_id=_SPECIMEN,
        device_id=_DEVICE,
        boot_id=identity.boot_id(),
        sequence=sequence,
        captured_at=identity.now(),
        clock_synced=identity.clock_synced(),
        historical=False,
        source="bench",
        width=analyzed.width,
        height=analyzed.height,
        model=model,
        quality=analyzed.quality,
        scale=analyzed.scale,
        timings_ms=analyzed.timings_ms,
        cells=tuple(msgspec.structs.replace(cell, cell_id=identity.new_id()) for cell in analyzed.cells),
    )
