"""The daily cleanup: at its hour, once, however many processes look and however long none did."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.client import SYSTEM, JobClient
from snapasset.database.sqlite import SqliteDatabase
from snapasset.job import Priority
from snapasset.job_type import Catalogue
from snapasset.reconciler import Reconciler
from snapasset.records.jobs import FindJobs
from snapasset.settings import Settings
from snapasset.switch import Switch
from tests.contracts.record_backends import Look
from worker.processors.file_cleanup import file_cleanup
from worker.processors.file_cleanup.report import FileCleanup

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from snapasset.job import Job

DAY = 86_400_000


class Clock:
    def __init__(self, *moment: int) -> None:
        self.now = at(*moment)

    def __call__(self) -> int:
        return self.now


def at(*moment: int) -> int:
    return round(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # pyright: ignore[reportArgumentType, reportCallIssue]


class Process:
    """The parts of one process that begin jobs by the clock."""

    def __init__(self, database: SqliteDatabase, settings: Settings) -> None:
        self.database = database
        catalogue = Catalogue([file_cleanup(settings)])
        self.switch = Switch(catalogue.queues, settings, ring_timeout=60)
        self.client = JobClient(database, self.switch, catalogue, settings)
        self.reconciler = Reconciler(database, self.switch, catalogue.kinds_by_queue, settings)

    async def cleanups(self) -> list[Job]:
        return await self.database.read(FindJobs(SYSTEM))

    async def next_run(self) -> int:
        ((next_run,),) = await self.database.read(Look("SELECT next_run FROM schedules"))
        return next_run


@asynccontextmanager
async def process(folder: Path, clock: Clock, **settings: Any) -> AsyncGenerator[Process]:
    database = SqliteDatabase(folder / "record.db", synchronous="NORMAL", clock=clock)
    await database.open()
    made = Process(database, Settings(**settings))
    await made.switch.open(database.record_id)
    await made.client.keep_schedules()
    try:
        yield made
    finally:
        await made.switch.close()
        await database.close()


async def test_it_begins_at_two_and_cleans_up_everything(tmp_path: Path) -> None:
    clock = Clock(2026, 11, 20, 1, 59)
    async with process(tmp_path, clock) as one:
        await one.reconciler.tick()
        assert await one.cleanups() == []
        clock.now = at(2026, 11, 20, 2)
        await one.reconciler.tick()
        (job,) = await one.cleanups()
        assert (job.kind, job.owner, job.priority, job.attempts) == ("file-cleanup", "system", Priority.LOW, 3)
        assert FileCleanup.model_validate_json(job.data) == FileCleanup(type="all")
        assert await one.next_run() == at(2026, 11, 21, 2)


async def test_two_processes_begin_it_once_a_day(tmp_path: Path) -> None:
    clock = Clock(2026, 11, 20)
    async with process(tmp_path, clock) as one, process(tmp_path, clock) as other:
        for day in (20, 21, 22):
            clock.now = at(2026, 11, day, 2)
            for _ in range(3):
                await asyncio.gather(*(each.reconciler.tick() for each in (one, other, one, other)))
            assert len(await one.cleanups()) == day - 19


async def test_days_that_were_missed_become_one(tmp_path: Path) -> None:
    clock = Clock(2026, 11, 20)
    async with process(tmp_path, clock):
        pass
    clock.now += 3 * DAY + DAY // 2
    async with process(tmp_path, clock) as one, process(tmp_path, clock) as other:
        await asyncio.gather(*(each.reconciler.tick() for each in (one, other)))
        await one.reconciler.tick()
        assert len(await one.cleanups()) == 1
        assert await one.next_run() == at(2026, 11, 24, 2)


async def test_the_settings_say_when_and_where(tmp_path: Path) -> None:
    async with process(tmp_path, Clock(2026, 11, 20), cleanup_cron="30 4 * * *", cleanup_zone="Europe/Berlin") as one:
        assert await one.next_run() == at(2026, 11, 20, 3, 30)


@pytest.mark.parametrize("first", ["0 2 * * *", "off"])
async def test_off_means_never(tmp_path: Path, first: str) -> None:
    clock = Clock(2026, 11, 20)
    async with process(tmp_path, clock, cleanup_cron=first):
        pass
    async with process(tmp_path, clock, cleanup_cron="off") as one:
        clock.now += 3 * DAY
        await one.reconciler.tick()
        assert await one.cleanups() == []
