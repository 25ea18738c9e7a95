"""How a worker's process tells that it lives, works and what it has counted: three addresses on a port of its own.

It serves probes and Prometheus, not people: what it says names no job, no host and no secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from snapasset.errors import BadConfiguration
from snapasset.listening import listen
from snapasset.metrics import CONTENT_TYPE, Found
from snapasset.metrics_access import may_read_metrics
from snapasset.vitals import record_works

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Callable

    from starlette.requests import Request

    from snapasset.database import Database
    from snapasset.metrics import Metrics
    from snapasset.settings import Settings

_CONNECTIONS: Final = 64
"""More at once than probes and Prometheus ever need."""

_CONNECTION_SECONDS: Final = "connection_seconds"
_LAST_ANSWERS_SECONDS: Final = 1
_NO_STORE: Final = {"cache-control": "no-store"}


@asynccontextmanager
async def health_listener(
    settings: Settings,
    *,
    live: Callable[[], bool],
    ready: Callable[[], bool],
    database: Database,
    metrics: Metrics,
) -> AsyncGenerator[int | None]:
    """Answer as long as the block runs, on the port that is yielded; without WORKER_PORT there is none.

    `live`: whether all that must run in this process does; `ready`: whether it takes jobs. Raises `BadConfiguration` when
    the address cannot be listened on.
    """
    if settings.worker_port is None:
        yield None
        return
    with await asyncio.to_thread(_bind, settings.worker_host, settings.worker_port) as listener:
        host, port = listener.getsockname()[:2]
        health = _Health(settings, live, ready, database, metrics, loopback=ipaddress.ip_address(host).is_loopback)
        server = _Server(health.application(), settings.request_seconds)
        serving = asyncio.create_task(server.serve([listener]), name="health")
        serving.add_done_callback(lambda _ended: server.answers.set())
        try:
            await server.answers.wait()
            yield port
        finally:
            server.should_exit = True
            await serving


class _Health:
    """The answers."""

    def __init__(
        self,
        settings: Settings,
        live: Callable[[], bool],
        ready: Callable[[], bool],
        database: Database,
        metrics: Metrics,
        *,
        loopback: bool,
    ) -> None:
        self._settings = settings
        self._live = live
        self._ready = ready
        self._database = database
        self._metrics = metrics
        self._loopback = loopback

    def application(self) -> Starlette:
        routes = [
            Route("/health/live", self._tell_live),
            Route("/health/ready", self._tell_ready),
            Route("/metrics", self._tell_metrics),
        ]
        return Starlette(routes=routes)

    async def _tell_live(self, _request: Request) -> Response:
        """That this is answered shows that the event loop turns."""
        well = self._live()
        return _word("ok" if well else "down", well=well)

    async def _tell_ready(self, _request: Request) -> Response:
        if not self._ready():
            return _word("draining", well=False)
        well = await self._record_works()
        return _word("ready" if well else "down", well=well)

    async def _tell_metrics(self, request: Request) -> Response:
        if not may_read_metrics(self._settings, request.headers.items(), loopback=self._loopback):
            return Response("Not Found", HTTPStatus.NOT_FOUND, _NO_STORE, "text/plain")
        found = Found(up={"database": await self._record_works()})
        return Response(self._metrics.text(found), headers={**_NO_STORE, "content-type": CONTENT_TYPE})

    async def _record_works(self) -> bool:
        return await record_works(self._database, self._settings.health_seconds)


class _BriefConnection(HttpToolsProtocol):
    """A connection that is ended after a while, so that nobody keeps all of them to himself by being slow."""

    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._end = self.loop.call_later(self.app_state[_CONNECTION_SECONDS], transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """uvicorn that leaves the signals to the worker, and says when it answers."""

    def __init__(self, app: Starlette, connection_seconds: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_BriefConnection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=_CONNECTIONS,
                timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
            )
        )
        self._connection_seconds = connection_seconds
        self.answers = asyncio.Event()

    def capture_signals(self) -> contextlib.nullcontext[None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return contextlib.nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state[_CONNECTION_SECONDS] = self._connection_seconds
        await super().startup(sockets)
        self.answers.set()


def _bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `BadConfiguration`."""
    try:
        return listen(host, (port,), "WORKER_HOST")
    except OSError as error:
        raise BadConfiguration(
            f"WORKER_PORT cannot be listened on ({error.strerror}): "
            "choose another, 0 for any free one, or leave it unset."
        ) from None


def _word(status: str, *, well: bool) -> Response:
    body: dict[str, Any] = {"status": status}
    code = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
    return Response(json.dumps(body), code, _NO_STORE, "application/json")
