"""The record and the engine in one process: claims and finishes, and no-op jobs from submission to their final event."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from saq.worker import Worker

from bench.report import Figure, rate, table
from snapasset.client import JobClient
from snapasset.database.sqlite import SqliteDatabase
from snapasset.event import FINAL
from snapasset.job import new_id
from snapasset.job_type import Access, Catalogue
from snapasset.metrics import Metrics
from snapasset.queue.memory import MemoryQueue
from snapasset.reconciler import Reconciler
from snapasset.records.claims import Claim
from snapasset.records.endings import Complete
from snapasset.records.submission import Submit
from snapasset.settings import Settings
from snapasset.switch import Switch
from worker.processors.trial import NOOP, Nothing
from worker.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from snapasset.event import Event

Synchronous = Literal["FULL", "NORMAL"]

JOBS = 20_000
CONCURRENCY = 10
ROUNDS = 3
DELAYED = 100_000
_DAY_MS = 86_400_000


def run() -> None:
    """Print the engine's figures. A job of these makes three events and as many commits as its neighbours let it share."""
    logging.getLogger("saq").setLevel(logging.ERROR)
    full, beside, normal, full_peer, normal_peer = _medians(
        lambda: _loop(_claim_and_finish("FULL")),
        lambda: _loop(_claim_and_finish("FULL", delayed=DELAYED)),
        lambda: _loop(_claim_and_finish("NORMAL")),
        lambda: _one_by_one("FULL"),
        lambda: _one_by_one("NORMAL"),
    )
    table(
        f"engine: claim + finish with their events, {CONCURRENCY} at a time, SQLite, medians of {ROUNDS} rounds",
        [
            Figure(
                "durable (synchronous=FULL)",
                rate(full),
                "≥ 5,000/s",
                f"{full / full_peer:.1f} × a commit for each statement",
            ),
            Figure(
                f"the same with {DELAYED:,} delayed rows",
                rate(beside),
                "unchanged",
                f"{beside / full:.2f} × without them",
            ),
            Figure(
                "synchronous=NORMAL",
                rate(normal),
                "≥ 10,000/s",
                f"{normal / normal_peer:.1f} × a commit for each statement",
            ),
        ],
    )
    full, normal, plain = _medians(
        lambda: _loop(_noop("FULL")), lambda: _loop(_noop("NORMAL")), lambda: _loop(_plain_saq())
    )
    table(
        f"engine: no-op jobs, record → ring → handler → final, one process, {CONCURRENCY} at a time, medians of {ROUNDS} rounds",
        [
            Figure("durable (synchronous=FULL)", rate(full), "≥ 4,000/s", _beside(full, plain)),
            Figure("synchronous=NORMAL", rate(normal), "", _beside(normal, plain)),
        ],
    )


def _medians(*measures: Callable[[], float]) -> list[float]:
    """Each measure's median over some rounds, taken in turn: what disturbs the machine disturbs them alike."""
    rounds = [[measure() for measure in measures] for _ in range(ROUNDS)]
    return [statistics.median(values) for values in zip(*rounds, strict=True)]


def _beside(ours: float, plain: float) -> str:
    return f"{ours / plain:.2f} × plain SAQ without a record, on the same queue ({rate(plain)})"


