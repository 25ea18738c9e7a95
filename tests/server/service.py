"""A service for tests: the real application, record, queue, feed and files, but no worker, so that a test moves its jobs
by itself, one step at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import httpx

from server.file_urls import FileUrls
from server.routes import application
from server.serving import Server
from server.state import Life, Stage, State
from server.stream_tokens import StreamTokens
from server.streams.hub import Hub
from server.user_tokens import opened_user_tokens
from snapasset.client import JobClient
from snapasset.database.sqlite import SqliteDatabase
from snapasset.errors import ProviderTimeout, wire_error
from snapasset.job import new_id
from snapasset.job_type import Access, Catalogue, JobType
from snapasset.metrics import Metrics
from snapasset.records.claims import Claim
from snapasset.records.endings import Complete, Fail
from snapasset.records.events import MissingEvents
from snapasset.records.files import FileRow
from snapasset.records.steps import FinishStep, StartStep
from snapasset.records.workers import WorkerBeat, WorkerRow
from snapasset.settings import Settings
from snapasset.standing import Standing
from snapasset.storage.local import LocalStorage
from snapasset.switch import Switch
from worker.images.platforms import PLATFORMS
from worker.processors.image_generation import image_generation
from worker.processors.image_renditions import image_renditions
from worker.processors.trial import NOOP, WALK, Nothing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from pathlib import Path

    from starlette.applications import Starlette
    from starlette.types import Receive, Scope, Send

    from server.studio_files import Studio
    from snapasset.database import Database
    from snapasset.event import Event
    from snapasset.job import Job
    from snapasset.records.events import Missing
    from snapasset.storage import Storage

_SECRET = b"a secret of these tests, 32 bytes"
ALICE = {"x-session-id": "alice-alice-alice-alice"}
BOB = {"x-session-id": "bob-bob-bob-bob-bob-bob"}
ADMIN_TOKEN = "the admin token of these tests, no other"
ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
GOOD = {"prompt": "a lighthouse at dusk", "platforms": ["instagram-post"]}
_ADDRESS = re.compile(r"/api/files/([A-Za-z0-9-]+)\?expires=[0-9]{1,12}&signature=[A-Za-z0-9_-]{24}")


async def _no_work(_context: object) -> Nothing:
    raise AssertionError("these tests have no worker")


GUARDED = JobType(kind="guarded", queue="noop", args=Nothing, result=Nothing, run=_no_work, access=Access.ADMIN)


class Made(NamedTuple):
    """A generation that a job has made; `files` by their names."""

    generation_id: str
    job_id: str
    files: dict[str, FileRow]


def addressed(url: str) -> str:
    """The id of the file that a signed address opens."""
    match = _ADDRESS.fullmatch(url)
    assert match is not None, url
    return match[1]


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

    async def fail(self, job: Job) -> None:
        """End its run: it failed, and is not tried again."""
        error = wire_error(ProviderTimeout())
        await self.state["database"].write(Fail(job.id, job.fence, error=error, retryable=False, delay_ms=0))

    async def get(self, path: str, who: dict[str, str] = ALICE) -> Any:
        answer = await self.http.get(path, headers=who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def job(self, job_id: str, who: dict[str, str] = ALICE) -> Any:
        return await self.get(f"/api/jobs/{job_id}", who)

    async def batch(self, *jobs: Any, headers: dict[str, str] = ALICE) -> httpx.Response:
        return await self.http.post("/api/jobs/batch", json={"jobs": jobs}, headers=headers)

    async def submit_all(self, *jobs: Any) -> list[str]:
        """The ids of the jobs of a batch of Alice's."""
        answer = await self.batch(*jobs)
        assert answer.status_code == 202, answer.text
        return [job["jobId"] for job in answer.json()["jobs"]]

    async def picture(
        self, job: Job, name: str, data: bytes = b"bytes", details: Any = None, made: Any = None
    ) -> FileRow:
        """A step of the job that stores a picture; the one named master or thumbnail is what its name says."""
        role = name if name in ("master", "thumbnail") else "rendition"
        file_id = new_id()
        key = f"generations/{job.generation_id}/{file_id}-{name}.jpg"
        described = json.dumps(details) if details is not None else None
        file = FileRow(file_id, role, name, key, "image/jpeg", len(data), 20, 10, described)
        await self.state["storage"].put(key, data, file.content_type)
        database = self.state["database"]
        await database.write(StartStep(job.id, job.fence, f"render:{name}", paid=False, progress=10))
        kept = json.dumps(made) if made is not None else None
        await database.write(FinishStep(job.id, job.fence, f"render:{name}", "{}", 20, (file,), kept))
        return file

    async def make(self, *names: str, who: dict[str, str] = ALICE, body: Any = GOOD, made: Any = None) -> Made:
        """A generation whose job has completed, with pictures of these names; each holds the bytes of its name."""
        job_id = await self.submit(body=body, who=who)
        job = await self.claim()
        assert job.id == job_id
        assert job.generation_id is not None
        details = {"fit": "cover", "quality": 80}
        files = {name: await self.picture(job, name, name.encode(), details, made or {}) for name in names}
        await self.complete(job)
        return Made(job.generation_id, job_id, files)

    async def beat(self, *queues: str, worker_id: str = "a-worker", role: str = "worker") -> None:
        """Have a process be known that takes jobs of these queues, of all when none is named."""
        catalogue = self.state["catalogue"]
        kinds = tuple(job_type.kind for job_type in catalogue)
        row = WorkerRow(worker_id, role, "a-host", 17, "0.0.1", kinds, queues or catalogue.queues)
        await self.state["database"].write(WorkerBeat(row))

    async def run(self, job_id: str, result: Any = None) -> None:
        """Take a job through its life: seqs 2 (claimed), 3 and 4 (a step), 5 (final)."""
        job = await self.claim()
        assert job.id == job_id
        await self.step(job)
        await self.complete(job, result)


