"""Whoever may have killed its worker runs alone when it is its last chance, and harms nobody beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from snapasset.job import Job, Status
from snapasset.records.claims import LOST, is_suspect
from tests.contracts.record_backends import Do
from tests.worker.engine import OWNER, engine, kind, opened_at_last, wait_until, within
from worker.processors.trial import Nothing
from worker.solitude import Solitude

if TYPE_CHECKING:
    from pathlib import Path

    from tests.worker.engine import Engine
    from worker.context import JobContext


class Crowd:
    """A processor that waits for its gate; who is in it now, and with whom each has ever been."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Event] = {}
        self.inside: set[str] = set()
        self.met: dict[str, set[str]] = {}
        self._moved = asyncio.Event()

    async def run(self, context: JobContext[Nothing]) -> Nothing:
        me = context.job.id
        self.inside.add(me)
        for one in self.inside:
            self.met.setdefault(one, set()).update(self.inside - {one})
        self._moved.set()
        await self.gates.setdefault(me, asyncio.Event()).wait()
        self.inside.discard(me)
        self._moved.set()
        return Nothing()

    async def becomes(self, *inside: str) -> None:
        async with asyncio.timeout(10):
            while self.inside != set(inside):
                self._moved.clear()
                await self._moved.wait()

    async def begins(self) -> None:
        async with asyncio.timeout(10):
            while not self.inside:
                await self._moved.wait()

    def let_out(self, job_id: str) -> None:
        self.gates.setdefault(job_id, asyncio.Event()).set()


async def make_suspect(e: Engine, job_id: str) -> None:
    """As if two of its three attempts had been lost with their workers."""
    await e.record.write(Do("UPDATE jobs SET attempt = 2, error = $1 WHERE id = $2", (LOST, job_id)))


def test_who_is_one() -> None:
    job = Job("j", "k", "q", "o", Status.ACTIVE, 0, "{}", None, LOST, None, 1, 3, 3, 5, 0, 6, None, 0.0, 0, "w", 0, None, 0, None, 0)  # fmt: skip
    assert is_suspect(job)
    assert not is_suspect(job._replace(attempt=2)), "it has another chance"
    assert not is_suspect(job._replace(attempts=1, attempt=1)), "it was never lost"
    assert not is_suspect(job._replace(error=None))
    assert not is_suspect(job._replace(error=json.dumps({"code": "provider_timeout"})))


async def test_it_waits_until_the_others_have_ended_and_nothing_is_claimed_beside_it(tmp_path: Path) -> None:
    crowd = Crowd()
    async with engine(tmp_path, kind(crowd.run), workers=0, job_max_concurrency=3) as e:
        first, suspect = await beside_another(e, crowd)
        later = await e.put()
        await e.upkeep()
        assert (await e.job(later)).status == Status.WAITING
        crowd.let_out(first)
        await crowd.becomes(suspect)
        await e.upkeep()
        assert (await e.job(later)).status == Status.WAITING
        crowd.let_out(suspect)
        await crowd.becomes(later)
        crowd.let_out(later)
        for job_id in (first, suspect, later):
            assert (await e.final(job_id))["status"] == "completed"
    assert crowd.met[suspect] == set()


async def test_of_two_one_goes_back_uncounted_and_comes_later(tmp_path: Path) -> None:
    crowd = Crowd()
    async with engine(tmp_path, kind(crowd.run), workers=0, job_max_concurrency=2) as e:
        both = [await e.put(), await e.put()]
        for job_id in both:
            await make_suspect(e, job_id)
        await e.start()
        await e.upkeep()
        await crowd.begins()
        (inside,) = crowd.inside
        (outside,) = set(both) - {inside}
        crowd.let_out(inside)
        await e.final(inside)
        await e.upkeep()
        await crowd.becomes(outside)
        assert (await e.job(outside)).attempt == 3
        crowd.let_out(outside)
        assert (await e.final(outside))["status"] == "completed"
    assert crowd.met == {job_id: set() for job_id in both}


async def test_one_that_is_stopped_while_it_waits_leaves_the_way_free() -> None:
    solitude, changes = Solitude(lambda: changes.append(solitude.wanted)), list[bool]()
    solitude.enter()
    solitude.enter()
    waiting = asyncio.create_task(solitude.alone(asyncio.Event()))
    await asyncio.sleep(0)
    assert solitude.wanted
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not solitude.wanted
    solitude.leave()
    assert await within(solitude.alone(asyncio.Event()))
    solitude.free()
    assert changes == [True, False, True, False]


async def test_one_that_has_left_and_goes_on_is_waited_for() -> None:
    solitude, way = Solitude(lambda: None), asyncio.Event()
    solitude.outlast(asyncio.create_task(_until(way)))
    solitude.enter()
    waiting = asyncio.create_task(solitude.alone(asyncio.Event()))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert solitude.wanted
    way.set()
    assert await within(waiting)


