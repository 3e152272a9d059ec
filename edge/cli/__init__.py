"""The command line, one file a command. It prints; what it prints comes from the other rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; give its exit status. Ctrl-C ends it without a traceback, also while it still loads."""
    try:
        from edge.cli.parser import run_command  # noqa: PLC0415

        return run_command(arguments)
    except KeyboardInterrupt:
        return 130
