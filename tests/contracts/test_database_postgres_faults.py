"""PostgreSQL: processes in each other's way, connections that break at the worst moment, servers and writers that die."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Both, Read, Statement, Write
from snapasset.database.postgres import PostgresDatabase
from snapasset.errors import DatabaseUnavailable
from snapasset.records.claims import Beat
from snapasset.records.endings import Cancel, Complete
from snapasset.records.idempotency import Once, SubmitOnce
from snapasset.records.jobs import GetJob
from snapasset.records.upkeep import HeldJob, Reap
from tests.contracts.conftest import wait_until
from tests.contracts.record_backends import Counted, Do, Look, begun
from tests.contracts.record_jobs import CLAIM, OWNER, a_job, claimed, held, stored, submitted
from tests.contracts.record_postgres import PostgresRecord, fresh_database
from tests.contracts.test_database_crash import write_and_die
from tests.servers.postgres import PostgresServer, shared_server
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from snapasset.database import Database, Steps
    from snapasset.event import Event
    from snapasset.job import Job
    from tests.contracts.record_backends import Pause

ROUNDS = 15
KILLS = int(os.environ.get("SNAPASSET_TEST_KILLS", "6")) // 2
"""Each round kills two writers that share the record."""

CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'record' AND application_name = 'snapasset'"
)


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[PostgresRecord]:
    opened = PostgresRecord(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
async def other(record: PostgresRecord) -> Database:
    """The same record, as another process has it."""
    return await record.open()


class TestCrossing:
    async def test_two_parents_that_complete_at_once_free_their_child(
        self, database: Database, other: Database
    ) -> None:
        for _ in range(ROUNDS):
            parents = [await held(database), await held(database)]
            child = await submitted(database, depends_on=tuple(parent.id for parent in parents), kind="clean")
            await asyncio.gather(
                *(
                    one.write(Complete(parent.id, parent.fence, "{}"))
                    for one, parent in zip((database, other), parents, strict=True)
                )
            )
            assert (await stored(database, child.id)).status == "waiting"

    async def test_a_child_that_comes_while_its_parent_completes_does_not_wait_for_ever(
        self, database: Database, other: Database
    ) -> None:
        for _ in range(ROUNDS):
            parent = await held(database)
            _, child = await asyncio.gather(
                database.write(Complete(parent.id, parent.fence, "{}")),
                other.write(a_job(depends_on=(parent.id,), kind="clean")),
            )
            assert (await stored(database, child.id)).status == "waiting"

    async def test_one_key_from_two_processes_makes_one_job(self, database: Database, other: Database) -> None:
        for n in range(ROUNDS):
            once = Once(f"key-{n}", "print")
            answers = await asyncio.gather(
                *(one.write(SubmitOnce(OWNER, a_job(), once)) for one in (database, other) for _ in range(3))
            )
            assert len({found.job_id for (found,) in answers}) == 1
            assert sorted(found.replayed for (found,) in answers) == [False] + [True] * 5
        assert await database.read(Look("SELECT count(*) FROM jobs")) == [(ROUNDS,)]

    async def test_a_beat_and_a_reaper_never_both_win(self, database: Database, other: Database) -> None:
        for _ in range(ROUNDS):
            job = await held(database)
            beat, reaped = await asyncio.gather(
                database.write(Beat(job.id, job.fence, 5.0)),
                other.write(Reap(HeldJob(job.id, job.fence, 0, "worker-1"))),
            )
            assert (beat is None) == (reaped is not None)
            await database.write(Cancel(job.id, OWNER))
            again = await stored(database, job.id)
            await database.write(Complete(again.id, again.fence, "{}"))

    async def test_batches_that_want_the_same_jobs_do_not_wait_crosswise(
        self, record: PostgresRecord, database: Database, other: Database
    ) -> None:
        crossed = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'record'"
        before = record.glimpse(crossed)
        for _ in range(ROUNDS):
            jobs = [await submitted(database) for _ in range(8)]
            there = [one.write(Cancel(job.id, OWNER)) for one, some in
                     ((database, jobs), (other, jobs[::-1])) for job in some]  # fmt: skip
            answers = await asyncio.gather(*there, return_exceptions=True)
            assert sum(not isinstance(answer, Exception) for answer in answers) == 8
            assert not any(isinstance(answer, DatabaseUnavailable) for answer in answers)
        assert record.glimpse(crossed) == before

    async def test_nor_do_those_that_lock_the_jobs_by_changing_them(
        self, record: PostgresRecord, database: Database, other: Database
    ) -> None:
        crossed = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'record'"
        before = record.glimpse(crossed)
        jobs = [await held(database) for _ in range(8)]
        for n in range(ROUNDS):
            there = [one.write(Beat(job.id, job.fence, n)) for one, some in
                     ((database, jobs), (other, jobs[::-1])) for job in some]  # fmt: skip
            assert await asyncio.gather(*there) == [False] * 16
        assert {(await stored(database, job.id)).beat for job in jobs} == {2 * ROUNDS}
        assert record.glimpse(crossed) == before

    async def test_a_deadlock_is_run_again(self, database: Database, other: Database) -> None:
        one, two = await submitted(database), await submitted(database)
        touch = "UPDATE jobs SET beat = beat + 1 WHERE id = $1"

        def both(first: Job, second: Job) -> Write[Any]:
            slowly = Both(Do(touch, (first.id,)), Do("SELECT pg_sleep(0.1)"))
            return Both(slowly, Do(touch, (second.id,)))

        await asyncio.gather(database.write(both(one, two)), other.write(both(two, one)))
        assert [(await stored(database, job.id)).beat for job in (one, two)] == [2, 2]

    async def test_a_claim_does_not_wait_for_a_job_that_another_process_holds_on_to(
        self, record: PostgresRecord, database: Database, other: Database
    ) -> None:
        first, second = await submitted(database), await submitted(database)
        half = record.halfway(CLAIM)
        [claiming] = await begun(database.write(half))
        await half.reached()
        assert (await claimed(other)).id == second.id
        assert await other.write(CLAIM) is None
        half.go_on()
        assert (await claiming).id == first.id


class TestLostConnections:
    async def test_one_lost_while_idle_is_not_noticed(self, record: PostgresRecord, database: Database) -> None:
        job = await submitted(database)
        for _ in range(3):
            record.glimpse(CUT)
            assert await database.read(GetJob(job.id)) == job
            await submitted(database)

    async def test_one_lost_in_mid_change_undoes_it_and_the_next_is_served(
        self, record: PostgresRecord, database: Database
    ) -> None:
        lost, neighbour = a_job(), Counted(a_job())
        half = record.halfway(lost)
        writing, beside = await begun(database.write(half), database.write(neighbour))
        await half.reached()
        record.glimpse(CUT)
        with pytest.raises(DatabaseUnavailable):
            await writing
        await asyncio.wait([beside])
        half.go_on()
        assert await database.read(GetJob(lost.job_id)) is None
        await submitted(database)

    async def test_so_is_one_lost_in_mid_question(self, record: PostgresRecord, database: Database) -> None:
        pause = record.pause()
        [asking] = await begun(database.read(Asking(pause)))
        await pause.reached()
        record.glimpse(CUT)
        with pytest.raises(DatabaseUnavailable):
            await asking
        pause.go_on()
        assert await database.read(Look("SELECT 1")) == [(1,)]


class Asking(Read[None]):
    """A question that waits."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause

    def steps(self) -> Steps[None]:
        yield Statement("SELECT 1")
        yield from self._pause.wait()


