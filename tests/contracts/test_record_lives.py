"""What a job's row and its events say at each turn of its life. That every turn is guarded is `test_record_machine.py`'s."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import Conflict, NotFound
from snapasset.event import Event, iso
from snapasset.job import new_id
from snapasset.records.claims import Beat, Begin, GiveBack, is_suspect
from snapasset.records.endings import Cancel, Complete, EndCancelled, Fail
from snapasset.records.events import EventsAfter
from snapasset.records.revival import Retry
from snapasset.records.steps import FailStep, FinishStep, StartStep
from snapasset.records.upkeep import HeldJob, HeldJobs, Promote, Reap
from tests.contracts.record_backends import Look
from tests.contracts.record_jobs import (
    FAULT,
    OWNER,
    STRANGER,
    WORKER,
    a_job,
    claimed,
    held,
    last_told,
    lost,
    stored,
    submitted,
    told,
)

if TYPE_CHECKING:
    from snapasset.database import Database, Write
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock


def of(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: body.get(name) for name in names}


class TestSubmitting:
    async def test_the_row_is_what_was_asked_for(self, database: Database, clock: Clock) -> None:
        change = a_job(priority=5, attempts=2, data='{"prompt": "a hill"}', generation_id=new_id())
        job = await database.write(change)
        assert job == await stored(database, job.id)
        assert job == job._replace(
            id=change.job_id, kind=change.kind, queue=change.queue, owner=OWNER, status="waiting", priority=5,
            data='{"prompt": "a hill"}', result=None, error=None, generation_id=change.generation_id, run=1, attempt=0,
            attempts=2, fence=0, beat=0, seq=1, step=None, progress=0, cancel_requested=0, worker_id=None,
            created_at=clock.now, due_at=None, started_at=None, finished_at=None, updated_at=clock.now,
        )  # fmt: skip

    async def test_its_first_event_has_the_kind_besides(self, database: Database, clock: Clock) -> None:
        job = await submitted(database)
        [event] = await database.read(EventsAfter(job.id, 0))
        assert json.loads(event.body) == {
            "type": "update", "jobId": job.id, "seq": 1, "run": 1, "attempt": 0, "status": "waiting", "step": None,
            "progress": 0.0, "at": iso(clock.now), "kind": job.kind,
        }  # fmt: skip
        assert event == Event(job.id, 1, "update", event.body, clock.now, OWNER)

    async def test_a_generation_is_filed_with_what_was_asked_for(self, database: Database) -> None:
        job = await submitted(database, generation_id="g-1")
        rows = await database.read(Look("SELECT id, owner, job_id, request, created_at FROM generations"))
        assert rows == [("g-1", OWNER, job.id, job.data, job.created_at)]
        await submitted(database)
        assert await database.read(Look("SELECT count(*) FROM generations")) == [(1,)]


class TestBeating:
    async def test_it_keeps_the_job_and_moves_progress_forward_only(self, database: Database) -> None:
        job = await held(database)
        for progress, expected in ((20.0, 20.0), (10.0, 20.0), (20.5, 20.5)):
            assert await database.write(Beat(job.id, job.fence, progress)) is False
            assert (await stored(database, job.id)).progress == expected
        assert await database.read(HeldJobs()) == [HeldJob(job.id, job.fence, 3, WORKER)]

    async def test_a_step_does_not_take_progress_back_either(self, database: Database) -> None:
        job = await held(database)
        await database.write(Beat(job.id, job.fence, 60.0))
        changes: list[Write[Any]] = [
            StartStep(job.id, job.fence, "render", paid=False, progress=50.0),
            FailStep(job.id, job.fence, "render", FAULT, 55.0),
        ]
        for change in changes:
            await database.write(change)
            assert (await last_told(database, job.id))["progress"] == 60.0

    async def test_each_holder_begins_its_own_count(self, database: Database) -> None:
        job = await held(database)
        await database.write(Beat(job.id, job.fence, 0.0))
        await database.write(GiveBack(job.id, job.fence))
        assert (await claimed(database)).beat == 0

    async def test_it_is_no_news(self, database: Database) -> None:
        job = await held(database)
        await database.write(Beat(job.id, job.fence, 50.0))
        assert len(await told(database, job.id)) == job.seq == (await stored(database, job.id)).seq

    async def test_it_brings_the_wish_to_cancel(self, database: Database) -> None:
        job = await held(database)
        await database.write(Cancel(job.id, OWNER))
        assert await database.write(Beat(job.id, job.fence, 0.0)) is True


class TestEnding:
    async def test_a_result_is_kept_and_told_as_it_is(self, database: Database, clock: Clock) -> None:
        job = await held(database)
        await database.write(StartStep(job.id, job.fence, "render", paid=False, progress=50.0))
        clock.move(700)
        done = await database.write(Complete(job.id, job.fence, '{"images":[{"fileId":"f"}],"n":1.50}'))
        assert done is not None
        assert (done.status, done.progress, done.step, done.worker_id) == ("completed", 100.0, None, None)
        assert (done.result, done.error, done.finished_at) == ('{"images":[{"fileId":"f"}],"n":1.50}', None, clock.now)
        [event] = await database.read(EventsAfter(job.id, done.seq - 1))
        assert event.body.endswith(',"result":{"images":[{"fileId":"f"}],"n":1.50}}'), "numbers as they were written"
        assert of(json.loads(event.body), "type", "status", "progress", "error") == {
            "type": "final", "status": "completed", "progress": 100.0, "error": None,
        }  # fmt: skip

    async def test_a_failed_attempt_tells_when_the_next_begins(self, database: Database, clock: Clock) -> None:
        job = await held(database, attempts=2)
        failed = await database.write(Fail(job.id, job.fence, FAULT, retryable=True, delay_ms=2000))
        assert failed is not None
        assert (failed.status, failed.due_at, failed.finished_at) == ("delayed", clock.now + 2000, None)
        assert of(await last_told(database, job.id), "type", "status", *FAULT, "nextAttemptAt") == {
            "type": "error", "status": "delayed", **FAULT, "nextAttemptAt": iso(clock.now + 2000),
        }  # fmt: skip

    async def test_the_last_attempt_ends_the_run_with_its_error(self, database: Database, clock: Clock) -> None:
        job = await held(database, attempts=2)
        await database.write(Fail(job.id, job.fence, FAULT, retryable=True, delay_ms=2000))
        clock.move(2000)
        await database.write(Promote())
        again = await claimed(database)
        assert again.attempt == 2
        failed = await database.write(Fail(again.id, again.fence, FAULT, retryable=True, delay_ms=4000))
        assert failed is not None
        assert (failed.status, failed.due_at, failed.finished_at) == ("failed", None, clock.now)
        assert json.loads(failed.error or "") == FAULT
        assert of(await last_told(database, job.id), "type", "status", "error") == {
            "type": "final", "status": "failed", "error": FAULT,
        }  # fmt: skip

    async def test_what_cannot_help_is_not_tried_again(self, database: Database) -> None:
        job = await held(database)
        failed = await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=2000))
        assert failed is not None
        assert (failed.status, failed.attempt) == ("failed", 1)

    async def test_an_attempt_of_a_dead_worker_is_counted_and_told(self, database: Database, clock: Clock) -> None:
        await submitted(database, attempts=2)
        for status, type_ in (("waiting", "error"), ("failed", "final")):
            job = await claimed(database)
            await database.write(Begin(job.id, job.fence))
            taken = await lost(database)
            assert taken is not None
            assert (taken.status, taken.worker_id) == (status, None)
            event = await last_told(database, job.id)
            assert event["type"] == type_
            error = event if type_ == "error" else event["error"]
            assert (error["code"], error["retryable"]) == ("worker_lost", True)
        assert taken.attempt == 2
        assert taken.finished_at == clock.now

    async def test_one_that_waits_to_run_alone_loses_nothing_with_its_worker(self, database: Database) -> None:
        await submitted(database, attempts=2)
        assert not is_suspect(await claimed(database))
        await lost(database)
        for _ in range(2):
            job = await claimed(database)
            assert (job.attempt, is_suspect(job)) == (2, True)
            back = await lost(database)
            assert back is not None
            assert (back.status, back.attempt, back.worker_id) == ("waiting", 1, None)
            assert (await last_told(database, job.id))["type"] == "update", "nothing failed"
        job = await claimed(database)
        [seen] = await database.read(HeldJobs())
        assert await database.write(Begin(job.id, job.fence))
        assert await database.write(Reap(seen)) is None, "it has begun since it was seen"
        assert await database.write(Begin(job.id, job.fence)), "said again when the answer was lost"
        ended = await lost(database)
        assert ended is not None
        assert (ended.status, ended.attempt) == ("failed", 2)
        assert not await database.write(Begin(job.id, job.fence))

    async def test_one_that_waits_to_run_alone_and_is_not_wanted_ends_with_its_worker(self, database: Database) -> None:
        await submitted(database, attempts=2)
        await claimed(database)
        await lost(database)
        job = await claimed(database)
        await database.write(Cancel(job.id, OWNER))
        ended = await lost(database)
        assert ended is not None
        assert (ended.status, (await last_told(database, job.id))["type"]) == ("cancelled", "final")

    @pytest.mark.parametrize("attempts", [1, 3])
    async def test_who_has_had_no_other_chance_or_has_one_more_begins_at_once(
        self, database: Database, attempts: int
    ) -> None:
        await submitted(database, attempts=attempts)
        job = await claimed(database)
        if attempts > 1:
            await lost(database)
            job = await claimed(database)
        assert not is_suspect(job)
        assert await lost(database) == await stored(database, job.id), "the one who took it back was told otherwise"
        assert (await stored(database, job.id)).attempt == job.attempt

    async def test_what_has_ended_cannot_be_ended_or_worked_on_again(self, database: Database) -> None:
        job = await held(database)
        done = await database.write(Complete(job.id, job.fence, '"first"'))
        late: list[Write[Any]] = [
            Complete(job.id, job.fence, '"second"'),
            Fail(job.id, job.fence, FAULT, retryable=True, delay_ms=0),
            GiveBack(job.id, job.fence),
            EndCancelled(job.id, job.fence),
            Beat(job.id, job.fence, 10.0),
            StartStep(job.id, job.fence, "render", paid=False, progress=10.0),
            Reap(HeldJob(job.id, job.fence, 0, WORKER)),
        ]
        assert [await database.write(change) for change in late] == [None] * len(late)
        assert await stored(database, job.id) == done

    async def test_a_second_reaper_finds_nothing_to_do(self, database: Database) -> None:
        await held(database)
        [seen] = await database.read(HeldJobs())
        assert await database.write(Reap(seen)) is not None
        assert await database.write(Reap(seen)) is None

    async def test_one_beat_saves_a_job_from_its_reaper(self, database: Database) -> None:
        job = await held(database)
        [seen] = await database.read(HeldJobs())
        await database.write(Beat(job.id, job.fence, 0.0))
        assert await database.write(Reap(seen)) is None
        assert (await stored(database, job.id)).fence == job.fence


class TestCancelling:
    @pytest.mark.parametrize("more", [{}, {"delay_ms": 5000}], ids=["waiting", "delayed"])
    async def test_what_does_not_run_ends_at_once(self, database: Database, clock: Clock, more: dict[str, Any]) -> None:
        job = await submitted(database, **more)
        ended = await database.write(Cancel(job.id, OWNER))
        assert (ended.status, ended.due_at, ended.finished_at) == ("cancelled", None, clock.now)
        assert (await last_told(database, job.id))["type"] == "final"

    async def test_what_runs_is_asked_to_stop_once(self, database: Database) -> None:
        job = await held(database)
        asked = await database.write(Cancel(job.id, OWNER))
        assert (asked.status, asked.cancel_requested, asked.fence) == ("active", 1, job.fence)
        event = await last_told(database, job.id)
        assert of(event, "type", "status", "cancelRequested") == {
            "type": "update", "status": "active", "cancelRequested": True,
        }  # fmt: skip
        assert await database.write(Cancel(job.id, OWNER)) == asked

    async def test_its_executor_ends_it_when_it_has_noticed_and_not_unasked(self, database: Database) -> None:
        job = await held(database)
        assert await database.write(EndCancelled(job.id, job.fence)) is None
        await database.write(Cancel(job.id, OWNER))
        ended = await database.write(EndCancelled(job.id, job.fence))
        assert ended is not None
        assert (ended.status, ended.worker_id) == ("cancelled", None)

    async def ways_out(self, database: Database, job: Job, way: str) -> Job | None:
        if way == "complete":
            return await database.write(Complete(job.id, job.fence, '{"n":1}'))
        if way == "fail":
            return await database.write(Fail(job.id, job.fence, FAULT, retryable=True, delay_ms=0))
        if way == "give back":
            return await database.write(GiveBack(job.id, job.fence))
        [seen] = await database.read(HeldJobs())
        return await database.write(Reap(seen))

    @pytest.mark.parametrize("way", ["complete", "fail", "give back", "reap"])
    async def test_however_it_stops_it_is_cancelled_then(self, database: Database, clock: Clock, way: str) -> None:
        job = await held(database)
        await database.write(Beat(job.id, job.fence, 40.0))
        await database.write(Cancel(job.id, OWNER))
        ended = await self.ways_out(database, job, way)
        assert ended is not None
        assert (ended.status, ended.due_at, ended.finished_at, ended.progress) == ("cancelled", None, clock.now, 40.0)
        event = await last_told(database, job.id)
        assert of(event, "type", "status", "error") == {"type": "final", "status": "cancelled", "error": None}
        # What was made, and perhaps paid for, is kept and shown.
        assert event.get("result") == ({"n": 1} if way == "complete" else None)
        assert ended.result == ('{"n":1}' if way == "complete" else None)

    async def test_what_has_ended_cannot_be_cancelled(self, database: Database) -> None:
        job = await submitted(database)
        await database.write(Cancel(job.id, OWNER))
        with pytest.raises(Conflict, match="cancelled"):
            await database.write(Cancel(job.id, OWNER))

    @pytest.mark.parametrize("change", [Cancel, Retry])
    @pytest.mark.parametrize("active", [False, True])
    async def test_a_strangers_job_is_no_job(self, database: Database, change: Any, active: bool) -> None:
        job = await held(database) if active else await submitted(database)
        sentences: list[str] = []
        for job_id, owner in ((job.id, STRANGER), (new_id(), OWNER)):
            with pytest.raises(NotFound) as raised:
                await database.write(change(job_id, owner))
            sentences.append(raised.value.detail)
        assert sentences[0] == sentences[1]
        assert await stored(database, job.id) == job


class TestTryingAgain:
    async def test_a_new_run_begins_clean_and_keeps_what_is_done(self, database: Database, clock: Clock) -> None:
        job = await held(database)
        await database.write(StartStep(job.id, job.fence, "render", paid=False, progress=50.0))
        await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))
        clock.move(1000)
        again = await database.write(Retry(job.id, OWNER))
        assert again == again._replace(
            status="waiting", run=2, attempt=0, result=None, error=None, step=None, progress=0, cancel_requested=0,
            started_at=None, finished_at=None, worker_id=None, created_at=job.created_at, updated_at=clock.now,
        )  # fmt: skip
        event = await last_told(database, job.id)
        assert of(event, "type", "run", "attempt", "status", "progress") == {
            "type": "update", "run": 2, "attempt": 0, "status": "waiting", "progress": 0.0,
        }  # fmt: skip

    async def test_nothing_is_left_of_the_wish_to_cancel(self, database: Database) -> None:
        job = await held(database)
        await database.write(Cancel(job.id, OWNER))
        await database.write(EndCancelled(job.id, job.fence))
        assert (await database.write(Retry(job.id, OWNER))).cancel_requested == 0
        assert "cancelRequested" not in await last_told(database, job.id)

    async def test_only_what_failed_or_was_cancelled(self, database: Database) -> None:
        job = await submitted(database)
        with pytest.raises(Conflict, match="waiting"):
            await database.write(Retry(job.id, OWNER))
        job = await claimed(database)
        with pytest.raises(Conflict, match="active"):
            await database.write(Retry(job.id, OWNER))
        await database.write(Complete(job.id, job.fence, "{}"))
        with pytest.raises(Conflict, match="completed"):
            await database.write(Retry(job.id, OWNER))

    async def test_an_executor_of_the_run_before_can_do_no_harm(self, database: Database) -> None:
        old = await held(database)
        await database.write(Cancel(old.id, OWNER))
        await database.write(EndCancelled(old.id, old.fence))
        await database.write(Retry(old.id, OWNER))
        new = await claimed(database)
        late: list[Write[Any]] = [
            Beat(old.id, old.fence, 99.0),
            StartStep(old.id, old.fence, "render", paid=False, progress=99.0),
            FinishStep(old.id, old.fence, "render", '"late"', 99.0),
            FailStep(old.id, old.fence, "render", FAULT, 99.0),
            Complete(old.id, old.fence, '"late"'),
            Fail(old.id, old.fence, FAULT, retryable=False, delay_ms=0),
            EndCancelled(old.id, old.fence),
            GiveBack(old.id, old.fence),
        ]
        assert [await database.write(change) for change in late] == [None] * len(late)
        assert await stored(database, old.id) == new
        assert await database.read(Look("SELECT count(*) FROM job_steps")) == [(0,)]


async def test_events_are_read_in_order_in_pages_from_any_place(database: Database) -> None:
    job = await held(database)
    for n in range(8):
        await database.write(StartStep(job.id, job.fence, f"step-{n}", paid=False, progress=n))
    other = await submitted(database)
    seqs = [[event.seq for event in await database.read(EventsAfter(job.id, after, 4))] for after in (0, 4, 8, 10, 99)]
    assert seqs == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], [], []]
    assert {event.job_id for event in await database.read(EventsAfter(other.id, 0))} == {other.id}
    assert await database.read(EventsAfter("nobody", 0)) == []
