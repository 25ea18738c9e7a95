"""What need not be kept is found, and whatever has changed until it is removed stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import Conflict, DependencyFailed, NotFound
from snapasset.job import new_id
from snapasset.records.endings import Cancel, Complete, Fail
from snapasset.records.files import FileRow
from snapasset.records.generations import Condemn, Forget
from snapasset.records.idempotency import Once, SubmitOnce
from snapasset.records.jobs import GetJob
from snapasset.records.retention import (
    CondemnLost,
    EndedKinds,
    LostGenerations,
    RemoveJobs,
    SpentJobs,
    StillThere,
    Verdict,
)
from snapasset.records.revival import Retry
from snapasset.records.steps import FinishStep, StartStep
from snapasset.records.stocktaking import (
    NEVER,
    DropFiles,
    FilesByKey,
    NewerFiles,
    NewestFiles,
    StillNamed,
    SupersededFiles,
    Unclaimed,
)
from snapasset.records.submission import Submit, SubmitAll
from tests.contracts.record_backends import Do, Look
from tests.contracts.record_jobs import FAULT, KIND, OWNER, STRANGER, a_job, claimed, held, submitted

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock

DAY = 86_400_000


def file_of(name: str, *, role: str = "rendition", file_id: str | None = None) -> FileRow:
    file_id = file_id or new_id()
    return FileRow(file_id, role, name, f"generations/{name}/{file_id}", "image/png", 10)


async def with_files(database: Database, *files: FileRow, **more: Any) -> Job:
    """A held job that has kept these files."""
    job = await held(database, **more)
    await database.write(StartStep(job.id, job.fence, "draw", paid=False, progress=1))
    await database.write(FinishStep(job.id, job.fence, "draw", "{}", 2, files))
    return job


async def done(database: Database, *files: FileRow, **more: Any) -> Job:
    job = await with_files(database, *files, **more)
    ended = await database.write(Complete(job.id, job.fence, "{}"))
    assert ended is not None
    return ended


async def failed(database: Database, *files: FileRow, **more: Any) -> Job:
    job = await with_files(database, *files, **more)
    ended = await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))
    assert ended is not None
    return ended


async def cancelled(database: Database, **more: Any) -> Job:
    job = await submitted(database, **more)
    return await database.write(Cancel(job.id, job.owner))


def renditions(generation_id: str) -> Submit:
    return a_job(generation_id=generation_id, adds=True)


async def count(database: Database, table: str, where: str = "1 = 1", *params: object) -> int:
    ((number,),) = await database.read(Look(f"SELECT count(*) FROM {table} WHERE {where}", params))
    return number


class TestLostGenerations:
    async def lost(
        self, database: Database, before: int, *, owner: str | None = None, after: str = "", limit: int = 10
    ) -> list[str]:
        return [one.id for one in await database.read(LostGenerations(owner, before, after, limit))]

    async def test_those_that_failed_or_were_cancelled_long_ago_are_found(
        self, database: Database, clock: Clock
    ) -> None:
        await done(database, generation_id="well")
        await failed(database, generation_id="badly")
        await cancelled(database, generation_id="called-off")
        await submitted(database, generation_id="not-yet")
        then = clock.now
        clock.move(1)
        await cancelled(database, generation_id="just-now")
        assert await self.lost(database, then) == ["badly", "called-off"]
        assert await self.lost(database, then - 1) == []
        assert await self.lost(database, clock.now) == ["badly", "called-off", "just-now"]

    async def test_they_come_in_pages_with_their_files_and_of_one_owner_if_asked_for(
        self, database: Database, clock: Clock
    ) -> None:
        file = file_of("a")
        await failed(database, file, generation_id="g1")
        await cancelled(database, generation_id="g2", owner=STRANGER)
        await cancelled(database, generation_id="g3")
        (first,) = await database.read(LostGenerations(None, clock.now, "", 1))
        assert (first.id, [(one.id, one.key, one.size) for one in first.files]) == ("g1", [(file.id, file.key, 10)])
        assert await self.lost(database, clock.now, after="g1") == ["g2", "g3"]
        assert await self.lost(database, clock.now, owner=OWNER) == ["g1", "g3"]

    async def test_one_that_a_job_works_on_is_not(self, database: Database, clock: Clock) -> None:
        await cancelled(database, generation_id="g")
        await database.write(renditions("g"))
        assert await self.lost(database, clock.now) == []

    async def test_one_whose_removal_was_begun_is_found_whatever_its_age(self, database: Database) -> None:
        await done(database, generation_id="g")
        await database.write(Condemn("g", OWNER))
        assert await self.lost(database, 0) == ["g"]


class TestCondemnLost:
    async def test_nothing_is_begun_with_a_condemned_one(self, database: Database, clock: Clock) -> None:
        file = file_of("a")
        job = await failed(database, file, generation_id="g")
        verdict = await database.write(CondemnLost("g", clock.now))
        assert (verdict.known, verdict.condemned) == (True, True)
        assert [one.key for one in verdict.files] == [file.key]
        with pytest.raises(Conflict):
            await database.write(Retry(job.id, OWNER))
        with pytest.raises(NotFound):
            await database.write(renditions("g"))
        assert await database.write(CondemnLost("g", clock.now)) == verdict
        assert await database.write(Forget("g"))
        assert await count(database, "files") == 0

    async def test_one_that_was_begun_again_is_left_alone(self, database: Database, clock: Clock) -> None:
        job = await cancelled(database, generation_id="g")
        await database.write(Retry(job.id, OWNER))
        assert await database.write(CondemnLost("g", clock.now)) == Verdict(known=True, condemned=False)
        await database.write(renditions("g"))  # and so it can still be used

    async def test_one_that_a_job_works_on_is_left_alone(self, database: Database, clock: Clock) -> None:
        await cancelled(database, generation_id="g")
        await database.write(renditions("g"))
        assert await database.write(CondemnLost("g", clock.now)) == Verdict(known=True, condemned=False)

    async def test_one_from_which_pictures_were_cut_since_is_left_alone(self, database: Database, clock: Clock) -> None:
        await failed(database, file_of("a", role="master"), generation_id="g")
        later = await with_files(database, file_of("b"), generation_id="g", adds=True)
        await database.write(Complete(later.id, later.fence, "{}"))
        assert await database.read(LostGenerations(None, clock.now, "", 9)) == []
        assert await database.write(CondemnLost("g", clock.now)) == Verdict(known=True, condemned=False)
        assert not any(row.going for row in await database.read(FilesByKey("", clock.now, 9)))

    async def test_one_that_came_to_something_or_is_not_old_is_left_alone(
        self, database: Database, clock: Clock
    ) -> None:
        await done(database, generation_id="well")
        await cancelled(database, generation_id="young")
        assert not (await database.write(CondemnLost("well", clock.now))).condemned
        assert not (await database.write(CondemnLost("young", clock.now - 1))).condemned
        assert await database.write(CondemnLost("never-was", clock.now)) == Verdict(known=False, condemned=False)


class TestStocktaking:
    async def test_files_come_by_key_and_say_whether_they_go_with_their_generation(
        self, database: Database, clock: Clock
    ) -> None:
        await done(database, file_of("b"), generation_id="well")
        await failed(database, file_of("a"), generation_id="badly")
        await done(database, file_of("c"), generation_id="condemned")
        await database.write(Condemn("condemned", OWNER))

        async def going(lost_before: int, after: str = "", limit: int = 9) -> list[tuple[str, bool]]:
            rows = await database.read(FilesByKey(after, lost_before, limit))
            return [(row.file.key.split("/")[1], row.going) for row in rows]

        assert await going(NEVER) == [("a", False), ("b", False), ("c", True)]
        assert await going(clock.now) == [("a", True), ("b", False), ("c", True)]
        assert await going(NEVER, limit=1) == [("a", False)]
        assert await going(NEVER, after="generations/a/~") == [("b", False), ("c", True)]

    async def test_a_key_is_unclaimed_that_no_row_names_and_no_job_may_be_about_to(self, database: Database) -> None:
        file = file_of("a")
        await done(database, file, generation_id="ended")
        await held(database, generation_id="running")
        keys = {file.key: "ended", "x": None, "y": "ended", "z": "running", "w": "unheard-of"}
        assert await database.read(Unclaimed(keys)) == {"x", "y", "w"}
        assert await database.read(Unclaimed({})) == frozenset()

    async def superseded(
        self, database: Database, before: int, *, owner: str | None = None, lost: int = NEVER
    ) -> dict[str, set[str]]:
        found = await database.read(SupersededFiles(owner, before, lost, "", 10))
        newer = await database.read(NewerFiles(tuple(file.id for file in found)))
        return {file_id: {key.rpartition("/")[2] for key in keys} for file_id, keys in newer.items()}

    async def test_all_but_the_newest_of_a_name_are_superseded(self, database: Database, clock: Clock) -> None:
        ours = [file_of("x", file_id=f"x{number}") for number in range(3)]
        others = [file_of("y"), file_of("x", role="thumbnail"), file_of("x", role="master", file_id="m0")]
        await done(database, *ours, *others, generation_id="g")
        await done(database, file_of("x", file_id="elsewhere"), generation_id="h")
        clock.move(1)
        await done(database, file_of("x", file_id="a-new"), file_of("x", role="master"), generation_id="g", adds=True)
        assert await self.superseded(database, clock.now) == {}  # the job that made them names them in its result
        await database.write(Do("DELETE FROM jobs"))
        assert await self.superseded(database, clock.now - 1) == {
            "x0": {"x1", "x2", "a-new"},
            "x1": {"x2", "a-new"},
            "x2": {"a-new"},
        }
        assert await self.superseded(database, clock.now - 2) == {}
        assert await self.superseded(database, clock.now, owner=STRANGER) == {}
        assert len(await self.superseded(database, clock.now, owner=OWNER)) == 3
        page = await database.read(SupersededFiles(None, clock.now, NEVER, "x0", 1))
        assert [one.id for one in page] == ["x1"]
        assert await database.read(NewerFiles(("a-new", "never-was"))) == {"a-new": []}

    async def test_those_of_a_generation_that_goes_as_a_whole_are_not(self, database: Database, clock: Clock) -> None:
        await failed(database, file_of("x", file_id="x0"), file_of("x", file_id="x1"), generation_id="g")
        await database.write(Do("DELETE FROM jobs"))
        assert [*await self.superseded(database, clock.now)] == ["x0"]
        assert await self.superseded(database, clock.now, lost=clock.now) == {}

    async def test_the_newest_are_told_the_newest_first(self, database: Database, clock: Clock) -> None:
        assert await database.read(NewestFiles(2)) == []
        files = [file_of(name) for name in ("c", "a", "b")]
        for number, file in enumerate(files):
            await done(database, file, generation_id="g", adds=number > 0)
            clock.move(1)
        assert await database.read(NewestFiles(2)) == [files[2].key, files[1].key]

    async def test_those_that_have_a_row_are_told(self, database: Database) -> None:
        await done(database, file_of("x", file_id="x0"), generation_id="g")
        assert await database.read(StillNamed(("x0", "never-was"))) == {"x0"}
        assert await database.read(StillNamed(())) == frozenset()

    async def test_a_master_is_known_by_its_row(self, database: Database) -> None:
        await done(database, file_of("x"), file_of("m", role="master"), generation_id="g")
        rows = await database.read(FilesByKey("", NEVER, 10))
        assert sorted(row.master for row in rows) == [False, True]
        assert all(row.master is (row.file.key.split("/")[1] == "m") for row in rows)

    async def test_dropping_tells_which_were_there(self, database: Database) -> None:
        await done(database, file_of("x", file_id="x0"), file_of("y", file_id="y0"), generation_id="g")
        assert await database.write(DropFiles(("x0", "never-was"))) == {"x0"}
        assert await count(database, "files") == 1


def spent(before: int, keep: int, **more: Any) -> SpentJobs:
    asked: dict[str, Any] = {"kind": KIND, "statuses": ("completed",), "after": (NEVER, ""), "limit": 10, **more}
    return SpentJobs(ended_before=before, keep=keep, **asked)


async def ids(database: Database, question: SpentJobs) -> list[str]:
    return [job.id for job in await database.read(question)]


class TestSpentJobs:
    async def test_of_age_and_count_the_one_that_keeps_more_counts(self, database: Database, clock: Clock) -> None:
        jobs: list[str] = []
        for _ in range(5):
            jobs.append((await done(database)).id)
            clock.move(10)
        await submitted(database)  # the newest event is not one of theirs
        now = clock.now
        assert await ids(database, spent(now, 0)) == jobs
        assert await ids(database, spent(now, 2)) == jobs[:3]
        assert await ids(database, spent(now - 40, 2)) == jobs[:2]
        assert await ids(database, spent(now - 51, 0)) == []
        assert await ids(database, spent(now, 5)) == []
        assert await ids(database, spent(now, 50)) == []

    async def test_each_kind_and_each_way_to_end_counts_for_itself(self, database: Database, clock: Clock) -> None:
        await done(database)
        bad = [(await failed(database)).id]
        clock.move(1)
        bad.append((await cancelled(database)).id)
        clock.move(1)
        other = (await cancelled(database, kind="other")).id
        await submitted(database, kind="third")
        badly = ("failed", "cancelled")
        assert await ids(database, spent(clock.now, 0, statuses=badly)) == bad
        assert await ids(database, spent(clock.now, 1, statuses=badly)) == bad[:1]
        assert await ids(database, spent(clock.now, 0, statuses=badly, kind="other")) == [other]
        assert await database.read(EndedKinds()) == [KIND, "other"]

    async def test_pages_follow_one_another(self, database: Database, clock: Clock) -> None:
        jobs = sorted([(await cancelled(database)).id for _ in range(3)])
        await submitted(database)
        question = spent(clock.now, 0, statuses=("cancelled",), limit=2)
        first = await database.read(question)
        assert [job.id for job in first] == jobs[:2]
        last = (first[-1].finished_at, first[-1].id)
        assert await ids(database, spent(clock.now, 0, statuses=("cancelled",), after=last)) == jobs[2:]

    async def test_one_that_an_unended_job_depends_on_or_that_depends_on_one_stays(
        self, database: Database, clock: Clock
    ) -> None:
        parent = await done(database)
        child = await submitted(database, depends_on=(parent.id,), kind="waits")
        unended = await submitted(database, kind="waits")
        called_off = await cancelled(database, depends_on=(unended.id,))
        gone = await cancelled(database, depends_on=(parent.id,))
        await submitted(database, kind="waits")
        everything = (parent.id, called_off.id, gone.id)
        assert await ids(database, spent(clock.now, 0)) == []
        assert await ids(database, spent(clock.now, 0, statuses=("cancelled",))) == [gone.id]
        assert await database.write(RemoveJobs(everything, clock.now)) == {gone.id}
        await database.write(Cancel(child.id, OWNER))
        await database.write(Cancel(unended.id, OWNER))
        await submitted(database, kind="waits")
        assert await database.write(RemoveJobs(everything, clock.now)) == {parent.id, called_off.id}

    async def test_the_one_that_has_the_newest_event_stays(self, database: Database, clock: Clock) -> None:
        job = await done(database)
        ((newest,),) = await database.read(Look("SELECT max(pos) FROM job_events"))
        assert await ids(database, spent(clock.now, 0)) == []
        assert await database.write(RemoveJobs((job.id,), clock.now)) == frozenset()
        assert await database.read(Look("SELECT job_id FROM job_events WHERE pos = $1", (newest,))) == [(job.id,)]


class TestRemoveJobs:
    async def test_a_job_goes_with_all_that_is_only_its_own(self, database: Database, clock: Clock) -> None:
        once = Once("a-key", "fingerprint")
        (kept_key,) = await database.write(SubmitOnce(OWNER, a_job(kind="other"), Once("other-key", "f")))
        await database.write(SubmitOnce(OWNER, a_job("mine"), once))
        job = await claimed(database)
        await database.write(StartStep(job.id, job.fence, "draw", paid=False, progress=1))
        await database.write(FinishStep(job.id, job.fence, "draw", "{}", 2, (file_of("a"),)))
        await database.write(Complete(job.id, job.fence, "{}"))
        await submitted(database, kind="other")
        assert await database.write(RemoveJobs(("mine", "never-was"), clock.now)) == {"mine"}
        assert await database.read(GetJob("mine")) is None
        assert await count(database, "job_events", "job_id = 'mine'") == 0
        assert await count(database, "job_steps", "job_id = 'mine'") == 0
        assert await count(database, "files", "job_id = 'mine'") == 1  # pictures outlive their job
        assert await database.read(Look("SELECT job_id FROM idempotency")) == [(kept_key.job_id,)]
        assert await count(database, "job_events") > 0
        assert await database.read(StillThere(("mine", kept_key.job_id))) == {kept_key.job_id}
        (again,) = await database.write(SubmitOnce(OWNER, a_job(), Once("a-key", "another request")))
        assert not again.replayed

    async def test_a_generation_outlives_its_job(self, database: Database, clock: Clock) -> None:
        job = await done(database, file_of("a"), generation_id="g")
        await submitted(database)
        assert await database.write(RemoveJobs((job.id,), clock.now)) == {job.id}
        assert await count(database, "generations", "id = 'g' AND outcome = 'completed'") == 1

    async def test_one_that_was_begun_again_or_ended_anew_stays(self, database: Database, clock: Clock) -> None:
        job = await cancelled(database)
        await database.write(Retry(job.id, OWNER))
        await submitted(database, kind="other")
        assert await database.write(RemoveJobs((job.id,), clock.now)) == frozenset()
        before = clock.now
        clock.move(1)
        await database.write(Cancel(job.id, OWNER))
        await submitted(database, kind="other")
        assert await database.write(RemoveJobs((job.id,), before)) == frozenset()
        assert await database.write(RemoveJobs((job.id,), clock.now)) == {job.id}

    async def test_a_completed_parent_is_forgotten_by_its_children(self, database: Database, clock: Clock) -> None:
        parent = await done(database)
        child = await cancelled(database, depends_on=(parent.id,))
        await submitted(database, kind="other")
        await database.write(RemoveJobs((parent.id,), clock.now))
        assert await count(database, "dependencies") == 0
        assert (await database.write(Retry(child.id, OWNER))).status == "waiting"

    async def test_a_parent_that_ended_badly_is_remembered_until_the_child_goes(
        self, database: Database, clock: Clock
    ) -> None:
        batch = SubmitAll((a_job("parent"), a_job("child", depends_on=("parent",))), (0, 1))
        await database.write(batch)
        await database.write(Cancel("parent", OWNER))
        await submitted(database, kind="other")
        assert await database.write(RemoveJobs(("parent",), clock.now)) == {"parent"}
        with pytest.raises(DependencyFailed):
            await database.write(Retry("child", OWNER))
        assert await database.write(RemoveJobs(("child",), clock.now)) == {"child"}
        assert await count(database, "dependencies") == 0
