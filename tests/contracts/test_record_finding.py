"""How an owner finds jobs: newest first, filtered, page by page; and how many there are of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snapasset.records.claims import GiveBack
from snapasset.records.endings import Cancel, Complete
from snapasset.records.jobs import CountByQueue, FindJobs, GetJob, QueueDepth, QueueDepths, ReadyKinds
from tests.contracts.record_jobs import KIND, OWNER, QUEUE, STRANGER, claimed, submitted

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock


async def some_jobs(database: Database, clock: Clock, count: int = 7) -> list[Job]:
    """Jobs of one owner among a stranger's, two in each millisecond; newest first."""
    jobs: list[Job] = []
    for n in range(count):
        jobs.append(await submitted(database, kind=KIND if n % 3 else "clean"))
        await submitted(database, owner=STRANGER)
        clock.move(n % 2)
    return jobs[::-1]


async def found(database: Database, **query: Any) -> list[str]:
    return [job.id for job in await database.read(FindJobs(OWNER, **query))]


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


async def test_one_job_is_found_by_its_id_and_only_by_its_owner(database: Database) -> None:
    job = await submitted(database)
    assert await database.read(GetJob(job.id)) == job
    assert await database.read(GetJob(job.id, OWNER)) == job
    assert await database.read(GetJob(job.id, STRANGER)) is None
    assert await database.read(GetJob("nobody", OWNER)) is None


async def test_an_owner_finds_all_of_theirs_newest_first_and_nobody_elses(database: Database, clock: Clock) -> None:
    jobs = await some_jobs(database, clock)
    assert await found(database) == ids(jobs)
    assert await database.read(FindJobs("session:nobody")) == []
    assert await database.read(FindJobs(OWNER)) == jobs


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_pages_join_without_a_gap_or_an_overlap(database: Database, clock: Clock, size: int) -> None:
    jobs = await some_jobs(database, clock)
    pages: list[Job] = []
    before = None
    while page := await database.read(FindJobs(OWNER, before=before, limit=size)):
        pages += page
        before = page[-1].created_at, page[-1].id
        await submitted(database)  # newer than all: it must not move the pages that follow
    assert pages == jobs


async def test_filters_narrow_it_down_and_add_up(database: Database, clock: Clock) -> None:
    jobs = await some_jobs(database, clock)
    await database.write(Cancel(jobs[0].id, OWNER))
    running = await claimed(database)
    assert await found(database, statuses=("cancelled",)) == [jobs[0].id]
    assert await found(database, statuses=("waiting", "cancelled")) == [j.id for j in jobs if j.id != running.id]
    assert await found(database, kinds=("clean",)) == [job.id for job in jobs if job.kind == "clean"]
    assert await found(database, kinds=("clean", KIND)) == ids(jobs)
    assert await found(database, kinds=("unheard-of",)) == []
    assert await found(database, kinds=("clean",), statuses=("cancelled",)) == [
        job.id for job in jobs[:1] if job.kind == "clean"
    ]


async def test_both_ends_of_a_time_range_belong_to_it(database: Database, clock: Clock) -> None:
    jobs = await some_jobs(database, clock)
    times = sorted({job.created_at for job in jobs})
    low, high = times[1], times[2]
    inside = [job.id for job in jobs if low <= job.created_at <= high]
    assert 0 < len(inside) < len(jobs)
    assert await found(database, created_after=low, created_before=high) == inside
    assert await found(database, created_after=high, created_before=low) == []


async def test_everything_at_once(database: Database, clock: Clock) -> None:
    jobs = await some_jobs(database, clock)
    query: dict[str, Any] = {
        "statuses": ("waiting",),
        "kinds": (KIND, "clean"),
        "created_after": 0,
        "created_before": clock.now,
    }
    first = await database.read(FindJobs(OWNER, **query, limit=3))
    rest = await database.read(FindJobs(OWNER, **query, before=(first[-1].created_at, first[-1].id)))
    assert first + rest == jobs


@pytest.mark.parametrize(("limit", "count"), [(-1, 1), (0, 1), (1, 1), (200, 200), (10_000, 200)])
async def test_a_page_has_a_size_whatever_is_asked_for(database: Database, limit: int, count: int) -> None:
    for _ in range(201):
        await submitted(database)
    assert len(await found(database, limit=limit)) == count


async def test_words_of_a_caller_are_values_and_never_sql(database: Database) -> None:
    await submitted(database)
    for evil in ("' OR 1=1 --", "$1", "?", "waiting') OR ('1'='1"):
        assert await found(database, statuses=(evil,)) == []
        assert await found(database, kinds=(evil,)) == []
        assert await database.read(FindJobs(evil)) == []


async def test_each_queue_is_counted(database: Database) -> None:
    assert await database.read(CountByQueue()) == {}
    for _ in range(3):
        await submitted(database)
    await submitted(database, delay_ms=1000, queue="chores")
    await claimed(database)
    job = await claimed(database)
    await database.write(Complete(job.id, job.fence, "{}"))
    assert await database.read(CountByQueue()) == {
        QUEUE: {"waiting": 1, "delayed": 0, "blocked": 0, "active": 1},
        "chores": {"waiting": 0, "delayed": 1, "blocked": 0, "active": 0},
    }


async def test_each_queue_tells_for_how_long_its_oldest_ready_job_has_been_ready(
    database: Database, clock: Clock
) -> None:
    assert await database.read(QueueDepths()) == {}
    await submitted(database)
    clock.move(1000)
    await submitted(database, priority=5)
    await submitted(database, delay_ms=1000, queue="chores")
    clock.move(500)
    assert await database.read(QueueDepths()) == {
        QUEUE: QueueDepth(waiting=2, delayed=0, blocked=0, active=0, oldest_ms=1500),
        "chores": QueueDepth(waiting=0, delayed=1, blocked=0, active=0, oldest_ms=None),
    }


async def test_ages_can_be_those_of_some_kinds_alone(database: Database, clock: Clock) -> None:
    await submitted(database, kind="newer")
    await submitted(database, kind="newer", queue="chores")
    clock.move(1000)
    await submitted(database)
    clock.move(500)
    depths = await database.read(QueueDepths((KIND, "clean")))
    assert {queue: (depth.waiting, depth.oldest_ms) for queue, depth in depths.items()} == {
        QUEUE: (2, 500),
        "chores": (1, None),
    }


async def test_a_job_given_back_is_ready_since_then(database: Database, clock: Clock) -> None:
    await submitted(database)
    job = await claimed(database)
    clock.move(1000)
    await database.write(GiveBack(job.id, job.fence))
    clock.move(5)
    assert (await database.read(QueueDepths()))[QUEUE].oldest_ms == 5


async def test_kinds_are_counted_while_they_are_ready_known_here_or_not(database: Database) -> None:
    for kind in ("newer", "newer", "newest", KIND, "newer"):
        await submitted(database, kind=kind)
    await submitted(database, kind="newer", queue="chores")
    await submitted(database, kind="newer", delay_ms=1000, queue="later")
    assert await database.read(ReadyKinds()) == {
        QUEUE: {KIND: 1, "newer": 3, "newest": 1},
        "chores": {"newer": 1},
    }
