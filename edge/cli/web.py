"""`leukoscope web`: the page and its API, served until a signal ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.cli.config_option import add_config_option

if TYPE_CHECKING:
    import argparse


def add_web_command(parser: argparse.ArgumentParser) -> None:
    """Add what `leukoscope web` takes."""
    add_config_option(parser)
    parser.add_argument("--host", help="the address to listen on (default: the configuration's)")
    parser.add_argument("--port", type=int, help="the port (default: the configuration's)")
    parser.set_defaults(run=_web)


def _web(options: argparse.Namespace) -> int:
    from edge.config import load_config  # noqa: PLC0415
    from edge.errors import ConfigError  # noqa: PLC0415

    if options.port is not None and not 1 <= options.port <= 65535:
        raise ConfigError(f"--port: {options.port} is no port; give a whole number from 1 to 65535")
    config = load_config(options.config)
    from edge.memory import keep_little_memory  # noqa: PLC0415

    keep_little_memory()
    from edge.web.server import address_of, expect_free, serve, url_of  # noqa: PLC0415

    host, port = address_of(config, options.host, options.port)
    expect_free(host, port)  # before an address is said at which there is no page
    asked = options.host or config.web.host
    if host != asked:
        print(
            f"nobody has a PIN, so this machine alone is served, not {asked}; "
            "`leukoscope user add CODE` opens the page to the network"
        )
    print(f"the page: {url_of(config, host, port)} (Ctrl-C ends it)", flush=True)
    return serve(config, host=options.host, port=options.port)
