"""Trying a job again that others wait for, or that waits for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import Conflict, DependencyFailed, TooManyJobs
from snapasset.job import new_id
from snapasset.records.endings import Cancel
from snapasset.records.generations import Condemn
from snapasset.records.revival import Retry
from snapasset.records.submission import SubmitAll
from snapasset.records.upkeep import Expire
from tests.contracts.record_backends import Do, Look
from tests.contracts.record_jobs import CLAIM, OWNER, a_job, ended, gone, held, last_told, stored, submitted

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock


async def child_of(database: Database, *parents: Job, **more: Any) -> Job:
    return await submitted(database, depends_on=tuple(parent.id for parent in parents), **more)


async def again(database: Database, job: Job, limit: int | None = None, *, cascade: bool = False) -> Job:
    return await database.write(Retry(job.id, OWNER, limit, cascade))


async def statuses(database: Database, *jobs: Job) -> list[str]:
    return [(await stored(database, job.id)).status for job in jobs]


class TestAlone:
    async def test_those_that_failed_because_of_it_stay_failed(self, database: Database) -> None:
        parent = await submitted(database)
        job = await child_of(database, parent)
        await ended(database, parent, "failed")
        await again(database, parent)
        await ended(database, parent)
        assert await statuses(database, job) == ["failed"]

    @pytest.mark.parametrize("status", ["failed", "cancelled"])
    async def test_one_cannot_go_on_while_a_parent_of_it_has_ended_badly(self, database: Database, status: str) -> None:
        parent = await submitted(database)
        job = await child_of(database, parent)
        await ended(database, parent, status)
        before = await stored(database, job.id)
        with pytest.raises(DependencyFailed, match=parent.id):
            await again(database, job)
        assert await stored(database, job.id) == before

    async def test_it_waits_for_a_parent_that_runs_again(self, database: Database) -> None:
        parent = await submitted(database)
        job = await child_of(database, parent)
        await ended(database, parent, "failed")
        await again(database, parent)
        fresh = await again(database, job)
        assert (fresh.status, fresh.run, fresh.error) == ("blocked", 2, None)
        assert (await last_told(database, job.id))["status"] == "blocked"
        await ended(database, parent)
        assert await statuses(database, job) == ["waiting"]

    async def test_a_parent_that_has_completed_meanwhile_is_waited_for_no_more(self, database: Database) -> None:
        first, second = await submitted(database), await submitted(database)
        job = await child_of(database, first, second)
        await database.write(Cancel(job.id, OWNER))
        await ended(database, first)
        assert (await again(database, job)).status == "blocked"
        await ended(database, second)
        assert await statuses(database, job) == ["waiting"]
        await ended(database, job, "failed")
        assert (await again(database, job)).status == "waiting"

    async def test_a_parent_that_is_gone_ended_badly(self, database: Database) -> None:
        parent = await submitted(database)
        job = await child_of(database, parent)
        await ended(database, parent, "failed")
        await gone(database, parent.id)
        with pytest.raises(DependencyFailed):
            await again(database, job)

    async def test_a_completed_parent_that_was_removed_with_its_ties_is_no_hindrance(self, database: Database) -> None:
        parent = await submitted(database)
        job = await child_of(database, parent)
        await ended(database, parent)
        await ended(database, job, "failed")
        await gone(database, parent.id)
        await database.write(Do("DELETE FROM dependencies WHERE parent_id = $1", (parent.id,)))
        assert (await again(database, job)).status == "waiting"


class TestCascade:
    async def test_all_that_failed_because_of_it_wait_for_it_again(self, database: Database, clock: Clock) -> None:
        top = await submitted(database)
        middle = await child_of(database, top, delay_ms=1000)
        below = await child_of(database, middle)
        await ended(database, top, "failed")
        clock.move(5000)
        fresh = await again(database, top, cascade=True)
        assert (fresh.status, fresh.dependants) == ("waiting", 1)
        for job in (middle, below):
            back = await stored(database, job.id)
            assert (back.status, back.run, back.error, back.finished_at) == ("blocked", 2, None, None)
            event = await last_told(database, job.id)
            assert (event["type"], event["status"], event["run"]) == ("update", "blocked", 2)
        for job in (top, middle, below):
            await ended(database, job)

    async def test_a_chain_of_a_thousand_comes_back(self, database: Database) -> None:
        ids = [new_id() for _ in range(1001)]
        links = [a_job(id_, depends_on=(ids[n - 1],) if n else ()) for n, id_ in enumerate(ids)]
        first, *_ = await database.write(SubmitAll(tuple(links), tuple(range(len(links)))))
        await database.write(Cancel(first.id, OWNER))
        await again(database, first, cascade=True)
        assert await database.read(Look("SELECT status, run, count(*) FROM jobs GROUP BY status, run ORDER BY 1")) == [
            ("blocked", 2, 1000),
            ("waiting", 2, 1),
        ]

    @pytest.mark.parametrize("upside_down", [False, True])
    async def test_a_diamond_comes_back_whole_whatever_the_order_of_its_ids(
        self, database: Database, upside_down: bool
    ) -> None:
        ids = sorted((new_id() for _ in range(4)), reverse=upside_down)
        top = await submitted(database, job_id=ids[0])
        left = await child_of(database, top, job_id=ids[1])
        right = await child_of(database, top, left, job_id=ids[2])
        bottom = await child_of(database, top, left, right, job_id=ids[3])
        await ended(database, top, "failed")
        await again(database, top, cascade=True)
        assert await statuses(database, left, right, bottom) == ["blocked"] * 3
        assert [(await stored(database, job.id)).run for job in (left, right, bottom)] == [2, 2, 2]
        for job in (top, left, right, bottom):
            await ended(database, job)

    async def test_one_that_was_cancelled_or_failed_by_itself_stays_and_so_do_those_below_it(
        self, database: Database
    ) -> None:
        top = await submitted(database)
        cancelled, failed = await child_of(database, top), await child_of(database, top, kind="clean")
        below = [await child_of(database, cancelled), await child_of(database, failed)]
        await database.write(Cancel(cancelled.id, OWNER))
        await ended(database, top)
        await ended(database, failed, "failed")
        # By hand, for a completed job is not tried again: as if the one above had failed only now.
        await database.write(Do("UPDATE jobs SET status = 'failed' WHERE id = $1", (top.id,)))
        await again(database, top, cascade=True)
        assert await statuses(database, cancelled, failed, *below) == ["cancelled", "failed", "failed", "failed"]
        assert (await stored(database, failed.id)).run == 1

    async def test_one_that_had_expired_before_stays_failed(self, database: Database, clock: Clock) -> None:
        top = await submitted(database)
        expired, other = await child_of(database, top, ttl_ms=1000), await child_of(database, top)
        clock.move(1000)
        await database.write(Expire())
        await ended(database, top, "failed")
        await again(database, top, cascade=True)
        assert await statuses(database, expired, other) == ["failed", "blocked"]
        assert (await again(database, expired)).status == "blocked"

    async def test_another_parent_that_ended_badly_has_to_be_tried_again_first(self, database: Database) -> None:
        one, other = await submitted(database), await submitted(database)
        job = await child_of(database, one, other)
        below = await child_of(database, job)
        await ended(database, one, "failed")
        await ended(database, other, "failed")
        await again(database, one, cascade=True)
        assert await statuses(database, job, below) == ["failed", "failed"]
        await again(database, other, cascade=True)
        assert await statuses(database, job, below) == ["blocked", "blocked"]
        for parent in (one, other, job, below):
            await ended(database, parent)

    async def test_the_owners_limit_counts_them_all_and_a_refusal_changes_nothing(self, database: Database) -> None:
        top = await submitted(database)
        below = [await child_of(database, top) for _ in range(3)]
        await ended(database, top, "failed")
        with pytest.raises(TooManyJobs):
            await again(database, top, 3, cascade=True)
        assert await statuses(database, top, *below) == ["failed"] * 4
        assert {(await stored(database, job.id)).run for job in (top, *below)} == {1}
        await again(database, top, 4, cascade=True)
        assert await statuses(database, top, *below) == ["waiting", "blocked", "blocked", "blocked"]

    async def test_one_whose_pictures_are_being_removed_stays_failed(self, database: Database) -> None:
        top = await submitted(database)
        doomed, kept = [await child_of(database, top, generation_id=name) for name in ("doomed", "kept")]
        await ended(database, top, "failed")
        await database.write(Condemn("doomed", OWNER))
        await again(database, top, cascade=True)
        assert await statuses(database, doomed, kept) == ["failed", "blocked"]
        with pytest.raises(Conflict, match="pictures"):
            await again(database, doomed)

    async def test_it_changes_nothing_for_one_that_nobody_waits_for(self, database: Database) -> None:
        job = await held(database)
        await database.write(Cancel(job.id, OWNER))
        assert await database.write(CLAIM) is None
        beside = await ended(database, await submitted(database), "failed")
        with pytest.raises(Conflict):
            await again(database, job, cascade=True)
        assert (await again(database, beside, cascade=True)).status == "waiting"
