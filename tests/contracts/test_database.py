"""What every database promises to the operations that run on it and to their callers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Both, Read, Statement
from snapasset.errors import Conflict, DatabaseUnavailable, NotFound
from snapasset.event import Event
from snapasset.job import Job, new_id
from snapasset.records.endings import Cancel, Complete
from snapasset.records.jobs import GetJob
from tests.contracts.record_backends import Counted, Do, Look, Nothing, Refuse, ThenRaise, begun
from tests.contracts.record_jobs import CLAIM, KIND, OWNER, QUEUE, a_job, claimed, held, stored, submitted, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snapasset.database import Database, Row, Steps
    from tests.contracts.record_backends import Pause, Record

JOBS = Look("SELECT id FROM jobs ORDER BY id")


async def job_ids(database: Database) -> list[str]:
    return [job_id for (job_id,) in await database.read(JOBS)]


class Heard:
    """A listener that remembers."""

    def __init__(self, database: Database) -> None:
        self.events: list[Event] = []
        self.commits = 0
        database.listen(self)

    def __call__(self, events: Sequence[Event]) -> None:
        self.events += events
        self.commits += 1

    @property
    def of(self) -> list[str]:
        return [event.job_id for event in self.events]


@pytest.fixture
def heard(database: Database) -> Heard:
    return Heard(database)


class TestAllOrNothing:
    async def test_an_operation_that_raises_after_writing_leaves_no_trace(
        self, database: Database, heard: Heard
    ) -> None:
        with pytest.raises(Conflict, match="after all"):
            await database.write(ThenRaise(a_job(generation_id=new_id()), Conflict("not after all")))
        for table in ("jobs", "job_events", "generations"):
            assert await database.read(Look(f"SELECT count(*) FROM {table}")) == [(0,)]
        assert not heard.events
        await submitted(database)

    async def test_its_neighbours_in_the_batch_are_committed_and_told(
        self, record: Record, database: Database, heard: Heard
    ) -> None:
        before, after = a_job(), a_job()
        spoiled = ThenRaise(a_job(), Conflict("not after all"))
        async with record.busy(database):
            tasks = await begun(database.write(before), database.write(spoiled), database.write(after))
        first, refusal, last = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(first, Job)
        assert isinstance(last, Job)
        assert isinstance(refusal, Conflict)
        assert await job_ids(database) == [before.job_id, after.job_id]
        assert heard.of == [before.job_id, after.job_id]

    async def test_a_refusal_before_any_change_costs_its_neighbours_nothing(
        self, record: Record, database: Database, heard: Heard
    ) -> None:
        before, after = Counted(a_job()), Counted(a_job())
        async with record.busy(database):
            tasks = await begun(database.write(before), database.write(Refuse(NotFound("no"))), database.write(after))
        first, refusal, last = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(answer) for answer in (first, refusal, last)] == [Job, NotFound, Job]
        assert (before.runs, after.runs, heard.commits) == (1, 1, 1)

    @pytest.mark.parametrize(
        "bug",
        [Do("INSERT INTO nowhere VALUES (1)"), Do("SELECT $1, $2", (1,)), Refuse(ZeroDivisionError("oh"))],
        ids=["sql", "parameters", "code"],
    )
    async def test_a_bug_in_an_operation_is_its_callers_alone(
        self, record: Record, database: Database, bug: Any
    ) -> None:
        async with record.busy(database):
            good, bad, also_good = await begun(database.write(a_job()), database.write(bug), database.write(a_job()))
        await asyncio.gather(good, also_good)
        with pytest.raises(Exception) as raised:  # noqa: PT011  whatever the driver calls it
            await bad
        assert not isinstance(raised.value, DatabaseUnavailable), "a bug must not look like an outage: that is retried"
        assert len(await job_ids(database)) == 2

    async def test_even_what_is_no_exception_leaves_the_others_alone(self, record: Record, database: Database) -> None:
        class Odd(BaseException):
            pass

        async with record.busy(database):
            bad, good = await begun(database.write(Refuse(Odd())), database.write(a_job()))
        with pytest.raises(Odd):
            await bad
        await good
        await submitted(database)

    async def test_a_broken_rule_of_the_schema_is_no_outage_either(self, record: Record, database: Database) -> None:
        twice = a_job()
        async with record.busy(database):
            tasks = await begun(database.write(twice), database.write(twice), database.write(a_job()))
        first, second, third = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(first, Job)
        assert isinstance(third, Job)
        assert isinstance(second, Exception)
        assert not isinstance(second, DatabaseUnavailable)

    async def test_a_batch_sees_what_stands_before_it_in_the_batch(self, record: Record, database: Database) -> None:
        job = a_job()
        async with record.busy(database):
            tasks = await begun(
                database.write(job),
                database.write(Cancel(job.job_id, OWNER)),
                database.write(Cancel(job.job_id, OWNER)),
            )
        _, cancelled, again = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(cancelled, Job)
        assert cancelled.status == "cancelled"
        assert isinstance(again, Conflict)

    async def test_more_than_a_batch_holds_is_carried_out_all_the_same(
        self, record: Record, database: Database
    ) -> None:
        jobs = [a_job() for _ in range(600)]
        async with record.busy(database):
            tasks = await begun(*(database.write(job) for job in jobs))
        await asyncio.gather(*tasks)
        assert await job_ids(database) == sorted(job.job_id for job in jobs)


class TestBoth:
    async def test_two_changes_become_one(self, database: Database, heard: Heard) -> None:
        one, other = a_job(), a_job()
        answers = await database.write(Both(one, other))
        assert [job.id for job in answers] == [one.job_id, other.job_id] == heard.of
        assert heard.commits == 1

    async def test_the_second_sees_the_first(self, database: Database) -> None:
        _, job = await database.write(Both(a_job(), CLAIM))
        assert job is not None
        assert job.status == "active"

    @pytest.mark.parametrize("apart", [True, False])
    @pytest.mark.parametrize("first", [True, False])
    async def test_when_one_raises_neither_has_happened(
        self, record: Record, database: Database, heard: Heard, first: bool, apart: bool
    ) -> None:
        bad = Refuse(Conflict("no"))
        change: Any = Both(bad, a_job(), apart) if first else Both(a_job(), bad, apart)
        neighbour = a_job()
        async with record.busy(database):
            tasks = await begun(database.write(change), database.write(neighbour))
        with pytest.raises(Conflict):
            await tasks[0]
        await tasks[1]
        assert await job_ids(database) == [neighbour.job_id] == heard.of

    async def test_each_who_ends_a_job_gets_another_one(self, record: Record, database: Database, heard: Heard) -> None:
        jobs = [await held(database) for _ in range(3)]
        stale = Both(Complete(jobs[0].id, jobs[0].fence + 1, "{}"), CLAIM, apart=True)
        left = [await submitted(database) for _ in range(3)]
        del heard.events[:]
        changes: list[Any] = [Both(Complete(job.id, job.fence, "{}"), CLAIM, apart=True) for job in jobs]
        async with record.busy(database):
            tasks = await begun(*(database.write(change) for change in (stale, *changes)))
        (nothing, first), *answers = await asyncio.gather(*tasks)
        assert nothing is None
        assert [ended and ended.id for ended, _ in answers] == [job.id for job in jobs]
        claimed = [first, *(following for _, following in answers)]
        assert sorted(job.id for job in claimed if job is not None) == sorted(job.id for job in left)
        assert sorted(heard.of) == sorted(job.id for job in (*jobs, *left))


class TestTelling:
    async def test_events_are_told_after_the_commit_and_before_the_caller_goes_on(
        self, record: Record, database: Database
    ) -> None:
        seen: list[object] = []

        def listener(events: Sequence[Event]) -> None:
            seen.extend(record.glimpse("SELECT seq FROM jobs WHERE id = $1", event.job_id) for event in events)

        database.listen(listener)
        await submitted(database)
        seen.append("answered")
        assert seen == [[(1,)], "answered"]

    async def test_what_is_told_is_what_is_stored_in_the_order_of_commits(
        self, database: Database, heard: Heard
    ) -> None:
        async def live() -> None:
            job = await submitted(database)
            await claimed(database)
            await database.write(Cancel(job.id, OWNER))

        await asyncio.gather(*(live() for _ in range(30)))
        rows = await database.read(Look("SELECT job_id, seq, type, body, at, owner FROM job_events ORDER BY pos"))
        assert heard.events == [Event._make(row) for row in rows]
        assert len(rows) == 90

    async def test_a_change_that_tells_nothing_calls_nobody(self, database: Database, heard: Heard) -> None:
        await database.write(Nothing())
        await database.write(CLAIM)
        assert heard.commits == 0

    async def test_a_listener_that_raises_keeps_no_caller_waiting(
        self, database: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(_events: Sequence[Event]) -> None:
            raise ZeroDivisionError

        database.listen(broken)
        heard = Heard(database)
        job = await submitted(database)
        assert heard.of == [job.id]
        assert "listener" in caplog.text


class Leaver:
    """A caller that is cancelled when the record tells of the first job: after the commit, before its answer."""

    def __init__(self, database: Database, *, one_turn_later: bool) -> None:
        self.task: asyncio.Task[Any] | None = None
        self._later = one_turn_later
        database.listen(self)

    def __call__(self, _events: Sequence[Event]) -> None:
        task, self.task = self.task, None
        if task is not None and self._later:
            # By then the answer has been given, but the caller has not taken it.
            asyncio.get_running_loop().call_soon(task.cancel)
        elif task is not None:
            task.cancel()


class TestCallersWhoLeave:
    async def test_one_that_leaves_before_its_turn_costs_nothing(
        self, record: Record, database: Database, heard: Heard
    ) -> None:
        left, stays = Counted(a_job()), a_job()
        async with record.busy(database):
            leaver, stayer = await begun(database.write(left), database.write(stays))
            leaver.cancel()
        await stayer
        assert left.runs == 0
        assert heard.of == [stays.job_id]
        assert leaver.cancelled()

    @pytest.mark.parametrize("one_turn_later", [False, True], ids=["before its answer", "before it took its answer"])
    @pytest.mark.parametrize("also_ending", [False, True], ids=["claim", "complete and claim"])
    async def test_a_claim_whose_caller_has_left_is_given_back_and_its_attempt_not_counted(
        self, database: Database, one_turn_later: bool, also_ending: bool
    ) -> None:
        ended = await held(database)
        job = await submitted(database)
        change: Any = Both(Complete(ended.id, ended.fence, "{}"), CLAIM) if also_ending else CLAIM
        leaver = Leaver(database, one_turn_later=one_turn_later)
        leaver.task = asyncio.create_task(database.write(change))
        with pytest.raises(asyncio.CancelledError):
            await asyncio.shield(leaver.task)
        await database.write(Nothing())  # stands behind what undoes the claim
        back = await stored(database, job.id)
        assert (back.status, back.attempt, back.worker_id, back.fence) == ("waiting", 0, None, 2)
        assert [event["status"] for event in await told(database, job.id)] == ["waiting", "active", "waiting"]
        assert (await stored(database, ended.id)).status == ("completed" if also_ending else "active")
        assert (await claimed(database)).id == job.id

    async def test_also_when_the_database_is_closing(self, record: Record, database: Database) -> None:
        job = await submitted(database)
        leaver = Leaver(database, one_turn_later=False)
        async with record.busy(database):
            [leaver.task] = await begun(database.write(CLAIM))
            closing = asyncio.create_task(database.close())
            await asyncio.sleep(0)
        await closing
        assert (await stored(await record.open(), job.id)).status == "waiting"

    async def test_a_change_that_failed_is_not_undone(self, record: Record, database: Database) -> None:
        undone: list[object] = []

        class Failing(Refuse):
            def abandoned(self, answer: None) -> None:
                undone.append(answer)

        leaver = Leaver(database, one_turn_later=False)
        async with record.busy(database):
            told_first, leaver.task = await begun(database.write(a_job()), database.write(Failing(Conflict("no"))))
            failing = leaver.task
        await told_first
        await asyncio.wait([failing])
        assert failing.cancelled()
        assert not undone


class TestClosing:
    async def test_what_was_handed_in_is_finished(self, record: Record, database: Database) -> None:
        jobs = [a_job() for _ in range(20)]
        async with record.busy(database):
            writes = await begun(*(database.write(job) for job in jobs))
            reads = await begun(*(database.read(JOBS) for _ in range(20)))
            closing = asyncio.create_task(database.close())
            await asyncio.sleep(0)
        await closing
        assert all(task.done() for task in (*writes, *reads))
        await asyncio.gather(*writes, *reads)
        assert await job_ids(await record.open()) == [job.job_id for job in jobs]

    async def test_a_closed_one_is_unavailable_and_closing_again_does_no_harm(self, database: Database) -> None:
        await database.close()
        await database.close()
        with pytest.raises(DatabaseUnavailable, match="closed"):
            await database.write(a_job())
        with pytest.raises(DatabaseUnavailable, match="closed"):
            await database.read(JOBS)

    async def test_one_that_was_never_opened_is_unavailable_and_can_be_closed(self, record: Record) -> None:
        database = record.unopened()
        with pytest.raises(DatabaseUnavailable):
            await database.write(a_job())
        await database.close()


class CountTwice(Read["list[Row]"]):
    """Counts the jobs twice, and waits in the meantime."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause

    def steps(self) -> Steps[list[Row]]:
        first = yield Statement("SELECT count(*) FROM jobs")
        yield from self._pause.wait()
        second = yield Statement("SELECT count(*) FROM jobs")
        return first + second


