"""Money is asked about where something is to be paid for, nowhere else, and last; what is there already costs nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Both, Statement, Write
from snapasset.errors import NotEnoughCredits, SpendCapReached, TooManyJobs
from snapasset.job import Status
from snapasset.records.claims import GiveBack
from snapasset.records.costs import Charge, SaveCharge
from snapasset.records.credits import GetCredits, GrantCredits
from snapasset.records.endings import Cancel, Complete, EndCancelled, Fail
from snapasset.records.files import FileRow
from snapasset.records.generations import Condemn
from snapasset.records.revival import Retry
from snapasset.records.spending import DAY_MS
from snapasset.records.steps import FinishStep, SavePaidStep, StartedStep, StartStep
from snapasset.records.submission import Foresee, Foreseen, Submit, SubmitAll
from snapasset.spend_settings import Caps
from tests.contracts.record_jobs import FAULT, OWNER, STRANGER, a_job, claimed, ended, held, steps_of, stored, submitted

if TYPE_CHECKING:
    from snapasset.database import Database, Steps
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock

CAPS = Caps(owner=100, everybody=150)
STEP = "generate"
LIKE = "a mark"


@dataclass(frozen=True, slots=True)
class Noted(Write[Any]):
    """A change, and what it has said to the database."""

    change: Write[Any]
    said: list[str] = field(default_factory=list[str])

    def steps(self) -> Steps[Any]:
        steps, rows = self.change.steps(), None
        while True:
            try:
                item = next(steps) if rows is None else steps.send(rows)
            except StopIteration as end:
                return end.value
            if isinstance(item, Statement):
                self.said.append(item.sql)
            rows = yield item

    @property
    def locks(self) -> list[int]:
        return [place for place, sql in enumerate(self.said) if "FROM record" in sql]

    @property
    def after(self) -> list[str]:
        """What was said once it had locked."""
        return self.said[self.locks[0] + 1 :]


def costly(**more: Any) -> Submit:
    fields: dict[str, Any] = {"estimate": 40, "caps": CAPS, "credits": 2, **more}
    return a_job(**fields)


async def give(database: Database, amount: int = 10) -> None:
    await database.write(GrantCredits(OWNER, amount, f"a gift of {amount}"))


async def left(database: Database) -> int:
    return await database.read(GetCredits(OWNER))


async def failed(database: Database, **more: Any) -> Job:
    """A job that has failed before it was paid for."""
    return await ended(database, await database.write(costly(**more)), "failed")


async def start(database: Database, job: Job, caps: Caps | None = CAPS, quote: int | None = None) -> StartedStep | None:
    return await database.write(StartStep(job.id, job.fence, STEP, paid=True, progress=1, caps=caps, quote=quote))


async def pay(database: Database, job: Job, micro_usd: int = 40) -> None:
    assert await start(database, job, None) is not None
    await database.write(FinishStep(job.id, job.fence, STEP, "1", 40.0, charge=Charge(micro_usd=micro_usd)))


class TestLast:
    """Others wait for whoever asks, so nothing else is done meanwhile, and what is free never waits."""

    async def test_who_takes_jobs_on_locks_once_when_all_else_is_done(self, database: Database) -> None:
        await give(database)
        job = await failed(database)
        batch = SubmitAll((costly(), a_job(), costly(estimate=1)), (0, 1, 2))
        for change in (costly(estimate=1), batch, Retry(job.id, OWNER, caps=CAPS)):
            noted = Noted(change)
            await database.write(noted)
            assert len(noted.locks) == 1
            assert all(sql.startswith("SELECT") for sql in noted.after)

    async def test_so_does_who_begins_a_paid_step(self, database: Database) -> None:
        job = await held(database, estimate=1)
        noted = Noted(StartStep(job.id, job.fence, STEP, paid=True, progress=1, caps=CAPS))
        await database.write(noted)
        assert (len(noted.locks), [sql.split()[0] for sql in noted.after]) == (1, ["SELECT"] * len(noted.after))

    async def test_what_is_free_locks_nothing(self, database: Database) -> None:
        job = await failed(database, estimate=0)
        for change in (
            costly(estimate=0),
            SubmitAll((costly(estimate=0), a_job()), (0, 1)),
            Retry(job.id, OWNER, caps=CAPS),
            costly(caps=None, credits=0),
        ):
            noted = Noted(change)
            await database.write(noted)
            assert noted.locks == []
        job = await claimed(database)
        for change in (
            StartStep(job.id, job.fence, "render", paid=False, progress=1, caps=CAPS),
            StartStep(job.id, job.fence, STEP, paid=True, progress=1),
        ):
            noted = Noted(change)
            await database.write(noted)
            assert noted.locks == []

    async def test_who_is_plainly_refused_has_locked_and_changed_nothing(self, database: Database) -> None:
        await give(database, 3)
        job = await failed(database)
        for change in (costly(estimate=101), costly(credits=4), Retry(job.id, OWNER, caps=Caps(39, None))):
            noted = Noted(change)
            with pytest.raises((SpendCapReached, NotEnoughCredits)):
                await database.write(noted)
            assert all(sql.startswith("SELECT") for sql in noted.said)
            assert noted.locks == []
        await submitted(database, estimate=40)
        job = await claimed(database)
        noted = Noted(StartStep(job.id, job.fence, STEP, paid=True, progress=1, caps=Caps(39, None)))
        with pytest.raises(SpendCapReached):
            await database.write(noted)
        assert (all(sql.startswith("SELECT") for sql in noted.said), noted.locks) == (True, [])


class TestRetrying:
    """Another run asks what a submit asks: for what is still to be paid for."""

    async def test_it_is_refused_where_nothing_may_be_spent(self, database: Database) -> None:
        await give(database)
        job = await failed(database)
        await database.write(costly(estimate=61))
        with pytest.raises(SpendCapReached) as raised:
            await database.write(Retry(job.id, OWNER, caps=CAPS))
        assert raised.value.retry_after_seconds is not None
        assert ((await stored(database, job.id)).status, await left(database)) == (Status.FAILED, 8)
        await database.write(Retry(job.id, OWNER, caps=Caps(101, 101)))
        assert await left(database) == 6

    async def test_it_is_refused_where_no_credits_are_left(self, database: Database) -> None:
        await give(database, 2)
        job = await failed(database)
        await database.write(costly())
        with pytest.raises(NotEnoughCredits):
            await database.write(Retry(job.id, OWNER, caps=CAPS))
        assert (await stored(database, job.id)).run == 1

    async def test_what_nobody_knows_the_price_of_is(self, database: Database) -> None:
        job = await failed(database, estimate=None, caps=None, credits=0)
        with pytest.raises(SpendCapReached):
            await database.write(Retry(job.id, OWNER, caps=CAPS))

    async def test_what_an_earlier_run_has_paid_for_and_kept_costs_nothing_again(self, database: Database) -> None:
        await give(database, 2)
        await database.write(costly())
        job = await claimed(database)
        await pay(database, job, 100)
        await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))
        await database.write(Retry(job.id, OWNER, caps=CAPS))
        assert await left(database) == 0

    async def test_what_was_paid_for_and_not_kept_does(self, database: Database) -> None:
        await give(database)
        await database.write(costly())
        job = await claimed(database)
        assert await start(database, job)
        await database.write(SaveCharge(job, STEP, Charge(micro_usd=100)))
        await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))
        with pytest.raises(SpendCapReached):
            await database.write(Retry(job.id, OWNER, caps=CAPS))

    async def test_with_those_that_failed_because_of_it_all_are_asked_about(self, database: Database) -> None:
        await give(database)
        parent = await database.write(costly(credits=3))
        child = await database.write(costly(credits=3, depends_on=(parent.id,)))
        await ended(database, parent, "failed")
        assert await left(database) == 10
        for caps, error in ((Caps(79, None), SpendCapReached), (Caps(None, 79), SpendCapReached)):
            with pytest.raises(error):
                await database.write(Retry(parent.id, OWNER, cascade=True, caps=caps))
        await give(database, -5)
        with pytest.raises(NotEnoughCredits):
            await database.write(Retry(parent.id, OWNER, cascade=True, caps=CAPS))
        assert {(await stored(database, one.id)).status for one in (parent, child)} == {Status.FAILED}
        await give(database, 1)
        await database.write(Retry(parent.id, OWNER, cascade=True, caps=Caps(80, 80)))
        assert await left(database) == 0

    async def test_the_number_of_jobs_is_asked_about_as_before(self, database: Database) -> None:
        job = await failed(database, credits=0)
        await database.write(a_job())
        with pytest.raises(TooManyJobs):
            await database.write(Retry(job.id, OWNER, live_limit=1, caps=CAPS))


class TestAlike:
    """What will be answered from a master that is there is taken on for free."""

    async def a_master(self, database: Database, owner: str = OWNER, likeness: str = LIKE) -> str:
        job = await held(database, owner=owner, generation_id=f"g-{owner}-{likeness}")
        file = FileRow("f-" + likeness, "master", "master", "key", "image/png", 1, width=1, height=1)
        change = FinishStep(job.id, job.fence, STEP, "1", 40.0, (file,), "{}", likeness=likeness)
        await database.write(StartStep(job.id, job.fence, STEP, paid=False, progress=1))
        await database.write(change)
        await database.write(Complete(job.id, job.fence, "{}"))
        return job.generation_id or ""

    async def test_it_needs_neither_room_nor_credits(self, database: Database) -> None:
        await self.a_master(database)
        await database.write(a_job(owner=STRANGER, estimate=150))
        alone = await database.write(costly(likeness=LIKE))
        for job in (alone, (await database.write(SubmitAll((costly(likeness=LIKE), a_job()), (0, 1))))[0]):
            assert (job.estimate, job.credits, await left(database)) == (0, 2, 0)

    @pytest.mark.parametrize("how", ["another", "a stranger's", "being removed"])
    async def test_what_is_not_there_does(self, database: Database, how: str) -> None:
        likeness, owner = ("another", OWNER) if how == "another" else (LIKE, OWNER)
        owner = STRANGER if how == "a stranger's" else owner
        generation_id = await self.a_master(database, owner, likeness)
        if how == "being removed":
            await database.write(Condemn(generation_id, OWNER))
        with pytest.raises(NotEnoughCredits):
            await database.write(costly(likeness=LIKE))
        with pytest.raises(SpendCapReached):
            await database.write(costly(estimate=101, credits=0, likeness=LIKE))

    async def test_a_copy_that_was_made_takes_no_credits(self, database: Database) -> None:
        await self.a_master(database)
        await give(database)
        await database.write(costly(likeness=LIKE))
        job = await claimed(database)
        await database.write(StartStep(job.id, job.fence, STEP, paid=False, progress=1))
        await database.write(FinishStep(job.id, job.fence, STEP, "1", 40.0))
        await database.write(Complete(job.id, job.fence, "{}"))
        assert await left(database) == 10

    async def test_when_it_has_to_be_paid_for_after_all_the_call_asks(self, database: Database) -> None:
        await self.a_master(database)
        job = await database.write(costly(likeness=LIKE))
        job = await claimed(database)
        with pytest.raises(SpendCapReached):
            await start(database, job, quote=101)
        with pytest.raises(NotEnoughCredits) as raised:
            await start(database, job, quote=40)
        assert "takes 2 of your credits, and 0 are left" in raised.value.detail
        assert await steps_of(database, job.id) == []
        await give(database, 3)
        for _ in range(2):
            assert await start(database, job, quote=40) is not None
        assert ((await stored(database, job.id)).estimate, await left(database)) == (40, 1)
        await database.write(GiveBack(job.id, job.fence))
        await database.write(Cancel(job.id, OWNER))
        assert await left(database) == 3

    async def test_another_run_of_it_is_free_as_well(self, database: Database) -> None:
        await give(database, 2)
        job = await failed(database)
        await self.a_master(database)
        await database.write(a_job(owner=STRANGER, estimate=150))
        await give(database, -2)
        with pytest.raises((SpendCapReached, NotEnoughCredits)):
            await database.write(Retry(job.id, OWNER, caps=CAPS))
        fresh = await database.write(Retry(job.id, OWNER, caps=CAPS, likeness=LIKE))
        assert (fresh.estimate, await left(database)) == (0, 0)


class TestForeseen:
    """What would be said to a job is said before it is sent, in the same words, and changes nothing."""

    async def foreseen(self, database: Database, submit: Submit, refusal: type[Exception] | None = None) -> Foreseen:
        """What is told of a job, once the same job has been sent and has got the same answer."""
        told = await database.read(Foresee(submit))
        if refusal is None:
            assert told.refusal is None
            job = await database.write(submit)
            assert (job.estimate, job.credits if job.estimate else 0) == told[:2]
            return told
        with pytest.raises(refusal) as raised:
            await database.write(submit)
        assert (type(told.refusal), str(told.refusal)) == (refusal, str(raised.value))
        return told

    async def test_there_is_room_until_there_is_none(self, database: Database) -> None:
        await give(database, 5)
        for _ in range(5):
            assert await database.read(Foresee(costly())) == (40, 2, None)
        assert await left(database) == 5
        assert await self.foreseen(database, costly()) == (40, 2, None)
        await self.foreseen(database, costly())
        assert (await self.foreseen(database, costly(), NotEnoughCredits))[:2] == (40, 2)
        await give(database, 1)
        assert (await self.foreseen(database, costly(), SpendCapReached))[:2] == (40, 2)

    async def test_what_is_put_off_is_asked_about_for_its_day(self, database: Database) -> None:
        later = costly(estimate=90, credits=0, delay_ms=DAY_MS)
        await self.foreseen(database, later)
        await self.foreseen(database, costly(estimate=90, credits=0))
        await self.foreseen(database, costly(estimate=90, credits=0, delay_ms=DAY_MS), SpendCapReached)

    async def test_what_nobody_knows_the_price_of(self, database: Database) -> None:
        assert (await self.foreseen(database, costly(estimate=None, credits=0), SpendCapReached)).estimate is None
        assert (await self.foreseen(database, costly(estimate=None, credits=0, caps=None))).estimate is None

    async def test_what_is_free_is_refused_for_the_number_of_jobs_alone(self, database: Database) -> None:
        free = a_job(caps=Caps(owner=0, everybody=0), live_limit=1)
        assert await self.foreseen(database, free) == (0, 0, None)
        assert (await self.foreseen(database, replace(free, job_id="another"), TooManyJobs))[:2] == (0, 0)

    async def test_what_is_there_already_is_free(self, database: Database) -> None:
        assert (await self.foreseen(database, costly(likeness=LIKE), NotEnoughCredits)).estimate == 40
        await TestAlike().a_master(database)
        assert await self.foreseen(database, costly(likeness=LIKE)) == (0, 0, None)
        assert (await database.read(Foresee(costly(likeness=LIKE, owner=STRANGER)))).estimate == 40


class TestKnownBefore:
    """What an earlier run has paid for is not paid for again, however late it was written down."""

    async def late(self, database: Database) -> tuple[Job, Job]:
        """A job as it was in its first run, whose answer comes after all, and as it is held in its second."""
        await submitted(database, estimate=40)
        old = await claimed(database)
        assert await start(database, old)
        await database.write(Cancel(old.id, OWNER))
        await database.write(EndCancelled(old.id, old.fence))
        await database.write(Retry(old.id, OWNER))
        return old, await claimed(database)

    async def test_a_step_that_was_done_late_in_an_earlier_run_is_not_begun_again(
        self, database: Database, clock: Clock
    ) -> None:
        old, new = await self.late(database)
        saved = SavePaidStep(old.id, old.run, STEP, '"late"', ())
        await database.write(Both(saved, SaveCharge(old, STEP, Charge(micro_usd=100))))
        begun = await start(database, new)
        assert begun is not None
        assert begun.output == '"late"'
        assert [row[:3] for row in await steps_of(database, new.id)] == [(1, STEP, "done")]
        clock.move(DAY_MS)
        assert await start(database, new) == begun

    async def test_one_that_is_not_done_is(self, database: Database) -> None:
        _, new = await self.late(database)
        begun = await start(database, new, None)
        assert begun is not None
        assert begun.output is None
        assert [row[:3] for row in await steps_of(database, new.id)] == [(1, STEP, "doubtful"), (2, STEP, "started")]
