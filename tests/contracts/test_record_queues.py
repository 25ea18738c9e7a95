"""Queues that are paused or limited: no process claims beyond that, however many ask at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Both, Statement, Together, Write
from snapasset.records.claims import Claim, GiveBack
from snapasset.records.endings import Complete
from snapasset.records.queues import LimitQueue, PauseQueue, QueueRoom, QueueRooms, ResumeQueue
from tests.contracts.record_backends import Look, Nothing
from tests.contracts.record_jobs import CLAIM, KIND, QUEUE, WORKER, a_job, claimed, stored, submitted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snapasset.database import Database
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock, Record

OTHER = "chores"
CLAIM_OTHER = Claim(OTHER, (KIND,), WORKER)
SECOND = 1000


async def filled(database: Database, jobs: int = 5, queue: str = QUEUE) -> None:
    await asyncio.gather(*(database.write(a_job(queue=queue)) for _ in range(jobs)))


async def limited(
    database: Database, concurrency: int | None = None, rate: tuple[int, int] | None = None, queue: str = QUEUE
) -> None:
    """`rate`: how many, within how many ms."""
    rate_jobs, rate_ms = rate or (None, None)
    await database.write(LimitQueue(queue, concurrency, rate_jobs, rate_ms))


async def claim_all(databases: Iterable[Database], claims: int, claim: Claim = CLAIM) -> list[Job]:
    """What each of the processes gets that asks so often, all at the same time."""
    asked = (database.write(claim) for database in databases for _ in range(claims))
    return [job for job in await asyncio.gather(*asked) if job is not None]


async def rooms(database: Database) -> dict[str, int | None]:
    return {name: room.room for name, room in (await database.read(QueueRooms())).items()}


async def counted(database: Database) -> int:
    [(claims,)] = await database.read(Look("SELECT count(*) FROM queue_claims"))
    return claims


def done(job: Job) -> Complete:
    return Complete(job.id, job.fence, "{}")


class TestPause:
    async def test_nobody_claims_and_other_queues_go_on(self, database: Database) -> None:
        await filled(database, 1)
        other = await submitted(database, queue=OTHER)
        await database.write(PauseQueue(QUEUE))
        assert await database.write(CLAIM) is None
        assert (await claimed(database, CLAIM_OTHER)).id == other.id
        assert await database.read(QueueRooms()) == {QUEUE: QueueRoom(True, None, None, None, 0)}

    async def test_one_that_pauses_itself_says_why_until_it_goes_on(self, database: Database) -> None:
        await database.write(PauseQueue(QUEUE, "first"))
        await database.write(PauseQueue(QUEUE, "second"))
        assert await database.read(QueueRooms()) == {QUEUE: QueueRoom(True, None, None, None, 0, "first")}
        await database.write(LimitQueue(QUEUE, 3, None, None))
        await database.write(ResumeQueue(QUEUE))
        assert await database.read(QueueRooms()) == {QUEUE: QueueRoom(False, 3, None, None, 3)}
        await database.write(PauseQueue(QUEUE, "third"))
        assert (await database.read(QueueRooms()))[QUEUE].reason == "third"

    async def test_whoever_pauses_it_has_the_last_word(self, database: Database) -> None:
        for reasons in ((None, "quota"), ("quota", None)):
            for reason in reasons:
                await database.write(PauseQueue(QUEUE, reason))
            assert await database.read(QueueRooms()) == {QUEUE: QueueRoom(True, None, None, None, 0)}
            await database.write(ResumeQueue(QUEUE))

    async def test_every_process_sees_it_at_once_and_so_it_does_the_end(
        self, record: Record, database: Database
    ) -> None:
        await filled(database)
        another = await record.open()
        await claimed(another)
        await database.write(PauseQueue(QUEUE))
        assert await another.write(CLAIM) is None
        await another.write(ResumeQueue(QUEUE))
        await claimed(database)
        assert await database.read(QueueRooms()) == {}

    async def test_what_runs_ends_and_takes_nothing_new(self, database: Database) -> None:
        await filled(database)
        job = await claimed(database)
        await database.write(PauseQueue(QUEUE))
        ended, following = await database.write(Both(done(job), CLAIM))
        assert ended is not None
        assert ended.status == "completed"
        assert following is None

    async def test_claims_handed_in_behind_it_find_it(self, record: Record, database: Database) -> None:
        await filled(database)
        changes: list[Write[Any]] = [CLAIM, PauseQueue(QUEUE), CLAIM, CLAIM]
        async with record.busy(database):
            asked = [asyncio.create_task(database.write(change)) for change in changes]
            await asyncio.sleep(0)
        first, _, *late = await asyncio.gather(*asked)
        assert first is not None
        assert late == [None, None]

    async def test_it_keeps_the_limits_and_twice_is_as_good_as_once(self, database: Database) -> None:
        await limited(database, 2, (3, SECOND))
        for _ in range(2):
            await database.write(PauseQueue(QUEUE))
            assert await database.read(QueueRooms()) == {QUEUE: QueueRoom(True, 2, 3, SECOND, 0)}
        for _ in range(2):
            await database.write(ResumeQueue(QUEUE))
            assert await database.read(QueueRooms()) == {QUEUE: QueueRoom(False, 2, 3, SECOND, 2)}

    async def test_limits_that_are_set_meanwhile_do_not_end_it(self, database: Database) -> None:
        await filled(database)
        await database.write(PauseQueue(QUEUE))
        await limited(database, 2)
        await limited(database)
        assert await database.write(CLAIM) is None

    async def test_resuming_a_queue_that_goes_on_is_harmless(self, database: Database) -> None:
        await database.write(ResumeQueue(QUEUE))
        assert await database.read(QueueRooms()) == {}


class TestConcurrency:
    async def test_only_so_many_are_active_and_whoever_ends_makes_room(self, database: Database) -> None:
        await filled(database)
        await limited(database, 2)
        first, _ = await claimed(database), await claimed(database)
        assert await database.write(CLAIM) is None
        await database.write(done(first))
        assert await rooms(database) == {QUEUE: 1}
        await claimed(database)
        assert await database.write(CLAIM) is None

    async def test_the_most_urgent_of_the_kinds_goes_first_as_ever(self, database: Database) -> None:
        await limited(database, 2, (2, SECOND))
        await submitted(database, kind="clean", priority=5)
        await submitted(database)
        urgent = await submitted(database, priority=1)
        job = await claimed(database)
        assert job == await stored(database, urgent.id)
        assert (job.status, job.attempt, job.fence, job.worker_id) == ("active", 1, 1, WORKER)

    async def test_processes_that_ask_at_once_never_take_more(self, record: Record, database: Database) -> None:
        await filled(database, 30)
        await limited(database, 7)
        databases = [database, await record.open(), await record.open()]
        jobs = await claim_all(databases, 10)
        assert len(jobs) == 7
        for _ in range(3):
            changes = [Both(done(job), CLAIM) for job in jobs]
            answers = await asyncio.gather(*(databases[n % 3].write(one) for n, one in enumerate(changes)))
            jobs = [job for _, job in answers if job is not None]
            jobs += await claim_all(databases, 3)
            [(active,)] = await database.read(Look("SELECT count(*) FROM jobs WHERE status = 'active'"))
            assert len(jobs) == active == 7

    async def test_claims_of_one_commit_count_each_other(self, record: Record, database: Database) -> None:
        await filled(database, 10)
        await limited(database, 3)
        held = await claimed(database)
        changes: list[Write[Any]] = [CLAIM, Both(done(held), CLAIM), *[CLAIM] * 6, PauseQueue(OTHER), CLAIM]
        async with record.busy(database):
            asked = [asyncio.create_task(database.write(change)) for change in changes]
            await asyncio.sleep(0)
        await asyncio.gather(*asked)
        assert await rooms(database) == {QUEUE: 0, OTHER: 0}
        [(active,)] = await database.read(Look("SELECT count(*) FROM jobs WHERE status = 'active'"))
        assert active == 3

    async def test_who_counts_waits_for_who_has_counted(self, record: Record, database: Database) -> None:
        await filled(database)
        await limited(database, 1)
        another = await record.open()
        first = record.halfway(CLAIM)
        asked = asyncio.create_task(database.write(first))
        await first.reached()
        late = asyncio.create_task(another.write(CLAIM))
        await asyncio.wait([late], timeout=0.1)
        assert not late.done()
        first.go_on()
        assert await asked is not None
        assert await late is None

    async def test_queues_do_not_count_each_others_jobs(self, record: Record, database: Database) -> None:
        for queue in (QUEUE, OTHER):
            await filled(database, 5, queue)
            await limited(database, 2, queue=queue)
        databases = [database, await record.open()]
        both = await asyncio.gather(claim_all(databases, 4), claim_all(databases, 4, CLAIM_OTHER))
        assert list(map(len, both)) == [2, 2]

    async def test_what_was_claimed_before_counts(self, database: Database) -> None:
        await filled(database)
        jobs = [await claimed(database) for _ in range(3)]
        await limited(database, 2)
        assert await rooms(database) == {QUEUE: 0}
        await database.write(done(jobs[0]))
        assert await database.write(CLAIM) is None
        await database.write(done(jobs[1]))
        await claimed(database)

    async def test_without_it_all_go(self, database: Database) -> None:
        await filled(database)
        await limited(database, 1)
        await claimed(database)
        await limited(database)
        assert len(await claim_all([database], 5)) == 4
        assert await database.read(QueueRooms()) == {}


class TestRate:
    async def test_the_window_slides(self, database: Database, clock: Clock) -> None:
        await filled(database)
        await limited(database, rate=(2, 60 * SECOND))
        await claimed(database)
        clock.move(20 * SECOND)
        await claimed(database)
        clock.move(40 * SECOND - 1)
        assert await database.write(CLAIM) is None
        clock.move(1)
        assert await rooms(database) == {QUEUE: 1}
        await claimed(database)
        clock.move(20 * SECOND - 1)
        assert await database.write(CLAIM) is None
        clock.move(1)
        await claimed(database)
        assert await database.write(CLAIM) is None

    async def test_processes_that_ask_at_once_never_take_more(
        self, record: Record, database: Database, clock: Clock
    ) -> None:
        await filled(database, 30)
        await limited(database, rate=(7, SECOND))
        databases = [database, await record.open(), await record.open()]
        for _ in range(3):
            jobs = await claim_all(databases, 5)
            endings = [done(job) for job in jobs]
            await asyncio.gather(*map(database.write, endings))
            assert len(jobs) == 7
            assert await claim_all(databases, 2) == []
            clock.move(SECOND)

    async def test_the_narrower_of_two_limits_holds(self, database: Database, clock: Clock) -> None:
        await filled(database, 10)
        await limited(database, 3, (4, SECOND))
        jobs = await claim_all([database], 5)
        assert len(jobs) == 3
        for job in jobs:
            await database.write(done(job))
        assert await rooms(database) == {QUEUE: 1}
        assert len(await claim_all([database], 5)) == 1
        clock.move(SECOND)
        assert await rooms(database) == {QUEUE: 2}

    async def test_a_claim_given_back_has_used_its_place_though_no_attempt(
        self, database: Database, clock: Clock
    ) -> None:
        await filled(database, 1)
        await limited(database, rate=(1, SECOND))
        job = await claimed(database)
        back = await database.write(GiveBack(job.id, job.fence))
        assert back is not None
        assert (back.status, back.attempt) == ("waiting", 0)
        assert await database.write(CLAIM) is None
        clock.move(SECOND)
        assert (await claimed(database)).attempt == 1

    async def test_a_claim_whose_caller_has_gone_has_used_its_place(self, record: Record, database: Database) -> None:
        job = await submitted(database)
        await limited(database, 1, (1, SECOND))
        gate = record.halfway(Nothing())
        task = asyncio.create_task(database.write(Both(CLAIM, gate)))
        await gate.reached()
        task.cancel()
        gate.go_on()
        for _ in range(2):  # the first is answered when the claim is to be undone, the second when it has been
            await database.write(Nothing())
        after = await stored(database, job.id)
        assert (after.status, after.attempt) == ("waiting", 0)
        assert await rooms(database) == {QUEUE: 0}
        assert await counted(database) == 1

    async def test_a_claim_that_finds_nothing_uses_no_place(self, database: Database) -> None:
        await submitted(database, kind="clean")
        await limited(database, rate=(1, SECOND))
        assert await database.write(CLAIM) is None
        assert await counted(database) == 0

    async def test_no_more_is_kept_than_is_looked_at(self, database: Database, clock: Clock) -> None:
        await filled(database, 10)
        await limited(database, rate=(2, SECOND))
        for _ in range(5):
            await claimed(database)
            clock.move(SECOND - 1)
        assert await counted(database) == 2
        await limited(database, 9)
        assert await counted(database) == 0

    async def test_another_rate_counts_what_this_one_has_counted(self, database: Database, clock: Clock) -> None:
        await filled(database)
        await limited(database, rate=(3, SECOND))
        await claimed(database)
        await claimed(database)
        clock.move(SECOND // 2)
        await limited(database, rate=(3, 2 * SECOND))
        assert await rooms(database) == {QUEUE: 1}
        await limited(database, rate=(3, SECOND // 2))
        assert await rooms(database) == {QUEUE: 3}

    async def test_a_clock_that_is_set_back_a_little_loosens_nothing_and_far_back_stops_nothing(
        self, database: Database, clock: Clock
    ) -> None:
        await filled(database)
        await limited(database, rate=(1, SECOND))
        await claimed(database)
        clock.move(-SECOND)
        assert await database.write(CLAIM) is None
        clock.move(-1)
        await claimed(database)
        assert await counted(database) == 1


def test_a_claim_from_a_queue_without_a_row_is_one_statement() -> None:
    steps = CLAIM.steps()
    statement = next(steps)
    assert isinstance(statement, Statement)
    assert statement.together is Together.TAKES
    second = steps.send([])
    assert isinstance(second, Statement)
    assert second.sql.startswith("SELECT")
    with pytest.raises(StopIteration):
        steps.send([])
