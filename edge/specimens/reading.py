"""What a store says of its specimens, for whoever shows them; no daemon need run."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge.errors import BundleError, SpecimenError
from edge.labels import OTHER
from edge.messages import ModelReference
from edge.models.bundle import read_bundle
from edge.specimens.reporting import Reporter
from edge.store.database import expect_store
from edge.store.fields import Store
from edge.updates.choice import answering

if TYPE_CHECKING:
    from edge.config import Config
    from edge.messages import Differential
    from edge.models.confusion import Confusion
    from edge.models.known import KnownMicroscopes
    from edge.store.specimen import Specimen


def open_store(config: Config) -> Store:
    """Open the store that a configuration names. Raises StoreError where there is none."""
    path = Path(config.store.path)
    expect_store(path)
    return Store.open(path)


def differential_of(config: Config, specimen_id: str | None) -> Differential:
    """Return a specimen's differential as it would be published; by default of the open or the last one.

    Raises SpecimenError, StoreError.
    """
    with open_store(config) as store:
        return differential_in(config, store, specimen_id)


def differential_in(config: Config, store: Store, specimen_id: str | None) -> Differential:
    """Return the same from a store that is open. Where the model cannot be read, nothing is corrected by it.

    Raises SpecimenError, StoreError.
    """
    reporter = reporter_of(config)
    reporter.remember(store)
    with store.snapshot():  # else a signature could stand beside cells that came after it
        chosen = chosen_specimen(store, specimen_id)
        return reporter.differential(reporter.counted(store, chosen), chosen)


def chosen_specimen(store: Store, specimen_id: str | None) -> Specimen:
    """Return the specimen of this id; by default the open or the last one.

    Raises SpecimenError, StoreError.
    """
    if specimen_id is not None:
        return store.ledger.get(specimen_id)
    chosen = store.ledger.open_by_command() or next(reversed(store.specimens()), None)
    if chosen is None:
        raise SpecimenError("there is no specimen yet")
    return chosen


def reporter_of(config: Config) -> Reporter:
    """Return what makes differentials as the model that answers now, or without one that can be read."""
    try:
        return _reporter(config, *_state_of(answering(config).path))
    except BundleError:  # what was counted can be read and printed all the same
        return Reporter(config, _NO_MODEL)


def doubt_about_microscope(config: Config, store: Store, specimen: Specimen) -> str | None:
    """Say that the model may not know a specimen's microscope, such as `UNFAMILIAR MICROSCOPE`; else None.

    None, too, where the model's bundle cannot be read. Raises StoreError.
    """
    try:
        reporter = _reporter(config, *_state_of(answering(config).path))
    except BundleError:
        return None
    familiar = reporter.differential(reporter.recount(store, specimen), specimen).familiar
    return None if familiar.spoken() is None else f"{familiar.verdict} microscope".upper()


class Described(NamedTuple):
    """What a bundle says of its model, which is all that a count needs."""

    labels: tuple[str, ...]
    reference: ModelReference
    confusion: Confusion | None
    known: KnownMicroscopes | None


# Stands for one that cannot be read: the classes are then those that were counted.
_NO_MODEL = Described((), ModelReference("no model that can be read", "f" * 64), None, None)


def described(config: Config) -> Described:
    """Return what the bundle says of its model, which is all that a count needs. Raises BundleError."""
    return _described(*_state_of(answering(config).path))


def _state_of(path: Path) -> tuple[Path, int, int]:
    """A file and what changes with it: its time and its size; zeros where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return path, 0, 0
    return path, found.st_mtime_ns, found.st_size


# The page asks many times a second: the bundle is read, and the correction's draws are made, once a model.
@lru_cache(maxsize=2)
def _described(path: Path, *_: int) -> Described:
    bundle = read_bundle(path)
    about = bundle.description
    labels = tuple(label for label in about.labels if label != OTHER)
    return Described(labels, ModelReference(about.name, bundle.sha256), about.confusion, about.known)


@lru_cache(maxsize=2)
def _reporter(config: Config, *state: *tuple[Path, int, int]) -> Reporter:
    return Reporter(config, _described(*state))
