"""Ours as the measurements drive it: the product's own worker process, its JobClient here, a record on either database."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
from pydantic import SecretStr

from bench.peers import NotHere
from bench.queue_log import new_loop
from bench.queue_systems import System
from bench.work import Logged, with_trials
from snapasset.client import JobClient, SubmitOptions, Wanted
from snapasset.database import Read, Statement
from snapasset.database.choose import choose_database
from snapasset.errors import SnapAssetError
from snapasset.job import new_id
from snapasset.job_type import Access
from snapasset.records.events import MissingEvents
from snapasset.records.submission import Submit, SubmitAll
from snapasset.settings import Settings
from snapasset.switch import Switch
from worker.processors.trial import Nothing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Generator, Sequence

    from bench.queue_systems import Lasting
    from snapasset.database import Database, Steps
    from snapasset.event import Event
    from snapasset.records.events import Missing
    from tests.servers.postgres import PostgresServer
    from tests.servers.redis import RedisServer

T = TypeVar("T")

OWNER = "bench"
_BATCH = 500
_AT_ONCE = 4
_READY_SECONDS = 20.0
_PATIENCE = 120.0
_LOOK = 0.05
_LATE = 8.0


@dataclass(frozen=True)
class Unended(Read[bool]):
    """Whether any job has not ended."""

    def steps(self) -> Steps[bool]:
        rows = yield Statement("SELECT 1 FROM jobs WHERE owner = $1 AND finished_at IS NULL LIMIT 1", (OWNER,))
        return bool(rows)


@dataclass(frozen=True)
class Span(Read[tuple[int, float]]):
    """How many jobs completed, and in how many seconds from the start of the first to the end of the last."""

    def steps(self) -> Steps[tuple[int, float]]:
        ((count, first, last),) = yield Statement(
            "SELECT count(*), min(started_at), max(finished_at) FROM jobs WHERE owner = $1 AND status = 'completed'",
            (OWNER,),
        )
        return count, (last - first) / 1000


class Ours(System):
    """A new record each time it is opened."""

    def __init__(self, record: str, folder: Path, redis: RedisServer, number: int, url: str | None = None) -> None:
        """`number`: the database in Redis. `url`: of an empty PostgreSQL database; None: SQLite in `folder`."""
        self.name = f"ours, {record}"
        self._folder = folder
        self._given: dict[str, Any] = {"data_dir": folder, "redis_url": f"redis://127.0.0.1:{redis.port}/{number}"}
        self._given["database_url"] = url

    def put(self, count: int, jobs: Lasting | None = None) -> None:
        settle(self._put(count, jobs))

    def drain(self, count: int, concurrency: int) -> float:
        self.put(count)
        with self.working(concurrency):
            return count / settle(self._ended(count))

    def add(self, per_second: float, seconds: float, jobs: Lasting, first: int = 0) -> dict[int, float | None]:
        return settle(self._add(per_second, seconds, jobs, first))

    @contextmanager
    def working(self, concurrency: int) -> Generator[None]:
        log = self._folder / "worker.log"
        given = {name.upper(): "" if value is None else str(value) for name, value in self._given.items()}
        given |= {"JOB_MAX_CONCURRENCY": str(concurrency), "LOG_FORMAT": "json", "LOG_LEVEL": "info"}
        with log.open("wb") as stream:
            command = [sys.executable, "-m", "bench.work"]
            process = subprocess.Popen(command, env={**os.environ, **given}, stdout=stream, stderr=stream)
        try:
            _wait_until_it_says(process, log, "worker is ready")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait_for_the_end(self) -> None:
        """Return when every job has ended, or when it takes too long."""
        settle(self._until_ended())

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[tuple[Database, JobClient]]:
        """The record, and the client as the API has it."""
        settings = self._settings()
        catalogue = with_trials(settings)
        database = choose_database(settings)
        await database.open()
        switch = Switch(catalogue.queues, settings, ring_timeout=660)

        async def look_up(missing: Sequence[Missing]) -> list[Event]:
            return await database.read(MissingEvents(missing))

        try:
            await switch.open(database.record_id, look_up)
            database.listen(switch.feed.publish)
            yield database, JobClient(database, switch, catalogue, settings)
        finally:
            await switch.close()
            await database.close()

    def _settings(self) -> Settings:
        url = self._given["database_url"]
        return Settings(
            data_dir=self._given["data_dir"],
            redis_url=SecretStr(self._given["redis_url"]),
            database_url=None if url is None else SecretStr(url),
        )

    async def _put(self, count: int, jobs: Lasting | None) -> None:
        async with self.opened() as (database, client):
            batches = [range(first, min(count, first + _BATCH)) for first in range(0, count, _BATCH)]
            # As the API would; the rest goes into the record alone, as the rings that may wait are there by now.
            await client.submit_all([_wanted(number, jobs) for number in batches[0]], owner=OWNER, access=Access.ADMIN)
            left = iter(batches[1:])

            async def some() -> None:
                for numbers in left:
                    submits = tuple(_submit(_wanted(number, jobs)) for number in numbers)
                    await database.write(SubmitAll(submits, tuple(range(len(submits)))))

            await asyncio.gather(*(some() for _ in range(_AT_ONCE)))

    async def _add(self, per_second: float, seconds: float, jobs: Lasting, first: int) -> dict[int, float | None]:
        added: dict[int, float | None] = {}
        async with self.opened() as (_, client):

            async def add(number: int) -> None:
                sent = time.time()
                kind, args, options, _ = _wanted(number, jobs)
                try:
                    await client.submit(kind, args, owner=OWNER, access=Access.ADMIN, options=options)
                    added[number] = sent
                except SnapAssetError:
                    added[number] = None

            begun = time.perf_counter()
            adding: list[asyncio.Task[None]] = []
            for at in range(round(per_second * seconds)):
                await asyncio.sleep(max(0.0, begun + at / per_second - time.perf_counter()))
                adding.append(asyncio.create_task(add(first + at)))
            await asyncio.wait(adding, timeout=_LATE)
        return added

    async def _ended(self, count: int) -> float:
        await self._until_ended()
        database = choose_database(self._settings())
        await database.open()
        completed, seconds = await database.read(Span())
        await database.close()
        if completed != count:
            raise NotHere(f"{completed} of {count} completed")
        return seconds

    async def _until_ended(self) -> None:
        database = choose_database(self._settings())
        await database.open()
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and await database.read(Unended()):  # noqa: ASYNC110  they end elsewhere
            await asyncio.sleep(_LOOK)
        await database.close()


def _wanted(number: int, jobs: Lasting | None) -> Wanted:
    if jobs is None:
        return Wanted("noop", Nothing(), SubmitOptions())
    return Wanted("logged", Logged(number=number, log=str(jobs.log), seconds=jobs.seconds), SubmitOptions())


def _submit(wanted: Wanted) -> Submit:
    data = wanted.args.model_dump_json()
    return Submit(new_id(), wanted.kind, wanted.kind, OWNER, data, priority=0, attempts=3)


def settle(work: Coroutine[Any, Any, T]) -> T:
    """Do this to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


def _wait_until_it_says(process: subprocess.Popen[bytes], log: Path, words: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while words not in (text := log.read_text("utf-8")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotHere(f"the worker is not ready: {text[-500:]}")
        time.sleep(0.02)


@contextmanager
def on_sqlite(redis: RedisServer, number: int = 0) -> Generator[Ours]:
    """Ours with an empty record in a file."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Ours("SQLite", Path(folder), redis, number)


@contextmanager
def on_postgres(redis: RedisServer, server: PostgresServer, number: int = 0) -> Generator[Ours]:
    """Ours with an empty record in a database of its own."""
    name = f"bench_{time.time_ns()}"

    async def command(words: str) -> None:
        connection = await asyncpg.connect(server.url())
        await connection.execute(words)
        await connection.close()

    settle(command(f"CREATE DATABASE {name}"))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Ours("PostgreSQL", Path(folder), redis, number, server.url(name))
    settle(command(f"DROP DATABASE {name} WITH (FORCE)"))
