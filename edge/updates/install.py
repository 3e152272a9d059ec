"""`leukoscope model install`, `rollback` and `list`: a signed bundle to the device, and back again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from edge import identity
from edge.cli.tables import print_rows
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

_SHOWN = 12  # characters of a hash: as many as tell models apart


def install(file: Path, config: Config) -> int:
    """Install a bundle that was calibrated here, or is signed by a trusted key, from the next start on.

    Nothing in the file is looked at before its signature is known to be good. Raises SignatureError,
    BundleError, StoreError, ConfigError, OutputError, and changes nothing then.
    """
    _check_that_it_would_be_used(config)
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
    if new:
        print(f"{name} {sha256}, signed by {signer}: answers from the daemon's next start on")  # noqa: T201
    else:
        print(f"{name} {sha256}, signed by {signer}: is installed already")  # noqa: T201
    return 0


def roll_back(config: Config) -> int:
    """Change places with the former model. Raises StoreError, ConfigError, OutputError."""
    _check_that_it_would_be_used(config)
    store = ModelStore(config.models)
    with as_owner(store.folder):
        state = store.roll_back()
    print(f"{' '.join(_told(state, state.current)[:2]).strip()}: answers from the daemon's next start on")  # noqa: T201
    return 0


def list_models(config: Config) -> int:
    """Print which model answers, which one did before, and what was gone back from. Raises StoreError."""
    columns = ("which", "model", "sha256", "signed by", "installed", "note")
    if config.model.path:
        print_rows(columns, [("configured", config.model.path, "", "", "", "model.path says so")])
        return 0
    state = ModelStore(config.models).state()
    on_trial = "has not proved itself yet" if state.trial is not None else ""
    rows = [("current", *_told(state, state.current), on_trial)]
    if state.former is not None:
        rows.append(("former", *_told(state, state.former), ""))
    if state.fallen is not None:
        fallen = state.fallen
        gone_back = f"gone back from at {fallen.at}: {fallen.reason}"
        rows.append(("failed", *_told(state, fallen.sha256), gone_back))
    print_rows(columns, rows)
    return 0


def _check_that_it_would_be_used(config: Config) -> None:
    if config.model.path:
        raise ConfigError(
            f"model.path: names {config.model.path}, so no installed model would be used; remove the line"
        )


def _told(state: State, name: str) -> tuple[str, str, str, str]:
    """Give a model's name, hash, signer, and time of its installation; empty where there is none."""
    if name == SHIPPED:
        return "the model that ships", "", "", ""
    about = state.installed.get(name)
    shown = name[:_SHOWN]
    return ("", shown, "", "") if about is None else (about.name, shown, about.signed_by, about.at)
