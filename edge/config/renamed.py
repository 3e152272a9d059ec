"""What keys were called in 0.1, so that an old file is told the new word."""

from __future__ import annotations

KEYS = {
    "started_by": "lifecycle",
    "when_enough": "on_target",
    "max_width": "max_interval_width",
    "health_s": "health_interval_s",
    "own_rate": "native_rate",
    "path": "motion",
}
"""Old key, new key; an old one is only known as such in the section that has the new one."""

_VALUES = {("motion", "hand"): "manual", ("recipe", "adaptive"): "found"}


def renamed_value(key: str, value: object) -> object:
    """Return what is written as the value of a new key where an old file has `value`."""
    return _VALUES.get((key, value), value) if isinstance(value, str) else value
