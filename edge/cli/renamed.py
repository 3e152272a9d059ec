"""What commands were called in 0.1, so that an old one is told the new words."""

from __future__ import annotations

_COMMANDS = {
    "check-config": "config check",
    "cameras": "camera list",
    "focus": "camera focus",
    "calibrate-camera": "camera calibrate",
    "calibrate": "model adapt",
    "model new-key": "model keygen",
}


def renamed_command(words: str) -> str | None:
    """Return the sentence for a command of 0.1, such as `calibrate`; None where there was none."""
    new = _COMMANDS.get(words)
    return None if new is None else f"`{words}` is called `{new}` since 0.2"
