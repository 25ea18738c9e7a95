"""Every attempt is counted once, by how it ended; every claim when it is made."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from snapasset.errors import InvalidInput, ProviderTimeout
from snapasset.metrics import Found
from tests.worker.engine import OWNER, Engine, engine, kind, within
from worker.processors.trial import Nothing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from worker.context import JobContext, Step


class Counts(NamedTuple):
    """What was counted of the one kind and queue there is; `attempts` by outcome, `failures` by code."""

    claims: int
    attempts: dict[str, int]
    retries: int = 0
    failures: dict[str, int] | None = None


def counts(e: Engine) -> Counts:
    """All that the engine has counted. The labels of the one kind and the one queue are held against their names."""
    claims = retries = 0
    attempts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    text = e.metrics.text(Found(up={})).decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            assert {labels.get("queue", "trial"), labels.get("kind", "trial")} == {"trial"}, sample
            match sample.name:
                case "snapasset_claims_total":
                    claims += int(sample.value)
                case "snapasset_retries_total":
                    retries += int(sample.value)
                case "snapasset_attempt_seconds_count":
                    attempts[labels["outcome"]] += int(sample.value)
                case "snapasset_failures_total":
                    failures[labels["code"]] += int(sample.value)
                case _:
                    pass
    return Counts(claims, dict(attempts), retries, dict(failures) or None)


class Held:
    """A processor that waits for `gate` in the first of two steps, or in none; `entered` says that it waits."""

    def __init__(self, *, steps: bool = True) -> None:
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self._steps = steps

    async def run(self, context: JobContext[Nothing]) -> Nothing:
        if not self._steps:
            return await self._wait()

        async def first(_step: Step) -> Nothing:
            return await self._wait()

        async def second(_step: Step) -> Nothing:
            return Nothing()

        await context.step("first", first, output=Nothing, span=(0, 50))
        return await context.step("second", second, output=Nothing, span=(50, 100))

    async def _wait(self) -> Nothing:
        self.entered.set()
        await self.gate.wait()
        return Nothing()


def failing(error: Exception) -> Callable[[JobContext[Nothing]], Awaitable[Nothing]]:
    """A processor that fails in its first attempt."""

    async def run(context: JobContext[Nothing]) -> Nothing:
        if context.job.attempt == 1:
            raise error
        return Nothing()

    return run


async def begun(e: Engine, held: Held) -> asyncio.Task[None]:
    """The answer to a ring, with the job that it runs waiting at its gate."""
    answering = asyncio.create_task(e.executor().answer("trial", e.record.record_id))
    await within(held.entered.wait())
    return answering


async def test_what_completes_and_what_is_claimed_along_with_its_end(tmp_path: Path) -> None:
    async def run(_context: JobContext[Nothing]) -> Nothing:
        return Nothing()

    async with engine(tmp_path, kind(run), workers=0) as e:
        assert counts(e) == Counts(0, {})
        for _ in range(3):
            await e.put()
        await e.answer(e.executor())
        assert counts(e) == Counts(3, {"completed": 3})


@pytest.mark.parametrize("pause", [60.0, 0.0])
async def test_what_is_tried_again_is_told_by_why(tmp_path: Path, pause: float) -> None:
    async with engine(tmp_path, kind(failing(ProviderTimeout())), workers=0, retry_base_seconds=pause) as e:
        await e.put()
        await e.answer(e.executor())
        retried = Counts(1, {"retried": 1}, 1, {ProviderTimeout.code: 1})
        assert counts(e) == retried
        if not pause:
            await e.upkeep()
            await e.answer(e.executor())
            assert counts(e) == retried._replace(claims=2, attempts={"retried": 1, "completed": 1})


@pytest.mark.parametrize(("error", "attempts"), [(InvalidInput("no"), 3), (ProviderTimeout(), 1)])
async def test_what_fails_for_good_is_told_by_why(
    tmp_path: Path, error: InvalidInput | ProviderTimeout, attempts: int
) -> None:
    async with engine(tmp_path, kind(failing(error)), workers=0) as e:
        await e.put(attempts=attempts)
        await e.answer(e.executor())
        assert counts(e) == Counts(1, {"failed": 1}, failures={error.code: 1})


async def test_what_is_cancelled(tmp_path: Path) -> None:
    held = Held()
    async with engine(tmp_path, kind(held.run), workers=0) as e:
        job = await e.put()
        answering = await begun(e, held)
        await e.client.cancel(job, owner=OWNER)
        held.gate.set()
        await within(answering)
        assert counts(e) == Counts(1, {"cancelled": 1})


async def test_what_is_given_back(tmp_path: Path) -> None:
    held = Held()
    async with engine(tmp_path, kind(held.run)) as e:
        await e.submit()
        await within(held.entered.wait())
        await e.runners[0].stop()
        assert counts(e) == Counts(1, {"given_back": 1})


async def test_what_is_lost_and_noticed_at_a_step(tmp_path: Path) -> None:
    held = Held()
    async with engine(tmp_path, kind(held.run), workers=0) as e:
        job = await e.put()
        answering = await begun(e, held)
        await e.take_away(job)
        held.gate.set()
        await within(answering)
        assert counts(e) == Counts(1, {"lost": 1})
        await e.answer(e.executor("another"))
        assert counts(e) == Counts(2, {"lost": 1, "completed": 1})


async def test_what_is_lost_and_noticed_at_the_end_when_it_is_claimed_again(tmp_path: Path) -> None:
    held = Held(steps=False)
    async with engine(tmp_path, kind(held.run), workers=0) as e:
        job = await e.put()
        answering = await begun(e, held)
        await e.take_away(job)
        held.gate.set()
        await within(answering)
        assert counts(e) == Counts(2, {"lost": 1, "completed": 1})
