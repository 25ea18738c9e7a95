"""However a job comes to its picture, the provider bills it once; what is billed beyond that is a doubt, and told as one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import StorageFailed
from snapasset.job import Status
from snapasset.job_type import Access
from snapasset.records.credits import GetCredits
from snapasset.settings import Settings
from tests.fakes.openai import FakeOpenAI, loses_the_answer, made, refuses
from tests.worker.engine import OWNER, engine, within
from tests.worker.processors.pictures import SMALL, Studio, wanted
from tests.worker.providers.desk import desk
from worker.images.platforms import PLATFORMS
from worker.processors.image_generation import image_generation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.fakes.openai import Behaviour
    from tests.worker.engine import Body, Engine

IMAGE = image_generation(Settings(), PLATFORMS)
GIVEN = 10
EACH = 2


class Late:
    """A call whose picture is made, and whose answer comes when it is allowed to."""

    def __init__(self) -> None:
        self.asked, self.allowed = asyncio.Event(), asyncio.Event()

    async def __call__(self, call: Any) -> None:
        self.asked.set()
        await self.allowed.wait()
        await made(call)


class Shop:
    """A worker, its tools, and the provider's server; whoever orders has credits for five pictures."""

    def __init__(self, engine: Engine, studio: Studio, fake: FakeOpenAI) -> None:
        self.engine, self.studio, self.fake = engine, studio, fake

    async def order(self) -> str:
        await self.engine.client.grant(OWNER, GIVEN, "a gift")
        args = wanted(SMALL[0])
        return (await self.engine.client.submit(IMAGE.kind, args, owner=OWNER, access=Access.SESSION)).id

    async def retry(self, job: str) -> None:
        await self.engine.client.retry(job, owner=OWNER)

    async def cancel(self, job: str) -> None:
        await self.engine.client.cancel(job, owner=OWNER)

    async def done(self, job: str, run: int = 1) -> Body:
        last = await self.engine.final(job, run=run)
        assert last["status"] == Status.COMPLETED, last
        return last

    async def bills(self, job: str, *, doubts: int = 0, taken: int = 1) -> int:
        """How often the provider has billed the job, which the job tells as well, and of how many calls nobody knows."""
        last = self.engine.story(job)[-1]
        assert (last["cost"]["calls"], last["cost"]["doubtfulCalls"]) == (self.fake.bills, doubts)
        assert await self.engine.record.read(GetCredits(OWNER)) == GIVEN - taken * EACH
        return self.fake.bills


@asynccontextmanager
async def shop(folder: Path, *script: Behaviour, **settings: Any) -> AsyncGenerator[Shop]:
    async with (
        desk(FakeOpenAI(*script)) as d,
        Studio(folder, d.provider) as studio,
        engine(folder, IMAGE, tools=studio.tools, credits_per_picture=EACH, **settings) as e,
    ):
        yield Shop(e, studio, d.fake)


async def test_a_job_that_failed_after_it_was_paid_for_is_tried_again_for_nothing(tmp_path: Path) -> None:
    async with shop(tmp_path) as s:
        s.studio.shelf.refusals[SMALL[0]] = [StorageFailed()] * 3
        job = await s.order()
        assert (await s.engine.final(job))["status"] == Status.FAILED
        assert await s.bills(job) == 1
        await s.retry(job)
        await s.done(job, run=2)
        assert await s.bills(job) == 1


async def test_so_is_one_that_was_cancelled_after_it_was_paid_for(tmp_path: Path) -> None:
    async with shop(tmp_path) as s:
        s.studio.press.hold("decode")
        job = await s.order()
        await within(s.studio.press.reached["decode"].wait())
        await s.cancel(job)
        s.studio.press.gates["decode"].set()
        assert (await s.engine.final(job))["status"] == Status.CANCELLED
        assert await s.bills(job) == 1
        await s.retry(job)
        await s.done(job, run=2)
        assert await s.bills(job) == 1


async def test_a_call_that_is_under_way_when_its_job_is_cancelled_serves_the_next_run(tmp_path: Path) -> None:
    late = Late()
    async with shop(tmp_path, late) as s:
        job = await s.order()
        await within(late.asked.wait())
        await s.cancel(job)
        late.allowed.set()
        assert (await s.engine.final(job))["status"] == Status.CANCELLED
        await s.retry(job)
        await s.done(job, run=2)
        assert await s.bills(job) == 1


async def test_a_worker_that_is_lost_after_it_has_paid_leaves_nothing_to_pay(tmp_path: Path) -> None:
    async with shop(tmp_path) as s:
        s.studio.press.hold("decode")
        job = await s.order()
        await within(s.studio.press.reached["decode"].wait())
        await s.engine.take_away(job)
        s.studio.press.gates["decode"].set()
        await s.engine.upkeep()
        assert (await s.done(job))["attempt"] == 2
        assert await s.bills(job) == 1


async def test_one_that_is_lost_while_it_pays_and_answers_in_time_does_as_well(tmp_path: Path) -> None:
    late = Late()
    async with shop(tmp_path, late) as s:
        job = await s.order()
        await within(late.asked.wait())
        await s.engine.take_away(job)
        late.allowed.set()
        await s.engine.step_done(job, "generate")
        await s.engine.upkeep()
        await s.done(job)
        assert await s.bills(job) == 1


@pytest.mark.parametrize("retried", [False, True])
async def test_one_that_never_comes_back_is_one_doubt_and_one_more_bill(tmp_path: Path, retried: bool) -> None:
    late = Late()
    async with shop(tmp_path, late, workers=2) as s:
        job = await s.order()
        await within(late.asked.wait())
        s.fake.bills += 1  # its picture is made, and nobody hears of it
        await s.engine.take_away(job)
        if retried:
            await s.cancel(job)
            await s.retry(job)
        await s.engine.upkeep()
        await s.done(job, run=1 + retried)
        assert await s.bills(job, doubts=1) == 2


async def test_two_doubts_end_the_run_and_only_who_asks_for_it_pays_again(tmp_path: Path) -> None:
    async with shop(tmp_path, loses_the_answer, loses_the_answer) as s:
        job = await s.order()
        assert (await s.engine.final(job))["error"]["code"] == "outcome_unknown"
        await s.engine.upkeep()
        assert await s.bills(job, doubts=2, taken=0) == 2
        await s.retry(job)
        await s.done(job, run=2)
        assert await s.bills(job, doubts=2) == 3


async def test_whoever_wants_to_be_asked_is_asked_before_the_second_bill(tmp_path: Path) -> None:
    async with shop(tmp_path, refuses(500), loses_the_answer, paid_doubt="ask") as s:
        job = await s.order()
        assert (await s.engine.final(job))["error"]["code"] == "outcome_unknown"
        await s.engine.upkeep()
        assert await s.bills(job, doubts=1, taken=0) == 1
        await s.retry(job)
        await s.done(job, run=2)
        assert await s.bills(job, doubts=1) == 2