class Cutter(Proxy):
    """Cuts the connection when the next COMMIT passes: on its way there, or the word that it is done on its way back."""

    cut: str | None = None
    deaf = False
    """Nothing arrives at the server."""

    def forward(self, chunk: bytes, *, there: bool) -> bytes:
        if self.cut == ("there" if there else "back") and b"COMMIT\0" in chunk and not self.deaf:
            self.cut = None
            self.reset()
            return b""
        return b"" if self.deaf else chunk


class TestLostCommits:
    @pytest.fixture
    async def cutter(self) -> AsyncIterator[Cutter]:
        cutter = Cutter(shared_server().port)
        await cutter.open()
        yield cutter
        await cutter.close()

    @pytest.fixture
    async def database(self, record: PostgresRecord, cutter: Cutter) -> AsyncIterator[Database]:
        url = shared_server().tcp_url("record").replace(str(shared_server().port), str(cutter.port))
        database = PostgresDatabase(url, more_settings=record.settings)
        await database.open()
        yield database
        await database.close()

    @pytest.mark.parametrize("another", [False, True], ids=["alone", "with the next BEGIN"])
    async def test_one_that_took_place_is_answered_and_told(
        self, database: Database, cutter: Cutter, another: bool
    ) -> None:
        if another:
            await submitted(database)
        heard: list[Event] = []
        database.listen(heard.extend)
        cutter.cut = "back"
        job = await submitted(database)
        assert cutter.cut is None
        assert await stored(database, job.id) == job
        assert [event.job_id for event in heard] == [job.id]

    async def test_one_that_did_not_is_an_outage_and_nothing_is_told(self, database: Database, cutter: Cutter) -> None:
        heard: list[Event] = []
        database.listen(heard.extend)
        cutter.cut = "there"
        with pytest.raises(DatabaseUnavailable):
            await submitted(database)
        assert cutter.cut is None
        assert await database.read(Look("SELECT count(*) FROM jobs")) == [(0,)]
        assert not heard

    async def test_one_that_told_nothing_is_an_outage_and_may_be_sent_again(
        self, database: Database, cutter: Cutter
    ) -> None:
        job = await held(database)
        beat = Beat(job.id, job.fence, 5.0)
        cutter.cut = "back"
        with pytest.raises(DatabaseUnavailable):
            await database.write(beat)
        assert await database.write(beat) is False

    async def test_questions_do_not_each_find_out_that_the_server_is_away(
        self, database: Database, cutter: Cutter
    ) -> None:
        cutter.deaf = True
        asking = (database.read(GetJob("any")) for _ in range(40))
        async with asyncio.timeout(12):  # a connection that each waited for would take 50 s
            answers = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(answer) for answer in answers} == {DatabaseUnavailable}
        cutter.deaf = False
        assert await database.read(GetJob("any")) is None

    async def test_a_server_that_does_not_answer_is_given_up_and_found_again(
        self, database: Database, cutter: Cutter
    ) -> None:
        job = await submitted(database)
        await cutter.close()
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable):
                await database.write(CLAIM)
        with pytest.raises(DatabaseUnavailable):
            await database.read(GetJob(job.id))
        await cutter.open()
        assert (await claimed(database)).id == job.id


