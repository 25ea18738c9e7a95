"""Nothing is paid for beyond what may be spent in a day: who meets the limit waits for the next one, and loses nothing by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import BadConfiguration
from snapasset.event import ERROR
from snapasset.job import Status, new_id
from snapasset.records.costs import Charge
from snapasset.records.credits import GetCredits
from snapasset.records.spending import DAY_MS
from snapasset.records.submission import Submit
from snapasset.settings import Settings
from tests.contracts.record_backends import Do
from tests.fakes.openai import KEY
from tests.worker.engine import OWNER, Clock, engine, kind
from worker.images.pool import PixelPool
from worker.processors.trial import Nothing
from worker.providers.choose import choose_provider

if TYPE_CHECKING:
    from pathlib import Path

    from worker.context import JobContext, Step


class Till:
    """A call that is paid for: a dollar each."""

    def __init__(self) -> None:
        self.bills = 0

    async def pay(self, step: Step) -> Nothing:
        self.bills += 1
        step.charge(Charge(micro_usd=1_000_000))
        return Nothing()

    async def run(self, context: JobContext[Nothing]) -> Nothing:
        await context.step("pay", self.pay, output=Nothing, span=(0, 50), paid=True)
        return Nothing()


async def test_who_meets_the_limit_waits_for_the_next_day_and_then_goes_on(tmp_path: Path) -> None:
    till, clock = Till(), Clock()
    clock.now = 20_000 * DAY_MS + 1
    async with engine(tmp_path, kind(till.run, attempts=1), clock=clock, spend_cap_usd=1.0) as e:
        assert (await e.final(await e.submit()))["status"] == Status.COMPLETED
        job = await e.submit()
        told = await e.event(job, type=ERROR)
        assert (told["code"], told["status"]) == ("spend_cap_reached", Status.DELAYED)
        row = await e.job(job)
        assert (row.attempt, row.due_at) == (0, 20_001 * DAY_MS)
        assert till.bills == 1
        clock.now = 20_001 * DAY_MS
        await e.upkeep()
        last = await e.final(job)
        assert (last["status"], last["attempt"]) == (Status.COMPLETED, 1)
    assert till.bills == 2


async def test_what_was_taken_for_free_is_priced_by_who_pays(tmp_path: Path) -> None:
    def quote(_: Nothing) -> int:
        return 600_000

    async with engine(tmp_path, replace(kind(Till().run), quote=quote), spend_cap_usd=1.0) as e:
        job = await e.put()
        await e.upkeep()
        assert (await e.final(job))["status"] == Status.COMPLETED
        assert (await e.job(job)).estimate == 600_000


async def test_what_is_free_goes_on(tmp_path: Path) -> None:
    async def run(context: JobContext[Nothing]) -> Nothing:
        async def paint(_: Step) -> Nothing:
            return Nothing()

        return await context.step("paint", paint, output=Nothing, span=(0, 50))

    async with engine(tmp_path, kind(run), spend_cap_usd=0.0) as e:
        assert (await e.final(await e.submit()))["status"] == Status.COMPLETED


async def test_a_limit_without_a_price_ends_the_start() -> None:
    settings = Settings(
        openai_api_key=KEY,  # pyright: ignore[reportArgumentType]
        openai_base_url="http://127.0.0.1:9/v1",  # pyright: ignore[reportArgumentType]
        openai_backend="compatible",
        openai_image_model="mine",
        spend_cap_owner_usd=1.0,
    )
    async with PixelPool(1) as pool:
        with pytest.raises(BadConfiguration, match="OPENAI_PRICES_FILE"):
            await choose_provider(settings, pool)


async def test_credits_that_an_older_program_has_left_reserved_are_given_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with engine(tmp_path, kind(Till().run), workers=0) as e:
        await e.client.grant(OWNER, 5, "a gift")
        for status in ("waiting", "failed"):
            job_id = new_id()
            submit = Submit(job_id, "trial", "trial", OWNER, "{}", priority=0, attempts=3, estimate=1, credits=2)
            await e.record.write(submit)
            end = "UPDATE jobs SET status = $2, finished_at = CASE WHEN $2 = 'failed' THEN 1 END WHERE id = $1"
            await e.record.write(Do(end, (job_id, status)))
        for _ in range(20):
            await e.upkeep()
        assert await e.record.read(GetCredits(OWNER)) == 3
        said = [vars(record) for record in caplog.records if record.message == "ended jobs had credits reserved"]
        assert [(one["jobs"], one["givenBack"]) for one in said] == [(1, 1)]
