"""Anything that can happen to jobs, in any order, against a model: hypothesis looks for the order that breaks it.

`SNAPASSET_TEST_EXAMPLES=n` tries n sequences of a fresh seed instead of the same few each time.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from snapasset.database import Both, Write
from snapasset.job import ENDED, Job
from snapasset.records.claims import Beat, Begin, Claim, GiveBack
from snapasset.records.costs import Charge, SaveCharge
from snapasset.records.endings import Complete, EndCancelled, Fail, PutOff
from snapasset.records.jobs import GetJob
from snapasset.records.steps import DoneSteps, FailStep, FinishStep, SavePaidStep, StartedStep, StartStep
from snapasset.records.upkeep import Expire, HeldJob, HeldJobs, Promote, Reap
from tests.contracts.record_backends import RECORDS
from tests.contracts.record_machine import OWNERS, Grip, World, choose, numbers
from tests.contracts.record_machine_callers import CallerRules
from tests.contracts.record_machine_queues import QueueRules
from tests.contracts.record_machine_schedules import ScheduleRules
from tests.contracts.record_model_jobs import DOUBT
from tests.contracts.record_view import KINDS, QUEUES, Everything, Stored, foretold, seen_in, told_by

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contracts.record_model_jobs import ModelJob

EXAMPLES = int(os.environ.get("SNAPASSET_TEST_EXAMPLES", "0"))
TRIES = {"sqlite": 160, "postgres": 50}
"""A sequence is a trip to the server for each of its statements, and SQLite's find what the operations have wrong."""

SETTINGS = settings(
    stateful_step_count=50,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    print_blob=False,
)

SOME_KINDS = (KINDS[:2], KINDS[:1], KINDS[1:2], KINDS)
PAID = {"generate": True, "render": False}
FAULT: dict[str, Any] = {"code": "provider_failed", "message": "It failed.", "retryable": True}
RESULT = '{"n": 1}'
WORKS = ("start", "finish", "fail", "beat", "begin")
ENDS = ("complete", "complete and claim", "give up", "put off", "cancelled", "give back", "crash")
FAMILIES = ("a chain", "a diamond", "a diamond that failed")
LIMITS = ("few at once", "few in a time", "paused")
TIMETABLES = ("missed times", "a time set back")
STORIES = (
    "claimed", "being cancelled", "beats in time", "taken over", "taken over", "begun alone", "tried again",
    *FAMILIES, *TIMETABLES, *LIMITS,
)  # fmt: skip


