"""What counts need of the models that called their cells, whichever answers now: the store keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from edge.errors import StoreError
from edge.messages.former import stored
from edge.models.confusion import Confusion  # noqa: TC001 (msgspec reads annotations at run time)
from edge.models.known import KnownMicroscopes  # noqa: TC001

if TYPE_CHECKING:
    from edge.differential.method import CountingMethod
    from edge.messages import ModelReference
    from edge.store.fields import Store


class Described(Protocol):
    """What is known of a model, beyond its calls."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that it counts."""
        ...

    @property
    def reference(self) -> ModelReference:
        """Its name, and its bundle's hash."""
        ...

    @property
    def confusion(self) -> Confusion | None:
        """How it errs, if its bundle says so."""
        ...

    @property
    def known(self) -> KnownMicroscopes | None:
        """How cells of the microscopes that it knows answer, if its bundle says so."""
        ...


class CountedBy(msgspec.Struct, frozen=True):
    """What a count needs of the model that called its cells; the store keeps it for when another answers."""

    labels: tuple[str, ...]
    confusion: Confusion | None = None
    known: KnownMicroscopes | None = None


class CountingModels:
    """The models that have called cells, by their hashes. All methods raise StoreError.

    model: the one that answers now. plain: how counts become figures where a model says nothing of its
    errors.
    """

    def __init__(self, model: Described, plain: CountingMethod) -> None:
        self._model = model
        self._plain = plain
        self._models: dict[str, CountedBy] = {}
        self._kept: set[str] = set()  # those that the store has
        self._methods: dict[str, CountingMethod] = {}

    def has_read(self, model: ModelReference) -> bool:
        """Whether it is known by now what a count needs of this model."""
        return model.sha256 in self._models

    def remember(self, store: Store) -> None:
        """Keep what the model says that answers now, where the store has it not yet."""
        model = self._model
        sha256 = model.reference.sha256
        described = self._models.setdefault(sha256, CountedBy(model.labels, model.confusion, model.known))
        if sha256 in self._kept or not model.labels:  # none stands for one that cannot be read
            return
        if store.models.find(sha256) is None:
            try:
                store.models.remember(sha256, msgspec.json.encode(described))
            except StoreError:
                return  # on a full disk a count can still be shown, and with the next it is tried again
        self._kept.add(sha256)

    def described(self, store: Store, model: ModelReference) -> CountedBy | None:
        """Return what is known of a model that has called cells; None of one of before it was kept."""
        if model.sha256 not in self._models:
            kept = store.models.find(model.sha256)
            if kept is None:
                return None
            try:
                self._models[model.sha256] = stored(kept, CountedBy)
            except msgspec.MsgspecError:  # damaged, or of a release to come
                return None
        return self._models[model.sha256]

    def method_of(self, store: Store, model: ModelReference) -> CountingMethod:
        """Return how what this model has called becomes figures."""
        if model.sha256 not in self._methods:  # the correction's draws are made once a model
            by = self.described(store, model)
            if by is None:
                return self._plain
            self._methods[model.sha256] = self._plain.by(by.confusion, by.known)
        return self._methods[model.sha256]
