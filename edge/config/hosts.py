"""Whether a text is the name or the address of a computer, and what to write instead where it is not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADDRESS = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:[^/@]*@)?(?P<rest>[^/]*)(?P<path>.*)")
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]*))?")
_NO_NAME = 'is no name of a computer; write its name or address alone, such as host = "192.168.1.5"'


def host_fault(host: str, schemes: Mapping[str, str], port_instead: str) -> str | None:
    """Return what to write instead of a host that cannot be one; None where it can.

    schemes: the beginnings of whole addresses that are meant for this key, such as `mqtts`, each with what it
    asks for beside host and port; empty where it asks for nothing. port_instead: which port to write in the
    place of one that belongs to another kind of address.
    """
    stripped = host.strip()
    if stripped.count(":") > 1 and re.fullmatch(r"[0-9A-Fa-f:.]+(%\w+)?", stripped):
        return None if stripped == host else f'has a space in it; write host = "{stripped}"'  # IPv6
    found = _ADDRESS.fullmatch(stripped)
    inner = None if found is None else _HOST_AND_PORT.fullmatch(found["rest"])
    if found is None or inner is None or re.search(r"\s", stripped):
        return _NO_NAME
    name, port, scheme = inner["host"].strip("[]"), inner["port"], (found["scheme"] or "").lower()
    if not _may_be_looked_up(name):
        return _NO_NAME
    if name == host:
        return None
    if scheme and scheme not in schemes:
        return f'begins with {scheme}://, which is not spoken; write host = "{name}" and {port_instead}'
    parts = [f'host = "{name}"', *([f"port = {port}"] if port else []), schemes.get(scheme, "")]
    if name == stripped:
        what = "has a space in it"
    elif scheme or found["path"]:
        what = "is a whole address"
    else:
        what = "has the port in it" if port else "has more than the name in it"
    return f"{what}; write {' and '.join(filter(None, parts))}"


def _may_be_looked_up(name: str) -> bool:
    """Whether the system can be asked for a name: between its dots stand 1 to 63 characters."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True
