"""leukoscope-bench: latency by stage and by peer, the daemon, cold start and memory; and what changed."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import checkouts, comparison, page, report, run, soak, versions, web
from benchmarks.environment import environment
from benchmarks.plots import Plots
from edge.config import SHIPPED_MODEL
from edge.errors import LeukoscopeError
from edge.models.bundle import read_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHANGED = 2
"""Exit status of `compare` where something became slower or larger."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; without one, `run`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[[list[str]], int]] = {
        "run": _run,
        "compare": _compare,
        "readme": _readme,
        "soak": _soak,
        "web": _web,
        "microscope": _microscope,
    }
    command = commands[given.pop(0)] if given and given[0] in commands else _run
    try:
        return command(given)
    except LeukoscopeError as error:
        _complain(str(error))
        return error.exit_status


def _run(arguments: list[str]) -> int:
    """Measure; print Markdown, write JSON and a page where asked."""
    parser = _parser(
        "leukoscope-bench", "Measure. Others: leukoscope-bench compare, microscope, readme, soak, web"
    )
    options = _asked(parser, arguments)
    result = run.measure(options)
    print(report.markdown(result))
    return _written(options, result, lambda: page.page(result))


def _soak(arguments: list[str]) -> int:
    """Let the daemon work for a while; print Markdown, write JSON and a page where asked."""
    parser = argparse.ArgumentParser(prog="leukoscope-bench soak", description="Work for a while, and watch.")
    parser.add_argument("--minutes", type=_minutes, required=True)
    parser.add_argument(
        "--every", type=_minutes, metavar="SECONDS", help="a row that often (default: 60 in all)"
    )
    parser.add_argument("--runtime", choices=("auto", "ai-edge-litert", "tflite-runtime"), default="auto")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    _add_outputs(parser)
    options = _asked(parser, arguments)
    result = run.soaked(options)
    text = soak.markdown(result)
    print(text)
    return _written(options, result, lambda: page.soak_page(result, text))


def _web(arguments: list[str]) -> int:
    """Measure the page's process; print Markdown, write JSON where asked."""
    parser = argparse.ArgumentParser(prog="leukoscope-bench web", description="Measure the page's process.")
    parser.add_argument(
        "--seconds", type=_minutes, default=10.0, help="of asking, and of looking on (default: 10)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as well")
    options = _parsed(parser, arguments)
    measured = web.measure(options.seconds)
    print(web.markdown(measured))
    options.html = None
    return _written(options, asdict(measured), str)


def _microscope(arguments: list[str]) -> int:
    """Count a labelled set, name cells, adapt, count again; print Markdown, write JSON where asked."""
    from benchmarks import microscope  # noqa: PLC0415 (it needs the trainer)

    parser = argparse.ArgumentParser(
        prog="leukoscope-bench microscope",
        description="What a device counts on a labelled data set, before and after cells are named there.",
    )
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL, help="a bundle that never saw the set")
    parser.add_argument("--data", type=Path, default=Path(), help="directory that holds the data sets")
    parser.add_argument("--set", required=True, metavar="SET", help="whole fields with boxes and classes")
    parser.add_argument("--fields", type=_count, default=100, help="that are counted (default: 100)")
    parser.add_argument("--named", type=_count, default=25, help="cells of each class (default: 25)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as well")
    options = _parsed(parser, arguments)
    read_bundle(options.model)  # what is wrong with it is said now, in a sentence
    with tempfile.TemporaryDirectory(prefix="leukoscope-bench-") as folder:
        measured = microscope.measure(
            options.model, options.data, options.set, Path(folder), fields=options.fields, named=options.named
        )
    print(microscope.markdown(measured))
    options.html = None
    return _written(options, asdict(measured), str)


def _compare(arguments: list[str]) -> int:
    """Print what differs between two results, or measure two versions in turns; 2 where one is worse."""
    parser = argparse.ArgumentParser(
        prog="leukoscope-bench compare",
        description="Say what changed: between two results, or by measuring two versions in turns.",
    )
    parser.add_argument(
        "before", metavar="BEFORE", help="a result (A.json), or a version: a folder, a tag, a commit"
    )
    parser.add_argument(
        "after", metavar="AFTER", nargs="?", help="the same; for a version this one is the default"
    )
    parser.add_argument("--rounds", type=_count, default=10, help="of versions (default: 10)")
    parser.add_argument("--fields", type=_several, default=12, help="of versions: pictures (default: 12)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="of versions: write the result there as well"
    )
    options = _parsed(parser, arguments)
    given = [each for each in (options.before, options.after) if each is not None]
    if not any(each.endswith(".json") for each in given):
        return _compare_versions(options)
    if len(given) < 2 or not all(each.endswith(".json") for each in given):
        parser.error("compare two results, or two versions: give A.json B.json, or BEFORE [AFTER]")
    first, second = (comparison.load(Path(each)) for each in given)
    changes = comparison.compare(first, second)
    print(comparison.table(changes))
    return CHANGED if any(change.changed and change.ratio > 1 for change in changes) else 0


