"""A newly installed model's first start: it proves itself, or the device goes back to the one before."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from edge.config import SHIPPED_MODEL
from edge.errors import BundleError, LeukoscopeError, StoreError
from edge.updates.choice import answering
from edge.updates.model_store import SHIPPED, ModelStore, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from edge.config import Config

log = logging.getLogger(__name__)

Loaded = TypeVar("Loaded")


class FirstStart:
    """Tells the store how the first start of a model went. notice: what users must know, if anything.

    Used as a context, it distinguishes a normal end, which says nothing about the model, from a crash, which
    does: after a crash the next start finds the trial unfinished.
    """

    def __init__(
        self, store: ModelStore | None = None, name: str = SHIPPED, notice: str | None = None
    ) -> None:
        self.notice = notice
        self._store = store  # None: nothing is on trial
        self._name = name

    def passed(self) -> None:
        """The model has analysed a field: the trial is over. Safe to call again."""
        self._end(passed=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, LeukoscopeError | KeyboardInterrupt):
            self._end(passed=False)

    def _end(self, *, passed: bool) -> None:
        store, self._store = self._store, None
        if store is None:
            return
        try:
            store.end_trial(self._name, passed=passed)
        except StoreError as error:
            # The next start then takes this model for failed: that costs an update, but no result.
            log.warning("%s", error)
        else:
            if passed:
                log.info("model %s has proved itself and stays", self._name)


def load_chosen(config: Config, load: Callable[[Path], Loaded]) -> tuple[Loaded, FirstStart]:
    """Load the model to use, by `load`, from its path.

    That is the one that the configuration names, else the one installed last, else the one that ships. If an
    installed one is damaged, cannot be loaded, or failed before, the former is used, and that is reported.
    Raises BundleError or NoRuntimeError if not even the last resort can be loaded.
    """
    if config.model.path:
        return load(answering(config).path), FirstStart()
    store = ModelStore(config.models)
    try:
        state = store.begin()
    except StoreError as error:
        return load(SHIPPED_MODEL), _reported(f"the model that ships is used: {error}")
    while state.current != SHIPPED:
        try:
            loaded = load(answering(config, state).path)
        except Exception as error:
            if isinstance(error, LeukoscopeError) and not isinstance(error, BundleError):
                _release(store, state)  # no runtime: that is not the model's fault
                raise
            try:
                state = store.fail(state.current, " ".join(str(error).split()))
            except StoreError:
                return load(SHIPPED_MODEL), _reported(f"the model that ships is used: {error}")
        else:
            on_trial = store if state.trial is not None else None
            return loaded, FirstStart(on_trial, state.current, _notice(state))
    return load(answering(config, state).path), FirstStart(notice=_notice(state))


def _reported(notice: str) -> FirstStart:
    log.error("%s", notice)
    return FirstStart(notice=notice)


def _release(store: ModelStore, state: State) -> None:
    FirstStart(store, state.current)._end(passed=False)  # noqa: SLF001 (of this module)


def _notice(state: State) -> str | None:
    if state.fallen is None:
        return None
    notice = f"model {state.fallen.sha256} was gone back from at {state.fallen.at}: {state.fallen.reason}"
    log.error("%s", notice)
    return notice
