"""leukoscope: the command line. Each command imports what it needs and no more, so that --help is at once."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from edge import __version__
from edge.cli.config_option import add_config_option, find_config
from edge.cli.help import Parser, explain, overview, show_help
from edge.cli.terminal import escape_unprintable, without_controls
from edge.errors import ConfigError, LeukoscopeError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give its exit status. An error of the user's is one sentence, never a traceback."""
    escape_unprintable()
    words = sys.argv[1:] if arguments is None else arguments
    parser = _parser(words[0] if words else "")
    try:
        options = parser.parse_args(words)
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


def _parser(first: str) -> argparse.ArgumentParser:
    """Return the parser of all commands.

    first: the first word of the line. Where it is a command, the others get no arguments: what adds them need
    not be loaded.
    """
    parser = Parser(
        prog="leukoscope",
        description="Counts white blood cells and explains every call. Not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"leukoscope {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    help_ = commands.add_parser("help", help="what a command does and takes, with an example")
    help_.add_argument("topic", nargs="*", metavar="COMMAND")
    help_.set_defaults(run=lambda options: show_help(parser, options.topic))

    for name, (text, add_arguments) in _COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if first == name or first not in {"--version", *_COMMANDS}:
            add_arguments(command)
    explain(parser)
    parser.format_help = lambda: overview(parser)  # type: ignore[method-assign]
    return parser


def _add_demo(demo: argparse.ArgumentParser) -> None:
    from edge.cli.images import add_force_option  # noqa: PLC0415

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


def _add_run(run: argparse.ArgumentParser) -> None:
    add_config_option(run)
    run.add_argument(
        "--resume",
        action="store_true",
        help="the pictures belong to a specimen that has ended, or that another source has counted",
    )
    run.set_defaults(run=_run)


def _add_schema(schema: argparse.ArgumentParser) -> None:
    schema.add_argument(
        "message", nargs="?", help="only this one, such as field, differential or cmd/specimen/start"
    )
    schema.set_defaults(run=_schema)


def _add_results(results: argparse.ArgumentParser) -> None:
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


def _added_by(module: str, function: str) -> Callable[[argparse.ArgumentParser], None]:
    """Return what adds a command's arguments: a function of a module of this room, which it loads first."""

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        getattr(import_module(f"edge.cli.{module}"), function)(parser)

    return add_arguments


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "demo": ("watch it work, on a simulated slide or on your own images", _add_demo),
    "run": ("the daemon: analyse, store, publish", _add_run),
    "analyze": ("analyse images and print what is found", _added_by("images", "add_analyze_command")),
    "measure": (
        "say how right the model is on named cells of your own",
        _added_by("images", "add_measure_command"),
    ),
    "config": (
        "say whether a configuration is right, or what may be in one",
        _added_by("config", "add_config_commands"),
    ),
    "camera": ("list the cameras, focus one, measure its light", _added_by("camera", "add_camera_commands")),
    "model": (
        "look at a model, fit it to your cells, sign it, install it",
        _added_by("model", "add_model_commands"),
    ),
    "specimen": (
        "start, stop, sign, rename, discard or look at specimens",
        _added_by("specimen", "add_specimen_commands"),
    ),
    "web": ("serve the page: count, look, name and sign in a browser", _added_by("web", "add_web_command")),
    "user": ("who may use the page: add people, and give them PINs", _added_by("user", "add_user_commands")),
    "mqtt": ("clear what the broker keeps of a device that is gone", _added_by("mqtt", "add_mqtt_commands")),
    "schema": ("print the JSON Schema of all MQTT messages", _add_schema),
    "results": ("look at what the daemon has stored", _add_results),
}
"""Each command: what it does in a few words, and what adds its arguments to its parser."""
