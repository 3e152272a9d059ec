"""PINs: which are good enough, and how they are kept: by scrypt, each with a salt of its own."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import threading

from edge.errors import PeopleError

LEAST, MOST = 6, 64

# 16 MB and about a quarter of a second on a Pi: OWASP's choice for little memory.
COST, _R, _P = 14, 8, 5  # the first: the exponent of 2
_MAX_MEMORY = 64 * 2**20

_one_at_a_time = threading.Lock()  # each takes 16 MB: many guesses at once must not fill the memory


def check_pin(pin: str) -> None:
    """Raise PeopleError where a PIN is too short, too long or among the first that anybody would guess."""
    if not LEAST <= len(pin) <= MOST or not pin.isprintable():
        raise PeopleError(f"PIN: give {LEAST} to {MOST} digits, letters or signs")
    steps = {ord(after) - ord(before) for before, after in itertools.pairwise(pin)}
    if (len(steps) == 1 and steps <= {-1, 0, 1}) or len(set(pin)) < 3:
        raise PeopleError("PIN: this one is guessed first; give one without a row such as 123456 or 111111")


def hash_pin(pin: str) -> str:
    """Return what is kept of a PIN: the cost, the salt and the hash."""
    salt = secrets.token_bytes(16)
    return _line(salt, _scrypt(pin, salt, COST, _R, _P))


def matches(pin: str, kept: str | None) -> bool:
    """Whether this is the PIN. kept: None is of nobody, takes as long, and never matches."""
    log_n, r, p, salt, digest = (kept or _line(bytes(16), bytes(32))).split("$")
    found = _scrypt(pin[: MOST + 1], bytes.fromhex(salt), int(log_n), int(r), int(p))
    return secrets.compare_digest(found, bytes.fromhex(digest)) and kept is not None


def _line(salt: bytes, digest: bytes) -> str:
    return f"{COST}${_R}${_P}${salt.hex()}${digest.hex()}"


def _scrypt(pin: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    with _one_at_a_time:
        data = pin.encode("utf-8", "surrogatepass")
        return hashlib.scrypt(data, salt=salt, n=2**log_n, r=r, p=p, maxmem=_MAX_MEMORY, dklen=32)
