"""The section `[web]` of the configuration: where the page is served, and how it is encrypted."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from edge.config.hosts import host_fault
from edge.config.texts import SomeText, Text  # noqa: TC001 (msgspec reads annotations at run time)

_PORT = "the port of the page, mostly port = 8080"
_WRITTEN_AS = {"http": "", "https": 'certificate_file = "FILE"'}


class WebConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The device's page, as `leukoscope web` serves it."""

    # "0.0.0.0": for everybody in the network; but as long as nobody has a PIN, for this machine only.
    host: SomeText = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8080  # ports below 1024 are for root only
    certificate_file: Text = ""  # the page's certificate; empty: not encrypted
    key_file: Text = ""  # the secret key to it; empty: the systemd credential `web-key`, where there is one
    # A folder in memory, where the daemon puts the live picture while somebody looks; empty: no live picture.
    preview_dir: Text = "/run/leukoscope"

    def __post_init__(self) -> None:
        """Refuse a whole address as host, and a key without a certificate: nothing would be encrypted."""
        fault = host_fault(self.host, _WRITTEN_AS, _PORT)
        if fault is not None:
            raise ValueError(f"host: {fault}")
        if self.key_file and not self.certificate_file:
            raise ValueError("key_file: is of use with certificate_file only; write that, too")
