"""The ways from a stream to a socket: straight to it, where the server offers that, else through ASGI's `send`.

Invariant: to write never waits. Whoever writes looks first whether the wire is full, and writes no more until it is not; so
what waits for one slow socket is bounded by the server's high-water mark and one write more. Who takes nothing of it is cut:
by the server where it watches its connections, else by the wire.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from server.protocol import GuardedProtocol

EXTENSION: Final = "snapasset.wire"
"""Where in `scope["extensions"]` the server offers the connection itself."""

FULL_BYTES: Final = 65_536
"""As much as may wait for `send` to be called."""

_LAST: Final[dict[str, Any]] = {"type": "http.response.body", "body": b"", "more_body": False}
_LAST_CHUNK: Final = b"0\r\n\r\n"


class Wire(Protocol):
    """One stream's way out."""

    @property
    def full(self) -> bool:
        """Whether nothing more may be written for now."""
        ...

    @property
    def closing(self) -> bool:
        """Whether what is written now reaches nobody."""
        ...

    def write(self, chunk: bytes, /) -> object:
        """Send one chunk, framed as HTTP/1.1 wants it (`frames.chunk`). May raise `RuntimeError` while it is closing."""
        ...

    async def drained(self) -> None:
        """Return when it is full no more, or nobody is there. It need not be given a limit: see above."""
        ...

    def end(self) -> None:
        """End the answer in good order, for who takes the rest of it."""
        ...

    def abort(self) -> None:
        """Cut the connection; what waits to be sent is dropped."""
        ...

    async def carry(self, reader: Listener, receive: Receive, send: Send) -> None:
        """Be the answer of the application, which has begun: the application has nothing more to do once this returns."""
        ...


class Listener(Protocol):
    """Who writes to a wire."""

    def on_full(self) -> None:
        """The wire has become full. Must be quick, and write nothing."""
        ...

    def lost(self) -> None:
        """The other side has gone. May be told more than once, and after the end."""
        ...


class TransportWire:
    """Bytes go to uvicorn's transport itself, once the answer has begun through `send` and is sent in chunks.

    From `carry` on no task belongs to the stream: the application has returned, and to the server it looks as though the
    other side had gone in the middle of the answer. It has not: the wire ends the answer as `send` would.
    """

    __slots__ = ("_cycle", "_protocol", "write")

    def __init__(self, protocol: GuardedProtocol) -> None:
        self._protocol = protocol
        self._cycle = protocol.answering  # None once it is lost; then it is `closing`
        self.write = protocol.transport.write

    @property
    def full(self) -> bool:
        return self._protocol.flow.write_paused

    @property
    def closing(self) -> bool:
        return self._protocol.transport.is_closing()

    async def drained(self) -> None:
        await self._protocol.flow.drain()

    def end(self) -> None:
        protocol, cycle = self._protocol, self._cycle
        protocol.listener = None
        if cycle is None:
            return
        cycle.response_complete = True
        if self.closing:
            return
        self.write(_LAST_CHUNK)
        if not cycle.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()

    def abort(self) -> None:
        self._protocol.listener = None
        self._protocol.transport.abort()

    async def carry(self, reader: Listener, receive: Receive, send: Send) -> None:
        del receive, send
        cycle = self._cycle
        if (
            cycle is None or cycle.response_complete
        ):  # the stream has ended already, and it may be another request's turn
            return
        self._protocol.listener = reader
        cycle.disconnected = True
        cast("Any", cycle).scope = None  # ten thousand requests that have been read need not be kept


class SendWire:
    """Bytes go through ASGI's `send`: slower, and with tasks, but any server has it.

    `cut` tears the connection, where the server offers that and watches that what is sent is taken. Elsewhere the wire gives up
    when one `send` takes more than `patience` seconds.
    """

    __slots__ = (
        "_chunks", "_cut", "_ended", "_lost", "_news", "_patience", "_room", "_sender", "_sending", "_waiting",
    )  # fmt: skip

    def __init__(self, cut: Callable[[], None] | None = None, patience: float | None = None) -> None:
        self._cut = cut
        self._patience = patience
        self._chunks: list[bytes] = []
        self._waiting = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._sending = False
        self._ended = False
        self._lost = False

    @property
    def full(self) -> bool:
        return self._sending or self._waiting >= FULL_BYTES

    @property
    def closing(self) -> bool:
        return self._lost

    def write(self, chunk: bytes) -> None:
        data = chunk[chunk.index(b"\r\n") + 2 : -2]
        self._chunks.append(data)
        self._waiting += len(data)
        self._news.set()

    async def drained(self) -> None:
        while self.full and not self._lost:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        self._ended = True
        self._news.set()

    def abort(self) -> None:
        """Stop sending: an answer without its last chunk counts as cut."""
        self._lose()
        if self._cut is not None:
            self._cut()
        elif self._sender is not None:
            self._sender.cancel()

    async def carry(self, reader: Listener, receive: Receive, send: Send) -> None:
        sender = self._sender = asyncio.create_task(self._send_all(send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((sender, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._lose()
            reader.lost()
            sender.cancel()
            gone.cancel()
            await asyncio.gather(sender, gone, return_exceptions=True)

    async def _send_all(self, send: Send) -> None:
        while True:
            self._news.clear()
            chunks, self._chunks = self._chunks, []
            if chunks:
                await self._send(send, {"type": "http.response.body", "body": b"".join(chunks), "more_body": True})
                self._waiting = sum(map(len, self._chunks))
                self._room.set()
            elif self._ended:
                await self._send(send, _LAST)
                return
            else:
                await self._news.wait()

    async def _send(self, send: Send, message: dict[str, Any]) -> None:
        self._sending = True
        async with asyncio.timeout(self._patience):
            await send(message)
        self._sending = False

    def _lose(self) -> None:
        self._lost = True
        self._room.set()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def offered(scope: Scope) -> Wire:
    """The quickest wire for the answer to this request, which has begun, that the server offers."""
    connection: GuardedProtocol | None = scope.get("extensions", {}).get(EXTENSION)
    if connection is None:
        return SendWire(patience=scope["state"]["settings"].stream_frozen_seconds)
    if scope["http_version"] != "1.1":  # an older client knows no chunks
        return SendWire(connection.transport.abort)
    return TransportWire(connection)
