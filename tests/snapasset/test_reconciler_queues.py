"""For which queues the reconciler rings, and how often: never for what nobody may claim or nobody here could run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


class ServingSwitch(Switch):
    """One that notes for which jobs the worker of this process is rung."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.rung_here: list[str] = []

    async def ring_here(self, queue: str, job_id: str, kind: str, fence: int) -> bool:
        self.rung_here.append(job_id)
        return await super().ring_here(queue, job_id, kind, fence)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = SqliteDatabase(tmp_path / "record.db", synchronous="NORMAL")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def switch() -> AsyncIterator[ServingSwitch]:
    opened = ServingSwitch((QUEUE,), SETTINGS, ring_timeout=60, serves=True)
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


async def test_jobs_that_stay_ready_are_rung_for_here_though_their_rings_wait_elsewhere(
    database: SqliteDatabase, switch: ServingSwitch
) -> None:
    reconciler = Reconciler(database, switch, {QUEUE: (KIND,)}, SETTINGS)
    job = await submitted(database)
    for _ in range(3):
        await reconciler.tick()
    assert switch.rung_here == []
    await reconciler.tick()
    assert switch.rung_here == [job.id]
    await database.write(PauseQueue(QUEUE))
    await reconciler.tick()
    await database.write(ResumeQueue(QUEUE))
    await reconciler.tick()
    assert switch.rung_here == [job.id], "it was not ready all the while"
