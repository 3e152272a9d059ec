"""leukoscope: the command line. Each command imports what it needs and no more, so that --help is at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge import __version__
from edge.cli.camera import add_camera_commands
from edge.cli.config import add_config_commands
from edge.cli.config_option import add_config_option, find_config
from edge.cli.help import Parser, explain, overview, show_help
from edge.cli.images import (
    add_analyze_command,
    add_force_option,
    add_measure_command,
)
from edge.cli.model import add_model_commands
from edge.cli.mqtt import add_mqtt_commands
from edge.cli.specimen import add_specimen_commands
from edge.cli.terminal import escape_unprintable, without_controls
from edge.cli.user import add_user_commands
from edge.cli.web import add_web_command
from edge.errors import ConfigError, LeukoscopeError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give its exit status. An error of the user's is one sentence, never a traceback."""
    escape_unprintable()
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
        if options.command is None or getattr(options, "action", "") is None:
            options.run = lambda chosen: show_help(parser, [chosen.command] if chosen.command else [])
            options.finds_config = False
        _expect_utf8(options)
        if getattr(options, "finds_config", False) and not (
            options.config or getattr(options, "store", None)
        ):
            options.config = find_config(aloud=options.command != "run")
        status: int = options.run(options)
        _flush()
    except LeukoscopeError as error:
        print(f"leukoscope: {without_controls(str(error))}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:
        # Whoever read our output has gone (head, a closed pager): nothing is left to say, here or at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # Of what a command opens it speaks itself; this is the output that cannot be written.
        print(f"leukoscope: {error.filename or 'the output'}: {error.strerror or error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _expect_utf8(options: argparse.Namespace) -> None:
    """See that what was typed can be stored and sent; the names of files may be of any bytes."""
    for name, value in vars(options).items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and name not in {"paths", "images"}:
                try:
                    text.encode()
                except UnicodeEncodeError:
                    raise ConfigError(f"{text}: is not in UTF-8; set the terminal to UTF-8") from None


def _flush() -> None:
    if sys.stdout is not None:  # it may have been closed before the start
        sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="leukoscope",
        description="Counts white blood cells and explains every call. Not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"leukoscope {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    help_ = commands.add_parser("help", help="what a command does and takes, with an example")
    help_.add_argument("topic", nargs="*", metavar="COMMAND")
    help_.set_defaults(run=lambda options: show_help(parser, options.topic))

    demo = commands.add_parser("demo", help="watch it work, on a simulated slide or on your own images")
    demo.add_argument(
        "--images", nargs="+", metavar="PATH", help="folders, files or globs, instead of the slide"
    )
    demo.add_argument(
        "--cells", type=int, default=40, help="white cells on the simulated slide (default: 40)"
    )
    demo.add_argument("--seed", type=int, default=1, help="which slide is drawn (default: 1)")
    demo.add_argument(
        "--rate", type=float, default=2.0, help="fields a second; 0: as fast as it goes (default: 2)"
    )
    demo.add_argument("--picture", type=Path, metavar="FILE", help="write the last screen there as an SVG")
    demo.add_argument(
        "--web", action="store_true", help="show the cells in a browser afterwards, as a terminal always does"
    )
    add_force_option(demo)
    demo.set_defaults(run=_demo)

    run = commands.add_parser("run", help="the daemon: analyse, store, publish")
    add_config_option(run)
    run.add_argument(
        "--resume",
        action="store_true",
        help="the pictures belong to a specimen that has ended, or that another source has counted",
    )
    run.set_defaults(run=_run)

    add_analyze_command(commands.add_parser("analyze", help="analyse images and print what is found"))

    add_measure_command(
        commands.add_parser("measure", help="say how right the model is on named cells of your own")
    )

    add_config_commands(
        commands.add_parser("config", help="say whether a configuration is right, or what may be in one")
    )
    add_camera_commands(commands.add_parser("camera", help="list the cameras, focus one, measure its light"))

    add_model_commands(
        commands.add_parser("model", help="look at a model, fit it to your cells, sign it, install it")
    )

    add_specimen_commands(
        commands.add_parser("specimen", help="start, stop, sign, rename, discard or look at specimens")
    )

    add_web_command(
        commands.add_parser("web", help="serve the page: count, look, name and sign in a browser")
    )

    add_user_commands(
        commands.add_parser("user", help="who may use the page: add people, and give them PINs")
    )

    add_mqtt_commands(
        commands.add_parser("mqtt", help="clear what the broker keeps of a device that is gone")
    )

    schema = commands.add_parser("schema", help="print the JSON Schema of all MQTT messages")
    schema.add_argument(
        "message", nargs="?", help="only this one, such as field, differential or cmd/specimen/start"
    )
    schema.set_defaults(run=_schema)

    results = commands.add_parser("results", help="look at what the daemon has stored")
    results.add_argument(
        "action",
        nargs="?",
        choices=("list", "export", "republish"),
        help="a table; every field as a line of JSON; or let what was delivered be sent again",
    )
    where = results.add_mutually_exclusive_group()
    where.add_argument("--store", type=Path, metavar="FILE", help="the store itself")
    add_config_option(where, "the daemon's configuration, which names the store")
    results.set_defaults(finds_config=True)
    results.add_argument("--specimen", help="only this one")
    results.add_argument(
        "--since",
        metavar="TIME",
        help="republish: what was captured since then, such as 2026-05-01 or 2026-05-01T08:00Z",
    )
    results.set_defaults(run=_results)
    explain(parser)
    parser.format_help = lambda: overview(parser)  # type: ignore[method-assign]
    return parser


def _demo(options: argparse.Namespace) -> int:
    from edge.demo import run_demo  # noqa: PLC0415

    return run_demo(
        images=options.images,
        cells=options.cells,
        seed=options.seed,
        rate=options.rate,
        picture=options.picture,
        force=options.force,
        web=options.web,
    )


def _run(options: argparse.Namespace) -> int:
    from edge.config import load_config  # noqa: PLC0415

    load_config(options.config)  # what is wrong with it is said before all that takes its time is loaded
    import logging  # noqa: PLC0415

    from edge.daemon.process import run_daemon  # noqa: PLC0415

    status = run_daemon(options.config, resume=options.resume)
    logging.shutdown()
    _flush()
    # All is closed. What is left to free goes with the process; to take the interpreter apart first would map
    # megabytes of code for it, the most memory of the whole run.
    os._exit(status)


def _schema(options: argparse.Namespace) -> int:
    from edge.cli.schema import print_schema  # noqa: PLC0415

    return print_schema(options.message)


def _results(options: argparse.Namespace) -> int:
    from edge.cli.listing import export_results, list_results, republish_results  # noqa: PLC0415
    from edge.config import load_config  # noqa: PLC0415
    from edge.updates.acting import as_owner  # noqa: PLC0415

    if options.since is not None and options.action != "republish":
        raise ConfigError("--since is for `results republish`; `list` and `export` take --specimen")
    path = options.store or Path(load_config(options.config).store.path)
    with as_owner(path.parent):
        if options.action == "republish":
            return republish_results(path, options.since, options.specimen)
        show = list_results if options.action == "list" else export_results
        return show(path, options.specimen)