class CountAndRefuse(Read[None]):
    def steps(self) -> Steps[None]:
        yield Statement("SELECT count(*) FROM jobs")
        raise NotFound("no")


class TestReading:
    async def test_only_what_is_committed_is_seen(self, record: Record, database: Database) -> None:
        other = await record.open()
        half = record.halfway(a_job())
        writing = asyncio.create_task(database.write(half))
        await half.reached()
        assert await job_ids(database) == await job_ids(other) == []
        half.go_on()
        job = await writing
        assert await job_ids(database) == await job_ids(other) == [job.id]

    async def test_a_question_has_one_view_from_its_beginning_to_its_end(
        self, record: Record, database: Database
    ) -> None:
        pause = record.pause()
        [asking] = await begun(database.read(CountTwice(pause)))
        await pause.reached()
        await submitted(database)
        pause.go_on()
        assert await asking == [(0,), (0,)]
        assert len(await job_ids(database)) == 1

    async def test_what_a_question_raises_reaches_its_caller_and_no_other(self, database: Database) -> None:
        for _ in range(5):
            with pytest.raises(NotFound):
                await database.read(CountAndRefuse())
            assert await job_ids(database) == []

    async def test_a_caller_that_has_left_is_not_answered(self, database: Database) -> None:
        [leaver] = await begun(database.read(JOBS))
        leaver.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaver
        assert await job_ids(database) == []


