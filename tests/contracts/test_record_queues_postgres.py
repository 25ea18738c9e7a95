"""Claims from queues with limits on PostgreSQL: what they cost, and whom they wait for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from snapasset.database.postgres_connection import LOCK_MS, begin, connect, settings_for
from snapasset.database.postgres_transaction import Transaction
from snapasset.records.claims import Claim
from snapasset.records.queues import LimitQueue, PauseQueue
from tests.contracts.conftest import wait_until
from tests.contracts.record_backends import WAIT
from tests.contracts.record_jobs import CLAIM, KIND, QUEUE, WORKER, a_job
from tests.contracts.record_postgres import PostgresRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from snapasset.database import Database, Row, Write
    from snapasset.database.postgres_connection import Driver

EARLIER = Claim("chores", (KIND,), WORKER)
"""From a queue whose name comes before that of `CLAIM`'s."""

_WAITS = (
    "SELECT 1 FROM pg_stat_activity WHERE application_name = 'snapasset' AND wait_event_type = 'Lock' AND query LIKE $1"
)


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[PostgresRecord]:
    opened = PostgresRecord(tmp_path)
    yield opened
    await opened.close()


async def test_queues_are_locked_in_one_order_so_that_nobody_waits_crosswise(
    record: PostgresRecord, database: Database
) -> None:
    for claim in (CLAIM, EARLIER):
        await database.write(LimitQueue(claim.queue, 3, None, None))
        await asyncio.gather(*(database.write(a_job(queue=claim.queue)) for _ in range(3)))
    holder, another = await record.open(), await record.open()
    first = record.halfway(EARLIER)
    held = asyncio.create_task(holder.write(first))
    await first.reached()
    asked = [asyncio.create_task(database.write(claim)) for claim in (CLAIM, EARLIER)]

    async def waits() -> object:
        return record.glimpse(_WAITS, "%queues%FOR UPDATE%")

    await wait_until(waits, WAIT)
    assert await another.write(CLAIM) is not None
    assert not any(task.done() for task in asked)
    first.go_on()
    assert None not in await asyncio.gather(held, *asked)


class Counting:
    """A connection that notes what is sent, several of one text as one."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.sent: list[str] = []

    async def fetch(self, sql: str, *params: object) -> object:
        self.sent.append(sql.split()[0])
        return await self._driver.fetch(sql, *params)

    fetch_often = fetch

    async def fetchmany(self, sql: str, params: list[Row]) -> object:
        self.sent.append(sql.split()[0])
        return await self._driver.fetchmany(sql, params)


@pytest.fixture
async def driver(record: PostgresRecord) -> AsyncIterator[Counting]:
    """In a transaction that is never committed."""
    connected = await connect(record.url)
    await begin(connected, "READ COMMITTED", {**settings_for(LOCK_MS), **record.settings()})
    yield Counting(connected)
    connected.terminate()


@pytest.mark.parametrize(
    ("limits", "claims", "sent"),
    [
        ((), 10, ["UPDATE"]),
        ((PauseQueue(QUEUE),), 0, ["UPDATE", "SELECT"]),
        ((PauseQueue("chores"), LimitQueue("late", 1, None, None)), 10, ["UPDATE"]),
    ],
)
async def test_ten_claims_are_one_statement_and_one_more_when_they_find_nothing(
    database: Database, driver: Counting, limits: Sequence[Write[None]], claims: int, sent: list[str]
) -> None:
    await asyncio.gather(*(database.write(a_job()) for _ in range(10)))
    for limit in limits:
        await database.write(limit)
    finished = await Transaction(cast("Any", driver), {}).run([CLAIM] * 10)
    assert sum(one.answer is not None for one in finished) == claims
    assert driver.sent == sent
