"""The real parts of a worker's process, put together for one test: record, switch, client, runner, reconciler.

Nothing here waits for time: tests wait for the record's own events, and time's doings are asked for with `upkeep`.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from snapasset.client import JobClient, SubmitOptions
from snapasset.database import Both, Database, Read, Statement
from snapasset.database.sqlite import SqliteDatabase, wall_ms
from snapasset.event import ERROR, FINAL, Event, Tick
from snapasset.job import new_id
from snapasset.job_type import Access, Catalogue, JobType, Wire
from snapasset.metrics import Metrics
from snapasset.reconciler import Reconciler
from snapasset.records.jobs import GetJob
from snapasset.records.submission import Submit
from snapasset.records.upkeep import HeldJobs, Reap
from snapasset.records.workers import WorkerRow
from snapasset.settings import Settings
from snapasset.switch import Switch
from worker.executor import Executor
from worker.masters import Masters
from worker.processors.trial import Nothing
from worker.runner import Runner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping, Sequence
    from pathlib import Path

    from snapasset.database import EventListener, Steps, Write
    from snapasset.event import News
    from snapasset.job import Job

T = TypeVar("T")
Body = dict[str, Any]

WITHIN = 10.0
"""Seconds after which what a test waits for is said never to come."""

OWNER = "session:somebody"

_UNHURRIED: dict[str, Any] = {
    "beat_seconds": 60.0,
    "lease_seconds": 120.0,
    "retry_base_seconds": 0.0,
    "drain_seconds": 0.0,
    "ring_drain_seconds": 60.0,
}
"""No heart, no lease and no pause has a part in a test that does not ask for it."""


class Clock:
    """The record's time in ms since the epoch, which stands still."""

    def __init__(self) -> None:
        self.now = wall_ms()

    def __call__(self) -> int:
        return self.now


class StepRow(NamedTuple):
    """One row of `job_steps`, as far as tests look at it."""

    run: int
    step: str
    state: str
    doubts: int
    output: str | None


@dataclass(frozen=True, slots=True)
class StepRows(Read[list[StepRow]]):
    job_id: str

    def steps(self) -> Steps[list[StepRow]]:
        sql = "SELECT run, step, state, doubts, output FROM job_steps WHERE job_id = $1 ORDER BY run, started_at, step"
        return [StepRow._make(row) for row in (yield Statement(sql, (self.job_id,)))]


class StoredRow(NamedTuple):
    """One row of `files`."""

    id: str
    owner: str
    generation_id: str | None
    role: str
    name: str
    key: str
    content_type: str
    size: int
    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True)
class StoredRows(Read[list[StoredRow]]):
    job_id: str

    def steps(self) -> Steps[list[StoredRow]]:
        sql = f"SELECT {', '.join(StoredRow._fields)} FROM files WHERE job_id = $1 ORDER BY created_at, id"
        return [StoredRow._make(row) for row in (yield Statement(sql, (self.job_id,)))]


class WatchedDatabase(Database):
    """A real database with a guard at its door: `guard` is awaited before each operation and may refuse or hold it."""

    def __init__(self, record: SqliteDatabase) -> None:
        super().__init__()
        self.name = record.name
        self.guard: Callable[[Write[Any] | Read[Any]], Awaitable[None]] | None = None
        self._record = record

    @property
    def record_id(self) -> str:
        return self._record.record_id

    def listen(self, listener: EventListener) -> None:
        self._record.listen(listener)

    async def open(self) -> None:
        await self._record.open()

    async def close(self) -> None:
        await self._record.close()

    async def write(self, change: Write[T]) -> T:
        if self.guard is not None:
            await self.guard(change)
        return await self._record.write(change)

    async def read(self, question: Read[T]) -> T:
        if self.guard is not None:
            await self.guard(question)
        return await self._record.read(question)