async def test_beside_one_that_never_ends_nobody_is_alone_nor_in_the_way() -> None:
    solitude, way = Solitude(lambda: None, patience=0.01), asyncio.Event()
    solitude.outlast(asyncio.create_task(_until(way)))
    solitude.enter()
    assert not await within(solitude.alone(asyncio.Event()))
    assert not solitude.wanted
    way.set()


async def _until(way: asyncio.Event) -> None:
    await way.wait()


async def test_a_processor_that_ignores_its_end_counts_as_there(tmp_path: Path) -> None:
    crowd, way = Crowd(), asyncio.Event()

    async def ignore(_context: JobContext[Nothing]) -> Nothing:
        while not way.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await way.wait()
        return Nothing()

    stubborn = kind(ignore, "stubborn", attempts=1, timeout=0.05)
    async with engine(tmp_path, kind(crowd.run), stubborn, workers=0) as e:
        with opened_at_last(way):
            stuck = await e.put("stubborn", attempts=1)
            runner = await e.start()
            await e.upkeep()
            assert (await e.final(stuck))["status"] == "failed"
            await wait_until(lambda: runner.stuck == 1)
            suspect = await e.put()
            await make_suspect(e, suspect)
            await e.upkeep()
            await e.job_where(suspect, lambda job: job.status == Status.ACTIVE)
            for _ in range(50):
                await asyncio.sleep(0)
            assert crowd.inside == set()
            way.set()
            await crowd.becomes(suspect)
            crowd.let_out(suspect)
            assert (await e.final(suspect))["status"] == "completed"


async def test_one_that_waits_loses_nothing_when_another_takes_the_process_down(tmp_path: Path) -> None:
    crowd = Crowd()
    async with engine(tmp_path, kind(crowd.run), workers=0, job_max_concurrency=3) as e:
        first, suspect = await beside_another(e, crowd)
        await e.take_away(suspect)
        job = await e.job(suspect)
        assert (job.status, job.attempt) == ("waiting", 2), "its last chance was lost before it had it"
        crowd.let_out(first)
        await e.final(first)
        await e.upkeep()
        await crowd.becomes(suspect)
        assert (await e.job(suspect)).attempt == 3
        crowd.let_out(suspect)
        assert (await e.final(suspect))["status"] == "completed"


async def test_one_that_runs_alone_has_had_its_chance(tmp_path: Path) -> None:
    crowd = Crowd()
    async with engine(tmp_path, kind(crowd.run), workers=0) as e:
        suspect = await e.put()
        await make_suspect(e, suspect)
        await e.start()
        await e.upkeep()
        await crowd.becomes(suspect)
        await e.take_away(suspect)
        job = await e.job(suspect)
        assert (job.status, job.attempt) == ("failed", 3)
        crowd.let_out(suspect)


async def test_one_that_was_taken_away_while_it_waited_does_not_begin(tmp_path: Path) -> None:
    crowd = Crowd()
    async with engine(tmp_path, kind(crowd.run), workers=0, job_max_concurrency=3, beat_seconds=600) as e:
        first, suspect = await beside_another(e, crowd)
        await e.take_away(suspect)
        await e.client.cancel(suspect, owner=OWNER)
        crowd.let_out(first)
        await e.final(first)
        later = await e.put()
        await e.upkeep()
        await crowd.becomes(later)
        crowd.let_out(later)
        await e.final(later)
    assert suspect not in crowd.met


async def test_one_that_waits_is_cancelled_at_once(tmp_path: Path) -> None:
    crowd = Crowd()
    async with engine(tmp_path, kind(crowd.run), workers=0, job_max_concurrency=3, beat_seconds=0.05) as e:
        first, suspect = await beside_another(e, crowd)
        await e.client.cancel(suspect, owner=OWNER)
        assert (await e.final(suspect))["status"] == "cancelled"
        assert crowd.inside == {first}
        crowd.let_out(first)
        await e.final(first)
    assert suspect not in crowd.met


async def test_one_that_waits_goes_back_when_the_process_is_to_stop(tmp_path: Path) -> None:
    crowd = Crowd()
    async with engine(tmp_path, kind(crowd.run), workers=0, job_max_concurrency=3, drain_seconds=30) as e:
        first, suspect = await beside_another(e, crowd)
        stopping = asyncio.create_task(e.runners[0].stop())
        job = await e.job_where(suspect, lambda job: job.status == Status.WAITING)
        assert job.attempt == 2, "its last chance was not used up"
        crowd.let_out(first)
        await stopping
        assert (await e.final(first))["status"] == "completed"
    assert suspect not in crowd.met, "it began in the drain"


async def beside_another(e: Engine, crowd: Crowd) -> tuple[str, str]:
    """A job that runs, and a suspect that waits for its end."""
    first = await e.put()
    await e.start()
    await e.upkeep()
    await crowd.becomes(first)
    suspect = await e.put()
    await make_suspect(e, suspect)
    await e.upkeep()
    await e.job_where(suspect, lambda job: job.status == Status.ACTIVE)
    return first, suspect
