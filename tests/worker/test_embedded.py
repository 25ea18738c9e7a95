"""What the API process takes upon itself, by `FALLBACK_WORKER`, the mode and who else is alive."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.job import Status
from snapasset.metrics import Metrics
from snapasset.records.workers import Dismiss, WorkerBeat, WorkerRow
from tests.contracts.record_backends import Do
from tests.snapasset.weather import Weather
from tests.worker.engine import Engine, engine, kind, wait_until, within
from worker.embedded import Embedded
from worker.processors.trial import Nothing
from worker.runner import Runner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    from worker.context import JobContext

BOTH = ("pictures", "chores")
SILENCE = Do("UPDATE workers SET seen_at = seen_at - $1", (10_000,))
"""Nobody was heard of for longer than a process may be silent."""


async def run(_context: JobContext[Nothing]) -> Nothing:
    return Nothing()


def worker(*queues: str, role: str = "worker") -> WorkerBeat:
    return WorkerBeat(WorkerRow(f"{role}-1", role, "there", 1, "0", ("draw", "sweep"), queues))


class Api:
    """The API process's own runner, and who tells it what to take."""

    def __init__(self, e: Engine, runner: Runner) -> None:
        self.e = e
        self.runner = runner
        self.weather = Weather(e.database)
        self.embedded = Embedded(runner, self.weather, e.switch, e.catalogue, e.settings)

    async def accepts(self) -> tuple[str, ...]:
        await self.embedded.decide()
        return self.runner.accepts


@asynccontextmanager
async def api(folder: Path, draw: Callable[..., Awaitable[Nothing]] = run, **settings: Any) -> AsyncGenerator[Api]:
    kinds = kind(draw, "draw", queue="pictures"), kind(run, "sweep", queue="chores")
    async with engine(folder, *kinds, workers=0, **settings) as e:
        runner = Runner(
            database=e.database, switch=e.switch, catalogue=e.catalogue, tools=e.tools, settings=e.settings,
            metrics=Metrics(e.catalogue, e.switch), role="api", accept=(),
        )  # fmt: skip
        e.runners.append(runner)
        await runner.start()
        yield Api(e, runner)


async def test_with_no_worker_it_takes_everything_and_runs_it(tmp_path: Path) -> None:
    async with api(tmp_path) as a:
        job_id = await a.e.submit("draw")
        assert await a.accepts() == BOTH
        await a.e.upkeep()
        assert (await a.e.final(job_id))["status"] == "completed"


async def test_what_a_worker_serves_it_leaves_to_it_for_as_long_as_it_lives(tmp_path: Path) -> None:
    async with api(tmp_path) as a:
        await a.e.record.write(worker("pictures"))
        assert await a.accepts() == ("chores",)
        await a.e.record.write(worker("pictures", "chores"))
        assert await a.accepts() == ()
        await a.e.record.write(worker())  # it drains
        assert await a.accepts() == BOTH
        await a.e.record.write(worker("pictures"))
        assert await a.accepts() == ("chores",)
        await a.e.record.write(Do("UPDATE workers SET seen_at = seen_at - $1", (1_000_000,)))
        assert await a.accepts() == BOTH
        await a.e.record.write(worker("pictures"))
        await a.e.record.write(Dismiss("worker-1"))
        assert await a.accepts() == BOTH


async def test_other_apis_are_no_workers(tmp_path: Path) -> None:
    async with api(tmp_path) as a:
        await a.e.record.write(worker("pictures", role="api"))
        assert await a.accepts() == BOTH


@pytest.mark.parametrize(("fallback", "accepted"), [("on", BOTH), ("off", ()), ("auto", ("chores",))])
async def test_it_is_the_operators_choice(tmp_path: Path, fallback: str, accepted: tuple[str, ...]) -> None:
    async with api(tmp_path, fallback_worker=fallback) as a:
        await a.e.record.write(worker("pictures"))
        assert await a.accepts() == accepted


