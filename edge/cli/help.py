"""What `leukoscope` says of itself: the commands by what a person wants to do, and an example for each."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from edge.cli.renamed import renamed_command
from edge.cli.terminal import without_controls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_COLUMNS = 80
_NAME = 18  # columns of a command's name in the overview

_GROUPS = (
    ("Try it", ("demo", "analyze", "measure")),
    ("Set a device up", ("config", "camera")),
    ("Count", ("run", "web", "user", "specimen", "results", "mqtt", "schema")),
    ("The model", ("model",)),
)
_FIRST = """\
Begin without a microscope, a camera or a configuration:
  leukoscope demo             watch it count a drawn slide
  leukoscope analyze FOLDER   find the white cells of your own images
"""
_LAST = """\
`leukoscope help COMMAND` says what it takes. Without --config FILE, a command
reads leukoscope.toml in this folder, else /etc/leukoscope/leukoscope.toml.
"""

EXAMPLES = {
    "demo": "leukoscope demo --images slides/",
    "run": "leukoscope run --config leukoscope.toml",
    "analyze": "leukoscope analyze slides/ --overlays drawn/",
    "measure": "leukoscope measure named-cells/",
    "config": "leukoscope config check",
    "config check": "leukoscope config check leukoscope.toml",
    "config schema": "leukoscope config schema",
    "camera": "leukoscope camera list",
    "camera list": "leukoscope camera list",
    "camera focus": "leukoscope camera focus",
    "camera calibrate": "leukoscope camera calibrate --out camera.json",
    "model": "leukoscope model info",
    "model info": "leukoscope model info",
    "model verify": "leukoscope model verify new.tflite",
    "model install": "leukoscope model install new.tflite",
    "model list": "leukoscope model list",
    "model rollback": "leukoscope model rollback",
    "model adapt": "leukoscope model adapt named-cells/ --out mine.tflite",
    "model keygen": "leukoscope model keygen maker",
    "model sign": "leukoscope model sign new.tflite --key maker",
    "specimen": "leukoscope specimen start S-0017",
    "specimen start": "leukoscope specimen start S-0017 --target 100",
    "specimen stop": "leukoscope specimen stop",
    "specimen sign": "leukoscope specimen sign S-0017 --operator K7",
    "specimen cells": "leukoscope specimen cells S-0017 --doubtful",
    "specimen review": "leukoscope specimen review S-0017 --cell 6b2a91c4 --as blast --operator K7",
    "specimen history": "leukoscope specimen history S-0017",
    "specimen wbc-count": "leukoscope specimen wbc-count S-0017 6.8",
    "specimen rename": "leukoscope specimen rename S-0071 S-0017",
    "specimen discard": 'leukoscope specimen discard S-0017 --reason "clotted"',
    "specimen list": "leukoscope specimen list",
    "specimen show": "leukoscope specimen show S-0017",
    "results": "leukoscope results list",
    "mqtt": "leukoscope mqtt forget ward-3",
    "mqtt forget": "leukoscope mqtt forget ward-3",
    "web": "leukoscope web --port 8080",
    "user": "leukoscope user add K7 --name Amina --role reviewer",
    "user add": "leukoscope user add K7 --name Amina --role reviewer",
    "user remove": "leukoscope user remove K7",
    "user list": "leukoscope user list",
    "user reset": "leukoscope user reset K7",
    "schema": "leukoscope schema",
}
"""One line that works, for each command and each of its actions."""


_SAID = (
    (r"the following arguments are required: (.+)", "missing: {0}"),
    (r"one of the arguments (.+) is required", "give one of: {0}"),
    (r"argument (.+): not allowed with argument (.+)", "{0} does not go with {1}"),
    (r"argument (.+): expected (?:one|at least one) argument", "{0}: what it takes is missing"),
)
"""What argparse says, and what is said in its place."""


class Parser(argparse.ArgumentParser):
    """A parser whose help fits 80 columns, and which names the word that was probably meant."""

    def __init__(self, **given: Any) -> None:
        given.setdefault("formatter_class", _formatter)
        given.setdefault("allow_abbrev", False)
        super().__init__(**given)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help or the version; an output that cannot be written is an error, which argparse hides."""
        print(message, end="", file=file, flush=True)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and where the rest is said; exit status 2."""
        words = self._words()
        print(f"leukoscope: {without_controls(_plain(message))}", file=sys.stderr)
        print(f"`leukoscope help{words and f' {words}'}` says what there is", file=sys.stderr)
        self.exit(2)

    def _words(self) -> str:
        """The command that this parser is of, such as `model`; empty for the first one."""
        return self.prog.removeprefix("leukoscope").strip()

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; an option that there is not is an error that names the one that is meant."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            chosen: argparse.ArgumentParser = self
            for word in (str(getattr(options, each, "")) for each in ("command", "action")):
                chosen = {name: found for name, found, _ in _commands(chosen)}.get(word, chosen)
            known = [name for action in chosen._actions for name in action.option_strings]  # noqa: SLF001
            close = _close(unknown[0].partition("=")[0], known)
            chosen.error(f"{unknown[0]} is not known here" + (f"; did you mean {close[0]}?" if close else ""))
        return options

    def _get_value(self, action: argparse.Action, text: str) -> Any:
        what = {int: "a whole number", float: "a number"}.get(action.type)  # type: ignore[call-overload]
        name = action.option_strings[0] if action.option_strings else action.metavar or action.dest.upper()
        is_path = action.type is Path or action.metavar == "PATH"
        if is_path and not text:  # a script's variable without a value; a Path takes it for here
            raise argparse.ArgumentError(None, f"{name}: is empty; name a file or a folder")
        try:
            return super()._get_value(action, text)
        except argparse.ArgumentError:
            if what is None:
                raise
            raise argparse.ArgumentError(None, f"{name}: {text} is not {what}") from None

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        if renamed := renamed_command(f"{self._words()} {value}".strip()):
            raise argparse.ArgumentError(None, renamed)
        what = (
            action.option_strings[0] if action.option_strings else str(action.metavar or action.dest).lower()
        )
        raise argparse.ArgumentError(None, f"{value} is no {what}{_meant(str(value), known)}")


def show_help(parser: argparse.ArgumentParser, topic: Sequence[str]) -> int:
    """Print the overview, or what the command named by `topic` takes; give the exit status."""
    chosen = parser
    for number, word in enumerate(topic):
        known = {name: found for name, found, _ in _commands(chosen)}
        if word not in known:
            before = " ".join(topic[:number])
            if renamed := renamed_command(f"{before} {word}".strip()):
                chosen.error(renamed)
            chosen.error(
                f"{word} is no {f'action of {before}' if before else 'command'}{_meant(word, known)}"
            )
        chosen = known[word]
    print(chosen.format_help() if topic else overview(parser), end="")
    return 0


def explain(parser: argparse.ArgumentParser, before: str = "") -> None:
    """Let the help of each command begin with what it does, and end with an example."""
    for name, command, text in _commands(parser):
        words = f"{before} {name}".strip()
        command.description = text[:1].upper() + text[1:] + "."
        if words in EXAMPLES:
            command.epilog = f"example:\n  {EXAMPLES[words]}"
        explain(command, words)


def overview(parser: argparse.ArgumentParser) -> str:
    """Return all commands in groups, with a first example."""
    left = {name: text for name, _, text in _commands(parser) if name != "help"}
    lines = [*_folded(parser.description or "", ""), "", _FIRST]
    for title, names in (*_GROUPS, ("More", tuple(left))):
        here = [name for name in names if name in left]
        lines += [f"{title}:"] * bool(here)
        lines += [line for name in here for line in _folded(left.pop(name), f"  {name:<{_NAME}}")]
    return "\n".join([*lines, "", _LAST])


def _folded(text: str, start: str) -> list[str]:
    import textwrap  # noqa: PLC0415 (only help needs it)

    return textwrap.wrap(text, _COLUMNS, initial_indent=start, subsequent_indent=" " * len(start))


def _commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Return the name, the parser and the help text of each command of a parser."""
    for action in parser._actions:  # noqa: SLF001 (argparse has no public way to ask)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            texts = {each.dest: each.help or "" for each in action._choices_actions}  # noqa: SLF001
            for name, command in action.choices.items():
                yield name, command, texts.get(name, "")


def _plain(message: str) -> str:
    """What argparse says of missing and conflicting words, in a person's words."""
    for pattern, words in _SAID:
        if found := re.fullmatch(pattern, message):
            return words.format(
                found[1].replace(" ", ", ") if "one of" in words else found[1], *found.groups()[1:]
            )
    return message


def _close(word: str, known: Iterable[str]) -> list[str]:
    """Return the one of the known words that comes closest, where one comes close."""
    import difflib  # noqa: PLC0415 (only what goes wrong needs it)

    return difflib.get_close_matches(word, list(known), n=1)


def _meant(word: str, known: Sequence[str] | dict[str, Any]) -> str:
    if not known:
        return ""
    close = _close(word, known)
    return f"; did you mean {close[0]}?" if close else f"; there is: {', '.join(known)}"


def _formatter(prog: str) -> argparse.HelpFormatter:
    width = min(_COLUMNS, shutil.get_terminal_size().columns) - 2
    return _Formatter(prog, max_help_position=26, width=width)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def add_argument(self, action: argparse.Action) -> None:
        """Leave room for the indentation of a command's actions, which argparse forgets for the longest."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            self._action_max_length += self._indent_increment