class Artist:
    """Who is said to make the pictures, and how he stands; `why` with anything but ok."""

    name = "artist"
    model = "artist-1"
    paid = True

    def __init__(self, *standing: Any) -> None:
        self.standing = Standing(*standing or ("ok",))

    async def look(self) -> Standing:
        return self.standing

    def heard(self, failed_at: int) -> bool:
        del failed_at
        return False


def settings_for(folder: Path, **changes: Any) -> Settings:
    given = {"data_dir": folder, "sqlite_synchronous": "NORMAL", "admin_token": ADMIN_TOKEN}
    return Settings.model_validate({**given, **changes})


def catalogue_for(settings: Settings) -> Catalogue:
    return Catalogue([image_generation(settings, PLATFORMS), image_renditions(PLATFORMS), NOOP, WALK, GUARDED])


@asynccontextmanager
async def opened(
    settings: Settings,
    *,
    storage: Storage | None = None,
    provider: Artist | None = None,
    wrap: Callable[[Database], Database] = lambda database: database,
    clock: Callable[[], float] = time.time,
    tools: Mapping[type, object] | None = None,
    record: Database | None = None,
    studio: Studio | None = None,
) -> AsyncGenerator[Service]:
    """The service; `wrap` may put something between it and its database, `clock` says how old signed addresses are.

    `tools`: those of the kinds, by which they say what a job will cost. `record`: its database, not open yet, if it is not a
    file in its folder.
    """
    catalogue = catalogue_for(settings)
    file = settings.data_dir / "snapasset.db"
    database = record or SqliteDatabase(file, synchronous=settings.sqlite_synchronous)
    await database.open()

    async def look_up(missing: Sequence[Missing]) -> list[Event]:
        return await database.read(MissingEvents(missing))

    switch = Switch(catalogue.queues, settings, ring_timeout=60)
    await switch.open(database.record_id, look_up)
    database.listen(switch.feed.publish)
    seen = wrap(database)
    life = Life(shared_seconds=0)
    life.stage = Stage.SERVING
    file_urls = FileUrls(_SECRET, settings.file_url_seconds, clock)
    metrics = Metrics(catalogue, switch)
    hub = Hub(seen, switch, settings, file_urls, metrics)
    stack = contextlib.AsyncExitStack()
    users = await stack.enter_async_context(opened_user_tokens(settings))

    async def drain() -> int:
        life.stage = Stage.DRAINING
        await hub.drain()
        return 0

    state = State(
        settings=settings,
        catalogue=catalogue,
        database=seen,
        switch=switch,
        storage=storage or LocalStorage(settings.data_dir / "files"),
        provider=provider or Artist(),
        client=JobClient(seen, switch, catalogue, settings, tools),
        hub=hub,
        life=life,
        stream_tokens=StreamTokens(_SECRET),
        users=users,
        file_urls=file_urls,
        metrics=metrics,
        studio=studio,
        drain=drain,
        lives=lambda: True,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[State]:
        yield state

    app = application(lifespan, settings.cors_origins)
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(stateful(app, state)), base_url="http://test"
        ) as http:
            yield Service(app, state, http)
    finally:
        await stack.aclose()
        await switch.close()
        await database.close()


def stateful(app: Starlette, state: State) -> Any:
    """The application with its state in each request, as uvicorn puts it there."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    return call


def without_extensions(app: Starlette) -> Any:
    """The application as a server sees it that knows nothing of its wishes."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    return call


@asynccontextmanager
async def served(service: Service, *, plain: bool = False) -> AsyncGenerator[int]:
    """The port of 127.0.0.1 where a real server serves it; a `plain` one offers nothing but what ASGI asks for."""
    async with serving(service, plain=plain) as server:
        yield server.port


class Serving(Server):
    """A server, and its port."""

    port = 0


@asynccontextmanager
async def serving(service: Service, *, plain: bool = False) -> AsyncGenerator[Serving]:
    """The same, to look into."""
    listener = socket.create_server(("127.0.0.1", 0))
    told = asyncio.Event()
    app = cast("Starlette", without_extensions(service.app)) if plain else service.app
    server = Serving(app, service.state, told)
    server.port = listener.getsockname()[1]
    running = asyncio.create_task(server.serve([listener]))
    await wait_until(lambda: server.started)
    try:
        yield server
    finally:
        told.set()
        async with asyncio.timeout(10):
            await running
        with contextlib.suppress(OSError):
            listener.close()
