"""Jobs are taken from executors that are silent or dead, and from no others."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import DatabaseUnavailable
from snapasset.records.claims import Beat, Begin, Claim, is_suspect
from snapasset.records.upkeep import HeldJobs
from tests.contracts.record_backends import WAIT, Clock, SqliteRecord
from tests.contracts.record_jobs import CLAIM, KIND, QUEUE, claimed, held, last_told, stored, submitted
from tests.snapasset.lock_holder import living
from tests.snapasset.upkeep import Upkeep
from tests.snapasset.weather import Weather

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator

    from snapasset.database import Database, Read
    from snapasset.switch import Switch
    from tests.contracts.record_backends import Record


class TestSilence:
    async def test_a_silent_executor_keeps_its_job_for_the_lease_and_not_longer(
        self, database: Database, upkeep: Upkeep, caplog: pytest.LogCaptureFixture
    ) -> None:
        job = await held(database)
        await upkeep.tick()
        await upkeep.pass_seconds(14)
        assert (await stored(database, job.id)).status == "active"
        await upkeep.pass_seconds(1)
        back = await stored(database, job.id)
        assert (back.status, back.fence, back.attempt) == ("waiting", job.fence + 1, 1)
        [line] = [line for line in caplog.records if "lost worker" in line.message]
        assert line.__dict__["jobId"] == job.id

    async def test_one_that_beats_keeps_it_as_long_as_it_does(self, database: Database, upkeep: Upkeep) -> None:
        job = await held(database)
        for _ in range(8):
            await upkeep.pass_seconds(14)
            await database.write(Beat(job.id, job.fence, 1.0))
        await upkeep.pass_seconds(15)
        assert (await stored(database, job.id)).fence == job.fence
        await upkeep.pass_seconds(1)
        assert (await stored(database, job.id)).status == "waiting"

    async def test_silence_is_measured_by_this_processs_clock_and_not_by_the_records(
        self, database: Database, clock: Clock, upkeep: Upkeep
    ) -> None:
        job = await held(database)
        await upkeep.tick()
        clock.move(3_600_000)
        await upkeep.pass_seconds(14)
        assert (await stored(database, job.id)).status == "active"

    async def test_a_new_holder_has_its_own_lease(self, database: Database, upkeep: Upkeep) -> None:
        job = await held(database)
        await upkeep.tick()
        await upkeep.pass_seconds(15)
        again = await database.write(CLAIM)
        assert again is not None
        await upkeep.pass_seconds(15)
        assert (await stored(database, job.id)).fence == again.fence
        await upkeep.pass_seconds(1)
        assert (await stored(database, job.id)).fence == again.fence + 1

    async def test_a_job_that_kills_each_of_its_workers_fails_after_its_attempts(
        self, database: Database, upkeep: Upkeep
    ) -> None:
        job = await submitted(database, attempts=3)
        for _ in range(3):
            again = await claimed(database)
            if is_suspect(again):
                await database.write(Begin(again.id, again.fence))
            await upkeep.pass_seconds(16)
        assert (await stored(database, job.id)).status == "failed"
        assert (await last_told(database, job.id))["error"]["code"] == "worker_lost"

    async def test_one_that_began_within_the_lease_of_an_executor_that_waited_to_is_left_to_it(
        self, database: Database, upkeep: Upkeep
    ) -> None:
        job = await submitted(database, attempts=2)
        await claimed(database)
        await upkeep.pass_seconds(16)
        last = await claimed(database)
        await upkeep.pass_seconds(14)
        await database.write(Begin(last.id, last.fence))
        await upkeep.pass_seconds(14)
        assert (await stored(database, job.id)).fence == last.fence
        await upkeep.pass_seconds(4)
        assert (await stored(database, job.id)).status == "failed"

    async def test_two_reconcilers_take_it_back_once(self, database: Database, switch: Switch) -> None:
        job = await held(database)
        both = [Upkeep(database, switch), Upkeep(database, switch)]
        for upkeep in both:
            await upkeep.tick()
        for _ in range(15):
            await asyncio.gather(*(upkeep.pass_seconds(1) for upkeep in both))
        back = await stored(database, job.id)
        assert (back.fence, back.attempt, back.status) == (job.fence + 1, 1, "waiting")


class TestNoProof:
    """An executor that could not beat, or that this process could not hear, is not called silent."""

    async def test_an_outage_of_the_record_in_between(self, database: Database, switch: Switch) -> None:
        weather = Weather(database)
        upkeep = Upkeep(weather, switch)
        job = await held(database)
        await upkeep.tick()
        await upkeep.pass_seconds(13)
        weather.be(away=True)
        with pytest.raises(Exception, match="plug"):
            await upkeep.pass_seconds(1)
        weather.be(away=False)
        await upkeep.pass_seconds(15)
        assert (await stored(database, job.id)).status == "active"
        await upkeep.pass_seconds(1)
        assert (await stored(database, job.id)).status == "waiting"

    async def test_a_record_that_can_be_read_but_not_written(self, database: Database, switch: Switch) -> None:
        weather = Weather(database)
        upkeep = Upkeep(weather, switch)
        job = await held(database)
        await upkeep.tick()
        await upkeep.pass_seconds(5)
        weather.writable = False
        for _ in range(9):
            with suppress(DatabaseUnavailable):
                await upkeep.pass_seconds(1)
        weather.writable = True  # in the last moment of the lease, before the executor's next beat
        await upkeep.pass_seconds(4)
        assert (await stored(database, job.id)).status == "active"
        await database.write(Beat(job.id, job.fence, 1.0))
        await upkeep.pass_seconds(15)
        assert (await stored(database, job.id)).status == "active"
        await upkeep.pass_seconds(1)
        assert (await stored(database, job.id)).status == "waiting"

    async def test_a_record_that_answers_late(self, database: Database, switch: Switch) -> None:
        weather = Weather(database)
        upkeep = Upkeep(weather, switch)
        job = await held(database)
        await upkeep.tick()
        await upkeep.pass_seconds(13)

        def slow(question: Read[Any]) -> None:
            if isinstance(question, HeldJobs):
                upkeep.monotonic.now += 4

        weather.before_reading = slow
        await upkeep.pass_seconds(1)
        weather.before_reading = lambda _question: None
        await upkeep.pass_seconds(14)
        assert (await stored(database, job.id)).status == "active"
        await upkeep.pass_seconds(1)
        assert (await stored(database, job.id)).status == "waiting"

    @pytest.mark.parametrize("still", [5, 20, 3600])
    async def test_a_process_that_stood_still_itself(self, database: Database, upkeep: Upkeep, still: int) -> None:
        job = await held(database)
        await upkeep.tick()
        await upkeep.pass_seconds(13)
        upkeep.monotonic.now += still  # stopped, asleep, or its event loop was blocked: the executor perhaps as well
        await upkeep.tick()
        await upkeep.pass_seconds(14)
        assert (await stored(database, job.id)).status == "active"
        await upkeep.pass_seconds(1)
        assert (await stored(database, job.id)).status == "waiting"


@pytest.mark.skipif(sys.platform == "win32", reason="lock files tell nothing there")
@pytest.mark.parametrize("record", ["sqlite"], indirect=True)  # only a database on one host can tell
class TestDeadWorkers:
    @pytest.fixture
    def worker(self, record: Record) -> Generator[subprocess.Popen[str]]:
        """A process that is alive as `worker-9`."""
        assert isinstance(record, SqliteRecord)
        with living(record.path.with_name("record.db-workers"), "worker-9") as process:
            yield process

    async def test_their_jobs_are_taken_back_in_the_next_round_and_the_livings_are_not(
        self, database: Database, upkeep: Upkeep, worker: subprocess.Popen[str]
    ) -> None:
        job = await submitted(database)
        other = await submitted(database)
        await database.write(Claim(QUEUE, (KIND,), "worker-9"))
        await database.write(Claim(QUEUE, (KIND,), "worker-without-a-lock"))
        await upkeep.pass_seconds(2)
        assert (await stored(database, job.id)).status == "active"
        worker.kill()
        worker.wait(WAIT)
        await upkeep.tick()
        assert (await stored(database, job.id)).status == "waiting"
        assert (await stored(database, other.id)).status == "active"

    async def test_a_living_one_that_is_silent_loses_its_job_after_the_lease_all_the_same(
        self, database: Database, upkeep: Upkeep, worker: subprocess.Popen[str]
    ) -> None:
        job = await submitted(database)
        await database.write(Claim(QUEUE, (KIND,), "worker-9"))
        await upkeep.tick()
        await upkeep.pass_seconds(15)
        assert (await stored(database, job.id)).status == "waiting"
        assert worker.poll() is None
