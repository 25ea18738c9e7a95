"""The ways from a stream to a socket: straight to it, where the server offers that, else through ASGI's `send`.

Invariant: to write never waits. Whoever writes looks first whether the wire is full, and writes no more until it is not; so
what waits for one slow socket is bounded by the server's high-water mark and one write more.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

EXTENSION: Final = "snapasset.wire"
"""Where in `scope["extensions"]` the server offers a wire of its own."""

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

    def write(self, chunk: bytes) -> object:
        """Send one chunk, framed as HTTP/1.1 wants it (`frames.chunk`). May raise `RuntimeError` while it is closing."""
        ...

    async def drained(self) -> None:
        """Return when it is full no more, or nobody is there."""
        ...

    def end(self, patience: float) -> None:
        """End the answer in good order, for who takes the rest of it within `patience` seconds."""
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

    __slots__ = ("_cycle", "_protocol", "listener", "write")

    def __init__(self, protocol: HttpToolsProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self.write = protocol.transport.write
        self.listener: Listener | None = None

    @property
    def full(self) -> bool:
        return self._protocol.flow.write_paused

    @property
    def closing(self) -> bool:
        return self._protocol.transport.is_closing()

    async def drained(self) -> None:
        await self._protocol.flow.drain()

    def end(self, patience: float) -> None:
        protocol, cycle = self._protocol, self._cycle
        self._let_go()
        cycle.response_complete = True
        if self.closing:
            return
        self.write(_LAST_CHUNK)
        if self.full:
            protocol.loop.call_later(patience, self._abort_if_stuck)
        if not cycle.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()

    def abort(self) -> None:
        self._let_go()
        self._protocol.transport.abort()

    async def carry(self, reader: Listener, receive: Receive, send: Send) -> None:
        del receive, send
        self.listener = reader
        protocol, cycle = cast("Any", self._protocol), cast("Any", self._cycle)
        protocol.wire = self
        cycle.disconnected = True
        if protocol.cycle is cycle:  # else they are the next request's
            protocol.scope = protocol.headers = None
        cycle.scope = None  # ten thousand requests that have been read need not be kept

    def _let_go(self) -> None:
        self.listener = None
        cast("Any", self._protocol).wire = None

    def _abort_if_stuck(self) -> None:
        if self.full and self._protocol.cycle is self._cycle:
            self._protocol.transport.abort()


class SendWire:
    """Bytes go through ASGI's `send`: slower, and with tasks, but any server has it."""

    __slots__ = ("_chunks", "_ended", "_lost", "_news", "_patience", "_room", "_sender", "_sending")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = asyncio.get_running_loop().create_future()
        self._patience = 0.0
        self._sender: asyncio.Task[None] | None = None
        self._sending = False
        self._lost = False

    @property
    def full(self) -> bool:
        return self._sending

    @property
    def closing(self) -> bool:
        return self._lost

    def write(self, chunk: bytes) -> None:
        self._chunks.append(chunk[chunk.index(b"\r\n") + 2 : -2])
        self._news.set()

    async def drained(self) -> None:
        while self._sending and not self._lost:
            self._room.clear()
            await self._room.wait()

    def end(self, patience: float) -> None:
        self._patience = patience
        self._news.set()
        if not self._ended.done():
            self._ended.set_result(None)

    def abort(self) -> None:
        """Stop sending: an answer without its last chunk counts as cut."""
        self._lose()
        if self._sender is not None:
            self._sender.cancel()

    async def carry(self, reader: Listener, receive: Receive, send: Send) -> None:
        sender = self._sender = asyncio.create_task(self._send_all(send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((sender, gone, self._ended), return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                await asyncio.wait((sender, gone), timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
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
                self._sending = True
                await send({"type": "http.response.body", "body": b"".join(chunks), "more_body": True})
                self._sending = False
                self._room.set()
            elif self._ended.done():
                await send(_LAST)
                return
            else:
                await self._news.wait()

    def _lose(self) -> None:
        self._lost = True
        self._room.set()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def offered(scope: Scope) -> Wire:
    """The wire that the server offers for the answer to this request; a new one over `send` where it offers none."""
    wire: Wire | None = scope.get("extensions", {}).get(EXTENSION)
    return SendWire() if wire is None else wire