def _loop(work: Coroutine[Any, Any, float]) -> float:
    """Run a measurement on the event loop that the server uses."""
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _submit(database: SqliteDatabase, count: int, *, delay_ms: int = 0) -> None:
    async def some(share: int) -> None:
        for _ in range(share):
            await database.write(
                Submit(new_id(), "noop", "noop", "bench", "{}", priority=0, attempts=3, delay_ms=delay_ms)
            )

    await asyncio.gather(*(some(count // 100) for _ in range(100)))


async def _claim_and_finish(synchronous: Synchronous, *, delayed: int = 0) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        database = SqliteDatabase(Path(folder, "record.db"), synchronous=synchronous)
        await database.open()
        if delayed:
            await _submit(database, delayed, delay_ms=_DAY_MS)
        await _submit(database, JOBS)

        async def work() -> None:
            while (job := await database.write(Claim("noop", ("noop",), "bench"))) is not None:
                await database.write(Complete(job.id, job.fence, "{}"))

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        seconds = time.perf_counter() - started
        await database.close()
        return JOBS / seconds


def _one_by_one(synchronous: Synchronous, jobs: int = 2_000) -> float:
    """The peer: the same four statements a job, as a plain program would send them, each with a commit of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        connection = sqlite3.connect(Path(folder, "record.db"), isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("CREATE TABLE jobs (id TEXT PRIMARY KEY, status TEXT, fence INTEGER, result TEXT)")
        connection.execute("CREATE INDEX ready ON jobs (id) WHERE status = 'waiting'")
        connection.execute("CREATE TABLE events (job TEXT, seq INTEGER, body TEXT, PRIMARY KEY (job, seq))")
        connection.executemany("INSERT INTO jobs VALUES (?, 'waiting', 0, NULL)", [(new_id(),) for _ in range(jobs)])
        body = "x" * 220
        started = time.perf_counter()
        for _ in range(jobs):
            ((job_id,),) = connection.execute(
                "UPDATE jobs SET status = 'active', fence = fence + 1 WHERE id = "
                "(SELECT id FROM jobs WHERE status = 'waiting' ORDER BY id LIMIT 1) RETURNING id"
            ).fetchall()
            connection.execute("INSERT INTO events VALUES (?, 2, ?)", (job_id, body))
            connection.execute("UPDATE jobs SET status = 'completed', result = '{}' WHERE id = ?", (job_id,))
            connection.execute("INSERT INTO events VALUES (?, 3, ?)", (job_id, body))
        seconds = time.perf_counter() - started
        connection.close()
        return jobs / seconds


async def _noop(synchronous: Synchronous) -> float:
    settings = Settings(job_max_concurrency=CONCURRENCY)
    catalogue = Catalogue([NOOP])
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        database = SqliteDatabase(Path(folder, "record.db"), synchronous=synchronous)
        await database.open()
        switch = Switch(catalogue.queues, settings, ring_timeout=660)
        await switch.open(database.record_id)
        database.listen(switch.feed.publish)
        client = JobClient(database, switch, catalogue, settings)
        runner = Runner(
            database=database,
            switch=switch,
            catalogue=catalogue,
            tools={},
            settings=settings,
            metrics=Metrics(catalogue, switch),
        )
        await runner.start()
        upkeep = asyncio.create_task(Reconciler(database, switch, catalogue.kinds_by_queue, settings).run())
        left, ended = JOBS, asyncio.Event()

        def count(events: Sequence[Event]) -> None:
            nonlocal left
            left -= sum(event.type == FINAL for event in events)
            if left <= 0:
                ended.set()

        database.listen(count)

        async def some() -> None:
            for _ in range(JOBS // 20):
                await client.submit("noop", Nothing(), owner="bench", access=Access.ADMIN)

        started = time.perf_counter()
        await asyncio.gather(*(some() for _ in range(20)))
        await ended.wait()
        seconds = time.perf_counter() - started
        upkeep.cancel()
        await runner.stop()
        await switch.close()
        await database.close()
        return JOBS / seconds


async def _plain_saq(jobs: int = 10_000) -> float:
    """The peer: one SAQ job for each, under SAQ's own worker; nothing is written down."""
    queue = MemoryQueue("plain")
    await queue.connect()
    left, ended = jobs, asyncio.Event()

    async def noop(_context: dict[str, Any]) -> None:
        nonlocal left
        left -= 1
        if not left:
            ended.set()

    worker: Worker[Any] = Worker(queue, [("noop", noop)], concurrency=CONCURRENCY)
    worker.SIGNALS = []  # type: ignore[misc]  # pyright: ignore[reportConstantRedefinition]
    started = time.perf_counter()
    task = asyncio.create_task(worker.start())
    for _ in range(jobs):
        await queue.enqueue("noop", ttl=-1)
    await ended.wait()
    seconds = time.perf_counter() - started
    await worker.stop()
    await task
    await queue.disconnect()
    return jobs / seconds
