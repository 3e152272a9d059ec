"""The device's own key: a model that was adapted on a device is trusted on that device, and nowhere else.

It lies beside the installed models, readable by the daemon's user alone, and is made on first use. Whoever
can read it could change the installed models anyway, so it gives nobody more rights.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge.errors import OutputError
from edge.models.bundle import MAX_BYTES
from edge.updates.acting import as_owner
from edge.updates.signing import KEY_SUFFIX, TrustedKey, make_key, private_key, read_limited, write_signature

if TYPE_CHECKING:
    from pathlib import Path

    from edge.config import Config

log = logging.getLogger(__name__)

NAME = "device.key"
SIGNER = "this device"


def sign_for_device(bundle: Path, config: Config) -> Path:
    """Sign a bundle with the key of the device that `config` is of; return the signature's path.

    Makes the key on first use, and another one where a power cut has spoilt it. Raises OutputError,
    SignatureError.
    """
    key = config.models / NAME
    content = read_limited(bundle, MAX_BYTES, "model")
    with as_owner(config.models):
        try:
            if not key.exists() or _is_spoilt(key):
                config.models.mkdir(parents=True, exist_ok=True)
                for half in (key, key.with_name(key.name + KEY_SUFFIX)):
                    half.unlink(missing_ok=True)
                make_key(key)
        except OSError as error:
            raise OutputError(f"{config.models}: cannot be written: {error.strerror}") from None
        signature = private_key(key).sign(content)
    return write_signature(bundle, signature)


def device_key(models: Path) -> tuple[TrustedKey, ...]:
    """The public half of the key in the folder of models, or nothing where none was made or it is spoilt.

    Raises SignatureError where it is there and cannot be read.
    """
    key = models / NAME
    try:
        there = key.exists()
    except OSError:  # a folder that is not for this user
        return ()
    if not there or _is_spoilt(key):
        return ()
    return (TrustedKey(SIGNER, private_key(key).public_key()),)


def _is_spoilt(key: Path) -> bool:
    """Return whether a key lacks its last line, as it does if the power failed while it was written."""
    if read_limited(key, MAX_BYTES, "key").rstrip().endswith(b"-----END PRIVATE KEY-----"):
        return False
    log.warning("%s: is only part of a key; what it has signed is trusted no longer", key)
    return True
