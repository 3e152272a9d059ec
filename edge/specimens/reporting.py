"""From the store to the differential that is published: one voice, whoever changed the specimen.

A field counted by the daemon's thread, a signature from the command line, a specimen discarded over the
broker: each is in the store first, and what is said of it is read from there.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from edge import identity
from edge.differential.count import SpecimenCount
from edge.differential.method import CountingMethod
from edge.errors import LeukoscopeError
from edge.specimens.counting_models import CountingModels
from edge.specimens.sources import is_simulated
from edge.specimens.words import specimen_in_words
from edge.store.fields import Store

if TYPE_CHECKING:
    from pathlib import Path

    from edge.config import Config
    from edge.messages import Differential, ModelReference
    from edge.models.known import KnownMicroscopes
    from edge.specimens.counting_models import Described
    from edge.store.signed_revisions import SignedRevision
    from edge.store.specimen import Specimen

log = logging.getLogger(__name__)

_LOOK_S = 0.5  # how soon the daemon notices what the command line did
_RUNNING_S = 1.0  # between two counts of fields that keep coming: a dashboard shows no more, each takes 2 ms


class Listener(Protocol):
    """Who is told how a count stands: the broker's publisher, and whatever else shows it."""

    def publish_differential(self, differential: Differential, event: int, *, news: bool = False) -> None:
        """Take a specimen's differential. event: the last thing that the store has noted of it."""
        ...

    def notify(self) -> None:
        """Learn that a field was stored, of which no differential is made just now."""
        ...


class Reporter:
    """Makes differentials.

    While fields keep coming their count is made once a second, and what is then left by `catch_up`.
    lock: held from reading the store to handing over, so that what is said last is what was last.
    current: the specimen that the source shows, where commands do not say which; the live topic ends on it.
    """

    def __init__(self, config: Config, model: Described) -> None:
        self.lock = threading.Lock()
        self.current: str | None = None
        self._device_id = config.device
        self._target = config.specimen.target
        self._simulated = is_simulated(config)
        self._model = model
        self._made_at = float("-inf")
        self._owed: SpecimenCount | None = None
        self._verdicts: dict[str, str | None] = {}
        plain = CountingMethod(config.specimen.interval, config.specimen.max_interval_width)
        self._models = CountingModels(model, plain)

    @property
    def reference(self) -> ModelReference:
        """The model that answers now."""
        return self._model.reference

    def recount(
        self, store: Store, specimen: Specimen, signed: SignedRevision | None = None
    ) -> SpecimenCount:
        """Return a specimen's count from the fields that are stored. Raises StoreError.

        One that takes no more fields is by the model that called its last ones, whichever answers now.
        signed: as it was signed; then SpecimenError, too.
        """
        self.remember(store)
        return self.counted(store, specimen, signed)

    def remember(self, store: Store) -> None:
        """Keep what counts need of the model that answers now. Raises StoreError."""
        self._models.remember(store)

    def counted(
        self, store: Store, specimen: Specimen, signed: SignedRevision | None = None
    ) -> SpecimenCount:
        """Return the same and write nothing: for a `snapshot`, before which the model is remembered."""
        own, target, models = self._model.reference, specimen.target or self._target, self._models

        def known_by(model: ModelReference) -> KnownMicroscopes | None:
            described = models.described(store, model)
            return None if described is None else described.known

        method = models.method_of(store, own)
        count = SpecimenCount(specimen.specimen_id, self._model.labels, target, method, known_by)
        for _, contribution in store.contributions(specimen.specimen_id, signed and signed.until):
            count.add(contribution)
        if specimen.state != "open" and count.models:
            described = models.described(store, count.models[-1])
            if described is not None:
                count.by(models.method_of(store, count.models[-1]), described.labels)
        ledger, name = store.ledger, specimen.specimen_id
        count.review(ledger.reviewed(name) if signed is None else store.signed.reviewed(signed))
        return count

    def differential(self, count: SpecimenCount, specimen: Specimen) -> Differential:
        """Return the message. Signed after an update, a count is still that of the model that made it."""
        own, last = self._model.reference, next(reversed(count.models), None)
        if specimen.state != "open" and last is not None and self._models.has_read(last):
            own = last
        others = [model.name for model in count.models if model != own]
        status = specimen.status
        if self._simulated and specimen.state == "open":  # also before its first field
            status = msgspec.structs.replace(status, simulated=True)
        return count.differential(
            device_id=self._device_id,
            model=own if specimen.state == "open" or not count.models else count.models[-1],
            updated_at=identity.now(),
            clock_synced=identity.clock_synced() and specimen.clock_synced,
            status=status,
            uncorrected=f"cells were called by another model, {', '.join(others)}" if others else None,
        )

    def publish(self, listener: Listener, store: Store, count: SpecimenCount, *, news: bool = False) -> None:
        """Publish a count with what the store knows of its specimen. The caller holds the lock.

        news: a field was stored, and nothing else changed: the count may be owed for now. Raises StoreError.
        """
        now = time.monotonic()
        if news and now - self._made_at < _RUNNING_S:
            self._owed = count
            listener.notify()
            return
        specimen = store.ledger.find(count.specimen_id)
        self._made_at = now
        if self._owed is not None and self._owed.specimen_id == count.specimen_id:
            self._owed = None
        if specimen is not None:
            count.review(store.ledger.reviewed(specimen.specimen_id))  # people may have named cells meanwhile
            differential = self.differential(count, specimen)
            self._log_microscope(differential)
            listener.publish_differential(differential, specimen.event, news=news)
        elif news:
            listener.notify()

    def _log_microscope(self, differential: Differential) -> None:
        """Log once that a specimen's microscope is none that the model knows, and when that is taken back."""
        specimen_id, familiar = differential.specimen_id, differential.familiar
        before = self._verdicts.get(specimen_id)
        if familiar.verdict == before:
            return
        self._verdicts[specimen_id] = familiar.verdict
        if (told := familiar.spoken()) is not None:
            log.warning("specimen %s: %s", specimen_id, told)
        elif before not in {None, "familiar"} and familiar.verdict == "familiar":
            log.info("specimen %s: its cells are like those that the model knows after all", specimen_id)

    def catch_up(self, listener: Listener, store: Store) -> None:
        """Publish the count that is owed, if one is. Raises StoreError."""
        with self.lock:
            if self._owed is not None:
                self.publish(listener, store, self._owed)