async def torn(database: Database) -> list[Any]:
    """Jobs whose events do not say all that has become of them."""
    return await database.read(
        Look(
            "SELECT id FROM jobs LEFT JOIN (SELECT job_id, count(*) AS events, min(seq) AS first, max(seq) AS last "
            "FROM job_events GROUP BY job_id) AS its ON job_id = id "
            "WHERE events IS DISTINCT FROM seq OR first <> 1 OR last <> seq"
        )
    )


class TestDeaths:
    @pytest.mark.timeout(120)
    async def test_every_acknowledged_change_outlives_its_writer(self) -> None:
        url = fresh_database()
        database = PostgresDatabase(url)
        await database.open()
        chance = random.Random(20)
        acknowledged: dict[str, tuple[int, str]] = {}
        for _ in range(KILLS):
            said = await asyncio.gather(*(write_and_die(url, chance.randrange(1, 300)) for _ in range(2)))
            for job_id, seq, status in itertools.chain(*said):
                acknowledged[job_id] = max(acknowledged.get(job_id, (0, "")), (seq, status))
            await submitted(database)  # nothing that the dead held is in the way
            there = {row[0]: row[1:] for row in await database.read(Look("SELECT id, seq, status FROM jobs"))}
            assert all(there[job_id][0] >= seq for job_id, (seq, _) in acknowledged.items())
            assert all(there[job_id] == last for job_id, last in acknowledged.items() if last[1] == "completed")
            assert await torn(database) == []
        assert len(acknowledged) > KILLS
        await database.close()

    @pytest.mark.timeout(120)
    async def test_every_acknowledged_change_outlives_the_server_and_the_next_is_served(self) -> None:
        server = PostgresServer(durable=True)
        try:
            server.start()
            database = PostgresDatabase(server.url())
            await database.open()
            acknowledged: list[str] = []

            async def submit_on() -> None:
                with contextlib.suppress(DatabaseUnavailable):
                    while True:
                        acknowledged.append((await submitted(database)).id)

            for _ in range(2):
                writing = await begun(*(submit_on() for _ in range(8)))
                enough = len(acknowledged) + 40
                await wait_until(lambda enough=enough: asyncio.sleep(0, len(acknowledged) > enough))
                await asyncio.to_thread(server.crash)
                await asyncio.gather(*writing)
                await asyncio.to_thread(server.start)
                there = {job_id for (job_id,) in await database.read(Look("SELECT id FROM jobs"))}
                assert there >= set(acknowledged)
                assert await torn(database) == []
            await database.close()
        finally:
            server.stop()
