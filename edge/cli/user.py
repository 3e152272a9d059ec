"""`leukoscope user`: who may use the page. On the device itself it needs no PIN: it is the way back in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from edge.cli.config_option import add_config_option, config_of_store
from edge.errors import PeopleError

if TYPE_CHECKING:
    import argparse

    from edge.people import People


def add_user_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `leukoscope user`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    texts = {
        "add": "add a person; the first one is an administrator",
        "list": "everybody, with what each may do",
        "remove": "remove a person; what they did stays on record",
        "reset": "give a person who has forgotten the PIN another one",
    }
    parsers = {name: actions.add_parser(name, help=text) for name, text in texts.items()}
    for name, action in parsers.items():
        add_config_option(action)
        if name != "list":
            action.add_argument("code", metavar="CODE", help="goes out with every signature: no name")
    parsers["add"].add_argument("--name", default="", help="as colleagues know them; stays on the device")
    parsers["add"].add_argument(
        "--role",
        choices=("operator", "reviewer", "administrator"),
        help="operator counts, reviewer signs too (default: operator)",
    )
    parser.set_defaults(run=_user)


def _user(options: argparse.Namespace) -> int:
    from edge.people import People  # noqa: PLC0415

    with config_of_store(options.config) as config:
        return _act(People.beside(config.store.path), options)


def _act(people: People, options: argparse.Namespace) -> int:
    match options.action:
        case "add":
            role = options.role or ("operator" if people.anybody() else "administrator")
            person = people.add(options.code, options.name, role, _read_pin())
            print(f"{person.code} may use the page: {person.role}")
        case "remove":
            people.remove(options.code)
            print(f"{options.code} may not use the page any more")
        case "reset":
            people.reset(options.code, _read_pin())
            print(f"{options.code} has another PIN")
        case _:
            everybody = people.all()
            if not everybody:
                print("nobody yet: the page serves this machine only")
            else:
                from edge.cli.tables import print_rows  # noqa: PLC0415

                print_rows(("code", "role", "name"), [(p.code, p.role, p.name) for p in everybody])
    return 0


def _read_pin() -> str:
    """Return the PIN that is typed, twice and unseen; or the first line of what is piped in."""
    if sys.stdin is None or not sys.stdin.isatty():
        pin = "" if sys.stdin is None else sys.stdin.readline().rstrip("\r\n")
        if not pin:
            raise PeopleError("give the PIN on the standard input, on a line of its own")
        return pin
    import getpass  # noqa: PLC0415

    try:
        pin = getpass.getpass("PIN: ")
        again = getpass.getpass("the same again: ")
    except EOFError:  # Ctrl-D
        print(file=sys.stderr)
        raise PeopleError("no PIN was given: nothing is changed") from None
    if again != pin:
        raise PeopleError("the two are not the same: nothing is changed")
    return pin
