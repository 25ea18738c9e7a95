"""Jobs that wait for others: whom they may name, what frees them, what fails them, and who puts right what a crash left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import DependencyFailed, InvalidInput
from snapasset.job import new_id
from snapasset.records.claims import Claim, GiveBack
from snapasset.records.dependencies import (
    PARENTS_LIMIT,
    BlockedAstray,
    MendBlocked,
    ReadyDependant,
    ReadyDependants,
)
from snapasset.records.endings import Cancel, Complete, EndCancelled, Fail
from snapasset.records.submission import SubmitAll
from snapasset.records.upkeep import Expire, HeldJobs, NextDue, Promote, Reap
from tests.contracts.record_backends import Do, Look
from tests.contracts.record_jobs import (
    CLAIM,
    FAULT,
    KIND,
    OWNER,
    QUEUE,
    STRANGER,
    WORKER,
    a_job,
    claimed,
    ended,
    gone,
    held,
    last_told,
    stored,
    submitted,
    told,
)

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock


async def child_of(database: Database, *parents: Job, **more: Any) -> Job:
    return await submitted(database, depends_on=tuple(parent.id for parent in parents), **more)


async def statuses(database: Database, *jobs: Job) -> list[str]:
    return [(await stored(database, job.id)).status for job in jobs]


async def count(database: Database, table: str = "jobs") -> int:
    [(rows,)] = await database.read(Look(f"SELECT count(*) FROM {table}"))
    return rows


async def unfinished_parent(database: Database, state: str) -> Job:
    if state == "delayed":
        return await submitted(database, delay_ms=1000)
    if state == "blocked":
        return await child_of(database, await submitted(database))
    if state == "waiting":
        return await submitted(database)
    job = await held(database)
    return job if state == "active" else await database.write(Cancel(job.id, OWNER))


class TestNamingParents:
    @pytest.mark.parametrize("state", ["waiting", "delayed", "blocked", "active", "being cancelled"])
    async def test_a_job_waits_for_one_that_has_not_ended(self, database: Database, state: str) -> None:
        parent = await unfinished_parent(database, state)
        job = await child_of(database, parent)
        assert (job.status, job.depends_on) == ("blocked", json.dumps([parent.id]))
        assert (await stored(database, parent.id)).dependants == 1
        await child_of(database, parent)
        assert (await stored(database, parent.id)).dependants == 2
        assert [(event["type"], event["status"]) for event in await told(database, job.id)] == [("update", "blocked")]

    async def test_nobody_claims_it(self, database: Database) -> None:
        parent = await held(database)
        await child_of(database, parent, priority=10)
        assert await database.write(CLAIM) is None

    async def test_a_completed_one_keeps_nobody_waiting(self, database: Database) -> None:
        parent = await ended(database, await submitted(database))
        job = await child_of(database, parent)
        assert (job.status, job.depends_on) == ("waiting", json.dumps([parent.id]))
        delayed = await child_of(database, parent, delay_ms=1000)
        assert delayed.status == "delayed"

    @pytest.mark.parametrize("status", ["failed", "cancelled"])
    async def test_one_that_ended_badly_refuses_it_and_is_named(self, database: Database, status: str) -> None:
        good = await submitted(database, kind="clean")
        bad = await ended(database, await submitted(database), status)
        with pytest.raises(DependencyFailed, match=f"{bad.id}, which is {status}"):
            await child_of(database, good, bad)
        assert await count(database) == 2
        assert await count(database, "dependencies") == 0
        assert [(await stored(database, job.id)).dependants for job in (good, bad)] == [0, 0]

    async def test_a_strangers_and_a_missing_one_look_alike_and_each_is_pointed_at(self, database: Database) -> None:
        mine, theirs = await submitted(database), await submitted(database, owner=STRANGER)
        with pytest.raises(InvalidInput) as raised:
            await submitted(database, depends_on=(mine.id, theirs.id, new_id()))
        assert raised.value.fields.keys() == {"options.dependsOn.1", "options.dependsOn.2"}
        assert len(set(raised.value.fields.values())) == 1
        assert await count(database) == 2
        assert (await stored(database, mine.id)).dependants == 0

    async def test_there_are_so_many_and_no_more(self, database: Database) -> None:
        parents = [await submitted(database) for _ in range(PARENTS_LIMIT + 1)]
        with pytest.raises(InvalidInput, match="not valid") as raised:
            await child_of(database, *parents)
        assert raised.value.fields.keys() == {"options.dependsOn"}
        assert str(PARENTS_LIMIT) in raised.value.fields["options.dependsOn"]
        assert (await child_of(database, *parents[1:])).status == "blocked"

    async def test_each_is_named_once(self, database: Database) -> None:
        parent = await submitted(database)
        with pytest.raises(InvalidInput) as raised:
            await child_of(database, parent, parent)
        assert raised.value.fields.keys() == {"options.dependsOn"}
        assert await count(database) == 1


class TestComingFree:
    async def test_the_last_of_its_parents_frees_it_and_that_is_told(self, database: Database, clock: Clock) -> None:
        parents = [await submitted(database) for _ in range(3)]
        job = await child_of(database, *parents)
        for parent in parents:
            assert await statuses(database, job) == ["blocked"]
            clock.move(100)
            await ended(database, parent)
        free = await stored(database, job.id)
        assert (free.status, free.fence, free.updated_at) == ("waiting", 0, clock.now)
        assert [(event["type"], event["status"]) for event in await told(database, job.id)] == [
            ("update", "blocked"),
            ("update", "waiting"),
        ]
        assert await database.read(ReadyDependants(parents[-1].id)) == [ReadyDependant(job.id, KIND, QUEUE, 0)]

    async def test_ready_dependants_are_only_those_that_may_run(self, database: Database) -> None:
        parent, other = await submitted(database), await submitted(database)
        await child_of(database, parent, other)
        assert await database.read(ReadyDependants(parent.id)) == []
        late = await child_of(database, parent, delay_ms=1000)
        free = await child_of(database, parent)
        await submitted(database)
        await ended(database, parent)
        assert [ready.id for ready in await database.read(ReadyDependants(parent.id))] == [free.id]
        assert await statuses(database, late) == ["delayed"]

    async def test_it_queues_up_when_it_comes_free(self, database: Database, clock: Clock) -> None:
        parent = await held(database)
        job, urgent = await child_of(database, parent), await child_of(database, parent, priority=1)
        clock.move(59_000)
        before = await submitted(database)
        clock.move(1000)
        await database.write(Complete(parent.id, parent.fence, "{}"))
        clock.move(1000)
        after = await submitted(database)
        assert [(await claimed(database)).id for _ in range(4)] == [urgent.id, before.id, job.id, after.id]

    async def test_a_delay_goes_on_while_it_is_blocked(self, database: Database, clock: Clock) -> None:
        parent = await held(database)
        job = await child_of(database, parent, delay_ms=5000)
        assert (job.status, job.due_at) == ("blocked", clock.now + 5000)
        assert await database.read(NextDue()) is None
        clock.move(3000)
        await database.write(Complete(parent.id, parent.fence, "{}"))
        late = await stored(database, job.id)
        assert (late.status, late.due_at) == ("delayed", clock.now + 2000)
        assert await database.read(NextDue()) == 2000
        clock.move(1000)
        before = await submitted(database)
        clock.move(2000)
        after = await submitted(database)
        assert [ready.id for ready in await database.write(Promote())] == [job.id]
        assert [(await claimed(database)).id for _ in range(3)] == [before.id, job.id, after.id]

    async def test_a_delay_that_is_over_by_then_is_none(self, database: Database, clock: Clock) -> None:
        parent = await held(database)
        job = await child_of(database, parent, delay_ms=5000)
        clock.move(5000)
        assert await database.write(Promote()) == []
        assert await statuses(database, job) == ["blocked"]
        await database.write(Complete(parent.id, parent.fence, "{}"))
        free = await stored(database, job.id)
        assert (free.status, free.due_at) == ("waiting", None)

    @pytest.mark.parametrize("way", ["given back", "tried again later", "reaped"])
    async def test_a_parent_that_has_not_ended_keeps_it_waiting(self, database: Database, way: str) -> None:
        parent = await held(database)
        job = await child_of(database, parent)
        if way == "given back":
            await database.write(GiveBack(parent.id, parent.fence))
        elif way == "tried again later":
            await database.write(Fail(parent.id, parent.fence, FAULT, retryable=True, delay_ms=0))
            await database.write(Promote())
        else:
            [seen] = await database.read(HeldJobs())
            await database.write(Reap(seen))
        assert await statuses(database, parent, job) == ["waiting", "blocked"]
        await ended(database, parent)
        assert await statuses(database, job) == ["waiting"]

    async def test_in_a_diamond_it_is_freed_once(self, database: Database) -> None:
        top = await submitted(database)
        left, right = await child_of(database, top), await child_of(database, top)
        bottom = await child_of(database, left, right)
        for job in (top, left, right):
            assert await statuses(database, bottom) == ["blocked"]
            await ended(database, job)
        assert await statuses(database, bottom) == ["waiting"]
        assert len(await told(database, bottom.id)) == 2


async def end_badly(database: Database, clock: Clock, way: str) -> Job:
    """Have a job end badly that another waits for; returns the other."""
    attempts = {"attempts": 1, "ttl_ms": 1000}
    if way == "expired":
        job = await child_of(database, await submitted(database, **attempts))
        clock.move(1000)
        await database.write(Expire())
        return job
    if way == "cancelled at once":
        parent = await submitted(database)
        job = await child_of(database, parent)
        await database.write(Cancel(parent.id, OWNER))
        return job
    parent = await held(database, **attempts)
    job = await child_of(database, parent)
    if way.startswith("cancelled"):
        await database.write(Cancel(parent.id, OWNER))
    [seen] = await database.read(HeldJobs())
    ends: dict[str, Any] = {
        "failed": Fail(parent.id, parent.fence, FAULT, retryable=True, delay_ms=0),
        "reaped": Reap(seen),
        "cancelled while it ran": EndCancelled(parent.id, parent.fence),
        "cancelled, and completed all the same": Complete(parent.id, parent.fence, "{}"),
        "cancelled, and failed all the same": Fail(parent.id, parent.fence, FAULT, retryable=True, delay_ms=0),
        "cancelled, and given back": GiveBack(parent.id, parent.fence),
        "cancelled, and reaped": Reap(seen),
    }
    await database.write(ends[way])
    return job


class TestFailingTogether:
    @pytest.mark.parametrize(
        "way",
        [
            "failed",
            "reaped",
            "expired",
            "cancelled at once",
            "cancelled while it ran",
            "cancelled, and completed all the same",
            "cancelled, and failed all the same",
            "cancelled, and given back",
            "cancelled, and reaped",
        ],
    )
    async def test_however_its_parent_ends_badly_it_fails(self, database: Database, clock: Clock, way: str) -> None:
        job = await end_badly(database, clock, way)
        failed = await stored(database, job.id)
        assert (failed.status, failed.fence, failed.finished_at, failed.attempt) == ("failed", 1, clock.now, 0)
        error = json.loads(failed.error or "")
        assert (error["code"], error["retryable"]) == ("dependency_failed", False)
        events = await told(database, job.id)
        assert [(event["type"], event["status"]) for event in events] == [("update", "blocked"), ("final", "failed")]
        assert events[-1]["error"] == error

    async def test_one_bad_parent_is_enough_and_the_others_change_nothing_then(self, database: Database) -> None:
        good, bad, late = [await submitted(database) for _ in range(3)]
        job = await child_of(database, good, bad, late, delay_ms=1000)
        await ended(database, good)
        await ended(database, bad, "failed")
        assert await statuses(database, job) == ["failed"]
        assert (await stored(database, job.id)).due_at is None
        await ended(database, late)
        assert await statuses(database, job) == ["failed"]
        assert len(await told(database, job.id)) == 2

    async def test_it_goes_on_down_a_chain_of_a_thousand(self, database: Database) -> None:
        ids = [new_id() for _ in range(1001)]
        links = [a_job(id_, depends_on=(ids[n - 1],) if n else ()) for n, id_ in enumerate(ids)]
        first, *_ = await database.write(SubmitAll(tuple(links), tuple(range(len(links)))))
        await ended(database, first, "failed")
        by_status = Look("SELECT status, count(*), max(seq) FROM jobs WHERE id <> $1 GROUP BY status", (first.id,))
        assert await database.read(by_status) == [("failed", 1000, 2)]
        assert await count(database, "job_events") == 2 * 1000 + 3
        assert (await last_told(database, ids[-1]))["error"]["code"] == "dependency_failed"

    async def test_what_is_above_or_beside_goes_on(self, database: Database) -> None:
        top = await submitted(database)
        middle, beside = await child_of(database, top), await child_of(database, top)
        below = await child_of(database, middle)
        await database.write(Cancel(middle.id, OWNER))
        assert await statuses(database, top, middle, beside, below) == ["waiting", "cancelled", "blocked", "failed"]

    async def test_in_a_diamond_it_fails_once(self, database: Database) -> None:
        top = await submitted(database)
        left, right = await child_of(database, top), await child_of(database, top)
        bottom = await child_of(database, left, right, top)
        await ended(database, top, "failed")
        assert await statuses(database, left, right, bottom) == ["failed"] * 3
        assert len(await told(database, bottom.id)) == 2

    async def test_one_that_was_cancelled_itself_is_not_told_again(self, database: Database) -> None:
        parent = await submitted(database)
        job = await child_of(database, parent)
        await database.write(Cancel(job.id, OWNER))
        await ended(database, parent, "failed")
        assert await statuses(database, job) == ["cancelled"]
        assert len(await told(database, job.id)) == 2


class TestMending:
    """What must not happen and does: a crash between two commits of other databases, a hand in the record."""

    async def end_by_hand(self, database: Database, job: Job, status: str) -> None:
        await database.write(
            Do("UPDATE jobs SET status = $2, finished_at = 1 WHERE id = $1 AND status <> $2", (job.id, status))
        )

    async def test_who_waits_for_somebody_is_left_alone(self, database: Database) -> None:
        done, running = await ended(database, await submitted(database)), await held(database)
        job = await child_of(database, done, running)
        chained = await child_of(database, job)
        assert await database.read(BlockedAstray()) is False
        assert await database.write(MendBlocked()) == []
        assert await statuses(database, job, chained) == ["blocked", "blocked"]

    async def test_one_whose_parents_have_all_completed_is_freed(self, database: Database, clock: Clock) -> None:
        parent = await held(database)
        job, late = await child_of(database, parent), await child_of(database, parent, delay_ms=1000)
        below = await child_of(database, job)
        await self.end_by_hand(database, parent, "completed")
        assert await database.read(BlockedAstray()) is True
        mended = await database.write(MendBlocked())
        assert {one.id: (one.status, one.due_at) for one in mended} == {
            job.id: ("waiting", None),
            late.id: ("delayed", clock.now + 1000),
        }
        assert (await last_told(database, job.id))["status"] == "waiting"
        assert await database.read(BlockedAstray()) is False
        await ended(database, job)
        assert await statuses(database, below) == ["waiting"]

    @pytest.mark.parametrize("status", ["failed", "cancelled"])
    async def test_one_with_a_parent_that_ended_badly_fails_and_so_on_down(
        self, database: Database, status: str
    ) -> None:
        good, bad = await submitted(database), await submitted(database)
        job = await child_of(database, good, bad)
        below = await child_of(database, job)
        await self.end_by_hand(database, bad, status)
        assert await database.read(BlockedAstray()) is True
        assert {one.id for one in await database.write(MendBlocked())} == {job.id, below.id}
        assert await statuses(database, good, job, below) == ["waiting", "failed", "failed"]
        assert (await last_told(database, below.id))["error"]["code"] == "dependency_failed"
        assert await database.read(BlockedAstray()) is False

    async def test_one_whose_parent_is_gone_fails_for_nobody_knows_that_it_went_well(self, database: Database) -> None:
        parent = await submitted(database)
        job = await child_of(database, parent)
        await gone(database, parent.id)
        assert await database.read(BlockedAstray()) is True
        assert [one.status for one in await database.write(MendBlocked())] == ["failed"]
        assert await statuses(database, job) == ["failed"]

    async def test_a_wrong_count_is_found_out(self, database: Database) -> None:
        parent = await submitted(database)
        job = await child_of(database, parent)
        await database.write(Do("UPDATE jobs SET blockers = 7 WHERE id = $1", (job.id,)))
        await ended(database, parent)
        assert await statuses(database, job) == ["blocked"]
        assert await database.read(BlockedAstray()) is True
        await database.write(MendBlocked())
        assert (await claimed(database, Claim(QUEUE, (KIND,), WORKER))).id == job.id
