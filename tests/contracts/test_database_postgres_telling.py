"""PostgreSQL: events that the statement stores which changes their jobs. What is stored must be what was told."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Both, Write
from snapasset.database.postgres import PostgresDatabase
from snapasset.database.postgres_connection import LOCK_MS, begin, connect, settings_for
from snapasset.database.postgres_transaction import Transaction, rounds
from snapasset.records.claims import Beat
from snapasset.records.endings import Cancel, Complete
from snapasset.records.steps import StartStep
from tests.contracts.record_backends import Do, begun
from tests.contracts.record_jobs import CLAIM, OWNER, claimed, submitted, told
from tests.contracts.record_postgres import PostgresRecord
from tests.contracts.test_database_postgres import Heard
from tests.contracts.test_database_postgres_faults import Cutter
from tests.servers.postgres import shared_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from snapasset.database import Database
    from snapasset.event import Event
    from snapasset.job import Job

ODD = 'a"b\\c\n\x01\x1f\u2028ä\U0001f33b'


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[PostgresRecord]:
    opened = PostgresRecord(tmp_path)
    yield opened
    await opened.close()


async def several_held(database: Database, count: int, waiting: int) -> list[Job]:
    for _ in range(count + waiting):
        await submitted(database)
    return [await claimed(database) for _ in range(count)]


def ending(job: Job, result: str = '{"made":[1,2.50]}', **more: Any) -> Both[Any, Any]:
    return Both(Complete(job.id, job.fence, result, **more), CLAIM, apart=True)


async def together(record: PostgresRecord, database: Database, *changes: Write[Any]) -> list[Any]:
    """Their answers; they went into one commit."""
    async with record.busy(database):
        tasks = await begun(*(database.write(change) for change in changes))
    return await asyncio.gather(*tasks)


async def stored_as_told(record: PostgresRecord, heard: Sequence[Event]) -> int:
    """Check that each event that was heard is stored once and says the same; returns how many there are."""
    for event in heard:
        [(type_, body, at, owner)] = record.glimpse(
            "SELECT type, body, at, owner FROM job_events WHERE job_id = $1 AND seq = $2", event.job_id, event.seq
        )
        assert (type_, json.loads(body), at, owner) == (event.type, json.loads(event.body), event.at, event.owner)
        assert body.isprintable() or ODD[8] in body  # one line, whatever is in it
    return len(heard)


class TestStored:
    @pytest.mark.parametrize(
        "change",
        [
            "seq = seq",
            "cancel_requested = 1",
            "step = $2",
            "progress = 33.3",
            "progress = 1e-5",
            "cost = '{\"usd\": 0.25}'",
            "run = 3, attempt = 2",
            "owner = 'session:' || $2",
        ],
    )
    @pytest.mark.parametrize("which", ["active", "waiting"])
    async def test_it_says_what_was_told_whatever_the_job_is_like(
        self, record: PostgresRecord, database: Database, which: str, change: str
    ) -> None:
        jobs = await several_held(database, 3, 3)
        odd = f"UPDATE jobs SET {change} WHERE status = $1 AND $2 <> ''"
        await database.write(Do(odd, (which, ODD.replace("\x1f", ""))))
        heard: list[Event] = []
        database.listen(heard.extend)
        await together(record, database, *(ending(job) for job in jobs))
        assert await stored_as_told(record, heard) == 6
        assert sorted(event.type for event in heard) == ["final"] * 3 + ["update"] * 3

    @pytest.mark.parametrize("millis", [0, 1, 999, 1_000, 1_767_225_599_999, 1_795_488_052_420, 4_102_444_800_001])
    async def test_its_time_is_spelt_alike(self, record: PostgresRecord, database: Database, millis: int) -> None:
        jobs = await several_held(database, 2, 2)
        record.clock.now = millis
        heard: list[Event] = []
        database.listen(heard.extend)
        await together(record, database, *(ending(job) for job in jobs))
        assert await stored_as_told(record, heard) >= 2
        assert {event.at for event in heard} == {millis}

    @pytest.mark.parametrize("result", ["null", '"text"', f'{{"a":{json.dumps(ODD)}}}', "[1e5, 2.50]"])
    async def test_a_result_is_told_as_it_is(self, record: PostgresRecord, database: Database, result: str) -> None:
        jobs = await several_held(database, 2, 0)
        await together(record, database, *(ending(job, result) for job in jobs))
        for job in jobs:
            assert (await told(database, job.id))[-1]["result"] == json.loads(result)

    @pytest.mark.parametrize("doubtful", [0, 1, 2])
    async def test_one_that_is_told_later_is_stored_once_as_well(
        self, record: PostgresRecord, database: Database, doubtful: int
    ) -> None:
        jobs = await several_held(database, 3, 1)
        await database.write(StartStep(jobs[doubtful].id, 1, "render", paid=True, progress=0.0))
        heard: list[Event] = []
        database.listen(heard.extend)
        await together(record, database, *(ending(job, doubtful=n == doubtful) for n, job in enumerate(jobs)))
        assert await stored_as_told(record, heard) == 4

    @pytest.mark.parametrize("beat", [False, True], ids=["in one statement", "in several"])
    async def test_so_are_those_of_changes_before_in_the_same_commit(
        self, record: PostgresRecord, database: Database, *, beat: bool
    ) -> None:
        first, second, third = await several_held(database, 3, 1)
        heard: list[Event] = []
        database.listen(heard.extend)
        beside = [Beat(third.id, third.fence, 5.0)] if beat else []
        await together(record, database, Cancel(first.id, OWNER), ending(first), ending(second), *beside)
        assert await stored_as_told(record, heard) == 4
        rows = record.glimpse("SELECT seq FROM job_events WHERE job_id = $1 ORDER BY pos", first.id)
        assert rows == [(1,), (2,), (3,), (4,)]


class TestOneTrip:
    async def said(self, record: PostgresRecord, *changes: Write[Any]) -> list[str]:
        driver = await connect(record.url)
        try:
            await begin(driver, "READ COMMITTED", {**settings_for(LOCK_MS), **record.settings()})
            heard = Heard(driver)
            transaction = Transaction(heard, {})
            [(operations, names)] = rounds(changes)
            await transaction.run(operations, names)
            await transaction.store_events()
            assert transaction.xid == str(await driver.fetchval("SELECT pg_current_xact_id()"))
            return [word for word, _ in heard.said]
        finally:
            driver.terminate()

    async def test_who_ends_jobs_and_takes_the_next_says_no_more_than_that(
        self, record: PostgresRecord, database: Database
    ) -> None:
        jobs = await several_held(database, 3, 3)
        assert await self.said(record, *(ending(job) for job in jobs)) == ["WITH"]

    async def test_what_is_in_doubt_is_stored_apart(self, record: PostgresRecord, database: Database) -> None:
        jobs = await several_held(database, 2, 2)
        said = await self.said(record, *(ending(job, doubtful=True) for job in jobs))
        assert said == ["WITH", "WITH"]


async def test_a_commit_whose_answer_was_lost_is_asked_for(record: PostgresRecord) -> None:
    async with AsyncExitStack() as stack:
        cutter = Cutter(shared_server().port)
        await cutter.open()
        stack.push_async_callback(cutter.close)
        url = shared_server().tcp_url("record").replace(str(shared_server().port), str(cutter.port))
        database = PostgresDatabase(url, more_settings=record.settings)
        await database.open()
        stack.push_async_callback(database.close)
        [job] = await several_held(database, 1, 1)
        heard: list[Event] = []
        database.listen(heard.extend)
        cutter.cut = "back"
        ended, taken = await database.write(ending(job))
        assert cutter.cut is None
        assert (ended.status, taken.status) == ("completed", "active")
        assert await stored_as_told(record, heard) == 2
