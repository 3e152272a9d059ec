"""Where the configuration is, where nobody says: here, else the system's."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from edge.config import Config

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


@contextmanager
def config_of_store(path: Path) -> Iterator[Config]:
    """Return the configuration of a device, to open its store with.

    In the block root acts as the account that the store's folder belongs to. What a daemon that has been
    broken into has put there, a link to a file of the system's, leads root nowhere. Raises ConfigError.
    """
    from edge.config import load_config  # noqa: PLC0415
    from edge.updates.acting import as_owner  # noqa: PLC0415

    config = load_config(path)
    with as_owner(Path(config.store.path).parent):
        yield config
