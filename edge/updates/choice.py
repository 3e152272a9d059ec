"""Which model is used: the daemon, the listings and the checks all ask here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edge.config import SHIPPED_MODEL
from edge.errors import StoreError
from edge.updates.model_store import SHIPPED, ModelStore, State

if TYPE_CHECKING:
    from pathlib import Path

    from edge.config import Config


class Answering(NamedTuple):
    """The bundle that answers. why: as people read it. sha256: of an installed one; None for the others."""

    path: Path
    why: str
    sha256: str | None = None


def answering(config: Config, state: State | None = None) -> Answering:
    """Return the bundle that the configuration names, else the one installed last, else the one that ships.

    If the installed one is missing or damaged, the one before it is used, if that is whole. state: of the
    installed models, as the daemon has noted it at its start; None: as it is on the disk.
    """
    if config.model.path:
        return Answering(config.model.bundle, "named by model.path")
    store = ModelStore(config.models)
    try:
        state = store.standing() if state is None else state
    except StoreError as error:
        return Answering(SHIPPED_MODEL, f"ships with the software; {error}")
    if state.current == SHIPPED:
        return Answering(SHIPPED_MODEL, "ships with the software")
    about = state.installed.get(state.current)
    why = "installed" if about is None else f"installed {about.at}, signed by {about.signed_by}"
    return Answering(store.path(state.current), why, state.current)
