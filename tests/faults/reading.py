"""One connection to one stream, as light as it can be: hundreds of readers live in one process beside the servers.

HTTP is httptools'. Of server-sent events only that is understood which our frames are made of (lines end with LF, one
`data` a frame); `tests.flows.sse` and a real browser see to the rest.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from httptools import HttpResponseParser

if TYPE_CHECKING:
    from collections.abc import Callable

_REQUEST: Final = "GET {path} HTTP/1.1\r\nhost: tests\r\naccept: text/event-stream\r\n{headers}\r\n"


class Reading(asyncio.Protocol):
    """A request that is under way. `hear(id, data)` is called for each frame that has come whole and has data."""

    def __init__(self, path: str, headers: dict[str, str], hear: Callable[[bytes, bytes], None]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._request = _REQUEST.format(path=path, headers=lines).encode()
        self._hear = hear
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._cut_at: float | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.doomed = False
        """Whether it has been cut, or will be by the next bytes."""
        self.status = 0
        """0 until the server has answered."""
        self.whole = False
        """Whether the answer has ended in good order."""

    async def over(self) -> None:
        """Wait until the connection is gone."""
        await self._over

    # What a test may do to it

    def abort(self) -> None:
        """Go away at once: the server gets a reset, and what was on its way is lost."""
        self.doomed = True
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Go away as a program does that ends."""
        self.doomed = True
        if self._transport is not None:
            self._transport.close()

    def cut_next(self, part: float) -> None:
        """Of the next bytes that come, take this part (0 to 1), wherever that ends, and go away."""
        self.doomed = True
        self._cut_at = part

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._cut_at is None:
            self._parser.feed_data(data)
        elif not self.whole:
            self._parser.feed_data(data[: round(self._cut_at * len(data))])
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over.done():
            self._over.set_result(None)

    # What the parser calls

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        *frames, self._rest = (self._rest + body).split(b"\n\n")
        if self.status != 200:
            return
        for frame in frames:
            ident = data = b""
            for line in frame.split(b"\n"):
                name, _, value = line.partition(b": ")
                if name == b"data":
                    assert not data, f"two lines of data in a frame: {frame!r}"
                    data = value
                elif name == b"id":
                    ident = value
            if data:
                self._hear(ident, data)

    def on_message_complete(self) -> None:
        self.whole = True
        self.close()
