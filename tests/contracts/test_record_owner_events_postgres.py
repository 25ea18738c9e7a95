"""Events of an owner on PostgreSQL, where transactions end in another order than they began in."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Both, Statement, Write
from snapasset.database.postgres import PostgresDatabase
from snapasset.records.endings import Cancel, Complete
from snapasset.records.owner_events import CursorNow, LookAfter, OwnerEventsAfter
from snapasset.records.revival import Retry
from tests.contracts.conftest import wait_until
from tests.contracts.record_backends import WAIT, Look
from tests.contracts.record_jobs import CLAIM, OWNER, a_job, held, submitted
from tests.contracts.record_postgres import Bystander, PostgresRecord, fresh_database
from tests.contracts.test_record_owner_events import names, rest, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from snapasset.database import Database, Steps
    from tests.contracts.record_backends import Pause


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[PostgresRecord]:
    opened = PostgresRecord(tmp_path)
    yield opened
    await opened.close()


@dataclass(slots=True)
class Between(Write[Any]):
    """Two changes in one transaction, which stores the events of the first and stands still before the second."""

    first: Write[Any]
    pause: Pause
    second: Write[Any] | None = None

    def steps(self) -> Steps[Any]:
        yield from self.first.steps()
        yield Statement("SELECT 1 FROM job_events LIMIT 1")  # before it is asked, what was told is stored
        yield from self.pause.wait()
        if self.second is not None:
            yield from self.second.steps()

    async def begun(self, database: Database) -> asyncio.Task[Any]:
        task = asyncio.create_task(database.write(self))
        await self.pause.reached()
        return task


async def test_what_came_first_and_is_committed_last_is_not_skipped(record: PostgresRecord, database: Database) -> None:
    other, reader = await record.open(), await record.open()
    await settled(reader)
    now = await reader.read(CursorNow())
    slow = Between(a_job("slow"), record.pause())
    task = await slow.begun(other)
    quick = await submitted(database)
    ((of_slow,), (of_quick,)) = record.glimpse(
        "SELECT last_value - 1 FROM job_events_pos_seq UNION ALL SELECT pos FROM job_events"
    )
    assert of_slow < of_quick
    assert await reader.read(OwnerEventsAfter(OWNER, now)) == []
    look = await reader.read(LookAfter(OWNER, now, 9))
    assert (look.events, look.unsettled) == ([], True)
    fresh = look.now
    slow.pause.go_on()
    await task
    found = await rest(reader, now)
    assert names(found) == [("slow", 1), (quick.id, 1)]
    assert names(await rest(reader, found[0])) == [(quick.id, 1)]
    assert ("slow", 1) in names(await rest(reader, fresh))


async def test_a_transaction_that_is_taken_back_holds_up_nobody_for_longer(
    record: PostgresRecord, database: Database
) -> None:
    other = await record.open()
    now = await database.read(CursorNow())
    slow = Between(a_job("slow"), record.pause(), Cancel("nobody", OWNER))
    task = await slow.begun(other)
    quick = await submitted(database)
    assert await database.read(OwnerEventsAfter(OWNER, now)) == []
    slow.pause.go_on()
    with pytest.raises(Exception, match="no such job"):
        await task
    assert names(await rest(database, now)) == [(quick.id, 1)]


async def test_events_of_a_job_keep_their_order_when_the_older_transaction_was_the_later_one(
    record: PostgresRecord, database: Database
) -> None:
    first, third, reader = await record.open(), await record.open(), await record.open()
    job, another = await submitted(database), await submitted(database)
    await settled(reader)
    now = await reader.read(CursorNow())
    older = Between(Cancel(another.id, OWNER), record.pause(), Retry(job.id, OWNER))
    began_first = await older.begun(first)
    between = Between(a_job("between"), record.pause())
    began_second = await between.begun(third)
    await database.write(Cancel(job.id, OWNER))
    older.pause.go_on()
    await began_first
    # The one that began between the two is still at it: whoever sorts by transactions now tells the later event first.
    early = await reader.read(OwnerEventsAfter(OWNER, now))
    between.pause.go_on()
    await began_second
    late = await rest(reader, early[-1] if early else now)
    told = names([*early, *late])
    assert [seq for job_id, seq in told if job_id == job.id] == [2, 3]
    assert sorted(told) == sorted([(job.id, 2), (job.id, 3), (another.id, 2), ("between", 1)])


@dataclass(slots=True)
class Holding(Write[Any]):
    """Locks a job's row, stands still, and then changes the job."""

    job_id: str
    pause: Pause
    then: Write[Any]

    def steps(self) -> Steps[Any]:
        yield Statement("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", (self.job_id,))
        yield from self.pause.wait()
        yield from self.then.steps()


