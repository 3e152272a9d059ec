"""Installs a signed bundle on the device, and goes back to the former one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from edge import identity
from edge.errors import BundleError, ConfigError, SignatureError
from edge.models.bundle import MAX_BYTES, read_bundle
from edge.updates.acting import as_owner
from edge.updates.device_key import device_key
from edge.updates.model_store import SHIPPED, Installed, ModelStore, State
from edge.updates.proof import prove
from edge.updates.signing import read_limited, read_signature, signature_path, trusted_keys, verify

if TYPE_CHECKING:
    from pathlib import Path

    from edge.config import Config

_NOT_WHOLE = "its file is missing or damaged"
_SHOWN = 12  # characters of a hash: as many as tell models apart


class Outcome(NamedTuple):
    """What an installation came to. new: whether it was not installed before."""

    name: str
    sha256: str
    signer: str
    new: bool


class Row(NamedTuple):
    """A model and its role: current, former, failed, or configured. note: what people should know of it."""

    which: str
    model: str
    sha256: str = ""
    signed_by: str = ""
    installed: str = ""
    note: str = ""


def install(file: Path, config: Config) -> Outcome:
    """Install a bundle that was adapted here, or is signed by a trusted key, for use from the next field on.

    Nothing in the file is read before its signature has been checked. Raises SignatureError,
    BundleError, StoreError, ConfigError, OutputError, and changes nothing then.
    """
    check_that_it_would_be_used(config)
    content = read_limited(file, MAX_BYTES, "model")
    signature = read_signature(signature_path(file))
    store = ModelStore(config.models)
    with as_owner(store.folder):
        own = device_key(store.folder)
    signer = verify(content, signature, own)
    if signer is None:
        keys = trusted_keys(config.model.folder_of_keys)
        signer = verify(content, signature, keys)
    if signer is None:
        known = ", ".join(key.name for key in (*own, *keys))
        raise SignatureError(
            f"{file}: is not signed by a key that is trusted here ({known}), or was changed since"
        )
    sha256 = hashlib.sha256(content).hexdigest()
    with as_owner(store.folder), store.incoming(content) as incoming:
        try:
            prove(incoming, config)
            name = read_bundle(incoming).description.name
        except BundleError as error:
            raise BundleError(f"{file}: {str(error).removeprefix(f'{incoming}: ')}") from None
        about = Installed(name, signer, identity.now().isoformat(timespec="seconds"))
        new = store.adopt(incoming, sha256, about)
    return Outcome(name, sha256, signer, new)


def roll_back(config: Config) -> Row:
    """Go back to the former model, and return it. Raises StoreError, ConfigError, OutputError."""
    check_that_it_would_be_used(config)
    store = ModelStore(config.models)
    with as_owner(store.folder):
        state = store.roll_back()
    return Row("current", *_told(state, state.current))


def list_models(config: Config) -> list[Row]:
    """The model that a start would use, the one before it, and one that has failed. Raises StoreError."""
    if config.model.path:
        return [Row("configured", config.model.path, note="model.path says so")]
    store = ModelStore(config.models)
    named, state = store.state(), store.standing()
    on_trial = "has not proved itself yet" if state.trial is not None else ""
    rows = [Row("current", *_told(state, state.current), on_trial)]
    if state.former is not None:
        is_whole = state.former == SHIPPED or store.whole(state.former)
        rows.append(Row("former", *_told(state, state.former), "" if is_whole else _NOT_WHOLE))
    if named.current != state.current:
        rows.append(Row("failed", *_told(named, named.current), _NOT_WHOLE))
    elif state.fallen is not None:
        fallen = state.fallen
        gone_back = f"gone back from at {fallen.at}: {fallen.reason}"
        rows.append(Row("failed", *_told(state, fallen.sha256), gone_back))
    return rows


def check_that_it_would_be_used(config: Config) -> None:
    """Check that installed models are used here. Raises ConfigError if the configuration names another."""
    if config.model.path:
        raise ConfigError(
            f"model.path: names {config.model.path}, so no installed model would be used; remove the line"
        )


def _told(state: State, name: str) -> tuple[str, str, str, str]:
    """Return a model's name, hash, signer, and time of its installation; empty where there is none."""
    if name == SHIPPED:
        return "the model that ships", "", "", ""
    about = state.installed.get(name)
    shown = name[:_SHOWN]
    return ("", shown, "", "") if about is None else (about.name, shown, about.signed_by, about.at)