class Engine:
    """One process's parts. `database` is what they work on, `record` the SQLite file behind it."""

    def __init__(
        self,
        folder: Path,
        kinds: Iterable[JobType[Any, Any]],
        tools: Mapping[type, object],
        clock: Callable[[], int],
        settings: Body,
    ) -> None:
        self.settings = Settings(**{**_UNHURRIED, **settings})
        self.catalogue = Catalogue(kinds)
        self.path = folder / "record.db"
        self.record = SqliteDatabase(self.path, synchronous="NORMAL", clock=clock)
        self.database = WatchedDatabase(self.record)
        self.tools: dict[type, object] = {Masters: Masters(self.database), **tools}
        self.switch = Switch(self.catalogue.queues, self.settings, ring_timeout=700)
        self.metrics = Metrics(self.catalogue, self.switch)
        self.client = JobClient(self.database, self.switch, self.catalogue, self.settings, self.tools)
        self.reconciler = Reconciler(self.database, self.switch, self.catalogue.kinds_by_queue, self.settings)
        self.runners: list[Runner] = []
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        self.database.listen(self._hear)

    def _hear(self, events: Sequence[Event]) -> None:
        self.events.extend(events)
        self._changed.set()

    # --- workers

    async def start(self) -> Runner:
        """One more worker, as a process of its own would have it; stopped with the engine."""
        runner = self.runner()
        self.runners.append(runner)
        await runner.start()
        return runner

    def runner(self, *, database: Database | None = None) -> Runner:
        return Runner(
            database=database or self.database,
            switch=self.switch,
            catalogue=self.catalogue,
            tools=self.tools,
            settings=self.settings,
            metrics=self.metrics,
        )

    def executor(self, worker_id: str = "worker") -> Executor:
        """An executor that no queue rings for: the test answers rings itself."""
        return Executor(
            worker=WorkerRow(worker_id, "worker", "here", 1, "0", (), self.catalogue.queues),
            database=self.database,
            switch=self.switch,
            catalogue=self.catalogue,
            tools=self.tools,
            settings=self.settings,
            metrics=self.metrics,
        )

    async def answer(self, executor: Executor, queue: str = "trial") -> None:
        """Let an executor answer one ring, to its end."""
        async with asyncio.timeout(WITHIN):
            await executor.answer(queue, self.record.record_id)

    async def upkeep(self) -> None:
        """What the reconciler does each second."""
        await self.reconciler.tick()

    # --- jobs

    async def submit(
        self, kind: str = "trial", args: Wire | None = None, *, priority: int = 0, delay: float = 0.0
    ) -> str:
        """A job through the client's door: recorded, then rung for."""
        options = SubmitOptions(priority=priority, delay=delay)
        job = await self.client.submit(kind, args or Nothing(), owner=OWNER, access=Access.ADMIN, options=options)
        return job.id

    async def put(self, kind: str = "trial", queue: str = "trial", data: str = "{}", attempts: int = 3) -> str:
        """A job that is only in the record: whatever its kind and data, and nobody rings for it."""
        job_id = new_id()
        await self.record.write(Submit(job_id, kind, queue, OWNER, data, priority=0, attempts=attempts))
        return job_id

    async def take_away(self, job_id: str) -> None:
        """Do to a running job what a reconciler does whose clock says that the executor is silent for a lease."""
        async with asyncio.timeout(WITHIN):
            taken = None
            while taken is None:  # it may beat just now
                (held,) = [held for held in await self.record.read(HeldJobs()) if held.id == job_id]
                taken = await self.record.write(Reap(held))

    async def job(self, job_id: str) -> Job:
        job = await self.record.read(GetJob(job_id))
        assert job is not None
        return job

    async def steps(self, job_id: str) -> dict[str, StepRow]:
        """The steps of a job's newest run that has them, by name."""
        return {row.step: row for row in await self.record.read(StepRows(job_id))}

    async def job_where(self, job_id: str, true: Callable[[Job], bool]) -> Job:
        """The row of a job once it is so; for what no event tells."""
        return await asked_until(lambda: self.job(job_id), true)

    async def step_done(self, job_id: str, step: str) -> StepRow:
        """A step once its output is saved; for one that is saved without an event."""
        return (await asked_until(lambda: self.steps(job_id), lambda steps: steps[step].state == "done"))[step]

    async def files(self, job_id: str) -> list[StoredRow]:
        return await self.record.read(StoredRows(job_id))

    # --- news

    def story(self, job_id: str) -> list[Body]:
        """The events of a job so far."""
        return [json.loads(event.body) for event in self.events if event.job_id == job_id]

    async def event(self, job_id: str, **fields: object) -> Body:
        """The first event of a job whose body has these fields, waiting for it."""
        async with asyncio.timeout(WITHIN):
            while True:
                for body in self.story(job_id):
                    if fields.items() <= body.items():
                        return body
                self._changed.clear()
                await self._changed.wait()

    async def final(self, job_id: str, *, run: int = 1) -> Body:
        """The end of a run, with every failed attempt before it followed by the next one at once."""
        failed: set[int] = set()
        async with asyncio.timeout(WITHIN):
            while True:
                for body in self.story(job_id):
                    if body["run"] != run:
                        continue
                    if body["type"] == FINAL:
                        return body
                    if body["type"] == ERROR and body["seq"] not in failed:
                        failed.add(body["seq"])
                        await self.upkeep()
                        break
                else:
                    self._changed.clear()
                    await self._changed.wait()

    async def news(self, job_id: str) -> list[Event | Tick]:
        """A list that grows with what the feed carries of a job from now on."""
        carried: list[News] = []
        await self.switch.feed.subscribe(job_id, carried.append)
        return carried


