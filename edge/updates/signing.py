"""Ed25519 signatures of model bundles: who made the file, checked before anything in it is looked at.

Keys and signatures are what OpenSSL makes and reads: PEM, and the bare 64 bytes in base64 beside the bundle
as `FILE.sig`. A signature is of the whole file, so that a bundle stays one file that any TFLite tool opens.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from edge.errors import OutputError, SignatureError

if TYPE_CHECKING:
    from pathlib import Path

KEY_SUFFIX = ".pub"
SIGNATURE_SUFFIX = ".sig"
_SIGNATURE_BYTES = 64
_SMALL = 4096  # no key and no signature is larger


class TrustedKey(NamedTuple):
    """A key that bundles may be signed with: its file's name without the suffix, and the key."""

    name: str
    key: Ed25519PublicKey


def signature_path(bundle: Path) -> Path:
    """Return where a bundle's signature lies."""
    return bundle.with_name(bundle.name + SIGNATURE_SUFFIX)


def read_limited(path: Path, limit: int, what: str) -> bytes:
    """Read a regular file of at most `limit` bytes; a pipe or a device is not waited for.

    Raises SignatureError, which says `what` it should have been.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SignatureError(f"{path}: is not a file, so it is no {what}")
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise SignatureError(f"{path}: there is no such {what}") from None
    except OSError as error:
        raise SignatureError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:  # a zero byte in the name
        raise SignatureError(f"{str(path)!r}: is no file's name") from None
    if len(content) > limit:
        raise SignatureError(f"{path}: is longer than {limit} bytes, which no {what} is")
    return content


def trusted_keys(folder: Path) -> tuple[TrustedKey, ...]:
    """Read the public keys of a folder, its `*.pub`, in the order of their names.

    Raises SignatureError if there is none, or if one cannot be read: if it were skipped silently, people
    would look for the fault in the wrong place.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == KEY_SUFFIX)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise SignatureError(f"{folder}: the folder of model.trusted_keys cannot be read: {reason}") from None
    if not paths:
        raise SignatureError(
            f"{folder}: holds no trusted key; copy the {KEY_SUFFIX} file of whoever makes your models there"
        )
    return tuple(TrustedKey(path.stem, _public_key(path)) for path in paths)


def verify(content: bytes, signature: bytes, keys: tuple[TrustedKey, ...]) -> str | None:
    """Return the name of the trusted key that signed the content, None where none of them did."""
    for name, key in keys:
        try:
            key.verify(signature, content)
        except InvalidSignature:
            continue
        return name
    return None


def read_signature(path: Path) -> bytes:
    """Read a signature, 64 bytes in base64. Raises SignatureError."""
    text = read_limited(path, _SMALL, "signature")
    try:
        signature = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    if len(signature) != _SIGNATURE_BYTES:
        raise SignatureError(f"{path}: is no signature: 64 bytes in base64 were expected")
    return signature


def make_key(path: Path) -> Path:
    """Make a key: the secret half at `path`, for its owner's eyes only, the public one beside it, `.pub`.

    Returns the public half's path. Raises OutputError. An existing file is never overwritten, because others
    may trust its public half.
    """
    if not path.name or path.suffix == KEY_SUFFIX:
        raise OutputError(
            f"{path}: is no name for a secret key; give one without {KEY_SUFFIX}, which the public key gets"
        )
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    beside = path.with_name(path.name + KEY_SUFFIX)
    _write_new(beside, public, 0o644)
    try:
        _write_new(path, secret, 0o600)
    except OutputError:
        beside.unlink()
        raise
    return beside


def sign(bundle: Path, key_path: Path, limit: int) -> Path:
    """Sign a file of at most `limit` bytes; give the signature's path. Raises SignatureError, OutputError."""
    signature = private_key(key_path).sign(read_limited(bundle, limit, "model"))
    return write_signature(bundle, signature)


def write_signature(bundle: Path, signature: bytes) -> Path:
    """Write a signature, 64 bytes, beside its bundle; give its path. Raises OutputError."""
    path = signature_path(bundle)
    try:
        path.write_bytes(base64.b64encode(signature) + b"\n")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def private_key(path: Path) -> Ed25519PrivateKey:
    """Read the secret half of a key. Raises SignatureError."""
    text = read_limited(path, _SMALL, "key")
    try:
        key = load_pem_private_key(text, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SignatureError(
            f"{path}: is no Ed25519 key without passphrase; make one with: leukoscope model keygen FILE"
        )
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(read_limited(path, _SMALL, "key"))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureError(
            f"{path}: is no public Ed25519 key; the .pub file of `model keygen` was expected"
        )
    return key


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a new file, safely on the disk when it is done; if that fails, no file is left."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise OutputError(f"{path}: is there already, and a key is never written over") from None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
