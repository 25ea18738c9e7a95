"""What time alone causes: jobs become ready, expire or are mended, schedules fire, rings are made up for."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.reconciler import Reconciler
from snapasset.records.jobs import FindJobs
from snapasset.records.schedules import PutSchedule
from snapasset.records.upkeep import PROMOTE_LIMIT
from tests.contracts.record_backends import Clock, Do, Look
from tests.contracts.record_jobs import KIND, OWNER, QUEUE, a_job, held, last_told, stored, submitted
from tests.snapasset.upkeep import KINDS, SETTINGS, Upkeep
from tests.snapasset.weather import Weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from snapasset.database import Database, Read
    from snapasset.switch import Switch


class TestPromoting:
    async def test_a_job_is_ready_in_the_round_after_it_is_due(
        self, database: Database, clock: Clock, upkeep: Upkeep
    ) -> None:
        job = await submitted(database, delay_ms=700)
        await upkeep.tick()
        assert (await stored(database, job.id)).status == "delayed"
        clock.move(700)
        await upkeep.tick()
        assert (await stored(database, job.id)).status == "waiting"

    @pytest.mark.parametrize(("delay_ms", "pause"), [(None, 1.0), (5000, 1.0), (1000, 1.0), (300, 0.3), (1, 0.001)])
    async def test_the_next_round_comes_when_a_job_is_due_and_never_later_than_usual(
        self, database: Database, upkeep: Upkeep, delay_ms: int | None, pause: float
    ) -> None:
        if delay_ms is not None:
            await submitted(database, delay_ms=delay_ms)
            await submitted(database, delay_ms=60_000)
        assert await upkeep.tick(1.0) == pytest.approx(pause)

    async def test_one_round_lets_in_all_that_are_due_and_thinks_of_the_next(
        self, database: Database, clock: Clock, upkeep: Upkeep, switch: Switch
    ) -> None:
        await asyncio.gather(*(database.write(a_job(delay_ms=1000)) for _ in range(2 * PROMOTE_LIMIT + 50)))
        await submitted(database, delay_ms=1400)
        clock.move(1000)
        assert await upkeep.tick(1.0) == pytest.approx(0.4)
        assert await database.read(Look("SELECT status, count(*) FROM jobs GROUP BY status ORDER BY status")) == [
            ("delayed", 1),
            ("waiting", 2 * PROMOTE_LIMIT + 50),
        ]
        assert await switch.waiting_rings(QUEUE) == SETTINGS.ring_cap


class TestFiring:
    """Schedules, each a minute long; the clock stands at a full minute."""

    async def put(self, database: Database, *names: str) -> None:
        for name in names:
            await database.write(PutSchedule(name, OWNER, KIND, QUEUE, "{}", 0, 1, "* * * * *", "UTC"))

    async def count(self, database: Database) -> int:
        return len(await database.read(FindJobs(OWNER)))

    async def test_one_fires_in_the_round_after_its_time_and_is_rung_for_in_that_round(
        self, database: Database, clock: Clock, upkeep: Upkeep, switch: Switch, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        await self.put(database, "sweep")
        clock.move(59_999)
        await upkeep.tick()
        assert await self.count(database) == 0
        clock.move(1)
        for _ in range(2):
            await upkeep.tick()
            assert await self.count(database) == await switch.waiting_rings(QUEUE) == 1
        [line] = [line for line in caplog.records if "fired" in line.message]
        assert line.__dict__["schedule"] == "sweep"

    async def test_two_reconcilers_fire_it_once_and_missed_times_as_one(
        self, database: Database, clock: Clock, switch: Switch
    ) -> None:
        await self.put(database, "sweep", "greet")
        both = [Upkeep(database, switch), Upkeep(database, switch)]
        for fired in (2, 4, 6):
            clock.move(180_000)
            await asyncio.gather(*(upkeep.tick() for upkeep in both))
            assert await self.count(database) == fired

    async def test_one_that_cannot_fire_keeps_neither_the_others_nor_the_rest_of_the_round(
        self, database: Database, clock: Clock, upkeep: Upkeep, switch: Switch, caplog: pytest.LogCaptureFixture
    ) -> None:
        await self.put(database, "a", "b", "c")
        await database.write(Do("UPDATE schedules SET zone = 'Moon/Tranquility' WHERE id = 'b'"))
        delayed = await submitted(database, delay_ms=1)
        clock.move(60_000)
        await upkeep.tick()
        assert await self.count(database) == 3
        assert (await stored(database, delayed.id)).status == "waiting"
        assert await switch.waiting_rings(QUEUE) == 3
        [line] = caplog.records
        assert (line.levelname, line.__dict__["schedule"]) == ("ERROR", "b")


class TestExpiring:
    async def test_one_fails_in_the_round_after_its_time_is_over(
        self, database: Database, clock: Clock, upkeep: Upkeep
    ) -> None:
        job = await submitted(database, ttl_ms=700)
        clock.move(699)
        await upkeep.tick()
        assert (await stored(database, job.id)).status == "waiting"
        clock.move(1)
        await upkeep.tick()
        assert (await last_told(database, job.id))["error"]["code"] == "expired"

    async def test_one_that_is_late_for_its_start_and_for_its_end_does_not_start(
        self, database: Database, clock: Clock, upkeep: Upkeep, switch: Switch
    ) -> None:
        job = await submitted(database, delay_ms=1000, ttl_ms=1000)
        clock.move(2000)
        await upkeep.tick()
        assert (await stored(database, job.id)).status == "failed"
        assert await switch.waiting_rings(QUEUE) == 0

    async def test_one_round_ends_all_that_are_over(self, database: Database, clock: Clock, upkeep: Upkeep) -> None:
        await asyncio.gather(*(database.write(a_job(ttl_ms=1000)) for _ in range(2 * PROMOTE_LIMIT + 50)))
        await submitted(database, ttl_ms=1001)
        clock.move(1000)
        await upkeep.tick()
        assert await database.read(Look("SELECT status, count(*) FROM jobs GROUP BY status ORDER BY status")) == [
            ("failed", 2 * PROMOTE_LIMIT + 50),
            ("waiting", 1),
        ]


class TestMendingDependencies:
    async def test_one_that_waits_for_nobody_is_free_within_a_few_rounds_and_rung_for(
        self, database: Database, upkeep: Upkeep, switch: Switch, caplog: pytest.LogCaptureFixture
    ) -> None:
        parent = await held(database)
        job = await submitted(database, depends_on=(parent.id,))
        await upkeep.pass_seconds(6)
        assert (await stored(database, job.id)).status == "blocked"
        assert not caplog.records
        await database.write(Do("UPDATE jobs SET status = 'completed', finished_at = 1 WHERE id = $1", (parent.id,)))
        await upkeep.pass_seconds(5)
        assert (await stored(database, job.id)).status == "waiting"
        assert await switch.waiting_rings(QUEUE) == 1
        assert [line.message for line in caplog.records] == ["jobs waited for others that had ended"]

    async def test_a_restart_looks_for_them_at_once(self, database: Database, upkeep: Upkeep) -> None:
        parent = await submitted(database)
        job = await submitted(database, depends_on=(parent.id,))
        await database.write(Do("UPDATE jobs SET status = 'failed', finished_at = 1 WHERE id = $1", (parent.id,)))
        await upkeep.tick()
        assert (await last_told(database, job.id))["error"]["code"] == "dependency_failed"


class TestRinging:
    async def rings(self, switch: Switch, queue: str = QUEUE) -> list[dict[str, Any]]:
        taken: list[dict[str, Any]] = []
        while await switch.waiting_rings(queue):
            job = await switch.queues[queue].dequeue(timeout=1)
            assert job is not None
            taken.append(job.kwargs or {})
        return taken

    async def test_each_job_that_waits_has_a_ring(self, database: Database, upkeep: Upkeep, switch: Switch) -> None:
        jobs = [await submitted(database, priority=priority) for priority in (0, 5, 0)]
        await submitted(database, delay_ms=1000)
        chore = await submitted(database, queue="chores")
        await upkeep.tick()
        assert await self.rings(switch) == [
            {"job_id": job.id, "kind": KIND, "record_id": "record-1"} for job in (jobs[1], jobs[0], jobs[2])
        ]
        assert [ring["job_id"] for ring in await self.rings(switch, "chores")] == [chore.id]

    async def test_only_the_difference_is_rung(self, database: Database, upkeep: Upkeep, switch: Switch) -> None:
        jobs = [await submitted(database) for _ in range(3)]
        await switch.ring(QUEUE, jobs[0].id, KIND, 0)
        for _ in range(3):
            await upkeep.tick()
            assert await switch.waiting_rings(QUEUE) == 3
        await self.rings(switch)
        await upkeep.tick()
        assert await switch.waiting_rings(QUEUE) == 3, "lost rings are rung again"

    async def test_never_more_than_the_cap(self, database: Database, upkeep: Upkeep, switch: Switch) -> None:
        for _ in range(SETTINGS.ring_cap + 3):
            await submitted(database)
        for _ in range(3):
            await upkeep.tick()
            assert await switch.waiting_rings(QUEUE) == SETTINGS.ring_cap

    async def test_none_for_nothing(self, database: Database, upkeep: Upkeep, switch: Switch) -> None:
        await held(database)
        await upkeep.tick()
        assert await switch.waiting_rings(QUEUE) == 0

    async def test_a_job_of_a_queue_that_is_unknown_here_waits_quietly(
        self, database: Database, upkeep: Upkeep, caplog: pytest.LogCaptureFixture
    ) -> None:
        job = await submitted(database, queue="of-a-newer-version")
        await upkeep.tick()
        assert (await stored(database, job.id)).status == "waiting"
        assert not caplog.records

    async def test_one_that_was_taken_back_is_rung_in_the_same_round(
        self, database: Database, upkeep: Upkeep, switch: Switch
    ) -> None:
        await held(database)
        await upkeep.tick()
        await upkeep.pass_seconds(15)
        assert await switch.waiting_rings(QUEUE) == 1


class TestRunning:
    @pytest.fixture
    async def running(
        self, database: Database, switch: Switch
    ) -> AsyncIterator[Callable[[Weather], asyncio.Task[None]]]:
        tasks: list[asyncio.Task[None]] = []

        def run(weather: Weather) -> asyncio.Task[None]:
            settings = SETTINGS.model_copy(update={"reconcile_seconds": 0.001})
            tasks.append(asyncio.create_task(Reconciler(weather, switch, KINDS, settings).run()))
            return tasks[-1]

        yield run
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends(
        self, database: Database, running: Callable[[Weather], asyncio.Task[None]], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        weather = Weather(database)
        task = running(weather)
        for away in (True, False, True, False):
            await weather.turn(away=away)
        assert [line.message for line in caplog.records if "database" in line.message] == [
            "the database is away",
            "the database answers again",
        ] * 2
        assert not task.done()

    async def test_it_goes_on_after_a_round_that_failed_for_any_other_reason(
        self, database: Database, running: Callable[[Weather], asyncio.Task[None]], caplog: pytest.LogCaptureFixture
    ) -> None:
        weather = Weather(database)
        failures = 0

        def fail_once(_question: Read[Any]) -> None:
            nonlocal failures
            failures += 1
            if failures == 1:
                raise ZeroDivisionError

        weather.before_reading = fail_once
        running(weather)
        await weather.turn(away=False)
        assert failures > 1
        assert "a round of upkeep failed" in caplog.text

    async def test_the_first_round_is_at_once(
        self, database: Database, switch: Switch, running: Callable[[Weather], asyncio.Task[None]]
    ) -> None:
        await submitted(database)
        weather = Weather(database)
        running(weather)
        await weather.turn(away=False)
        assert await switch.waiting_rings(QUEUE) == 1
