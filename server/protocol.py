"""HTTP/1.1 as uvicorn speaks it, with the limits it lacks.

They are how long a request may take to arrive, and how large its head may be. Without them a client that sends a byte
a minute holds a connection for ever.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.problems import MEDIA_TYPE, REFUSALS, problem_body
from snapasset.job import new_id

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

    from snapasset.settings import Settings

HEAD_BYTES: Final = 65_536


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
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._await_arrival()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
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
