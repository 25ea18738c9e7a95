"""Steps: what is done stays done, what may have been paid for is never forgotten, files belong to their owner."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from snapasset.job import new_id
from snapasset.records.claims import GiveBack
from snapasset.records.endings import Cancel, Complete, EndCancelled, Fail
from snapasset.records.files import FileRow, GetFile, OwnedFile
from snapasset.records.generations import Condemn, Forget
from snapasset.records.previews import GRACE_MS, FilePreview, SpentPreviews
from snapasset.records.revival import Retry
from snapasset.records.steps import DoneSteps, FailStep, FinishStep, SavePaidStep, ShowFile, StartedStep, StartStep
from snapasset.records.stocktaking import DropFiles
from snapasset.records.upkeep import HeldJobs, Reap
from tests.contracts.record_backends import Do, Look
from tests.contracts.record_jobs import (
    FAULT,
    OWNER,
    STRANGER,
    StepRow,
    claimed,
    held,
    last_told,
    steps_of,
    stored,
    told,
)

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock

STEP = "generate"


async def start(database: Database, job: Job, step: str = STEP, *, paid: bool = True) -> StartedStep:
    started = await database.write(StartStep(job.id, job.fence, step, paid, 10.0))
    assert started is not None
    return started


async def finish(database: Database, job: Job, output: str = '"out"', *files: FileRow) -> None:
    assert await database.write(FinishStep(job.id, job.fence, STEP, output, 40.0, files)) is not None


async def lose(database: Database) -> None:
    """The only running job is taken from its executor."""
    [seen] = await database.read(HeldJobs())
    assert await database.write(Reap(seen)) is not None


async def again(database: Database, job: Job) -> Job:
    """The job in a new run, claimed."""
    if not (await stored(database, job.id)).ended:
        await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))
    await database.write(Retry(job.id, OWNER))
    return await claimed(database)


def a_file(**more: object) -> FileRow:
    fields: dict[str, object] = {"role": "master", "name": "master", "content_type": "image/png", "size": 9, **more}
    file_id = new_id()
    return FileRow(id=file_id, key=f"files/{file_id}", **fields)  # pyright: ignore[reportArgumentType]


class TestTelling:
    async def test_a_step_is_told_when_it_starts_and_when_it_is_done(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        await finish(database, job, '{"fileId":"f"}')
        events = (await told(database, job.id))[-2:]
        shown = [(event["step"], event["state"], event["progress"], event.get("output")) for event in events]
        assert shown == [(STEP, "started", 10.0, None), (STEP, "done", 40.0, {"fileId": "f"})]
        row = await stored(database, job.id)
        assert (row.step, row.progress) == (STEP, 40.0)

    async def test_one_that_comes_to_nothing_is_told_with_its_error_and_the_job_goes_on(
        self, database: Database
    ) -> None:
        job = await held(database)
        await start(database, job, paid=False)
        assert await database.write(FailStep(job.id, job.fence, STEP, FAULT, 45.0)) is False
        event = await last_told(database, job.id)
        assert (event["type"], event["state"], event["error"], event["status"]) == ("update", "failed", FAULT, "active")
        assert await steps_of(database, job.id) == [StepRow(1, STEP, "failed", None, 0)]
        assert await database.write(Complete(job.id, job.fence, "{}")) is not None

    async def test_each_answers_whether_cancelling_was_asked_for(self, database: Database) -> None:
        job = await held(database)
        assert await start(database, job) == StartedStep(cancel_requested=False, doubts=0)
        await database.write(Cancel(job.id, OWNER))
        assert await start(database, job, "other") == StartedStep(cancel_requested=True, doubts=0)
        assert await database.write(FinishStep(job.id, job.fence, STEP, "1", 50.0)) is True
        assert await database.write(FailStep(job.id, job.fence, "other", FAULT, 50.0)) is True


class TestDone:
    async def test_what_is_done_is_found_by_every_later_attempt_and_run(self, database: Database) -> None:
        job = await held(database)
        assert await database.read(DoneSteps(job.id)) == {}
        await start(database, job)
        await start(database, job, "render", paid=False)
        await finish(database, job, '"first"')
        await lose(database)
        assert await database.read(DoneSteps(job.id)) == {STEP: '"first"'}
        job = await again(database, await claimed(database))
        assert await database.read(DoneSteps(job.id)) == {STEP: '"first"'}
        assert await database.read(DoneSteps("nobody")) == {}

    async def test_the_newest_run_has_the_last_word(self, database: Database) -> None:
        job = await held(database)
        await start(database, job, paid=False)
        await finish(database, job, '"first"')
        job = await again(database, job)
        await start(database, job, paid=False)
        await finish(database, job, '"second"')
        assert await database.read(DoneSteps(job.id)) == {STEP: '"second"'}

    async def test_one_that_failed_can_be_started_again(self, database: Database, clock: Clock) -> None:
        job = await held(database)
        await start(database, job)
        await database.write(FailStep(job.id, job.fence, STEP, FAULT, 45.0))
        clock.move(5)
        await start(database, job)
        rows = await database.read(Look("SELECT state, error, started_at, finished_at FROM job_steps"))
        assert rows == [("started", None, clock.now, None)]


class TestDoubt:
    async def test_a_paid_call_of_a_lost_executor_is_doubtful_and_counted_each_time(self, database: Database) -> None:
        await held(database, attempts=3)
        for doubts in (0, 1, 2):
            [seen] = await database.read(HeldJobs())
            job = await stored(database, seen.id)
            assert await start(database, job) == StartedStep(cancel_requested=False, doubts=doubts)
            assert (await steps_of(database, job.id))[0].state == "started"
            await lose(database)
            assert await steps_of(database, job.id) == [StepRow(1, STEP, "doubtful", None, doubts + 1)]
            if doubts < 2:
                await claimed(database)

    @pytest.mark.parametrize(("doubtful", "expected"), [(True, ("doubtful", 1)), (False, ("failed", 0))])
    async def test_a_failure_says_itself_whether_it_may_have_been_charged(
        self, database: Database, doubtful: bool, expected: tuple[str, int]
    ) -> None:
        job = await held(database)
        await start(database, job)
        await start(database, job, "render", paid=False)
        await database.write(Fail(job.id, job.fence, FAULT, retryable=True, delay_ms=0, doubtful=doubtful))
        assert await steps_of(database, job.id) == [
            StepRow(1, STEP, expected[0], None, expected[1]),
            StepRow(1, "render", "failed", None, 0),
        ]

    async def test_a_job_given_back_in_the_middle_of_a_paid_call_is_in_doubt_too(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        await start(database, job, "render", paid=False)
        await database.write(GiveBack(job.id, job.fence))
        assert await steps_of(database, job.id) == [
            StepRow(1, STEP, "doubtful", None, 1),
            StepRow(1, "render", "started", None, 0),
        ]

    async def test_so_is_a_paid_call_beside_the_step_that_noticed_a_cancelling(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        await database.write(Cancel(job.id, OWNER))
        await database.write(EndCancelled(job.id, job.fence))
        assert await steps_of(database, job.id) == [StepRow(1, STEP, "doubtful", None, 1)]

    async def test_so_is_one_that_a_job_left_under_way_when_it_ended_well(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        await database.write(Complete(job.id, job.fence, "{}", doubtful=True))
        assert await steps_of(database, job.id) == [StepRow(1, STEP, "doubtful", None, 1)]

    async def test_a_doubt_is_counted_once_for_each_call(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        await lose(database)
        await claimed(database)  # it dies before it calls again
        await lose(database)
        assert await steps_of(database, job.id) == [StepRow(1, STEP, "doubtful", None, 1)]

    async def test_what_was_done_before_is_beyond_doubt(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        await finish(database, job)
        await lose(database)
        assert await steps_of(database, job.id) == [StepRow(1, STEP, "done", '"out"', 0)]

    async def test_a_new_run_begins_without_doubts(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        await lose(database)
        job = await again(database, await claimed(database))
        assert (await start(database, job)).doubts == 0
        assert [row.doubts for row in await steps_of(database, job.id)] == [1, 0]


class TestLateAnswers:
    async def overtaken(self, database: Database) -> tuple[Job, Job]:
        """An executor that has started a paid call and lost the job, and the one that has it now."""
        old = await held(database)
        await start(database, old)
        await lose(database)
        return old, await claimed(database)

    async def late(self, database: Database, old: Job, *files: FileRow) -> None:
        assert await database.write(FinishStep(old.id, old.fence, STEP, '"late"', 40.0, files)) is None
        await database.write(SavePaidStep(old.id, old.run, STEP, '"late"', files))

    async def test_what_was_paid_for_is_kept_for_whoever_runs_the_job_next(self, database: Database) -> None:
        old, _ = await self.overtaken(database)
        events = await told(database, old.id)
        file = a_file()
        await self.late(database, old, file)
        assert await database.read(DoneSteps(old.id)) == {STEP: '"late"'}
        assert await database.read(GetFile(file.id, OWNER)) is not None
        assert await told(database, old.id) == events, "only who holds the job may tell"

    async def test_files_of_a_generation_that_has_gone_meanwhile_are_not_filed(self, database: Database) -> None:
        job = await held(database, generation_id="g")
        await start(database, job)
        await database.write(GiveBack(job.id, job.fence))
        await database.write(Cancel(job.id, OWNER))
        await database.write(Condemn("g", OWNER))
        for gone in (False, True):
            file = a_file()
            await self.late(database, job, file)
            assert (await database.read(DoneSteps(job.id)))[STEP] == '"late"'
            assert await database.read(Look("SELECT count(*) FROM files")) == [(0,)]
            if not gone:
                await database.write(Forget("g"))
                await database.write(Do("UPDATE job_steps SET state = 'started' WHERE job_id = $1", (job.id,)))

    async def test_an_output_that_is_there_already_stays(self, database: Database) -> None:
        old, new = await self.overtaken(database)
        await start(database, new)
        await finish(database, new, '"new"')
        file = a_file()
        await self.late(database, old, file)
        assert await database.read(DoneSteps(old.id)) == {STEP: '"new"'}
        assert await database.read(GetFile(file.id, OWNER)) is None

    async def test_one_that_was_about_to_pay_again_gets_it_instead(self, database: Database) -> None:
        old, new = await self.overtaken(database)
        await self.late(database, old)
        assert await start(database, new) == StartedStep(cancel_requested=False, doubts=0, output='"late"')
        event = await last_told(database, new.id)
        assert (event["state"], event["output"]) == ("done", "late")
        assert await database.read(DoneSteps(old.id)) == {STEP: '"late"'}

    async def test_one_that_fails_meanwhile_does_not_undo_it(self, database: Database) -> None:
        old, new = await self.overtaken(database)
        await start(database, new)
        await self.late(database, old)
        await database.write(FailStep(new.id, new.fence, STEP, FAULT, 45.0))
        await database.write(Fail(new.id, new.fence, FAULT, retryable=True, delay_ms=0, doubtful=True))
        assert await database.read(DoneSteps(old.id)) == {STEP: '"late"'}


class TestFiles:
    async def test_a_file_enters_with_its_step_and_belongs_to_the_jobs_owner(
        self, database: Database, clock: Clock
    ) -> None:
        job = await held(database, generation_id="g-1")
        file = a_file(name="instagram-post", role="rendition", width=1080, height=1350)
        await start(database, job)
        await finish(database, job, "1", file, a_file())
        found = await database.read(GetFile(file.id, OWNER))
        assert found == OwnedFile(file.key, "instagram-post", "image/png", 9, "rendition")
        assert await database.read(GetFile(file.id, STRANGER)) is None
        assert await database.read(GetFile(new_id(), OWNER)) is None
        rows = await database.read(
            Look("SELECT job_id, generation_id, role, width, height, created_at FROM files WHERE id = $1", (file.id,))
        )
        assert rows == [(job.id, "g-1", "rendition", 1080, 1350, clock.now)]

    async def test_a_commit_whose_answer_was_lost_can_be_sent_again(self, database: Database) -> None:
        job = await held(database)
        file = a_file()
        await start(database, job)
        for _ in range(2):
            await finish(database, job, "1", file)
        assert await database.read(GetFile(file.id, OWNER)) is not None
        assert await database.read(DoneSteps(job.id)) == {STEP: "1"}

    async def test_a_step_that_is_refused_files_nothing(self, database: Database) -> None:
        job = await held(database)
        file = a_file()
        assert await database.write(FinishStep(job.id, job.fence - 1, STEP, "1", 40.0, (file,))) is None
        assert await database.read(GetFile(file.id, OWNER)) is None

    async def test_two_steps_cannot_claim_one_key(self, database: Database) -> None:
        job = await held(database)
        file = a_file()
        await start(database, job)
        await finish(database, job, "1", file)
        with pytest.raises(Exception, match=r"UNIQUE|unique"):
            await finish(database, job, "2", replace(file, id=new_id()))
        assert await database.read(DoneSteps(job.id)) == {STEP: "1"}


class TestUnfinished:
    async def shown(self, database: Database, job: Job, fence: int | None = None) -> bool | None:
        file = a_file(role="preview", name="0")
        held_fence = job.fence if fence is None else fence
        return await database.write(ShowFile(job.id, held_fence, STEP, 12.0, file, "preview", '{"index":0}'))

    async def test_it_is_filed_and_told_of_in_one_commit(self, database: Database) -> None:
        job = await held(database, generation_id="g")
        await start(database, job)
        assert await self.shown(database, job) is False
        event = await last_told(database, job.id)
        assert (event["type"], event["preview"], "state" in event) == ("update", {"index": 0}, False)
        assert await database.read(Look("SELECT role, generation_id FROM files")) == [("preview", "g")]
        await database.write(Cancel(job.id, OWNER))
        assert await self.shown(database, job) is True

    async def test_who_has_lost_the_job_files_and_tells_nothing(self, database: Database) -> None:
        job = await held(database, generation_id="g")
        before = await told(database, job.id)
        assert await self.shown(database, job, job.fence - 1) is None
        assert await told(database, job.id) == before
        assert await database.read(Look("SELECT count(*) FROM files")) == [(0,)]

    async def test_it_is_filed_before_it_is_stored_and_told_of_once(self, database: Database) -> None:
        job = await held(database, generation_id="g")
        await start(database, job)
        before, file = await told(database, job.id), a_file(role="preview", name="0")
        assert await database.write(FilePreview(job.id, job.fence - 1, file)) is False
        assert await database.read(Look("SELECT count(*) FROM files")) == [(0,)]
        assert await database.write(FilePreview(job.id, job.fence, file)) is True
        assert await told(database, job.id) == before
        assert await database.write(ShowFile(job.id, job.fence, STEP, 12.0, file, "preview", "1")) is False
        assert await database.read(Look("SELECT id FROM files")) == [(file.id,)]

    @pytest.mark.parametrize("since", [None, 0])
    async def test_it_is_spent_when_its_job_has_ended_a_while_ago(
        self, database: Database, clock: Clock, since: int | None
    ) -> None:
        question = SpentPreviews(("draw", "another"), since)
        job = await held(database, generation_id="g")
        await start(database, job)
        await self.shown(database, job)
        clock.now += 10 * GRACE_MS
        assert (await database.read(question)).files == ()
        await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))
        assert (await database.read(question)).files == ()
        clock.now += GRACE_MS
        spent = await database.read(question)
        assert [file.id for file in spent.files] == [
            row[0] for row in await database.read(Look("SELECT id FROM files"))
        ]
        assert await database.read(SpentPreviews(("draw",), spent.upto)) == spent
        assert (await database.read(SpentPreviews(("another",), 0))).files == ()
        assert (await database.read(SpentPreviews(("draw",), clock.now))).files == ()

    async def test_it_stays_until_its_file_is_gone(self, database: Database) -> None:
        for late in (False, True):
            job = await held(database, generation_id=f"g-{late}")
            await start(database, job)
            await self.shown(database, job)
            master = a_file(role="master")
            if late:
                await lose(database)
                await database.write(SavePaidStep(job.id, job.run, STEP, "1", (master,)))
            else:
                await finish(database, job, "1", a_file(role="rendition"))
                assert await database.read(Look("SELECT count(*) FROM files WHERE role = 'preview'")) == [(1,)]
                await finish(database, job, "1", master)
                await database.write(Complete(job.id, job.fence, "{}"))
            ((preview,),) = await database.read(Look("SELECT id FROM files WHERE role = 'preview'"))
            assert await database.write(DropFiles((preview,))) == {preview}