def _compare_versions(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="leukoscope-bench-") as name, ExitStack() as stack:
        before = stack.enter_context(checkouts.checked_out(options.before))
        after = stack.enter_context(checkouts.checked_out(options.after)) if options.after else None
        after = after or checkouts.this_one()
        folder = Path(name)
        facts = environment(folder) | {"load": f"{os.getloadavg()[0]:.1f}"}
        rows = versions.measure(before, after, folder, rounds=options.rounds, fields=options.fields)
    print(versions.markdown(rows, (before.name, after.name), options.rounds))
    result = {
        "schema": versions.SCHEMA,
        "environment": facts,
        "before": before.name,
        "after": after.name,
        "rounds": options.rounds,
        "fields": options.fields,
        "rows": [asdict(row) for row in rows],
    }
    options.html = None
    status = _written(options, result, str)
    return status or (CHANGED if any(row.worse for row in rows) else 0)


def _readme(arguments: list[str]) -> int:
    """Measure, or take a result, and write it into a page."""
    parser = _parser("leukoscope-bench readme", "Measure, and write a page's figures.")
    parser.add_argument("--write", type=Path, required=True, metavar="PAGE")
    parser.add_argument(
        "--result", type=Path, metavar="FILE", help="a result of before, instead of measuring"
    )
    parser.add_argument(
        "--board",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="results of other machines, a row each",
    )
    options = _asked(parser, arguments)
    report.parts(options.write)  # now, and not when all is measured
    boards = [comparison.load(file) for file in options.board]
    result = comparison.load(options.result) if options.result else run.measure(options)
    report.write(options.write, result, boards)
    return _written(options, result, lambda: page.page(result, boards))


def _parser(program: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument(
        "--images", nargs="+", metavar="PATH", help="instead of 640x480 fields of the simulated slide"
    )
    parser.add_argument("--fields", type=_count, default=20, help="how many pictures (default: 20)")
    parser.add_argument("--repetitions", type=_count, default=5, help="passes over them (default: 5)")
    parser.add_argument("--threads", type=_count, default=1)
    parser.add_argument("--runtime", choices=("auto", "ai-edge-litert", "tflite-runtime"), default="auto")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--float-model", type=Path, metavar="FILE", help="a float .tflite to time beside it")
    parser.add_argument(
        "--labelled", type=Path, metavar="FOLDER", help="a folder a class: how right the calls are"
    )
    parser.add_argument(
        "--without-peers", action="store_true", help="leave out what needs TensorFlow and the like"
    )
    parser.add_argument(
        "--peers-python",
        type=Path,
        metavar="FILE",
        help="the interpreter of an environment that has the peers",
    )
    parser.add_argument("--daemon", action="store_true", help="run the daemon and a broker as well")
    _add_outputs(parser)
    return parser


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as well")
    parser.add_argument("--html", type=Path, metavar="FILE", help="and as a page with plots there")


def _asked(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Read the command line. Raises LeukoscopeError where a page is asked for and cannot be drawn."""
    options = _parsed(parser, arguments)
    if options.html:
        Plots()  # now, and not when all is measured
    return options


def _parsed(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Read the command line. Raises LeukoscopeError for a file that cannot be used, before any measuring."""
    options = parser.parse_args(arguments)
    labelled: Path | None = getattr(options, "labelled", None)
    if labelled is not None and not labelled.is_dir():
        raise LeukoscopeError(f"--labelled: {labelled}: there is no such folder")
    for name in ("float_model", "peers_python"):
        read: Path | None = getattr(options, name, None)
        if read is not None and not read.is_file():
            raise LeukoscopeError(f"--{name.replace('_', '-')}: {read}: there is no such file")
    for name in ("json", "html"):
        written: Path | None = getattr(options, name, None)
        if written is not None and (written.is_dir() or not written.parent.is_dir()):
            why = "it is a folder" if written.is_dir() else f"there is no folder {written.parent}"
            raise LeukoscopeError(f"--{name}: {written}: cannot be written: {why}")
    return options


def _written(options: argparse.Namespace, result: dict[str, Any], made: Callable[[], str]) -> int:
    """Write the files that were asked for; give 1 where one cannot be."""
    wanted: list[tuple[Path | None, Callable[[], str]]] = [
        (options.json, lambda: json.dumps(result, indent=1) + "\n"),
        (options.html, made),
    ]
    status = 0
    for file, make in wanted:
        if file is None:
            continue
        try:
            file.write_text(make(), encoding="utf-8")
        except OSError as error:
            _complain(f"{file}: cannot be written: {error.strerror}")
            status = 1
    return status


def _complain(what: str) -> None:
    print(f"leukoscope-bench: {what}", file=sys.stderr)


def _minutes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: is no number") from None
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _count(text: str, least: int = 1) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number of {least} or more")
    return int(text)


def _several(text: str) -> int:
    """Return a count of 2 or more: throughput is from one field to the next."""
    return _count(text, 2)


if __name__ == "__main__":
    sys.exit(main())