async def test_events_keep_their_order_when_the_statement_that_tells_the_later_one_began_before_the_other_was_told(
    record: PostgresRecord, database: Database
) -> None:
    other, reader = await record.open(), await record.open()
    job = await held(database)
    await submitted(database)
    await settled(reader)
    now = await reader.read(CursorNow())
    holding = Holding(job.id, record.pause(), Cancel(job.id, OWNER))
    held_up = asyncio.create_task(other.write(holding))
    await holding.pause.reached()
    ending = asyncio.create_task(database.write(Both(Complete(job.id, job.fence, "{}"), CLAIM, apart=True)))

    async def waits() -> object:
        return record.glimpse("SELECT 1 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")

    await wait_until(waits, WAIT)
    for _ in range(3):  # transactions that begin and end after both of them
        await reader.write(a_job())
    holding.pause.go_on()
    await held_up
    await ending
    found = await rest(reader, now)
    assert [seq for job_id, seq in names(found) if job_id == job.id] == [3, 4]


class TestRestored:
    """A record that was moved to a server whose transactions have lower numbers."""

    @pytest.fixture
    def url(self) -> str:
        return fresh_database()

    @pytest.fixture
    def other(self, url: str) -> Iterator[Bystander]:
        with contextlib.closing(Bystander(url)) as opened:
            yield opened

    async def opened(self, url: str) -> PostgresDatabase:
        database = PostgresDatabase(url)
        await database.open()
        return database

    async def test_it_goes_on_and_old_cursors_lead_nowhere(self, url: str, other: Bystander) -> None:
        database = await self.opened(url)
        was = await database.read(CursorNow())
        await submitted(database)
        await database.close()
        other.do("UPDATE snapasset.job_events SET horizon = horizon + 1000000000")
        database = await self.opened(url)
        now = await database.read(CursorNow())
        assert not was.leads_on_to(now)
        assert now.leads_on_to(now)
        fresh = await submitted(database)
        assert (fresh.id, 1) in names(await rest(database, now))
        await database.close()

    async def test_one_that_was_not_moved_stays_as_it_is(self, url: str, other: Bystander) -> None:
        database = await self.opened(url)
        await submitted(database)
        before = other.ask("SELECT horizon, era FROM snapasset.job_events, snapasset.record")
        again = await self.opened(url)
        assert other.ask("SELECT horizon, era FROM snapasset.job_events, snapasset.record") == before
        for one in (again, database):
            await one.close()


async def test_a_page_of_what_follows_is_found_by_the_index_however_much_there_is(
    record: PostgresRecord, database: Database
) -> None:
    now = await database.read(CursorNow())
    owners = [f"session:{mark * 64}" for mark in "ab"]
    record.glimpse(
        "INSERT INTO job_events (job_id, seq, type, body, at, owner) SELECT 'job-' || n, 1, 'update', repeat('x', 200), 0, "
        "CASE WHEN n % 3 = 0 THEN $1 WHEN n % 100 = 1 THEN $2 ELSE 'session:' || md5(CAST(n AS text)) END "
        "FROM generate_series(1, 30000) AS n RETURNING 1",
        *owners,
    )
    record.glimpse("ANALYZE job_events")
    for owner in owners:
        statement = next(OwnerEventsAfter(owner, now, 100).steps())
        assert isinstance(statement, Statement)
        plan = "\n".join(line for (line,) in await database.read(Look(f"EXPLAIN {statement.sql}", statement.params)))
        assert plan.count("job_events_of_owner") == 2
        assert "Seq Scan" not in plan
        if owner == owners[0]:
            assert "Bitmap" not in plan, "it reads all that is left, for each page"
