"""HTTP/1.1 as uvicorn speaks it, with the limits it lacks, and with a way for streams straight to the socket.

The limits are how long a request may take to arrive, how large its head may be, how many may wait behind the one that is
being answered, for how long an answer may wait without a byte of it being taken (`unread`), and how many connections there
may be (`crowding`). Without them a client that sends a byte a minute, or reads none, holds a connection for ever, and whoever
opens enough of them shuts out all others.

Invariant: once a connection is lost nothing of it refers to itself, so that all of it is gone without a search for garbage.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.cross_origin import granted
from server.crowding import TURNED_AWAY_SECONDS, Place, turn_away
from server.old_clients import without_chunks
from server.problems import MEDIA_TYPE, REFUSALS, problem_body
from server.streams.wire import EXTENSION
from snapasset.job import new_id

if TYPE_CHECKING:
    import asyncio

    from httptools import HttpRequestParser
    from starlette.types import ASGIApp
    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from server.cross_origin import Headers
    from server.crowding import Crowd
    from server.streams.wire import Listener
    from snapasset.settings import Settings

HEAD_BYTES: Final = 65_536

AHEAD: Final = 8
"""How many requests may wait behind the one that is being answered."""

_PART: Final = 16_384
"""What arrives is read in parts of this length: a head may be longer than `HEAD_BYTES` by one of them."""


class _TooMany(Exception):
    """Stops the parser."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    # Attributes of uvicorn's are in a dictionary that holds no more of them than it does without being copied for each.
    __slots__ = (
        "_crowd",
        "_deadline",
        "_deaf",
        "_head_bytes",
        "_in_head",
        "_patience",
        "_place",
        "answering",
        "listener",
    )

    def __init__(
        self,
        config: Config,
        server_state: Crowd,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        settings: Settings = app_state["settings"]
        self._crowd = server_state
        self._patience = settings.request_seconds
        self._place: Place | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0
        self._deaf = False
        """Whether nothing more is read: too much was sent ahead."""
        self.answering: RequestResponseCycle | None = None
        """The request that is being answered; uvicorn's `cycle` is the newest one."""
        self.listener: Listener | None = None
        """The stream that is being told on this connection, through a `TransportWire`."""

    @property
    def address(self) -> str:
        """Where the other side is; empty where that is not known."""
        return self.client[0] if self.client else ""

    # How it begins and ends

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._place = self._crowd.enter(self)
        if self._place is None:
            self.evict()
            return
        if self._place is Place.BEYOND:
            self.app = cast("Any", partial(turn_away, cast("ASGIApp", self.app)))
            self._patience = min(self._patience, TURNED_AWAY_SECONDS)
        self._await_arrival()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        self._give_place_up()
        if self.listener is not None:
            self.listener.lost()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        answering, it = self.answering, cast("Any", self)
        if answering is not None and not answering.response_complete:
            answering.disconnected = True
            answering.message_event.set()
        self.pipeline.clear()
        it.cycle = it.answering = it.scope = it.headers = it.listener = None

    def cut(self) -> None:
        """End it at once: its other side takes nothing."""
        if self.listener is not None:
            self.app_state["metrics"].froze()
        self.transport.abort()

    def evict(self) -> None:
        """End it at once: another needs its place."""
        self._give_place_up()
        self.connections.discard(self)
        self.transport.abort()

    def part(self) -> None:
        """Close it after the next answer."""
        for cycle in (self.answering, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None:
                cycle.keep_alive = False

    # What arrives

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _PART):
            if self._deaf or self.transport.is_closing():
                return
            self._read(data if len(data) <= _PART else data[start : start + _PART])
        if not (self.answering or self._deadline or self.timeout_keep_alive_task or self.transport.is_closing()):
            self._await_arrival()  # uvicorn's own patience ends with any byte, and none of these began a request

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= AHEAD:
            self._deaf, self.cycle.keep_alive = True, False
            raise _TooMany
        super().on_message_begin()
        self._in_head, self._head_bytes = True, -_PART  # what was read with its beginning is not counted
        self._await_arrival()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # and not behind a body, where nobody looks at it
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.scope["extensions"] = cast("Any", {EXTENSION: self})
        super().on_headers_complete()
        self._in_head = False
        if (
            self._crowd.leaving
            or self._place is Place.BEYOND
            or cast("HttpRequestParser", self.parser).should_upgrade()
        ):
            self.cycle.keep_alive = False
        # They are the request's from here on, and refer to this connection.
        it = cast("Any", self)
        it.scope = it.headers = None

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._arrived()

    # How it is answered

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.listener is not None:
            self.listener.on_full()

    def on_response_complete(self) -> None:
        self.answering = None
        super().on_response_complete()
        if self._deaf and not self.transport.is_closing():
            self.flow.pause_reading()
        if self.timeout_keep_alive_task is not None:
            self._crowd.rests(self)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self.answering = cycle
        super()._start_asgi_task(cycle, app if cycle.scope["http_version"] == "1.1" else without_chunks(app, cycle))

    def _unset_keepalive_if_required(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self._crowd.stirs(self)
            super()._unset_keepalive_if_required()

    def _should_upgrade(self) -> bool:
        return False  # it is answered as though it had not asked for that, and closed

    # The limits

    def _read(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            cast("HttpRequestParser", self.parser).feed_data(data)
        except HttpParserUpgrade:
            return
        except HttpParserError:
            if not self._deaf:
                self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if self._in_head:
            self._head_bytes = max(0, self._head_bytes + len(data))
            if self._head_bytes > HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _await_arrival(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._patience, self._too_late)
            if self.answering is None and self._place is not None:
                self._crowd.waits(self, self._place)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
            if self._place is not None:
                self._crowd.asks(self, self._place)

    def _too_late(self) -> None:
        self._deadline = None
        if self.pipeline or (self._in_head and self.answering is not None):
            self._await_arrival()  # nothing is due while an earlier request is being answered
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer a request that cannot go on, unless an answer is under way or it is an earlier one's turn; close."""
        if self._may_answer():
            body = problem_body(status, *REFUSALS[status], request_id=new_id())
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n"
            )
            more = b"".join(b"%b: %b\r\n" % header for header in self._granted())
            self.transport.write(head.encode() + more + b"\r\n" + body)
        self.transport.close()

    def _granted(self) -> Headers:
        """What lets a page of another origin read a refusal, if its request came far enough to name that."""
        headers = self.headers if self._in_head else self.cycle.scope["headers"]
        return granted(headers or (), self.app_state["settings"].cors_origins)

    def _may_answer(self) -> bool:
        if self._in_head:
            return self.answering is None
        newest = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return newest is not None and newest is self.answering and not newest.response_started

    def _give_place_up(self) -> None:
        if self._place is not None:
            self._crowd.leave(self, self._place)
            self._place = None
