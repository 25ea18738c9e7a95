"""Generations outlive their jobs: what came of them, the newest of their files, and how they are removed for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import Conflict, NotFound
from snapasset.records.claims import Claim, GiveBack
from snapasset.records.endings import Cancel, Complete, EndCancelled, Fail
from snapasset.records.files import FileRow, GetFile
from snapasset.records.generations import (
    GENERATIONS_LIMIT,
    Condemn,
    FindGenerations,
    FindLike,
    Forget,
    Generation,
    GetGeneration,
)
from snapasset.records.revival import Retry
from snapasset.records.steps import FinishStep, SavePaidStep, StartStep
from snapasset.records.upkeep import Expire, HeldJobs, Reap
from tests.contracts.record_backends import Do, Look
from tests.contracts.record_jobs import (
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
    stored,
    submitted,
)

if TYPE_CHECKING:
    from snapasset.database import Database, Row
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock

G = "g-1"
MADE = '{"simulated":true}'


async def fate(database: Database, generation_id: str = G) -> Row:
    [row] = await database.read(Look("SELECT outcome, ended_at, made FROM generations WHERE id = $1", (generation_id,)))
    return row


async def found(database: Database, generation_id: str = G, owner: str = OWNER) -> Generation:
    generation = await database.read(GetGeneration(generation_id, owner))
    assert generation is not None
    return generation


def a_file(id_: str, *, role: str = "rendition", name: str = "instagram", **more: Any) -> FileRow:
    return FileRow(id_, role, name, f"files/{id_}", "image/jpeg", 1000, 10, 20, **more)


async def with_files(database: Database, job: Job, *files: FileRow, step: str = "render") -> None:
    await database.write(StartStep(job.id, job.fence, step, paid=False, progress=1.0))
    await database.write(FinishStep(job.id, job.fence, step, "1", 2.0, files))


async def end(database: Database, clock: Clock, way: str) -> None:
    """Bring a new job that makes a generation to its end."""
    if way == "expired":
        await submitted(database, generation_id=G, ttl_ms=1)
        clock.move(1)
        await database.write(Expire())
        return
    if way == "dependency failed":
        parent = await submitted(database)
        await submitted(database, generation_id=G, depends_on=(parent.id,))
        await database.write(Cancel(parent.id, OWNER))
        return
    if way == "cancelled at once":
        await database.write(Cancel((await submitted(database, generation_id=G)).id, OWNER))
        return
    job = await held(database, generation_id=G, attempts=1)
    if way.startswith("cancelled"):
        await database.write(Cancel(job.id, OWNER))
    [seen] = await database.read(HeldJobs())
    ends: dict[str, Any] = {
        "completed": Complete(job.id, job.fence, "{}"),
        "failed": Fail(job.id, job.fence, FAULT, retryable=True, delay_ms=0),
        "reaped": Reap(seen),
        "cancelled while it ran": EndCancelled(job.id, job.fence),
        "cancelled, and completed all the same": Complete(job.id, job.fence, "{}"),
        "cancelled, and given back": GiveBack(job.id, job.fence),
    }
    await database.write(ends[way])


WAYS = {
    "completed": "completed", "failed": "failed", "reaped": "failed", "expired": "failed",
    "dependency failed": "failed", "cancelled at once": "cancelled", "cancelled while it ran": "cancelled",
    "cancelled, and completed all the same": "cancelled", "cancelled, and given back": "cancelled",
}  # fmt: skip


class TestFate:
    @pytest.mark.parametrize("way", WAYS)
    async def test_it_knows_how_its_job_ended_and_when(self, database: Database, clock: Clock, way: str) -> None:
        await end(database, clock, way)
        assert await fate(database) == (WAYS[way], clock.now, None)
        clock.move(1000)
        assert (await found(database)).outcome == WAYS[way]

    async def test_while_that_goes_on_it_knows_nothing(self, database: Database) -> None:
        job = await held(database, generation_id=G)
        assert await fate(database) == (None, None, None)
        await database.write(Fail(job.id, job.fence, FAULT, retryable=True, delay_ms=1000))
        assert await fate(database) == (None, None, None)
        await database.write(GiveBack(job.id, job.fence))
        assert await fate(database) == (None, None, None)

    @pytest.mark.parametrize("way", ["failed", "cancelled while it ran"])
    async def test_trying_again_makes_it_unknown_and_keeps_what_was_made(
        self, database: Database, clock: Clock, way: str
    ) -> None:
        await end(database, clock, way)
        await database.write(Do("UPDATE generations SET made = $1", (MADE,)))
        job_id = (await found(database)).job_id
        await database.write(Retry(job_id, OWNER))
        assert await fate(database) == (None, None, MADE)
        clock.move(1000)
        await ended(database, await stored(database, job_id))
        assert await fate(database) == ("completed", clock.now, MADE)

    async def test_what_was_made_is_written_with_the_step_that_made_it(self, database: Database) -> None:
        job = await held(database, generation_id=G)
        await submitted(database, generation_id="g-2")
        await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=1.0))
        await database.write(FinishStep(job.id, job.fence, "generate", MADE, 2.0, (), MADE))
        assert (await found(database)).made == MADE
        assert (await found(database, "g-2")).made is None
        await database.write(FinishStep(job.id, job.fence, "generate", "1", 2.0))
        assert (await found(database)).made == MADE, "a step that makes nothing leaves it"

    async def test_what_was_paid_for_and_came_late_is_written_once(self, database: Database) -> None:
        job = await held(database, generation_id=G)
        await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=1.0))
        await database.write(GiveBack(job.id, job.fence))
        await database.write(SavePaidStep(job.id, job.run, "generate", "1", (a_file("f-1"),), MADE))
        await database.write(SavePaidStep(job.id, job.run, "generate", "2", (a_file("f-2"),), "{}"))
        generation = await found(database)
        assert (generation.made, [file.id for file in generation.files]) == (MADE, ["f-1"])

    async def test_the_newest_of_a_likeness_is_found_by_its_owner(self, database: Database, clock: Clock) -> None:
        assert await database.read(FindLike(OWNER, "like")) == []
        for generation_id, late in (("g-1", False), ("g-2", True)):
            job = await held(database, generation_id=generation_id)
            await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=1.0))
            file = (a_file(f"f-{generation_id}", role="master"),)
            if late:
                await database.write(GiveBack(job.id, job.fence))
                await database.write(SavePaidStep(job.id, job.run, "generate", MADE, file, MADE, "like"))
            else:
                change = FinishStep(job.id, job.fence, "generate", MADE, 2.0, file, MADE, likeness="like")
                await database.write(change)
                await database.write(Complete(job.id, job.fence, "{}"))
            alike = (await database.read(FindLike(OWNER, "like")))[0]
            assert (alike.id, alike.made, [one.id for one in alike.files]) == (
                generation_id, MADE, [f"f-{generation_id}"],
            )  # fmt: skip
            clock.move(1)
        assert await database.read(FindLike(STRANGER, "like")) == []
        assert await database.read(FindLike(OWNER, "unlike")) == []
        assert [one.id for one in await database.read(FindLike(OWNER, "like"))] == ["g-2", "g-1"]
        assert [one.id for one in await database.read(FindLike(OWNER, "like", 1))] == ["g-2"]
        await database.write(Do("UPDATE generations SET condemned_at = 1 WHERE id = 'g-2'"))
        assert [one.id for one in await database.read(FindLike(OWNER, "like"))] == ["g-1"]

    async def test_it_outlives_its_job(self, database: Database) -> None:
        job = await ended(database, await submitted(database, generation_id=G))
        await gone(database, job.id)
        generation = await found(database)
        assert (generation.job_id, generation.request, generation.outcome) == (job.id, job.data, "completed")


class TestAdding:
    async def test_a_job_that_adds_to_one_makes_none_and_does_not_change_its_fate(
        self, database: Database, clock: Clock
    ) -> None:
        first = await ended(database, await submitted(database, generation_id=G))
        before = await fate(database)
        clock.move(1000)
        job = await submitted(database, generation_id=G, adds=True)
        assert (job.generation_id, job.id != first.id) == (G, True)
        assert await database.read(Look("SELECT job_id FROM generations")) == [(first.id,)]
        assert await fate(database) == before
        await ended(database, job, "failed")
        assert await fate(database) == before
        await database.write(Retry(job.id, OWNER))
        assert await fate(database) == before

    async def test_its_files_are_of_the_generation(self, database: Database) -> None:
        await ended(database, await submitted(database, generation_id=G))
        job = await held(database, generation_id=G, adds=True)
        await with_files(database, job, a_file("f-1"))
        assert [file.id for file in (await found(database)).files] == ["f-1"]

    @pytest.mark.parametrize("whose", ["a stranger's", "nobody's"])
    async def test_only_to_ones_own(self, database: Database, whose: str) -> None:
        if whose == "a stranger's":
            await submitted(database, generation_id=G, owner=STRANGER)
        before = await database.read(Look("SELECT count(*) FROM jobs"))
        with pytest.raises(NotFound):
            await submitted(database, generation_id=G, adds=True)
        assert await database.read(Look("SELECT count(*) FROM jobs")) == before


class TestLooking:
    async def test_one_is_its_owners_alone(self, database: Database, clock: Clock) -> None:
        job = await submitted(database, generation_id=G)
        assert await found(database) == Generation(G, OWNER, job.id, job.data, clock.now, None, None, ())
        assert await database.read(GetGeneration(G, STRANGER)) is None
        assert await database.read(GetGeneration("nobodys", OWNER)) is None

    async def test_it_shows_the_newest_file_of_each_role_and_name_in_the_order_they_were_made(
        self, database: Database, clock: Clock
    ) -> None:
        job = await held(database, generation_id=G)
        master = a_file("f-9", role="master", name="master", details='{"q":1}')
        files = [[master, a_file("f-1"), a_file("f-2", name="x")], [a_file("f-3")], [a_file("f-0", role="thumbnail")]]
        for n, some in enumerate(files):
            clock.move(1000)
            await with_files(database, job, *some, step=f"step-{n}")
        shown = (await found(database)).files
        assert [file.id for file in shown] == ["f-2", "f-9", "f-3", "f-0"]
        kept = shown[1]
        assert (kept.role, kept.name, kept.key, kept.content_type, kept.size, kept.width, kept.height, kept.details) == (
            "master", "master", "files/f-9", "image/jpeg", 1000, 10, 20, '{"q":1}',
        )  # fmt: skip
        assert {file.generation_id for file in shown} == {G}

    @pytest.mark.parametrize("size", [1, 2, 3, 7])
    async def test_pages_of_the_gallery_join_newest_first(self, database: Database, clock: Clock, size: int) -> None:
        for n in range(7):
            await submitted(database, generation_id=f"g-{n}")
            await submitted(database, generation_id=f"other-{n}", owner=STRANGER)
            clock.move(n % 2)
        pages: list[Generation] = []
        before = None
        while page := await database.read(FindGenerations(OWNER, before, size)):
            pages += page
            before = page[-1].created_at, page[-1].id
            await submitted(database, generation_id=f"newer-{len(pages)}")
        assert [generation.id for generation in pages] == [f"g-{n}" for n in reversed(range(7))]

    async def test_each_of_a_page_has_its_own_files(self, database: Database) -> None:
        for n in range(3):
            job = await held(database, generation_id=f"g-{n}")
            await with_files(database, job, a_file(f"f-{n}"))
        page = await database.read(FindGenerations(OWNER))
        assert {one.id: [file.id for file in one.files] for one in page} == {f"g-{n}": [f"f-{n}"] for n in range(3)}

    @pytest.mark.parametrize(("limit", "count"), [(-1, 1), (0, 1), (101, 101), (10_000, 101)])
    async def test_a_page_has_a_size_whatever_is_asked_for(self, database: Database, limit: int, count: int) -> None:
        for n in range(GENERATIONS_LIMIT + 3):
            await submitted(database, generation_id=f"g-{n}")
        assert len(await database.read(FindGenerations(OWNER, limit=limit))) == count


class TestRemoving:
    @pytest.fixture
    async def job(self, database: Database) -> Job:
        """The job of a generation with two files, failed."""
        job = await held(database, generation_id=G)
        await with_files(database, job, a_file("f-2"), a_file("f-1", name="x"))
        failed = await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))
        assert failed is not None
        return failed

    async def test_it_is_condemned_first_and_forgotten_when_its_files_are_gone(
        self, database: Database, job: Job
    ) -> None:
        assert await database.write(Forget(G)) is False, "not before it is condemned"
        assert await database.write(Condemn(G, OWNER)) == ["files/f-1", "files/f-2"]
        assert await database.read(Look("SELECT count(*) FROM files")) == [(2,)]
        assert await database.write(Forget(G)) is True
        assert await database.write(Forget(G)) is False
        for table in ("files", "generations"):
            assert await database.read(Look(f"SELECT count(*) FROM {table}")) == [(0,)]
        assert await stored(database, job.id) == job

    @pytest.mark.usefixtures("job")
    async def test_condemned_it_is_seen_no_more(self, database: Database) -> None:
        assert await database.read(GetFile("f-1")) is not None
        await database.write(Condemn(G, OWNER))
        assert await database.read(GetGeneration(G, OWNER)) is None
        assert await database.read(FindGenerations(OWNER)) == []
        assert await database.read(GetFile("f-1")) is None
        assert await database.read(GetFile("f-1", OWNER)) is None

    async def test_files_are_found_by_their_owner_and_whoever_may_see_all(self, database: Database) -> None:
        job = await held(database)
        await with_files(database, job, a_file("loose"))
        assert await database.read(GetFile("loose", OWNER)) == await database.read(GetFile("loose"))
        assert await database.read(GetFile("loose", STRANGER)) is None

    async def test_condemned_nothing_is_begun_with_it(self, database: Database, job: Job) -> None:
        await database.write(Condemn(G, OWNER))
        with pytest.raises(NotFound):
            await submitted(database, generation_id=G, adds=True)
        with pytest.raises(Conflict, match="pictures"):
            await database.write(Retry(job.id, OWNER))
        await database.write(Forget(G))
        with pytest.raises(NotFound):
            await submitted(database, generation_id=G, adds=True)
        with pytest.raises(Conflict, match="pictures"):
            await database.write(Retry(job.id, OWNER))
        assert await stored(database, job.id) == job

    async def test_asking_twice_is_harmless(self, database: Database, job: Job, clock: Clock) -> None:
        first = await database.write(Condemn(G, OWNER))
        when = Look("SELECT condemned_at FROM generations")
        since = await database.read(when)
        clock.move(1000)
        assert await database.write(Condemn(G, OWNER)) == first
        assert await database.read(when) == since
        assert job.status == "failed"

    @pytest.mark.usefixtures("job")
    async def test_it_is_removed_by_its_owner_only(self, database: Database) -> None:
        for id_, owner in ((G, STRANGER), ("nobodys", OWNER)):
            with pytest.raises(NotFound):
                await database.write(Condemn(id_, owner))
        assert await database.read(GetGeneration(G, OWNER)) is not None

    @pytest.mark.parametrize("state", ["waiting", "delayed", "blocked", "active"])
    @pytest.mark.usefixtures("job")
    async def test_it_stays_while_a_job_works_on_it(self, database: Database, state: str) -> None:
        more: dict[str, Any] = {"delay_ms": 1000} if state == "delayed" else {}
        if state == "blocked":
            more["depends_on"] = ((await submitted(database, kind="clean")).id,)
        adding = await submitted(database, generation_id=G, adds=True, **more)
        if state == "active":
            await claimed(database, Claim(QUEUE, (KIND,), WORKER))
        assert (await stored(database, adding.id)).status == state
        with pytest.raises(Conflict):
            await database.write(Condemn(G, OWNER))
        assert await database.read(GetGeneration(G, OWNER)) is not None

    async def test_others_are_untouched(self, database: Database, job: Job) -> None:
        other = await database.write(a_job(generation_id="g-2"))
        mine = await claimed(database)
        assert mine.id == other.id != job.id
        await with_files(database, mine, a_file("f-7"))
        await ended_now(database, mine)
        await database.write(Condemn(G, OWNER))
        await database.write(Forget(G))
        assert [file.id for file in (await found(database, "g-2")).files] == ["f-7"]


async def ended_now(database: Database, job: Job) -> None:
    assert await database.write(Complete(job.id, job.fence, "{}")) is not None