async def test_with_redis_in_use_it_takes_nothing_new_and_ends_what_it_has(tmp_path: Path) -> None:
    async with api(tmp_path, fallback_worker="on") as a:
        assert await a.accepts() == BOTH
        a.e.switch.mode = "redis"
        assert await a.accepts() == ()
        job_id = await a.e.put("draw", "pictures")
        a.e.switch.mode = "memory"
        await a.e.upkeep()
        assert (await a.e.job(job_id)).status == Status.WAITING


async def test_while_the_record_is_away_nothing_changes(tmp_path: Path) -> None:
    async with api(tmp_path) as a:
        assert await a.accepts() == BOTH
        await a.e.record.write(worker("pictures"))
        a.weather.be(away=True)
        assert await a.accepts() == BOTH
        a.weather.be(away=False)
        assert await a.accepts() == ("chores",)


# --- once it is to stop


async def test_while_it_drains_it_takes_nothing_though_nobody_else_is_there(tmp_path: Path) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def wait(_context: JobContext[Nothing]) -> Nothing:
        begun.set()
        await gate.wait()
        return Nothing()

    async with api(tmp_path, wait, drain_seconds=60.0) as a:
        assert await a.accepts() == BOTH
        running = await a.e.submit("draw")
        await within(begun.wait())
        stopping = asyncio.create_task(a.runner.stop())
        await wait_until(lambda: not a.runner.accepts)
        behind = await a.e.submit("draw")
        assert await a.accepts() == ()
        assert a.runner.lives, "a drain must not be broken off by whoever restarts what is dead"
        gate.set()
        await within(stopping)
        assert a.runner.lives
        assert [(await a.e.job(job)).status for job in (running, behind)] == [Status.COMPLETED, Status.WAITING]


# --- what is logged


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, Any]]:
    """What it has logged since it was last asked: the message, and whom or what it is about."""
    lines = [record for record in caplog.records if record.name == "worker.embedded"]
    caplog.clear()
    return [(line.getMessage(), getattr(line, "workerId", None) or getattr(line, "queues", None)) for line in lines]


TAKES, CEASES = "this process takes jobs itself", "this process no longer takes jobs itself"
LOST = "a worker was lost: it ended, or fell silent, without a word"


async def test_what_it_takes_is_logged_when_it_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with api(tmp_path) as a:
        await a.accepts()
        assert told(caplog) == [(TAKES, ["chores", "pictures"])]
        await a.accepts()
        assert told(caplog) == []
        await a.e.record.write(worker("pictures"))
        await a.accepts()
        assert told(caplog) == [(CEASES, ["pictures"])]
        await a.e.record.write(worker("chores"))
        await a.accepts()
        assert told(caplog) == [(TAKES, ["pictures"]), (CEASES, ["chores"])]


async def test_a_worker_that_falls_silent_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with api(tmp_path, fallback_worker="off") as a:
        for _ in range(2):
            await a.e.record.write(worker("pictures"))
            await a.accepts()
            assert told(caplog) == []
            await a.e.record.write(SILENCE)
            await a.accepts()
            await a.accepts()
            assert told(caplog) == [(LOST, "worker-1")]


async def test_a_worker_that_ends_in_good_order_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with api(tmp_path) as a:
        await a.e.record.write(worker("pictures"))
        await a.accepts()
        await a.e.record.write(Dismiss("worker-1"))
        await a.accepts()
        assert told(caplog) == []


async def test_another_api_that_falls_silent_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with api(tmp_path) as a:
        await a.e.record.write(worker("pictures", role="api"))
        await a.accepts()
        await a.e.record.write(SILENCE)
        await a.accepts()
        assert told(caplog) == []


async def test_nobody_is_called_lost_when_the_record_was_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with api(tmp_path) as a:
        await a.e.record.write(worker("pictures"))
        await a.accepts()
        a.weather.be(away=True)
        await a.accepts()
        await a.e.record.write(SILENCE)
        a.weather.be(away=False)
        await a.accepts()
        assert LOST not in [message for message, _ in told(caplog)]
