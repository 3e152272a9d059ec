"""Where the configuration is, where nobody says: here, else the system's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ConfigError

if TYPE_CHECKING:
    import argparse

NAME = "leukoscope.toml"
SYSTEM = Path("/etc/leukoscope") / NAME


def add_config_option(parser: argparse._ActionsContainer, what: str = "the device's configuration") -> None:
    """Add `--config` to a command; without it `find_config` finds one. what: what is in the file."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"{what} (default: {NAME} here, else {SYSTEM})",
    )
    parser.set_defaults(finds_config=True)


def config_here(given: Path | None) -> Path | None:
    """Return the configuration that was named, that of this folder, the system's, or None: none is needed."""
    return given or next((path for path in (Path(NAME), SYSTEM) if path.is_file()), None)


def find_config(*, aloud: bool = True) -> Path:
    """Return the configuration of this folder, else the system's; say which to a person.

    Raises ConfigError where there is neither.
    """
    for path in (Path(NAME), SYSTEM):
        if path.is_file():
            if aloud and sys.stderr is not None and sys.stderr.isatty():
                print(f"leukoscope: configuration: {path.absolute()}", file=sys.stderr)
            return path
    raise ConfigError(
        f"no configuration: there is no {NAME} in this folder, and no {SYSTEM}; name one with --config FILE"
        " (`leukoscope demo` and `leukoscope analyze` need none)"
    )
