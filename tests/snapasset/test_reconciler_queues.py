"""For which queues the reconciler rings, and how often: never for what nobody may claim or nobody here could run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snapasset.database.sqlite import SqliteDatabase
from snapasset.reconciler import Reconciler
from snapasset.records.queues import LimitQueue, PauseQueue, ResumeQueue
from snapasset.records.workers import LiveWorkers, WorkerBeat, WorkerRow
from snapasset.settings import Settings
from snapasset.switch import Switch
from tests.contracts.record_backends import Do
from tests.contracts.record_jobs import KIND, QUEUE, held, submitted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SETTINGS = Settings(ring_cap=4)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = SqliteDatabase(tmp_path / "record.db", synchronous="NORMAL")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    opened = Switch((QUEUE,), SETTINGS, ring_timeout=60)
    await opened.open("record-1")
    yield opened
    await opened.close()


async def test_for_a_paused_queue_it_does_not_ring(database: SqliteDatabase, switch: Switch) -> None:
    reconciler = Reconciler(database, switch, {QUEUE: (KIND,)}, SETTINGS)
    await submitted(database)
    await database.write(PauseQueue(QUEUE))
    await reconciler.tick()
    assert await switch.waiting_rings(QUEUE) == 0
    await database.write(ResumeQueue(QUEUE))
    await reconciler.tick()
    assert await switch.waiting_rings(QUEUE) == 1


async def test_it_rings_for_no_more_than_may_be_claimed(database: SqliteDatabase, switch: Switch) -> None:
    reconciler = Reconciler(database, switch, {QUEUE: (KIND,)}, SETTINGS)
    await database.write(LimitQueue(QUEUE, 3, None, None))
    await held(database)
    for _ in range(5):
        await submitted(database)
    await reconciler.tick()
    assert await switch.waiting_rings(QUEUE) == 2


async def test_a_kind_that_nobody_here_knows_gets_no_ring(database: SqliteDatabase, switch: Switch) -> None:
    await submitted(database)
    await Reconciler(database, switch, {QUEUE: ("another",)}, SETTINGS).tick()
    assert await switch.waiting_rings(QUEUE) == 0
    await Reconciler(database, switch, {QUEUE: ("another", KIND)}, SETTINGS).tick()
    assert await switch.waiting_rings(QUEUE) == 1


async def test_of_processes_long_silent_nothing_is_kept(database: SqliteDatabase, switch: Switch) -> None:
    await database.write(WorkerBeat(WorkerRow("w", "worker", "there", 1, "0", (KIND,), (QUEUE,))))
    await database.write(Do("UPDATE workers SET seen_at = seen_at - 700000"))
    await Reconciler(database, switch, {}, SETTINGS).tick()
    assert await database.read(LiveWorkers(10_000_000)) == []