class TestSeveralProcesses:
    async def test_they_share_one_record(self, record: Record, database: Database) -> None:
        other = await record.open()
        assert database.record_id == other.record_id != ""
        job = await submitted(database)
        assert await other.read(GetJob(job.id, OWNER)) == job

    async def test_each_tells_what_it_did_itself(self, record: Record, database: Database, heard: Heard) -> None:
        other = await record.open()
        heard_there = Heard(other)
        mine, theirs = await submitted(database), await submitted(other)
        assert (heard.of, heard_there.of) == ([mine.id], [theirs.id])

    async def test_every_job_is_claimed_once(self, record: Record, database: Database) -> None:
        jobs = [await submitted(database) for _ in range(60)]
        databases = [database, await record.open(), await record.open()]

        async def claim_all(one: Database) -> list[str]:
            mine: list[str] = []
            while (job := await one.write(CLAIM)) is not None:
                mine.append(job.id)
            return mine

        taken = await asyncio.gather(*(claim_all(one) for one in databases for _ in range(3)))
        assert sorted(job_id for mine in taken for job_id in mine) == [job.id for job in jobs]
        fences = await database.read(Look("SELECT DISTINCT fence, attempt, seq FROM jobs"))
        assert fences == [(1, 1, 2)]

    async def test_one_that_waits_too_long_for_another_is_unavailable_and_not_run_again_and_again(
        self, record: Record, database: Database
    ) -> None:
        changes = [Counted(a_job()) for _ in range(100)]
        async with record.occupied(database), asyncio.timeout(20):  # a wait each would take 40 s
            tasks = await begun(*(database.write(change) for change in changes))
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(answer) for answer in answers} == {DatabaseUnavailable}
        assert all(change.runs <= 1 for change in changes)
        assert await job_ids(database) == []
        await submitted(database)

    async def test_questions_do_not_wait_for_another(self, record: Record, database: Database) -> None:
        job = await submitted(database)
        async with record.occupied(database):
            assert (await stored(database, job.id)).id == job.id


async def test_the_name_holds_no_secret_and_no_path(record: Record, database: Database) -> None:
    assert database.name
    assert "/" not in database.name


async def test_data_of_any_text_comes_back_as_it_was(database: Database) -> None:
    prompt = 'it\'s a "hill"; DROP TABLE jobs; -- $1 ?2 :x @y \u2028 \U0001f33b \u202e \t\r\n {} %s'
    job = await submitted(database, data=json.dumps({"prompt": prompt}), kind=KIND, queue=QUEUE)
    assert json.loads((await stored(database, job.id)).data) == {"prompt": prompt}
