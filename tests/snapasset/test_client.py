"""The one door to jobs: what it allows whom, and that it rings."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.client import JobClient, SubmitOptions
from snapasset.errors import (
    Conflict,
    DatabaseUnavailable,
    DependencyFailed,
    InvalidInput,
    NotFound,
    TooManyJobs,
    UnknownKind,
)
from snapasset.job import Job, Priority
from snapasset.job_type import Access, Catalogue, JobType, Wire
from snapasset.records.claims import Claim
from snapasset.records.endings import Complete, EndCancelled, Fail
from snapasset.records.jobs import FindJobs
from snapasset.settings import Settings
from snapasset.switch import Switch
from tests.contracts.record_jobs import FAULT, OWNER, STRANGER, WORKER, stored
from tests.snapasset.weather import BrokenQueue, SlowQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from snapasset.database import Database
    from tests.contracts.record_backends import Clock


class Wish(Wire):
    prompt: str = "a hill"


class Nothing(Wire):
    pass


async def run(*_args: Any) -> Nothing:
    return Nothing()


class More(Wire):
    generation_id: str


CATALOGUE = Catalogue(
    [
        JobType("draw", "pictures", Wish, Nothing, run, attempts=3, generation="new"),
        JobType("clean", "chores", Wish, Nothing, run, attempts=2),
        JobType("cut", "pictures", More, Nothing, run, generation="existing"),
    ]
)
SETTINGS = Settings(live_jobs_per_owner=5, ring_seconds=0.05)


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    opened = Switch(CATALOGUE.queues, SETTINGS, ring_timeout=60)
    await opened.open("record-1")
    yield opened
    await opened.close()


@pytest.fixture
def client(database: Database, switch: Switch) -> JobClient:
    return JobClient(database, switch, CATALOGUE, SETTINGS)


async def submit(
    client: JobClient, kind: str = "draw", owner: str = OWNER, access: Access = Access.SESSION, **options: Any
) -> Job:
    return await client.submit(kind, Wish(), owner=owner, access=access, options=SubmitOptions(**options))


class TestSubmitting:
    async def test_what_was_asked_for_is_in_the_record_and_rung_for(
        self, client: JobClient, database: Database, switch: Switch
    ) -> None:
        job = await client.submit("draw", Wish(prompt="a sea"), owner=OWNER, access=Access.SESSION)
        assert await stored(database, job.id) == job
        assert json.loads(job.data) == {"prompt": "a sea"}
        assert (job.kind, job.queue, job.owner, job.status, job.priority, job.attempts) == (
            "draw",
            "pictures",
            OWNER,
            "waiting",
            0,
            3,
        )
        ring = await switch.queues["pictures"].dequeue(timeout=1)
        assert ring is not None
        assert (ring.kwargs or {})["job_id"] == job.id

    async def test_a_kind_that_makes_a_generation_gets_an_id_for_it_and_others_do_not(self, client: JobClient) -> None:
        first, second, clean = [await submit(client, kind) for kind in ("draw", "draw", "clean")]
        assert first.generation_id not in (None, first.id, second.generation_id)
        assert clean.generation_id is None

    async def test_a_kind_that_adds_to_a_generation_is_of_that_generation_if_it_is_the_owners(
        self, client: JobClient
    ) -> None:
        first = await submit(client)
        assert first.generation_id is not None
        more = More(generation_id=first.generation_id)
        added = await client.submit("cut", more, owner=OWNER, access=Access.SESSION)
        assert (added.generation_id, json.loads(added.data)) == (
            first.generation_id,
            {"generationId": first.generation_id},
        )
        for owner, generation_id in ((STRANGER, first.generation_id), (OWNER, "nobodys")):
            with pytest.raises(NotFound):
                await client.submit("cut", More(generation_id=generation_id), owner=owner, access=Access.ADMIN)

    async def test_a_time_to_live_is_in_seconds(self, client: JobClient, clock: Clock) -> None:
        assert (await submit(client, ttl=1.5)).expires_at == clock.now + 1500
        assert (await submit(client, ttl=0.25, delay=2)).expires_at == clock.now + 2250
        assert (await submit(client)).expires_at is None

    async def test_one_that_waits_for_others_is_not_rung_for_yet(self, client: JobClient, switch: Switch) -> None:
        parent = await submit(client, "clean")
        job = await submit(client, depends_on=(parent.id,))
        assert job.status == "blocked"
        assert await switch.waiting_rings("pictures") == 0
        await client.cancel(parent.id, owner=OWNER)
        with pytest.raises(DependencyFailed):
            await submit(client, depends_on=(parent.id,))

    async def test_an_unknown_kind_leaves_nothing_behind(self, client: JobClient) -> None:
        with pytest.raises(UnknownKind):
            await submit(client, "paint")
        assert await client.find(FindJobs(OWNER)) == []

    @pytest.mark.parametrize(
        ("access", "ceiling"),
        [(Access.SESSION, Priority.NORMAL), (Access.USER, Priority.HIGH), (Access.ADMIN, Priority.CRITICAL)],
    )
    async def test_priority_is_clamped_to_what_the_caller_may_ask_for(
        self, client: JobClient, access: Access, ceiling: int
    ) -> None:
        for asked in (-10, -5, 0, 5):
            assert (await submit(client, access=access, priority=asked)).priority == min(asked, ceiling)
        assert (await submit(client, access=access, priority=10, owner=STRANGER)).priority == ceiling

    @pytest.mark.parametrize(("asked", "given"), [(None, 3), (1, 1), (3, 3), (4, 3), (100, 3)])
    async def test_attempts_are_clamped_to_what_the_kind_allows(
        self, client: JobClient, asked: int | None, given: int
    ) -> None:
        assert (await submit(client, attempts=asked)).attempts == given

    async def test_a_delayed_job_is_not_rung_for_yet(self, client: JobClient, clock: Clock, switch: Switch) -> None:
        late, dated = await submit(client, delay=1.5), await submit(client, run_at=clock.now + 2000)
        assert [(job.status, job.due_at) for job in (late, dated)] == [
            ("delayed", clock.now + 1500),
            ("delayed", clock.now + 2000),
        ]
        assert await switch.waiting_rings("pictures") == 0

    async def test_a_delay_and_a_date_at_once_are_refused(self, client: JobClient, clock: Clock) -> None:
        with pytest.raises(InvalidInput) as raised:
            await submit(client, delay=1, run_at=clock.now + 1000)
        assert raised.value.fields.keys() == {"options.runAt"}
        assert await client.find(FindJobs(OWNER)) == []

    @pytest.mark.parametrize("queue", [SlowQueue, BrokenQueue])
    async def test_a_job_is_safe_whatever_becomes_of_its_ring(
        self, client: JobClient, database: Database, switch: Switch, queue: type[SlowQueue | BrokenQueue]
    ) -> None:
        switch.queues["pictures"] = queue("pictures")
        async with asyncio.timeout(5):
            job = await submit(client)
        assert (await stored(database, job.id)).status == "waiting"

    async def test_without_the_record_nothing_is_accepted_and_nobody_rung(
        self, client: JobClient, database: Database, switch: Switch
    ) -> None:
        await database.close()
        with pytest.raises(DatabaseUnavailable):
            await submit(client)
        assert await switch.waiting_rings("pictures") == 0


class TestLimit:
    async def fill(self, client: JobClient) -> list[Job]:
        return [await submit(client) for _ in range(SETTINGS.live_jobs_per_owner)]

    async def test_an_owner_has_so_many_jobs_that_have_not_ended(self, client: JobClient) -> None:
        jobs = await self.fill(client)
        for access in (Access.SESSION, Access.USER):
            with pytest.raises(TooManyJobs):
                await submit(client, access=access)
        await submit(client, owner=STRANGER)
        await submit(client, access=Access.ADMIN)
        for job in jobs[:2]:
            await client.cancel(job.id, owner=OWNER)
        await submit(client)

    async def test_trying_again_is_no_way_around_it(self, client: JobClient) -> None:
        ended = await submit(client)
        await client.cancel(ended.id, owner=OWNER)
        await self.fill(client)
        with pytest.raises(TooManyJobs):
            await client.retry(ended.id, owner=OWNER)
        assert (await client.retry(ended.id, owner=OWNER, access=Access.ADMIN)).run == 2

    async def test_many_at_once_do_not_slip_through(self, client: JobClient) -> None:
        answers = await asyncio.gather(*(submit(client) for _ in range(20)), return_exceptions=True)
        assert sum(isinstance(answer, Job) for answer in answers) == SETTINGS.live_jobs_per_owner
        assert all(isinstance(answer, (Job, TooManyJobs)) for answer in answers)


class TestStrangers:
    async def test_they_are_told_the_same_as_of_a_job_that_never_was(self, client: JobClient) -> None:
        job = await submit(client)
        sentences: set[str] = set()
        for job_id, owner in ((job.id, STRANGER), ("nobody", OWNER)):
            for act in (client.get, client.cancel, client.retry, client.timeline):
                with pytest.raises(NotFound) as raised:
                    await act(job_id, owner=owner)
                sentences.add(raised.value.detail)
        assert len(sentences) == 1
        assert await client.get(job.id, owner=OWNER) == job
        assert await client.find(FindJobs(STRANGER)) == []


async def brought_to(state: str, client: JobClient, database: Database) -> Job:
    """A job in a state, as it comes there."""
    job = await submit(client, delay=60 if state == "delayed" else 0)
    if state in ("waiting", "delayed"):
        return job
    if state == "cancelled":
        return await client.cancel(job.id, owner=OWNER)
    mine = await database.write(Claim("pictures", ("draw",), WORKER))
    assert mine is not None
    if state == "active":
        return mine
    if state == "cancelling":
        return await client.cancel(job.id, owner=OWNER)
    end = Complete(job.id, mine.fence, "{}") if state == "completed" else Fail(job.id, mine.fence, FAULT, False, 0)
    ended = await database.write(end)
    assert ended is not None
    return ended


class TestSteering:
    @pytest.mark.parametrize("state", ["waiting", "delayed"])
    async def test_cancelling_what_does_not_run_ends_it(
        self, client: JobClient, database: Database, state: str
    ) -> None:
        job = await brought_to(state, client, database)
        assert (await client.cancel(job.id, owner=OWNER)).status == "cancelled"

    @pytest.mark.parametrize("state", ["active", "cancelling"])
    async def test_cancelling_what_runs_asks_its_executor(
        self, client: JobClient, database: Database, state: str
    ) -> None:
        job = await brought_to(state, client, database)
        asked = await client.cancel(job.id, owner=OWNER)
        assert (asked.status, asked.cancel_requested) == ("active", 1)
        assert await database.write(EndCancelled(job.id, job.fence)) is not None

    @pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
    async def test_what_has_ended_cannot_be_cancelled(self, client: JobClient, database: Database, state: str) -> None:
        job = await brought_to(state, client, database)
        with pytest.raises(Conflict, match=state):
            await client.cancel(job.id, owner=OWNER)
        assert await stored(database, job.id) == job

    @pytest.mark.parametrize("state", ["failed", "cancelled"])
    async def test_what_ended_badly_can_be_tried_again_and_is_rung_for(
        self, client: JobClient, database: Database, switch: Switch, state: str
    ) -> None:
        job = await brought_to(state, client, database)
        rings = await switch.waiting_rings("pictures")
        assert rings is not None
        again = await client.retry(job.id, owner=OWNER)
        assert (again.status, again.run, again.attempt) == ("waiting", 2, 0)
        assert await switch.waiting_rings("pictures") == rings + 1

    async def test_with_cascade_those_that_failed_because_of_it_come_back_too(
        self, client: JobClient, database: Database
    ) -> None:
        job = await submit(client)
        below = await submit(client, depends_on=(job.id,))
        await client.cancel(job.id, owner=OWNER)
        await client.retry(job.id, owner=OWNER)
        assert (await stored(database, below.id)).status == "failed"
        await client.cancel(job.id, owner=OWNER)
        await client.retry(job.id, owner=OWNER, cascade=True)
        assert (await stored(database, below.id)).status == "blocked"

    @pytest.mark.parametrize("state", ["waiting", "delayed", "active", "cancelling", "completed"])
    async def test_nothing_else_can(self, client: JobClient, database: Database, state: str) -> None:
        job = await brought_to(state, client, database)
        with pytest.raises(Conflict):
            await client.retry(job.id, owner=OWNER)
        assert await stored(database, job.id) == job


class TestLooking:
    async def test_the_timeline_is_the_events_in_order_in_pages(self, client: JobClient, database: Database) -> None:
        job = await brought_to("completed", client, database)
        seqs = [event.seq for event in await client.timeline(job.id, owner=OWNER)]
        assert seqs == [1, 2, 3]
        page = await client.timeline(job.id, owner=OWNER, after=1, limit=1)
        assert [event.seq for event in page] == [2]

    async def test_jobs_are_found_as_the_record_finds_them(self, client: JobClient) -> None:
        jobs = [await submit(client, kind) for kind in ("draw", "clean")]
        assert await client.find(FindJobs(OWNER)) == jobs[::-1]
        assert await client.find(FindJobs(OWNER, kinds=("clean",))) == jobs[1:]
