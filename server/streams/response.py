"""The answer that is a stream: its headers, its first frames, and then whatever its topic tells.

A browser's EventSource gives up for good at any status but 200; so all that can be refused is refused before the stream
begins, 204 is sent only to stop it, and a server that cannot serve now says 200, "come back later", and closes.

Of sse-starlette's response only construction and headers are used. Importing the library replaces uvicorn's handler of
signals, so that streams end in mid-frame; that is undone here, which is why this import alone does something.
"""

from __future__ import annotations

from abc import abstractmethod
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from sse_starlette import EventSourceResponse
from sse_starlette.sse import AppStatus
from starlette.responses import Response
from uvicorn.server import Server

from server.streams.frames import retry
from server.streams.reader import Reader
from server.streams.wire import offered
from snapasset.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import Receive, Scope, Send

    from server.state import State
    from server.streams.hub import Hub
    from server.streams.topic import Topic

AppStatus.disable_automatic_graceful_drain()
Server.handle_exit = cast("Any", AppStatus.original_handler)  # pyright: ignore[reportUnknownMemberType]

_HEADERS: Final = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}

COME_BACK: Final = 4
"""How many times the usual pause a client is told to wait when it cannot be served now."""


class Joined(NamedTuple):
    """How a stream is to begin: with this frame, then with what the topic, which is pinned, has after a cursor.

    `headers` are sent besides those of all streams. `account` is who the stream counts for: of each there may be so many.
    """

    topic: Topic[Any]
    connected: bytes
    after: Any
    named: int
    account: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class StopComing(Exception):
    """There is nothing more to come: 204 ends a browser's attempts."""


class Stream(EventSourceResponse):
    """The answer to all requests for one kind of stream; it holds nothing of any of them."""

    def __init__(self) -> None:
        super().__init__(_no_frames(), headers=_HEADERS, sep="\n")  # pyright: ignore[reportUnknownMemberType]
        # Whether the connection is kept is the server's to say, which may say otherwise.
        self.raw_headers = [header for header in self.raw_headers if header[0] != b"connection"]

    @abstractmethod
    async def join(self, scope: Scope) -> Joined:
        """What a request asks for.

        Raises `StopComing`, `Unavailable`, and whatever is to be answered by a problem.
        """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: State = scope["state"]  # pyright: ignore[reportAssignmentType]
        hub = state["hub"]
        try:
            joined = await self.join(scope) if hub.has_room() else None
        except Unavailable:
            joined = None
        except StopComing:
            response = Response(status_code=HTTPStatus.NO_CONTENT, headers={"cache-control": "no-store"})
            await response(scope, receive, send)
            return
        if joined is None:
            await self._come_back(send, hub)
            return
        try:
            reader = await self._begin(scope, send, hub, joined)
        finally:
            joined.topic.unpin()
        if reader is not None:
            await reader.wire.carry(reader, receive, send)

    async def _begin(self, scope: Scope, send: Send, hub: Hub, joined: Joined) -> Reader | None:
        """Tell what is to be told at once; None when that is all, or nobody is there to hear it."""
        if not hub.has_room(joined.account):
            await self._come_back(send, hub)
            return None
        if scope["method"] == "HEAD":
            await self._answer(send, b"")
            return None
        headers = [*self.raw_headers, *joined.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        wire = offered(scope)
        if wire.closing:  # it left while the record was asked; nobody would tell us again
            wire.end()
            return None
        pause = retry(hub.settings.stream_retry_ms)
        if hub.closed:  # since it was asked, while an earlier answer was on its way: nobody would end this one
            await send({"type": "http.response.body", "body": pause, "more_body": False})
            return None
        reader = Reader(wire, joined.topic, joined.named, joined.account)
        hub.enter(reader)
        try:
            joined.topic.admit(reader, pause + joined.connected, joined.after)
        except BaseException:
            reader.lost()
            raise
        return reader

    async def _come_back(self, send: Send, hub: Hub) -> None:
        """Later, when there may be more room; soon, and on another connection, from a process that ends to its successor."""
        pause = hub.settings.stream_retry_ms
        if hub.closed:
            await self._answer(send, retry(pause), (b"connection", b"close"))
        else:
            await self._answer(send, retry(COME_BACK * pause))

    async def _answer(self, send: Send, body: bytes, *more: tuple[bytes, bytes]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*self.raw_headers, *more]})
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def _no_frames() -> AsyncGenerator[bytes]:
    """Never asked for: frames come from the topic."""
    for _ in ():
        yield b""