class RecordMachine(CallerRules, ScheduleRules, QueueRules):
    # --- what a rule needs

    def has_grips(self) -> bool:
        return bool(self.grips)

    def has_ready(self) -> bool:
        return any(map(self.model.ready, QUEUES))

    # --- callers

    @initialize(
        story=st.sampled_from(STORIES),
        attempts=st.integers(1, 2),
        late=st.sampled_from([*WORKS, *ENDS]),
    )
    def begin(self, story: str, attempts: int, late: str) -> None:
        """Somewhere in the middle: from an empty record, few sequences get far. `late` is what one does that was lost."""
        for priority in (0, 5):
            self.put(attempts, priority)
        self.claim(1, 1, "worker-1")
        others = {FAMILIES: self.begin_family, TIMETABLES: self.begin_schedule, LIMITS: self.begin_limits}
        for stories, begin in others.items():
            if story in stories:
                begin(story)
                return
        if story != "claimed":
            self.work("start", 1, "generate", "1", 10.0)
        if story == "being cancelled":
            self.cancel(self.model.jobs[self.grips[0].job_id], "anna")
        elif story == "beats in time":
            self.time("watch", 1, 1)
            self.work("beat", 1, "generate", "1", 20.0)
            self.time("reap", 0, 1)
        elif story in ("taken over", "begun alone"):
            self.begin_after_a_loss(story, late)
        elif story == "tried again":
            self.work("finish", 1, "generate", "1", 33.3)
            self.give_up()
            self.retry(self.some_job(1, "failed"), "anna", None, cascade=False)

    def put(self, attempts: int, priority: int = 0, *parents: int, wait: int = 0, ttl: int | None = None) -> None:
        """Submit one more job of Anna's; `parents` are the numbers of hers that it waits for."""
        picks = [3 * number for number in parents]  # such a pick is one of all jobs, see `choose`
        self.submit(1, 1, "anna", priority, attempts, wait, by_date=False, limit=None, parents=picks, ttl=ttl)

    def give_up(self) -> None:
        self.end("give up", 1, QUEUES[0], retryable=False, delay=0, doubtful=False)

    def begin_after_a_loss(self, story: str, late: str) -> None:
        """Another executor has it, maybe as its last chance, which is to begin after somebody has seen it unbegun."""
        self.time("watch", 1, 1)
        self.time("reap", 1, 1)
        self.claim(1, 1, "worker-2")
        if story == "begun alone":
            self.time("watch", 1, 1)
            self.work("begin", 1, "generate", "1", 0.0)
            self.time("reap", 0, 1)
        elif late in WORKS:
            self.work(late, 0, "generate", "2", 60.0)
        else:
            self.end(late, 0, QUEUES[0], retryable=True, delay=0, doubtful=True)

    def begin_family(self, story: str) -> None:
        """The job that is held, the second one, is waited for."""
        if story == "a chain":
            for parent, wait in ((1, 0), (2, 70_000), (3, 0)):
                self.put(1, 0, parent, wait=wait, ttl=1000 if parent == 3 else None)
            self.put(1, 0, 1)
            self.time("pass", 1, 999)
            self.put(1)  # waits before that one, if it comes free later
            self.time("pass", 1, 1)
            return
        for parents in ((1,), (1,), (2, 3), (1, 4)):
            self.put(1, 0, *parents, ttl=1000 if 4 in parents else None)
        if story == "a diamond that failed":
            self.time("pass", 1, 1000)
            self.time("expire", 1, 1)  # one of them by itself, the others with the one at the top
            self.give_up()

    def begin_schedule(self, story: str) -> None:
        """Two have seen that it is due: the second when it had missed one time more, or when it had fired."""
        self.schedule("put", "sweep", "* * * * *", 1)
        for _ in range(2):
            self.time("pass", 1, 60_001)
            self.schedule("look", "sweep", "* * * * *", 1)
            if story == "a time set back":
                self.schedule("fire", "sweep", "* * * * *", 1)
                self.schedule("set back", "sweep", "* * * * *", 1)

    def begin_limits(self, story: str) -> None:
        """One job is held, and another waits that is let go, or not, as the next rules have it."""
        if story == "few at once":
            self.limit(QUEUES[0], 1, None)
        elif story == "few in a time":
            self.limit(QUEUES[0], None, (1, 60_000))
            self.claim(1, 1, "worker-1")
            self.put(1)
        else:
            self.manage("pause", 1, None, None)
        self.claim(1, 1, "worker-2")
        self.end("complete and claim", 1, QUEUES[0], retryable=False, delay=0, doubtful=False)

    # --- executors

    @precondition(has_ready)
    @rule(queue=numbers, kinds=numbers, worker=st.sampled_from(["worker-1", "worker-2"]))
    def claim(self, queue: int, kinds: int, worker: str) -> None:
        change = Claim(choose(queue, QUEUES[:1], QUEUES), choose(kinds, [KINDS[:2]], SOME_KINDS), worker)
        expected = self.model.claim(change.queue, change.kinds, worker)
        self.take(self.world.write(change), expected)

    def take(self, answer: Job | None, expected: ModelJob | None) -> None:
        self.same(answer, expected)
        if answer is not None and expected is not None:
            done = self.world.read(DoneSteps(answer.id))
            assert done == expected.done()
            self.grips.append(Grip(answer.id, answer.fence, answer.run, done))

    @precondition(has_grips)
    @rule(
        what=st.sampled_from(WORKS),
        n=numbers,
        step=st.sampled_from(sorted(PAID)),
        output=st.integers(0, 99).map(str),
        progress=st.sampled_from([0.0, 10.0, 33.3, 60.0, 100.0]),
    )
    def work(self, what: str, n: int, step: str, output: str, progress: float) -> None:
        grip, job = self.some_grip(n)
        if what == "beat":
            self.beat(grip, job, progress)
        elif what == "begin":
            self.begin_alone(grip, job)
        elif what == "start" and step not in grip.done:
            self.start_step(grip, job, step, progress)
        elif what == "finish" and step in grip.started:
            self.finish_step(grip, job, step, output, progress)
        elif what == "fail" and step in grip.started:
            self.fail_step(grip, job, step, progress)

    def beat(self, grip: Grip, job: ModelJob | None, progress: float) -> None:
        if job is not None:
            self.model.beat(job, progress)
        answer = self.world.write(Beat(grip.job_id, grip.fence, progress))
        assert answer == (None if job is None else job.cancelling)

    def begin_alone(self, grip: Grip, job: ModelJob | None) -> None:
        if job is not None:
            self.model.begin(job)
        assert self.world.write(Begin(grip.job_id, grip.fence)) == (job is not None)

    def start_step(self, grip: Grip, job: ModelJob | None, step: str, progress: float) -> None:
        answer = self.world.write(StartStep(grip.job_id, grip.fence, step, PAID[step], progress))
        if job is None:
            assert answer is None
            return
        expected = self.model.start_step(job, step, PAID[step], progress)
        if expected is None:
            assert answer == StartedStep(cancel_requested=True, doubts=0)
            return
        doubts, output = (0, expected.output) if expected.state == "done" else (expected.doubts, None)
        assert answer == StartedStep(cancel_requested=False, doubts=doubts, output=output)
        grip.started.add(step)

    def finish_step(self, grip: Grip, job: ModelJob | None, step: str, output: str, progress: float) -> None:
        """As an executor does it: what was paid for is kept even when the job was lost."""
        charge = Charge(micro_usd=int(progress) or None) if PAID[step] else None
        if job is not None:
            self.model.finish_step(job, step, output, progress, charge)
        answer = self.world.write(FinishStep(grip.job_id, grip.fence, step, output, progress, charge=charge))
        assert answer == (None if job is None else job.cancelling)
        if answer is None and charge is not None:
            lost = self.model.jobs[grip.job_id]
            self.model.save_late(lost, grip.run, step, output)
            lost.pay(grip.run, step, grip.fence, charge.micro_usd)
            late = SavePaidStep(grip.job_id, grip.run, step, output, ())
            row = self.world.read(GetJob(grip.job_id))
            assert row is not None
            self.world.write(Both(late, SaveCharge(row._replace(run=grip.run, fence=grip.fence), step, charge)))

    def fail_step(self, grip: Grip, job: ModelJob | None, step: str, progress: float) -> None:
        if job is not None:
            self.model.fail_step(job, step, FAULT, progress)
        answer = self.world.write(FailStep(grip.job_id, grip.fence, step, FAULT, progress))
        assert answer == (None if job is None else job.cancelling)

    @precondition(has_grips)
    @rule(
        what=st.sampled_from(ENDS),
        n=numbers,
        queue=st.sampled_from(QUEUES),
        retryable=st.booleans(),
        delay=st.sampled_from([0, 2000, 90_000]),
        doubtful=st.booleans(),
    )
    def end(self, what: str, n: int, queue: str, retryable: bool, delay: int, doubtful: bool) -> None:
        grip, job = self.some_grip(n)
        if what == "complete":
            completed = job and self.model.complete(job, RESULT, doubtful=doubtful)
            self.ended(completed, Complete(grip.job_id, grip.fence, RESULT, doubtful))
        elif what == "complete and claim":
            self.complete_and_claim(grip, job, queue)
        elif what == "give up":
            failed = job and self.model.fail(job, FAULT, retryable=retryable, delay=delay, doubtful=doubtful)
            self.ended(failed, Fail(grip.job_id, grip.fence, FAULT, retryable, delay, doubtful))
        elif what == "put off":
            waiting = job and self.model.put_off(job, FAULT, delay, doubtful=doubtful)
            self.ended(waiting, PutOff(grip.job_id, grip.fence, FAULT, delay, doubtful=doubtful))
        elif what == "cancelled":
            self.ended(job and self.model.end_cancelled(job), EndCancelled(grip.job_id, grip.fence))
        elif what == "give back":
            self.ended(job and self.model.give_back(job), GiveBack(grip.job_id, grip.fence))
        else:  # the executor is gone with all that it knew: only a reaper can free its job
            self.grips.remove(grip)

    def ended(self, expected: ModelJob | None, change: Write[Job | None]) -> None:
        self.same(self.world.write(change), expected)

    def complete_and_claim(self, grip: Grip, job: ModelJob | None, queue: str) -> None:
        ended = job and self.model.complete(job, RESULT)
        following = self.model.claim(queue, KINDS, "worker-1")
        change = Both(Complete(grip.job_id, grip.fence, RESULT), Claim(queue, KINDS, "worker-1"))
        answer, claimed = self.world.write(change)
        self.same(answer, ended)
        self.take(claimed, following)

    # --- time

    @rule(
        what=st.sampled_from(["pass", "pass", "promote", "expire", "watch", "reap", "reap"]),
        n=numbers,
        millis=st.sampled_from([1, 999, 1000, 2000, 59_999, 60_001, 400_000]),
    )
    def time(self, what: str, n: int, millis: int) -> None:
        if what == "pass":
            self.world.record.clock.move(millis)
            self.model.now += millis
        elif what in ("promote", "expire"):
            expected = self.model.promote() if what == "promote" else self.model.expire()
            answer = self.world.write(Promote() if what == "promote" else Expire())
            assert sorted(job.id for job in answer) == sorted(job.id for job in expected)
        elif what == "watch" or not self.watched:
            self.watched += self.world.read(HeldJobs())
        else:
            self.reap(choose(n, [seen for seen in self.watched if self.silent(seen)], self.watched))

    def reap(self, seen: HeldJob) -> None:
        job = self.silent(seen)
        if job is not None:
            self.model.reap(job)
        self.same(self.world.write(Reap(seen)), job)

    def silent(self, seen: HeldJob) -> ModelJob | None:
        """The job, if it is held as it was when it was watched, without a beat since."""
        job = self.model.held(seen.id, seen.fence)
        return job if job is not None and job.beat == seen.beat else None

    # --- what must hold, whatever has happened

    @invariant()
    def all_is_as_it_must_be(self) -> None:
        stored = self.world.read(Everything())
        self._is_as_the_model_says(stored)
        self._waits_for_whom_it_must(stored)
        self._is_told_whole_and_in_order(stored)
        self._has_not_gone_back(stored)
        assert self.world.heard == stored.events
        self.before = stored

    def _is_as_the_model_says(self, stored: Stored) -> None:
        model = self.model
        assert stored.jobs.keys() == model.jobs.keys()
        for job in model.jobs.values():
            assert seen_in(stored.jobs[job.id]) == foretold(job)
        steps = {
            (job.id, run, name): (step.state, step.output, step.doubts)
            for job in model.jobs.values()
            for (run, name), step in job.steps.items()
        }
        assert stored.steps == steps
        paid = {(job.id, *call): micro for job in model.jobs.values() for call, micro in job.costs.items()}
        assert stored.costs == paid
        assert stored.ready == {queue: [job.id for job in model.ready(queue)] for queue in QUEUES}
        assert (stored.next_due, stored.next_expiry) == (model.next_due(), model.next_expiry())
        assert stored.unfinished == Counter({owner: n for owner in OWNERS if (n := model.live(owner))})
        counts = Counter((job.queue, job.status) for job in model.jobs.values())
        for queue in QUEUES:
            shown = stored.counts.get(queue, dict.fromkeys(("waiting", "delayed", "blocked", "active"), 0))
            assert shown == {status: counts[queue, status] for status in shown}
        rooms = {queue: model.room(queue) for queue in QUEUES}
        assert stored.rooms == {queue: room for queue, room in rooms.items() if room is not None}
        schedules = model.schedules
        assert stored.schedules == {row.id: (row.cron, row.next_run, row.last_run) for row in schedules.rows.values()}
        assert stored.fired == schedules.fired

    def _waits_for_whom_it_must(self, stored: Stored) -> None:
        jobs, kin = self.model.jobs.values(), self.model.kin
        assert stored.blockers == {job.id: kin.blockers(job) for job in jobs if job.status == "blocked"}
        assert {job.id: job.dependants for job in stored.jobs.values()} == {
            job.id: len(kin.dependants(job)) for job in jobs
        }
        assert not stored.astray, "a job waits for nobody"
        for job_id, outcome in stored.outcomes.items():
            job = stored.jobs[job_id]
            assert outcome == (job.status if job.ended else None, job.finished_at)

    def _is_told_whole_and_in_order(self, stored: Stored) -> None:
        known = [] if self.before is None else self.before.events
        assert stored.events[: len(known)] == known, "an event was changed"
        for event in stored.events[len(known) :]:
            body = json.loads(event.body)
            assert (body["seq"], body["type"], body["jobId"]) == (event.seq, event.type, event.job_id)
            its = self.bodies.setdefault(event.job_id, [])
            assert event.seq == len(its) + 1, "a hole, or one too many"
            if its:
                old = its[-1]
                assert body["run"] == old["run"] + (old["type"] == "final"), "only a new run goes on after a final"
                assert body["run"] > old["run"] or body["progress"] >= old["progress"], "progress fell"
            its.append(body)
        for job in stored.jobs.values():
            its = self.bodies[job.id]
            assert job.seq == len(its)
            assert [told_by(body) for body in its[-5:]] == self.model.jobs[job.id].told[-5:]
            finals = [body["run"] for body in its if body["type"] == "final"]
            assert finals == list(range(1, job.run + (job.status in ENDED))), "a run has one final"

    def _has_not_gone_back(self, stored: Stored) -> None:
        if self.before is None:
            return
        for job_id, old in self.before.jobs.items():
            new = stored.jobs[job_id]
            assert new.fence >= old.fence
            assert (new.run, new.progress) >= (old.run, old.progress)
            if new.seq == old.seq:
                untold = {"beat": old.beat, "progress": old.progress, "dependants": old.dependants, "cost": old.cost}
                assert new._replace(**untold) == old, "a change that nobody was told of"
        for key, (state, _, doubts) in self.before.steps.items():
            now_state, _, now_doubts = stored.steps[key]
            assert state != "done" or now_state == "done", "what was done was undone"
            assert now_doubts >= doubts
        for call, cost in self.before.costs.items():
            assert cost in (DOUBT, stored.costs[call]), "what was paid was changed"


@pytest.mark.timeout(300 + EXAMPLES)  # a failure is made as small as it can be, which takes time
@pytest.mark.parametrize("backend", RECORDS)
def test_the_record_does_what_its_model_does(backend: str, tmp_path: Path) -> None:
    class Machine(RecordMachine):
        pass

    with asyncio.Runner() as runner:
        record = RECORDS[backend](tmp_path)
        try:
            Machine.world = World(runner, record, runner.run(record.open()))
            run_state_machine_as_test(Machine, settings=settings(SETTINGS, max_examples=EXAMPLES or TRIES[backend]))
        finally:
            runner.run(record.close())
