"""HTTP/1.1 as uvicorn speaks it, with the limits it lacks, and with a way for streams straight to the socket.

The limits are how long a request may take to arrive, how large its head may be, and how many connections there may be.
Without them a client that sends a byte a minute holds a connection for ever, and whoever opens enough of them shuts out all
others. Who comes when there are too many is told to come back, and beyond a few more nobody is answered at all.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.crowding import turn_away
from server.problems import MEDIA_TYPE, REFUSALS, problem_body
from server.streams.wire import EXTENSION, TransportWire
from snapasset.job import new_id

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

    from snapasset.settings import Settings

HEAD_BYTES: Final = 65_536

TURNED_AWAY: Final = 64
"""How many connections beyond the most are listened to, so that they can be told to come back."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        settings: Settings = app_state["settings"]
        self._patience = settings.request_seconds
        self._most = settings.connections_max
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0
        self.wire: TransportWire | None = None
        """The way of the stream that is being told on this connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        beyond = 0 if self._most is None else len(self.connections) - self._most
        if beyond > TURNED_AWAY:
            transport.abort()
            return
        if beyond > 0:
            self.app = turn_away
        self._await_arrival()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        if self.wire is not None and self.wire.listener is not None:
            self.wire.listener.lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        newest = cast("RequestResponseCycle | None", self.cycle)
        answered = newest is not None and newest.response_complete
        if answered and self._deadline is None and self.timeout_keep_alive_task is None:
            self._await_arrival()  # uvicorn's own patience ends with any byte, and none of these began a request

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._await_arrival()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_head = False
        if self.scope["http_version"] == "1.1":  # an older client knows no chunks
            wire = TransportWire(self, self.cycle)
            self.scope["extensions"] = cast("Any", {EXTENSION: wire})

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.wire is not None and self.wire.listener is not None:
            self.wire.listener.on_full()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._arrived()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; uvicorn calls this."""
        del msg
        self._refuse(HTTPStatus.BAD_REQUEST)

    def _await_arrival(self) -> None:
        self._arrived()
        self._deadline = self.loop.call_later(self._patience, self._too_late)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        if self.pipeline:
            self._await_arrival()  # nothing is read while an earlier request is being answered
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer a request that cannot go on, unless an answer is under way or it is an earlier one's turn; close."""
        if self._may_answer():
            body = problem_body(status, *REFUSALS[status], request_id=new_id())
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()

    def _may_answer(self) -> bool:
        newest = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if self._in_head:
            return newest is None or newest.response_complete
        return newest is not None and not newest.response_started
