"""`leukoscope specimen`: what the commands of the broker do, at the device itself, over the store.

The daemon need not run. Where it does, it looks into the store before each frame, and tells the broker.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.bundle import read_bundle
from edge.config import load_config
from edge.errors import SpecimenError, StoreError
from edge.messages import ModelReference
from edge.rejection import OTHER
from edge.reporting import Reporter
from edge.requests import DiscardSpecimen, SignSpecimen, StartSpecimen, StopSpecimen
from edge.session import Orders
from edge.store import Store

if TYPE_CHECKING:
    from edge.config import Config
    from edge.corrected import Confusion
    from edge.messages import Differential
    from edge.specimen import Specimen

_Kind = TypeVar("_Kind")


def order(action: str, config: Path, given: dict[str, object]) -> int:
    """Start, stop, sign or discard a specimen, and say how it stands. given: what the request carries.

    Raises SpecimenError, StoreError, ConfigError.
    """
    settings = load_config(config)
    path = Path(settings.store.path)
    if action != "start" and not path.is_file():
        raise StoreError(f"{path}: there is no result store; has the daemon run yet?")
    orders = Orders(path, by_command=settings.by_command, target=settings.specimen.target)
    match action:
        case "start":
            specimen = orders.start(_request(given, StartSpecimen))
        case "stop":
            specimen = orders.stop(_request(given, StopSpecimen))
        case "sign":
            specimen = orders.sign(_request(given, SignSpecimen))
        case _:
            specimen = orders.discard(_request(given, DiscardSpecimen))
    print(f"specimen {specimen.specimen_id}: {_spoken(specimen)}")  # noqa: T201
    return 0


def list_specimens(config: Path) -> int:
    """Print every specimen, as a table or, where no person reads it, as tab-separated lines.

    Raises StoreError, ConfigError.
    """
    columns = ("specimen", "state", "started", "fields", "cells", "signed")
    table, console = Table(*columns), Console()
    with _store(load_config(config)) as store:
        for specimen in store.specimens():
            counts = [tally for _, tally in store.tallies(specimen.specimen_id)]
            row = (
                specimen.specimen_id,
                specimen.state,
                specimen.started_at[:19].replace("T", " "),
                str(len(counts)),
                str(sum(sum(tally.counted.values()) for tally in counts)),
                specimen.signature.operator if specimen.signature else "-",
            )
            if console.is_terminal:
                table.add_row(*(Text(text) for text in row))
            else:
                print(*row, sep="\t")  # noqa: T201
    if console.is_terminal:
        console.print(table)
    return 0


def show_specimen(config: Path, specimen_id: str | None, *, as_json: bool) -> int:
    """Print a specimen's differential, by default that of the open or the last one.

    Raises SpecimenError, StoreError, BundleError, ConfigError.
    """
    settings = load_config(config)
    with _store(settings) as store:
        if specimen_id is None:
            chosen = store.ledger.open_by_command() or next(reversed(store.specimens()), None)
        else:
            chosen = store.ledger.find(specimen_id)
        if chosen is None:
            raise SpecimenError(
                "there is no specimen yet" if specimen_id is None else f"there is no specimen {specimen_id}"
            )
        reporter = Reporter(settings, _described(settings))
        said = reporter.differential(reporter.recount(store, chosen), chosen)
    if as_json:
        print(msgspec.json.encode(said).decode())  # noqa: T201
    else:
        _print(said)
    return 0


def _print(said: Differential) -> None:
    console = Console()
    signed = f", signed by {said.signature.operator}" if said.signature else ""
    console.print(Text(f"{said.specimen_id}: {said.state}{signed}; {said.counted} of {said.target} cells"))
    table = Table("class", "cells", "%", said.interval, "corrected", "10^9/L", box=None)
    for row in said.classes:
        corrected, absolute = row.corrected, row.absolute
        table.add_row(
            row.label,
            str(row.count),
            f"{row.percent:.1f}",
            f"{row.low:.1f} to {row.high:.1f}",
            f"{corrected.percent:.1f} ({corrected.low:.1f} to {corrected.high:.1f})" if corrected else "-",
            f"{absolute.value:.2f} ({absolute.low:.2f} to {absolute.high:.2f})" if absolute else "-",
        )
    console.print(table)
    aside = [f"{count} {reason}" for reason, count in said.unclassified.items()]
    notes = [f"not counted: {', '.join([*aside, f'{said.incomplete} cut by the edge'])}"]
    notes += [f"not assessed: {', '.join(said.not_assessed)}"] * bool(said.not_assessed)
    notes += [f"not corrected: {said.correction.reason}"] * bool(said.correction.reason)
    notes += [f"{flag.sentence} [{flag.rule}/{flag.version}]" for flag in said.flags]
    notes += [f"{change.at:%Y-%m-%d %H:%M}: {change.what}: {change.why}" for change in said.changes]
    notes += [f"discarded: {said.discarded.why}"] if said.discarded else []
    for note in notes:
        console.print(Text(note))


class _Described(NamedTuple):
    labels: tuple[str, ...]
    reference: ModelReference
    confusion: Confusion | None


def _described(config: Config) -> _Described:
    """Give what the bundle says of its model, which is all that a count needs. Raises BundleError."""
    bundle = read_bundle(config.model.bundle)
    about = bundle.description
    labels = tuple(label for label in about.labels if label != OTHER)
    return _Described(labels, ModelReference(about.name, bundle.sha256), about.confusion)


def _request(given: dict[str, object], kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.convert({key: value for key, value in given.items() if value is not None}, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`").replace("_", "-")
        raise SpecimenError(f"{name}: {what[:1].lower()}{what[1:]}" if name else what) from None


def _store(config: Config) -> Store:
    path = Path(config.store.path)
    if not path.is_file():
        raise StoreError(f"{path}: there is no result store; has the daemon run yet?")
    return Store.open(path)


def _spoken(specimen: Specimen) -> str:
    match specimen.state:
        case "open":
            return "open"
        case "stopped":
            return "stopped, waits for a signature"
        case "discarded":
            return "discarded"
        case state:
            return f"{state}, signed by {specimen.signature.operator}" if specimen.signature else state