class Announcer:
    """A thread that publishes the differential of each specimen of which something new is in the store.

    Until the broker has acknowledged it; also what was noted while no daemon ran, and the count that is owed
    when fields come no longer. changed: set at each news.
    """

    def __init__(self, path: Path, reporter: Reporter) -> None:
        self.changed = threading.Event()
        self._path = path
        self._reporter = reporter
        self._handed: dict[str, int] = {}
        self._since = 0
        self._latest = 0
        self._wake = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None

    def start(self, listener: Listener) -> None:
        """Begin to look, and hand over to this listener."""
        with Store.open(self._path, durable=False) as store:
            self._since, _ = store.ledger.latest_event()
            opened = store.ledger.open_by_command()
            if opened is not None:  # since before this start
                log.info("%s", specimen_in_words(opened, self._reporter.recount(store, opened).counted))
        self._thread = threading.Thread(target=self._run, args=(listener,), name="announcer", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Look now: something has changed. From any thread."""
        self._wake.set()

    def close(self) -> None:
        """End, when all that is in the store by now was handed over."""
        self._ended = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, listener: Listener) -> None:
        with Store.open(self._path, durable=False) as store:
            ended = False
            while not ended:
                ended = self._ended  # read before the last look: what came before it is then seen, too
                try:
                    self._announce(listener, store)
                    self._reporter.catch_up(listener, store)
                except LeukoscopeError as error:
                    log.warning("%s", error)
                if not ended:
                    self._wake.wait(_LOOK_S)
                    self._wake.clear()

    def _announce(self, listener: Listener, store: Store) -> None:
        latest, _ = store.ledger.latest_event()
        if latest == self._latest:
            return  # what is asked twice a second must not read every specimen there ever was
        news = [
            (name, event) for name, event in store.ledger.unpublished() if self._handed.get(name) != event
        ]
        last = ""
        for last, event in news:
            with self._reporter.lock:
                self._publish(listener, store, last)
            self._handed[last] = event
        self._log_changes(store, latest)
        self._latest = latest  # not sooner: an error on the way is tried again
        if not news:
            return
        with self._reporter.lock:  # what becomes the current one from here on is published after this
            opened = store.ledger.open_by_command()
            current = self._reporter.current if opened is None else opened.specimen_id
            if current not in {None, last}:
                self._publish(listener, store, current)
        self.changed.set()

    def _log_changes(self, store: Store, latest: int) -> None:
        """Log how the specimens stand that were changed since the last time, published already or not."""
        for name in store.ledger.changed_since(self._since):
            specimen = store.ledger.find(name)
            # That a source shows one, the daemon says itself.
            if specimen is None or (specimen.state == "open" and self._reporter.current == name):
                continue
            log.info("%s", specimen_in_words(specimen, self._reporter.recount(store, specimen).counted))
        self._since = latest

    def _publish(self, listener: Listener, store: Store, specimen_id: str | None) -> None:
        """Publish how a specimen stands."""
        specimen = None if specimen_id is None else store.ledger.find(specimen_id)
        if specimen is None:
            return
        self._reporter.publish(listener, store, self._reporter.recount(store, specimen))
