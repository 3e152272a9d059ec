"""Where a request comes from: a page of another site must neither order nor see anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_HOST = re.compile(r"(?P<name>[A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing."""


class Refusal(NamedTuple):
    """Why a request is not answered: the status and the sentence."""

    status: int
    sentence: str


def check_origin(
    scheme: str, method: str, headers: Sequence[tuple[bytes, bytes]], *, local: bool
) -> Refusal | None:
    """Return why a request is refused, or None.

    local: nobody has a PIN yet, and this machine's browser is served without: by its own names only, for a
    name that another site has pointed here would make that site's page one of ours.
    """
    hosts, origins, sites = (_values(headers, name) for name in (b"host", b"origin", b"sec-fetch-site"))
    found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if found is None:
        return Refusal(400, "the request names no host")
    if local and not _LOOPBACK.fullmatch(found["name"].lower()):
        return Refusal(403, "nobody has a PIN on this device yet: open it as localhost, on the device itself")
    same = {f"{scheme}://{hosts[0].lower()}"}
    foreign = any(origin.lower() not in same for origin in origins)
    if method not in SAFE:
        foreign = foreign or any(site != "same-origin" for site in sites)
    elif any(site in {"cross-site", "same-site"} for site in sites):
        # A link of another site may open a page; nothing of ours is drawn into one.
        foreign = foreign or _values(headers, b"sec-fetch-mode") != ["navigate"]
    return Refusal(403, "the request comes from another site") if foreign else None


def _values(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in headers if key == name]
