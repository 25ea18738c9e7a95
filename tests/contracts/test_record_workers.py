"""Who works: a process is live as long as it says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from snapasset.records.claims import Claim
from snapasset.records.workers import Dismiss, LiveWorkers, PurgeWorkers, WorkerBeat, WorkerRow, WorkerSeen
from tests.contracts.record_backends import Look
from tests.contracts.record_jobs import KIND, QUEUE, claimed, ended, submitted

if TYPE_CHECKING:
    from snapasset.database import Database
    from tests.contracts.record_backends import Clock, Record

LEASE = 15_000
ONE = WorkerRow("worker-1", "worker", "host-1", 4711, "1.2.3", (KIND, "clean"), (QUEUE, "chores"))
TWO = WorkerRow("worker-2", "api", "host-2", 4712, "1.2.4", (), ())


async def live(database: Database) -> list[str]:
    return [worker.id for worker in await database.read(LiveWorkers(LEASE))]


async def test_it_is_seen_as_it_tells_of_itself(database: Database, clock: Clock) -> None:
    began = clock.now
    await database.write(WorkerBeat(ONE))
    assert await database.read(LiveWorkers(LEASE)) == [WorkerSeen(*ONE, began, began, ())]
    clock.move(5000)
    changed = ONE._replace(queues=(QUEUE,), kinds=())
    await database.write(WorkerBeat(changed))
    assert await database.read(LiveWorkers(LEASE)) == [WorkerSeen(*changed, began, began + 5000, ())]


async def test_it_is_live_within_its_lease_and_again_when_it_wakes(database: Database, clock: Clock) -> None:
    await database.write(WorkerBeat(ONE))
    clock.move(LEASE - 1)
    await database.write(WorkerBeat(TWO))
    assert await live(database) == [ONE.id, TWO.id]
    clock.move(1)
    assert await live(database) == [TWO.id]
    await database.write(WorkerBeat(ONE))
    assert await live(database) == [ONE.id, TWO.id]


async def test_it_is_shown_with_what_it_holds(database: Database) -> None:
    jobs = [await submitted(database) for _ in range(4)]
    await database.write(WorkerBeat(TWO))
    await database.write(WorkerBeat(ONE))
    await ended(database, jobs[0])
    for _ in range(2):
        await claimed(database, Claim(QUEUE, (KIND,), ONE.id))
    await claimed(database, Claim(QUEUE, (KIND,), "a process that never told of itself"))
    seen = {worker.id: worker.running for worker in await database.read(LiveWorkers(LEASE))}
    assert seen == {ONE.id: tuple(sorted((jobs[1].id, jobs[2].id))), TWO.id: ()}


async def test_it_is_gone_when_it_is_dismissed(database: Database) -> None:
    for worker in (ONE, TWO):
        await database.write(WorkerBeat(worker))
    for _ in range(2):
        await database.write(Dismiss(ONE.id))
        assert await live(database) == [TWO.id]


async def test_the_rows_of_those_long_silent_go(database: Database, clock: Clock) -> None:
    await database.write(WorkerBeat(ONE))
    clock.move(1)
    await database.write(WorkerBeat(TWO))
    clock.move(LEASE - 1)
    assert await database.write(PurgeWorkers(LEASE)) == 1
    assert await database.read(Look("SELECT id FROM workers")) == [(TWO.id,)]
    assert await database.write(PurgeWorkers(LEASE)) == 0


async def test_the_word_of_a_dead_one_from_before_the_clock_was_set_back_counts_for_nothing(
    database: Database, clock: Clock
) -> None:
    for worker in (ONE, TWO):
        await database.write(WorkerBeat(worker))
    clock.move(-LEASE)
    assert await live(database) == [ONE.id, TWO.id], "so far either may be late"
    clock.move(-1)
    await database.write(WorkerBeat(TWO))
    assert await live(database) == [TWO.id]
    assert await database.write(PurgeWorkers(LEASE)) == 1
    assert await database.read(Look("SELECT id FROM workers")) == [(TWO.id,)]


async def test_many_processes_beat_at_once(record: Record, database: Database) -> None:
    databases = [database, await record.open()]
    workers = [ONE._replace(id=f"worker-{n % 10}") for n in range(40)]
    await asyncio.gather(*(databases[n % 2].write(WorkerBeat(worker)) for n, worker in enumerate(workers)))
    seen = await database.read(LiveWorkers(LEASE))
    assert [worker.id for worker in seen] == [f"worker-{n}" for n in range(10)]
