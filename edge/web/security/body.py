"""How much a request may carry, and how long that may take. uvicorn and Starlette limit neither."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Message, Receive

MOST_BYTES = 128 * 1024
"""Of a request: two thousand cells renamed at once are 80 KB."""

MOST_PICTURE_BYTES = 24 * 1024 * 1024
"""Of an uploaded picture with what a form adds to it."""

_BODY_S, _PICTURE_S = 10.0, 60.0  # until all of it is here
_DRAINED = 3  # times the limit that is read and dropped, so that a browser comes to read the answer
_DRAIN_S = 10.0


class BoundedBody:
    """A request's body that ends with an error where it is too large or too slow.

    most: bytes; within_s: seconds from the first read on. `receive` raises HTTPException with 413 or 408.
    """

    def __init__(self, receive: Receive, *, picture: bool) -> None:
        self._receive = receive
        self.most = MOST_PICTURE_BYTES if picture else MOST_BYTES
        self._within_s = _PICTURE_S if picture else _BODY_S
        self._read = 0
        self._ends: float | None = None
        self._complete = False

    def refused(self, lengths: Sequence[bytes]) -> bool:
        """Whether the announced length is too much already. lengths: the values of Content-Length."""
        return any(not length.isdigit() or len(length) > 18 or int(length) > self.most for length in lengths)

    async def receive(self) -> Message:
        """Return the next message of the body."""
        if self._complete:  # what follows is only that the client has gone
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._ends = self._ends or now + self._within_s
        try:
            message = await asyncio.wait_for(self._receive(), self._ends - now)
        except TimeoutError:
            raise HTTPException(408, "the request came too slowly") from None
        self._read += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._read > self.most:
            await self.drain()
            raise HTTPException(413, too_large(self.most))
        return message

    async def drain(self) -> None:
        """Read on and drop it, within bounds: an answer before the end is lost in a browser."""
        try:
            async with asyncio.timeout(_DRAIN_S):
                while not self._complete and self._read <= _DRAINED * self.most:
                    message = await self._receive()
                    self._read += len(message.get("body", b""))
                    self._complete = not message.get("more_body", False)
        except TimeoutError:
            pass


def too_large(most: int) -> str:
    """Return the sentence for a request that carries more than it may."""
    size = f"{most // 2**20} MB" if most >= 2**20 else f"{most // 2**10} KB"
    return f"too large: at most {size} are taken"
