"""SIGHUP: the configuration is read again; what can change while it runs does, what cannot is named."""

from __future__ import annotations

import logging
import queue
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.config import Config

log = logging.getLogger(__name__)

RELOADABLE = frozenset(
    {"log_level", "mqtt.drain_s", "mqtt.health_interval_s", "store.retention_days", "store.max_mb"}
)
"""Keys whose change needs no restart."""

_PATIENCE_S = 1.0


@contextmanager
def on_hangup(act: Callable[[], None]) -> Iterator[None]:
    """Act at each SIGHUP, in a thread: the camera may be waiting for a frame. In the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Put by the signal handler: SimpleQueue is the one that says it may be.
    hangups: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def attend() -> None:
        while hangups.get():
            act()

    before = signal.signal(signal.SIGHUP, lambda *_: hangups.put(True))
    thread = threading.Thread(target=attend, name="reload", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
        hangups.put(False)
        thread.join(_PATIENCE_S)


def take_over(running: Config, read: Config) -> Config:
    """Return the running configuration with what may change now, and name in the log what may not."""
    old, new = _flat(running), _flat(read)
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    stuck = [key for key in changed if key not in RELOADABLE]
    taken = [key for key in changed if key in RELOADABLE]
    if stuck:
        log.warning("needs a restart to take effect: %s", ", ".join(stuck))
    log.info("configuration reloaded; changed: %s", ", ".join(taken) or "nothing")
    replace = msgspec.structs.replace
    return replace(
        running,
        log_level=read.log_level,
        mqtt=replace(running.mqtt, drain_s=read.mqtt.drain_s, health_interval_s=read.mqtt.health_interval_s),
        store=replace(running.store, retention_days=read.store.retention_days, max_mb=read.store.max_mb),
    )


def _flat(config: Config) -> dict[str, object]:
    flat: dict[str, object] = {}
    for section, value in msgspec.to_builtins(config).items():
        if isinstance(value, dict):
            flat |= {f"{section}.{key}": entry for key, entry in value.items()}
        else:
            flat[section] = value
    return flat