@asynccontextmanager
async def engine(
    folder: Path,
    *kinds: JobType[Any, Any],
    clock: Callable[[], int] = wall_ms,
    feed: bool = True,
    workers: int = 1,
    tools: Mapping[type, object] | None = None,
    **settings: Any,
) -> AsyncGenerator[Engine]:
    """An engine for these kinds. `feed`: whether the record's events are carried to who runs the job."""
    made = Engine(folder, kinds, tools or {}, clock, settings)
    await made.database.open()
    await made.switch.open(made.database.record_id)
    if feed:
        made.database.listen(made.switch.feed.publish)
    try:
        for _ in range(workers):
            await made.start()
        yield made
    finally:
        made.database.guard = None
        for runner in made.runners:
            await runner.stop()
        await made.switch.close()
        await made.database.close()


def kind(
    run: Callable[..., Awaitable[Wire]],
    name: str = "trial",
    *,
    queue: str = "trial",
    args: type[Wire] = Nothing,
    tools: tuple[type, ...] = (),
    attempts: int = 3,
    timeout: float = 60.0,
) -> JobType[Any, Any]:
    """A kind made in a test, with a closure as its processor."""
    return JobType(
        kind=name, queue=queue, args=args, result=Nothing, run=run, tools=tools, attempts=attempts, timeout=timeout
    )


def changes_of(operation: Write[Any] | Read[Any]) -> tuple[object, ...]:
    """The changes that are handed in as one operation."""
    if not isinstance(operation, Both):
        return (operation,)
    both = cast("Both[Any, Any]", operation)
    return both.first, both.second


@contextmanager
def opened_at_last(gate: asyncio.Event) -> Generator[None]:
    """Open a gate however the test goes: a processor that heeds nothing else would keep the loop from ending."""
    try:
        yield
    finally:
        gate.set()


async def within(waiting: Awaitable[T]) -> T:
    """What is awaited, or a failure when it does not come."""
    async with asyncio.timeout(WITHIN):
        return await waiting


async def asked_until(ask: Callable[[], Awaitable[T]], true: Callable[[T], object]) -> T:
    """What `ask` answers, once it suits."""
    deadline = time.monotonic() + WITHIN
    while not true(answer := await ask()):
        assert time.monotonic() < deadline, f"it never came true: {answer}"
        await asyncio.sleep(0.005)
    return answer


async def wait_until(true: Callable[[], object]) -> None:
    """Return once `true()` is; for what no event tells."""
    deadline = time.monotonic() + WITHIN
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.005)
