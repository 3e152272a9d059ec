"""What people order of a specimen: started, stopped, signed, discarded; by command line and broker alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from edge.errors import SpecimenError
from edge.labels import did_you_mean, nameable, same_class
from edge.messages.wbc_count import read_wbc_count
from edge.specimens.records import SpecimenChange
from edge.store.fields import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from edge.messages.commands import (
        DiscardSpecimen,
        RenameSpecimen,
        ReviewCells,
        SetWbcCount,
        SignSpecimen,
        StartSpecimen,
        StopSpecimen,
    )
    from edge.specimens.records import OrderName
    from edge.store.command_log import Answers
    from edge.store.specimen import Specimen
    from edge.store.specimens import Ledger

    Note = Callable[[Answers, Specimen], None]


class CommandHandler(Protocol):
    """Does what a request says. note: writes the answer, and is called in the transaction that does it."""

    def __call__(self, request: Any, /, note: Note | None = None) -> Specimen:
        """Return the specimen it was about. Raises LeukoscopeError with one sentence."""
        ...


class Orders:
    """Does to a store what commands say, on whichever thread: each order has a connection of its own.

    by_command: whether specimens begin and end by command. Otherwise the source says it, and only signing,
    reviewing, renaming and discarding are left. target: of a new specimen, unless the order says. listeners:
    told of each that was done. labels: of the model, which a person may call a cell. All write their note
    together with what they do, and raise SpecimenError, StoreError.

    operator: the code of who orders it, which is kept with it; None where that is not known.
    """

    def __init__(
        self,
        path: Path,
        *,
        by_command: bool,
        target: int,
        listeners: Sequence[Callable[[SpecimenChange], None]] = (),
        labels: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        self._path = path
        self._labels = labels
        self._target = target
        self._listeners = tuple(listeners)
        self._by_command = by_command

    def handlers(self) -> Mapping[str, CommandHandler]:
        """Return what does each command, by its name."""
        return {
            "specimen/start": self.start,
            "specimen/stop": self.stop,
            "specimen/review": self.review,
            "specimen/sign": self.sign,
            "specimen/discard": self.discard,
            "specimen/rename": self.rename,
            "specimen/wbc_count": self.set_wbc_count,
        }

    def start(self, order: StartSpecimen, note: Note | None = None) -> Specimen:
        """Open a specimen."""
        self._check()
        # Kept with it: what the configuration says later is not what was meant.
        target = order.target or (None if order.resume else self._target)
        total = _wbc_count(order.wbc_count)

        def act(ledger: Ledger) -> Specimen:
            return ledger.start(
                order.specimen_id,
                target=target,
                wbc_count=total,
                resume=order.resume,
                operator=order.operator,
            )

        return self._do("start", act, note)

    def stop(self, order: StopSpecimen, note: Note | None = None) -> Specimen:
        """Close the open specimen."""
        self._check()
        return self._do("stop", lambda ledger: ledger.stop(order.specimen_id, operator=order.operator), note)

    def review(self, order: ReviewCells, note: Note | None = None) -> Specimen:
        """Name cells, as a person sees them. Raises StaleRevisionError, too."""
        if (order.action == "relabel") != (order.label is not None):
            raise SpecimenError('label: is for the action "relabel", and only for it')
        if order.label is not None:
            order = msgspec.structs.replace(order, label=self._class(order.label))
        return self._do("review", lambda ledger: ledger.review(order), note, order.cell_ids)

    def sign(self, order: SignSpecimen, note: Note | None = None) -> Specimen:
        """Sign a specimen."""

        def act(ledger: Ledger) -> Specimen:
            return ledger.sign(
                order.operator,
                order.specimen_id,
                reason=order.reason,
                target=self._target,
                revision=order.revision,
            )

        return self._do("sign", act, note)

    def rename(self, order: RenameSpecimen, note: Note | None = None) -> Specimen:
        """Give a specimen another id."""

        def act(ledger: Ledger) -> Specimen:
            return ledger.rename(order.specimen_id, order.new_id, operator=order.operator)

        return self._do("rename", act, note)

    def set_wbc_count(self, order: SetWbcCount, note: Note | None = None) -> Specimen:
        """Give a specimen its total white count."""
        total = _wbc_count(order.wbc_count)

        def act(ledger: Ledger) -> Specimen:
            return ledger.set_wbc_count(order.specimen_id, total, operator=order.operator)

        return self._do("wbc_count", act, note)

    def discard(self, order: DiscardSpecimen, note: Note | None = None) -> Specimen:
        """Discard a specimen. Raises StaleRevisionError, too."""

        def act(ledger: Ledger) -> Specimen:
            return ledger.discard(
                order.reason, order.specimen_id, operator=order.operator, revision=order.revision
            )

        return self._do("discard", act, note)

    def _do(
        self,
        name: OrderName,
        act: Callable[[Ledger], Specimen],
        note: Note | None,
        cell_ids: tuple[str, ...] = (),
    ) -> Specimen:
        with Store.open(self._path) as store, store.transaction():
            specimen = act(store.ledger)
            if note is not None:
                note(store.answers, specimen)
        for listener in self._listeners:
            listener(SpecimenChange(name, specimen, cell_ids))
        return specimen

    def _class(self, name: str) -> str:
        known = nameable(self._labels())
        label = same_class(name, known)
        if label is None:
            raise SpecimenError(
                f"label: there is no class {name}{did_you_mean(name, known)}; there are {', '.join(known)}"
            )
        return label

    def _check(self) -> None:
        if not self._by_command:
            raise SpecimenError(
                "what this device's camera shows is one specimen from its start to its end: "
                'set specimen.lifecycle = "command" in its configuration'
            )


def _wbc_count(given: float | str | None) -> float | None:
    try:
        return None if given is None else read_wbc_count(given)
    except ValueError as error:
        raise SpecimenError(f"wbc_count: {error}") from None
