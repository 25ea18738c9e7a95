"""A service for tests: the real application, record, queue, feed and files, but no worker, so that a test moves its jobs
by itself, one step at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from server.file_urls import FileUrls
from server.hub import Hub
from server.routes import application
from server.serving import Server
from server.state import Life, Stage, State
from server.stream_tokens import StreamTokens
from snapasset.client import JobClient
from snapasset.database.sqlite import SqliteDatabase
from snapasset.job_type import Catalogue
from snapasset.records.claims import Claim
from snapasset.records.endings import Complete
from snapasset.records.steps import FinishStep, StartStep
from snapasset.settings import Settings
from snapasset.storage.local import LocalStorage
from snapasset.switch import Switch
from worker.processors.image_generation import image_generation
from worker.processors.trial import NOOP, WALK

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from starlette.applications import Starlette
    from starlette.types import Receive, Scope, Send

    from snapasset.database import Database
    from snapasset.job import Job
    from snapasset.storage import Storage

_SECRET = b"a secret of these tests, 32 bytes"
ALICE = {"x-session-id": "alice-alice-alice-alice"}
BOB = {"x-session-id": "bob-bob-bob-bob-bob-bob"}
GOOD = {"prompt": "a lighthouse at dusk", "platforms": ["instagram-post"]}


async def wait_until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    """Return when `true()` is; fail after a while."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        await asyncio.sleep(0.005)


@dataclass
class Service:
    """An open service, and hands to move its jobs with."""

    app: Starlette
    state: State
    http: httpx.AsyncClient

    async def submit(self, kind: str = "image-generation", body: Any = GOOD, who: dict[str, str] = ALICE) -> str:
        answer = await self.http.post(f"/api/jobs/{kind}", json=body, headers=who)
        assert answer.status_code == 202, answer.text
        return answer.json()["jobId"]

    async def claim(self, queue: str = "image-generation") -> Job:
        kinds = tuple(job_type.kind for job_type in self.state["catalogue"].of_queue(queue))
        job = await self.state["database"].write(Claim(queue, kinds, "a-worker"))
        assert job is not None
        return job

    async def step(self, job: Job, name: str = "generate", output: Any = None) -> None:
        """Two events: the step started, the step done."""
        database = self.state["database"]
        await database.write(StartStep(job.id, job.fence, name, paid=False, progress=10))
        await database.write(FinishStep(job.id, job.fence, name, json.dumps(output or {}), 20))

    async def complete(self, job: Job, result: Any = None) -> None:
        await self.state["database"].write(Complete(job.id, job.fence, json.dumps(result or {})))

    async def run(self, job_id: str, result: Any = None) -> None:
        """Take a job through its life: seqs 2 (claimed), 3 and 4 (a step), 5 (final)."""
        job = await self.claim()
        assert job.id == job_id
        await self.step(job)
        await self.complete(job, result)


def settings_for(folder: Path, **changes: Any) -> Settings:
    return Settings.model_validate({"data_dir": folder, "sqlite_synchronous": "NORMAL", **changes})


def catalogue_for(settings: Settings) -> Catalogue:
    return Catalogue([image_generation(settings), NOOP, WALK])


@asynccontextmanager
async def opened(
    settings: Settings,
    *,
    storage: Storage | None = None,
    wrap: Callable[[Database], Database] = lambda database: database,
) -> AsyncGenerator[Service]:
    """The service; `wrap` may put something between it and its database."""
    catalogue = catalogue_for(settings)
    database = SqliteDatabase(settings.data_dir / "snapasset.db", synchronous=settings.sqlite_synchronous)
    await database.open()
    switch = Switch(catalogue.queues, settings, ring_timeout=60)
    await switch.open(database.record_id)
    database.listen(switch.feed.publish)
    seen = wrap(database)
    life = Life()
    life.stage = Stage.SERVING
    hub = Hub(seen, switch, settings)

    async def drain() -> int:
        life.stage = Stage.DRAINING
        hub.close()
        return 0

    state = State(
        settings=settings,
        catalogue=catalogue,
        database=seen,
        switch=switch,
        storage=storage or LocalStorage(settings.data_dir / "files"),
        provider="none",
        client=JobClient(seen, switch, catalogue, settings),
        hub=hub,
        life=life,
        stream_tokens=StreamTokens(_SECRET),
        file_urls=FileUrls(_SECRET, settings.file_url_seconds),
        drain=drain,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[State]:
        yield state

    app = application(lifespan)
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(stateful(app, state)), base_url="http://test"
        ) as http:
            yield Service(app, state, http)
    finally:
        await switch.close()
        await database.close()


def stateful(app: Starlette, state: State) -> Any:
    """The application with its state in each request, as uvicorn puts it there."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    return call


class _Server(Server):
    """One that leaves the signals of this process alone."""

    def capture_signals(self) -> contextlib.nullcontext[None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return contextlib.nullcontext()


@asynccontextmanager
async def served(service: Service) -> AsyncGenerator[int]:
    """The port of 127.0.0.1 where a real server serves it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(service.app, service.state)
    serving = asyncio.create_task(server.serve([listener]))
    await wait_until(lambda: server.started)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        async with asyncio.timeout(10):
            await serving
        with contextlib.suppress(OSError):
            listener.close()
