"""The server: uvicorn, with bounds on connections and on slow clients that it has not of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import uvicorn
from uvicorn.config import Config as ServerConfig
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import Server

from edge.errors import ConfigError, LeukoscopeError, PeopleError
from edge.memory import release_freed_memory, release_startup_memory
from edge.people import People
from edge.web.app import create_app
from edge.web.security.access import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.config import Config

CONNECTIONS, CONNECTIONS_OF_ADDRESS = 128, 48
"""How many are held at once. A browser opens six."""

HEAD_S, STALLED_S = 10.0, 30.0
"""Until a request's headers are here; and how long an answer may find no reader."""

# Part of the server asks the package for it, which would load the command line that `edge.memory` postpones.
vars(uvicorn).setdefault("Config", ServerConfig)

_HEAD_BYTES = 16 * 1024
_KEEP_ALIVE_S = 30
_LOOKS_EVERY, _QUIET = 20, 100  # ticks of a tenth of a second
_GRACE_S = 2  # for answers under way when it is told to end


class BoundedProtocol(H11Protocol):
    """A connection that ends where the client sends its headers, or takes its answer, too slowly."""

    _addresses: ClassVar[Counter[str]] = Counter()

    _timer: asyncio.TimerHandle | None = None
    _counted: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; or end at once, where there are too many."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if len(self.connections) > CONNECTIONS or self._addresses[address] >= CONNECTIONS_OF_ADDRESS:
            transport.abort()
            return
        self._counted = address
        self._addresses[address] += 1
        self._end_in(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._keep()
        if self._counted is not None:
            self._addresses[self._counted] -= 1
            if not self._addresses[self._counted]:
                del self._addresses[self._counted]
            self._counted = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; as long as the headers are not complete, their time runs."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._keep()
        elif self._timer is None:
            self._end_in(HEAD_S)

    def on_response_complete(self) -> None:
        """Wait for the next request; the server ends what stays idle."""
        self._keep()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._end_in(STALLED_S)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._keep()

    def _end_in(self, seconds: float) -> None:
        self._keep()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _keep(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def serve(config: Config, *, host: str | None = None, port: int | None = None) -> int:
    """Serve the page until a signal ends it; return the exit status.

    host, port: instead of the configuration's. Raises LeukoscopeError.
    """
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # each wrong byte of a stranger is no line of a log
    options = _tls(config) if config.web.certificate_file else {}
    while True:
        here = address_of(config, host, port)
        expect_free(*here)
        server = _server(config, here, (host, port), options)
        try:
            server.run()
        except SystemExit:  # uvicorn's own way to say that it could not start
            return 1
        if not server.moves:
            return 0 if server.started else 1


class PageServer(Server):
    """A server that ends when it should listen elsewhere: somebody has a PIN now, or nobody has one any more.

    moves: whether that was why it ended. address: gives where it should listen. After ten seconds without a
    request it gives back what the answers before have needed.
    """

    def __init__(self, config: ServerConfig, address: Callable[[], tuple[str, int]]) -> None:
        super().__init__(config)
        self.moves = False
        self._address = address
        self._asked = self._rested = 0  # requests in all, as of the last look and of the last giving back

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and give back what only beginning needed."""
        await super().startup(sockets)
        _give_back()

    async def on_tick(self, counter: int) -> bool:
        """Return whether to end; asked ten times a second."""
        if counter % _LOOKS_EVERY == 0:
            with suppress(PeopleError):  # the file is busy, or being mended: as it was
                self.moves = await asyncio.to_thread(self._address) != (self.config.host, self.config.port)
        if counter % _QUIET == 0:
            asked = self.server_state.total_requests
            if asked == self._asked != self._rested and not self.server_state.tasks:
                self._rested = asked
                _give_back()  # not in another thread: an answer begun meanwhile might load a library
            self._asked = asked
        return self.moves or await super().on_tick(counter)


def _give_back() -> None:
    release_freed_memory()
    release_startup_memory()  # libraries may have been loaded since, as numpy is for a corrected count


def _server(
    config: Config,
    here: tuple[str, int],
    asked: tuple[str | None, int | None],
    options: dict[str, Any],
) -> PageServer:
    people = People.beside(config.store.path, keep_open=True)
    return PageServer(
        ServerConfig(
            create_app(config, people=people),
            host=here[0],
            port=here[1],
            loop="asyncio",
            http=BoundedProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=_HEAD_BYTES,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
            **options,
        ),
        lambda: address_of(config, *asked),
    )


def address_of(config: Config, host: str | None, port: int | None) -> tuple[str, int]:
    """Return where to listen: only on this machine as long as nobody has a PIN."""
    host, port = host or config.web.host, port or config.web.port
    if not People.beside(config.store.path).anybody() and not _is_local(host):
        return "127.0.0.1", port
    return host, port


def url_of(config: Config, host: str, port: int) -> str:
    """Return the address to type into a browser."""
    name = host if host not in {"0.0.0.0", "::"} else os.uname().nodename  # noqa: S104 (compared only)
    scheme = "https" if config.web.certificate_file else "http"
    return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}/"


def expect_free(host: str, port: int) -> None:
    """Raise LeukoscopeError where nobody can listen there: what the server says of it is for programmers."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        if (error.errno or 0) < 0:  # of the name: its numbers are others
            why = "there is no such name or address"
        raise LeukoscopeError(
            f"the page cannot be served at {host}:{port}: {why}; give another address with --host and --port"
        ) from None


def _is_local(host: str) -> bool:
    return host == "localhost" or is_loopback(host)


def _tls(config: Config) -> dict[str, Any]:
    certificate = config.web.certificate_file
    key = config.web.key_file
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if not key and credentials:
        key = str(Path(credentials) / "web-key")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"web.certificate_file, web.key_file: {certificate} and {key or certificate} cannot be used: "
            f"{error.strerror or error}"
        ) from None
    return {
        "ssl_certfile": certificate,
        "ssl_keyfile": key or None,
        "ssl_version": ssl.PROTOCOL_TLS_SERVER,
    }
