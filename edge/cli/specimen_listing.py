"""`leukoscope specimen list|show`: every specimen, and one's differential, from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.cli.config_option import config_of_store
from edge.cli.tables import print_rows
from edge.specimens.reading import differential_of, doubt_about_microscope, open_store
from edge.specimens.records import SignedReport
from edge.specimens.service import SpecimenService
from edge.specimens.words import number_of

if TYPE_CHECKING:
    from pathlib import Path

    from edge.config import Config
    from edge.messages import Differential
    from edge.messages.differential import Change, Signature
    from edge.store.fields import Store
    from edge.store.specimen import Specimen


def list_specimens(config: Path) -> int:
    """Print every specimen, as a table or, where no person reads it, as tab-separated lines.

    Raises StoreError, ConfigError.
    """
    columns = ("specimen", "state", "started", "fields", "cells", "signed", "notes")
    with config_of_store(config) as read, open_store(read) as store:
        print_rows(columns, (_row(read, store, specimen) for specimen in store.specimens()))
    return 0


def _row(config: Config, store: Store, specimen: Specimen) -> tuple[str, ...]:
    fields, cells = store.ledger.counted(specimen.specimen_id)
    doubt = doubt_about_microscope(config, store, specimen)
    notes = ([doubt] if doubt else []) + ["SIMULATED"] * specimen.simulated
    notes += [specimen.ended] if specimen.ended and specimen.state in {"stopped", "complete"} else []
    if specimen.signature and specimen.signature.reason:
        notes.append(f"signed because: {specimen.signature.reason}")
    notes += [change.what for change in specimen.changes]
    return (
        specimen.specimen_id,
        specimen.state,
        specimen.started_at[:19].replace("T", " "),
        str(fields),
        str(cells),
        specimen.signature.operator if specimen.signature else "-",
        "; ".join(dict.fromkeys(notes)) or "-",
    )


def show_specimen(
    config: Path, specimen_id: str | None, *, as_json: bool, revision: int | None = None
) -> int:
    """Print a specimen's differential, by default that of the open or the last one.

    revision: as it was signed as this one. Raises SpecimenError, StoreError, BundleError, ConfigError.
    """
    with config_of_store(config) as read:
        if revision is None:
            said = differential_of(read, specimen_id)
        else:
            said = SpecimenService(read).signed_report(specimen_id, revision)
    if as_json:
        print(msgspec.json.encode(said).decode())
        return 0
    if isinstance(said, SignedReport):
        Console().print(Text(_since(said), style="bold"))
    _print(said)
    return 0


def _since(said: SignedReport) -> str:
    """Say which revision it is, and what has become of it since."""
    words = [f"revision {said.revision}, as it was signed"]
    superseded = said.superseded
    if superseded is None:
        return f"{words[0]}: that holds"
    if superseded.revision is not None and superseded.signature is not None:
        words.append(f"superseded by revision {superseded.revision}, {_signed(superseded.signature)}")
    elif superseded.corrected is not None:
        words.append("changed since, and not signed again")
    if superseded.discarded is not None:
        words.append(f"discarded since: {superseded.discarded.why}")
    return "; ".join(words)


def _signed(signature: Signature) -> str:
    return f"signed by {signature.operator}, {signature.at:%Y-%m-%d %H:%M} UTC"


def _by(change: Change) -> str:
    return "" if change.operator is None else f", by {change.operator}"


def _review_in_words(said: Differential) -> str:
    who = ", ".join(said.reviewers)
    words = f"looked at by {who}: {number_of(said.reviewed, 'cell')}, {said.renamed} of them renamed"
    if said.excluded:
        words += "; not counted: " + ", ".join(f"{count} {what}" for what, count in said.excluded.items())
    agreement = said.agreement
    if agreement is not None and agreement.kappa is not None:
        words += (
            f"; the model agrees on {agreement.agreed} of {agreement.cells},"
            f" kappa {agreement.kappa:.2f} ({agreement.low:.2f} to {agreement.high:.2f})"
        )
    return words


def _print_agreement(console: Console, said: Differential) -> None:
    if said.agreement is None:
        return
    table = Table("looked at", "model", "people", "both", box=None)
    for row in said.agreement.classes:
        table.add_row(row.label, str(row.by_model), str(row.by_person), str(row.both))
    console.print(table)


def _counts(said: Differential) -> Table:
    """A row a class. What this count does not have gets no column: with all of them a line is 80 wide."""
    corrected = said.correction.method is not None or not said.counted
    absolute = said.wbc_count is not None
    table = Table(box=None)
    interval = said.interval.replace(" 95", "\n95") if absolute else said.interval
    for name in ("class", "cells", "%", interval):
        table.add_column(name)
    for name in ["corrected"] * corrected + [said.wbc_count_unit] * absolute:
        table.add_column(name, no_wrap=True)
    for row in said.classes:
        cells = [row.label, str(row.count), *row.spoken()]
        if corrected:
            share = row.corrected
            cells.append(f"{share.percent:.1f} ({share.low:.1f}-{share.high:.1f})" if share else "-")
        if absolute:
            blood = row.absolute
            cells.append(f"{blood.value:.2f} ({blood.low:.2f}-{blood.high:.2f})" if blood else "-")
        table.add_row(*cells)
    return table


def _print(said: Differential) -> None:
    console = Console()
    if said.simulated:
        console.print(Text("SIMULATED SLIDE: drawn by a program, no blood", style="bold"))
    if (told := said.familiar.spoken()) is not None:
        console.print(Text(f"{told}\n", style="bold"))
    ended = f" ({said.ended})" if said.ended and said.signature is None else ""
    signed = f", signed by {said.signature.operator}" if said.signature else ""
    signed += " (a simulated slide)" * bool(said.signature and said.signature.simulated)
    if said.signature and said.signature.reason:
        signed += f" because: {said.signature.reason}"
    standing = f"{said.specimen_id}: {said.state}{ended}{signed}"
    console.print(Text(f"{standing}; {said.counted} of {said.target} cells"))
    if said.wbc_count is not None:
        console.print(Text(f"total white count: {said.wbc_count:g} {said.wbc_count_unit}"))
    console.print(_counts(said))
    _print_agreement(console, said)
    excluded = [f"{count} {reason}" for reason, count in said.unclassified.items()]
    notes = [f"not counted: {', '.join([*excluded, f'{said.incomplete} cut by the edge'])}"]
    if said.reviewed:
        notes.append(_review_in_words(said))
    notes += [f"not assessed: {', '.join(said.not_assessed)}"] * bool(said.not_assessed)
    if said.familiar.verdict is None:
        notes.append(f"whether the model knows this microscope: {'; '.join(said.familiar.reasons)}")
    notes += [f"not corrected: {said.correction.reason}"] * bool(said.correction.reason)
    notes += [f"{flag.sentence} [{flag.rule}/{flag.version}]" for flag in said.flags]
    notes += [
        f"{change.at:%Y-%m-%d %H:%M}: {change.what}{_by(change)}" + (f": {change.why}" if change.why else "")
        for change in said.changes
    ]
    notes += [f"discarded: {said.discarded.why}"] if said.discarded else []
    for note in notes:
        console.print(Text(note))
