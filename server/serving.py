"""One uvicorn server under our own signals: it stops taking work, ends the streams, lets jobs end, then closes."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

import uvicorn

from server.crowding import Crowd
from server.protocol import GuardedProtocol
from server.unread import keep_unsent_here

if TYPE_CHECKING:
    import asyncio
    import socket

    from starlette.applications import Starlette

    from server.state import State

log = logging.getLogger(__name__)

_LAST_ANSWERS_SECONDS: Final = 5
"""How long requests that are being answered may go on once jobs have ended; then they are cut."""


class Server(uvicorn.Server):
    """Serves an application whose lifespan has begun already, as `state`.

    uvicorn would wait for streams to end before it told the application to stop, and streams wait for the
    application; so the draining is done here, between the two. `told` begins it, which may have happened already;
    signals belong to the process, not to its server.
    """

    def __init__(self, app: Starlette, state: State, told: asyncio.Event) -> None:
        config = uvicorn.Config(
            app,
            http=GuardedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
        )
        super().__init__(config)
        self.server_state: Crowd = Crowd(state["settings"])
        self._state = state
        self._told = told
        self.stuck = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state.update(self._state)
        for listener in sockets or ():
            keep_unsent_here(listener)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info(
            "stopping: running jobs have %g s to end; a second signal stops at once",
            self._state["settings"].drain_seconds,
        )
        self.part()
        self.stuck = await self._state["drain"]()
        await super().shutdown(sockets)

    def part(self) -> None:
        """From now on end each connection after its next answer: what comes next is for another process."""
        self.server_state.part()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._told.is_set()

    def capture_signals(self) -> contextlib.nullcontext[None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return contextlib.nullcontext()
