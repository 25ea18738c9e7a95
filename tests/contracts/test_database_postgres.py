"""The record in PostgreSQL: its schema, changes carried out together, processes in each other's way, lost connections.

What holds for every database is in `test_database.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from snapasset.database import Both, Statement, Together, Write
from snapasset.database.migrations import load
from snapasset.database.postgres import PostgresDatabase
from snapasset.database.postgres_connection import LOCK_MS, begin, connect, settings_for
from snapasset.database.postgres_line import Texts
from snapasset.database.postgres_transaction import Transaction, rounds
from snapasset.errors import BadConfiguration, DatabaseUnavailable
from snapasset.records.claims import Beat, GiveBack
from snapasset.records.endings import Cancel, Complete, Fail
from snapasset.records.steps import FinishStep, StartStep
from tests.contracts.record_backends import Do, Look, ThenRaise, begun
from tests.contracts.record_jobs import CLAIM, FAULT, OWNER, a_job, claimed, held, stored, submitted, told
from tests.contracts.record_postgres import Bystander, PostgresRecord, fresh_database
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import asyncpg

    from snapasset.database import Database, Row, Steps
    from snapasset.database.postgres_connection import Driver
    from snapasset.job import Job
    from tests.servers.postgres import PostgresServer

NEWEST = len(load("postgres"))


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[PostgresRecord]:
    opened = PostgresRecord(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def empty() -> str:
    """The address of a database with nothing in it."""
    return fresh_database()


async def opened(url: str) -> str:
    """Open a record and close it again; returns its id."""
    database = PostgresDatabase(url)
    await database.open()
    await database.close()
    return database.record_id


def script(url: str, sql: str) -> None:
    with contextlib.closing(Bystander(url)) as other:
        other.do(sql)


class TestSchema:
    async def test_a_new_record_has_every_migration_and_a_random_id(self, empty: str) -> None:
        record_id = await opened(empty)
        with contextlib.closing(Bystander(empty)) as other:
            rows = other.ask("SELECT number, name, min_compatible FROM snapasset.migrations ORDER BY number")
        assert rows == [(one.number, one.name, one.min_compatible) for one in load("postgres")]
        assert len(record_id) == 32
        assert await opened(empty) == record_id != await opened(fresh_database())

    async def test_nothing_of_it_is_where_the_world_may_look(self, empty: str) -> None:
        await opened(empty)
        with contextlib.closing(Bystander(empty)) as other:
            assert other.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []

    async def test_both_databases_have_the_same_history(self) -> None:
        assert [one.name for one in load("postgres")] == [one.name for one in load("sqlite")]
        assert [one.min_compatible for one in load("postgres")] == [one.min_compatible for one in load("sqlite")]

    async def test_processes_that_start_together_make_one_record(self, empty: str) -> None:
        assert len(set(await asyncio.gather(*(opened(empty) for _ in range(6))))) == 1

    async def test_a_newer_schema_that_still_suits_this_program_is_used(self, empty: str) -> None:
        await opened(empty)
        script(empty, f"INSERT INTO snapasset.migrations VALUES ({NEWEST + 1}, 'newer', 1)")
        await opened(empty)

    async def test_a_newer_schema_that_does_not_is_refused_in_a_sentence(self, empty: str) -> None:
        await opened(empty)
        script(empty, f"INSERT INTO snapasset.migrations VALUES ({NEWEST + 1}, 'newer', {NEWEST + 1})")
        with pytest.raises(BadConfiguration, match="newer program"):
            await opened(empty)

    async def test_a_migration_that_fails_leaves_nothing_behind(self, empty: str) -> None:
        script(empty, "CREATE SCHEMA snapasset; CREATE TABLE snapasset.job_steps (mine bigint)")
        with pytest.raises(DatabaseUnavailable):
            await opened(empty)
        with contextlib.closing(Bystander(empty)) as other:
            assert other.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'snapasset'") == [("job_steps",)]

    async def test_its_time_is_the_servers(self, empty: str) -> None:
        await opened(empty)
        with contextlib.closing(Bystander(empty)) as other:
            ((apart,),) = other.ask(
                "SELECT abs(snapasset.now_ms() - extract(epoch FROM clock_timestamp()) * 1000)::bigint"
            )
        assert apart < 5_000

    async def test_each_event_knows_its_transaction(self, record: PostgresRecord, database: Database) -> None:
        job = await submitted(database)
        await database.write(Both(CLAIM, a_job()))
        rows = record.glimpse("SELECT CAST(xid AS text) FROM job_events ORDER BY pos")
        assert rows[0] != rows[1] == rows[2]
        assert record.glimpse(
            "SELECT count(*) FROM job_events WHERE xid < pg_snapshot_xmin(pg_current_snapshot())"
        ) == [(3,)]
        assert (await stored(database, job.id)).status == "active"


class TestAddress:
    @pytest.fixture
    def server(self) -> PostgresServer:
        from tests.servers.postgres import shared_server

        return shared_server()

    async def test_one_that_is_right_opens(self, server: PostgresServer, empty: str) -> None:
        await opened(server.tcp_url(empty.split("@/")[1].split("?")[0]))

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            (("not-a-secret", "wrong-canary"), BadConfiguration),
            (("snapasset:", "canary:"), BadConfiguration),
            (("/postgres", "/canary"), BadConfiguration),
            (("127.0.0.1", "canary.invalid"), DatabaseUnavailable),
            (("/postgres", "/postgres?sslmode=canary"), BadConfiguration),
            (("/postgres", "/postgres?sslmode=require"), DatabaseUnavailable),
            (("127.0.0.1:", "127.0.0.1:canary"), BadConfiguration),
        ],
        ids=["password", "user", "database", "host", "mode", "encryption", "port"],
    )
    async def test_a_wrong_one_is_named_and_not_shown(
        self, server: PostgresServer, change: tuple[str, str], error: type[Exception]
    ) -> None:
        url = server.tcp_url().replace(*change)
        with pytest.raises(error, match="DATABASE_URL") as raised:
            async with asyncio.timeout(10):
                await PostgresDatabase(url).open()
        assert "canary" not in str(raised.value)

    async def test_so_is_one_where_nobody_listens_or_answers(self, server: PostgresServer) -> None:
        proxy = Proxy(server.port)
        await proxy.open()
        url = server.tcp_url().replace(str(server.port), str(proxy.port))
        proxy.swallow()
        with pytest.raises(DatabaseUnavailable, match="DATABASE_URL"):
            await PostgresDatabase(url).open()
        await proxy.close()
        with pytest.raises(DatabaseUnavailable, match="DATABASE_URL"):
            await PostgresDatabase(url).open()


@dataclass(frozen=True, slots=True)
class Alone(Do):
    """A statement of a test's own that may go together with others."""

    name: str = ""

    def touches(self) -> frozenset[str]:
        return frozenset((self.name,))


@dataclass(frozen=True, slots=True)
class Mark(Write["list[Row]"]):
    """Writes two texts to a job."""

    job_id: str
    texts: tuple[str | None, str | None]

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[list[Row]]:
        sql = "UPDATE jobs SET step = $2, error = $3 WHERE id = $1 RETURNING step, error"
        return (yield Statement(sql, (self.job_id, *self.texts), Together.ROWS))


class Heard(Texts):
    """Notes the first word of what is said, and the first parameter."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver)
        self.said: list[tuple[str, object]] = []

    async def fetch(self, sql: str, *params: object) -> list[asyncpg.Record]:
        self.said.append((sql.split()[0], params[0]))
        return await super().fetch(sql, *params)

    async def fetch_often(self, sql: str, *params: object) -> list[asyncpg.Record]:
        self.said.append((sql.split()[0], params[0]))
        return await super().fetch_often(sql, *params)


class TestLocks:
    @pytest.fixture
    async def heard(self, record: PostgresRecord) -> AsyncIterator[Heard]:
        """In a transaction that is never committed."""
        driver = await connect(record.url)
        await begin(driver, "READ COMMITTED", {**settings_for(LOCK_MS), **record.settings()})
        yield Heard(driver)
        driver.terminate()

    async def run(self, heard: Heard, *changes: Write[Any]) -> list[Any]:
        [(operations, names)] = rounds(changes)
        return [one.answer for one in await Transaction(heard, {}).run(operations, names)]

    async def test_one_change_of_all_the_jobs_locks_them_by_their_ids_and_goes_first(
        self, database: Database, heard: Heard
    ) -> None:
        a, b, c = [(await held(database)) for _ in range(3)]
        await submitted(database)
        changes = [CLAIM, *(Beat(job.id, job.fence, 5.0) for job in (b, a)), Both(Beat(c.id, c.fence, 5.0), CLAIM)]
        job, *beats, (last, none) = await self.run(heard, *changes)
        assert (job is None) != (none is None)
        assert [*beats, last] == [False] * 3
        word, names = heard.said[0]
        assert (word, re.findall(r"[0-9a-f-]+", str(names))) == ("UPDATE", sorted([a.id, b.id, c.id]))
        assert {word for word, _ in heard.said} == {"UPDATE", "SELECT"}

    @pytest.mark.parametrize("other", ["another statement", "no change of a row", "of some of them"])
    async def test_else_they_are_locked_before_anything_is_changed(
        self, database: Database, heard: Heard, other: str
    ) -> None:
        a, b = await held(database), await held(database)
        beats = [Beat(b.id, b.fence, 5.0), Beat(a.id, a.fence, 5.0)]
        changes: dict[str, list[Write[Any]]] = {
            "another statement": [beats[0], Complete(a.id, a.fence, "{}")],
            "no change of a row": [Alone("SELECT $1::text", (job.id,), job.id) for job in (b, a)],
            "of some of them": [beats[0], Cancel(a.id, OWNER)],
        }
        await self.run(heard, *changes[other])
        word, names = heard.said[0]
        assert word == "SELECT"
        assert set(cast("list[str]", names)) == {a.id, b.id}


class TestTogether:
    async def several_held(self, database: Database, count: int) -> list[Job]:
        for _ in range(count):
            await submitted(database)
        return [await claimed(database) for _ in range(count)]

    async def at_once(self, record: PostgresRecord, database: Database, *changes: Write[Any]) -> list[Any]:
        """The answers of changes that go into one commit."""
        ((before,),) = record.glimpse("SELECT coalesce(max(pos), 0) FROM job_events")
        async with record.busy(database):
            tasks = await begun(*(database.write(change) for change in changes))
        answers = await asyncio.gather(*tasks)
        ((commits,),) = record.glimpse("SELECT count(DISTINCT xid) FROM job_events WHERE pos > $1", before)
        assert commits <= 1
        return answers

    async def test_claims_take_different_jobs_the_first_ones_and_no_more(
        self, record: PostgresRecord, database: Database
    ) -> None:
        late = [await submitted(database, priority=-1) for _ in range(3)]
        first = [await submitted(database) for _ in range(5)]
        answers = await self.at_once(record, database, *[CLAIM] * 6)
        assert {job.id for job in answers} == {*(job.id for job in first), late[0].id}
        assert all(
            (job.status, job.fence, job.attempt, job.worker_id) == ("active", 1, 1, "worker-1") for job in answers
        )
        rest = await self.at_once(record, database, *[CLAIM] * 6)
        assert sorted(job.id for job in rest if job is not None) == [late[1].id, late[2].id]

    async def test_claims_for_others_are_claims_of_their_own(self, record: PostgresRecord, database: Database) -> None:
        mine = await submitted(database)
        theirs = await submitted(database, kind="clean")
        first, none, second = await self.at_once(
            record,
            database,
            CLAIM,
            replace(CLAIM, queue="nowhere"),
            replace(CLAIM, kinds=("clean",), worker_id="other"),
        )
        assert (first.id, none, second.id, second.worker_id) == (mine.id, None, theirs.id, "other")

    @pytest.mark.parametrize(
        "texts",
        [
            ("a", "b", "c"),
            ("a\x1fb", "c", "\x1f"),
            ("a", None, "\x1f"),
            ("", "", ""),
            (None, None, None),
            ("ä\n{,}", '"', "\\"),
        ],
    )
    async def test_each_row_gets_its_own_texts_whatever_is_in_them(
        self, record: PostgresRecord, database: Database, texts: tuple[str | None, ...]
    ) -> None:
        jobs = [await submitted(database) for _ in texts]
        marks = [Mark(job.id, (text, "like all others")) for job, text in zip(jobs, texts, strict=True)]
        answers = await self.at_once(record, database, *marks)
        assert answers == [[(text, "like all others")] for text in texts]
        found = [await stored(database, job.id) for job in jobs]
        assert [(job.step, job.error) for job in found] == [(text, "like all others") for text in texts]

    @pytest.mark.parametrize("owner", ["session:plain", "session:odd\x1fone"])
    async def test_each_event_is_stored_as_it_was_told(
        self, record: PostgresRecord, database: Database, owner: str
    ) -> None:
        jobs = [await database.write(a_job(owner=one)) for one in (OWNER, owner, OWNER)]
        await self.at_once(record, database, *[CLAIM] * 3)
        rows = record.glimpse("SELECT owner, body FROM job_events WHERE seq = 2 ORDER BY job_id")
        assert [(whose, json.loads(body)["jobId"]) for whose, body in rows] == [
            (job.owner, job.id) for job in sorted(jobs, key=lambda job: job.id)
        ]

    async def test_each_ending_is_answered_by_its_own_job(self, record: PostgresRecord, database: Database) -> None:
        jobs = await self.several_held(database, 12)
        late = {3, 7}
        answers = await self.at_once(
            record,
            database,
            *(
                Complete(job.id, job.fence + (n in late), json.dumps({"n": n}))
                for n, job in reversed(list(enumerate(jobs)))
            ),
        )
        for n, job, answer in zip(range(12), jobs, reversed(answers), strict=True):
            if n in late:
                assert answer is None
                assert (await stored(database, job.id)).status == "active"
            else:
                assert (answer.id, answer.result) == (job.id, json.dumps({"n": n}))
                assert [body["status"] for body in await told(database, job.id)] == ["waiting", "active", "completed"]

    async def test_steps_and_beats_and_failures_keep_to_their_jobs(
        self, record: PostgresRecord, database: Database
    ) -> None:
        jobs = await self.several_held(database, 6)
        await database.write(Cancel(jobs[5].id, OWNER))
        started = await self.at_once(
            record,
            database,
            *(StartStep(job.id, job.fence, f"s{n}", paid=True, progress=n) for n, job in enumerate(jobs)),
        )
        assert [step.cancel_requested for step in started] == [False] * 5 + [True]
        a, b, c, d, e, f = jobs
        answers = await self.at_once(
            record,
            database,
            FinishStep(a.id, a.fence, "s0", '"a"', 50.0),
            FinishStep(b.id, b.fence, "s1", '"b"', 60.0),
            Beat(c.id, c.fence, 70.0),
            Beat(d.id, d.fence + 1, 80.0),
            GiveBack(e.id, e.fence),
            Fail(f.id, f.fence, FAULT, retryable=True, delay_ms=0),
        )
        assert answers[:4] == [False, False, False, None]
        rows = await database.read(Look("SELECT job_id, step, state, output FROM job_steps ORDER BY step"))
        assert rows[:2] == [(a.id, "s0", "done", '"a"'), (b.id, "s1", "done", '"b"')]
        assert [state for _, _, state, _ in rows[2:]] == [
            "started",
            "started",
            "doubtful",
        ]  # none was begun by who was to stop
        now = [await stored(database, job.id) for job in jobs]
        assert [job.progress for job in now] == [50, 60, 70, 3, 4, 5]
        assert [job.status for job in now] == ["active"] * 4 + ["waiting", "cancelled"]

    async def test_what_is_alike_and_has_no_rule_gets_its_own_rows(
        self, record: PostgresRecord, database: Database
    ) -> None:
        await submitted(database)
        sums = await self.at_once(
            record,
            database,
            *(Alone("SELECT n, $1::bigint FROM generate_series(1, $1) AS n", (n,), str(n)) for n in range(4)),
        )
        assert sums == [[(n, count) for n in range(1, count + 1)] for count in range(4)]
        names = await self.at_once(
            record,
            database,
            *(
                Alone("UPDATE jobs SET step = $1 WHERE $1 <> 'b' RETURNING step, seq", (name,), name)
                for name in ("a", "b", "c")
            ),
        )
        assert names == [[("a", 1)], [], [("c", 1)]]

    async def test_two_that_touch_the_same_see_each_other(self, record: PostgresRecord, database: Database) -> None:
        changes = [a_job(live_limit=5) for _ in range(8)]
        async with record.busy(database):
            tasks = await begun(*(database.write(change) for change in changes))
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(answer, Exception) for answer in answers] == [False] * 5 + [True] * 3

    async def test_one_that_spoils_the_commit_is_the_only_one_to_fail(
        self, record: PostgresRecord, database: Database
    ) -> None:
        jobs = await self.several_held(database, 4)
        endings = [Complete(job.id, job.fence, "{}") for job in jobs]
        async with record.busy(database):
            tasks = await begun(
                *(database.write(ending) for ending in endings[:3]),
                database.write(ThenRaise(endings[3], ZeroDivisionError())),
            )
        *good, bad = await asyncio.gather(*tasks, return_exceptions=True)
        assert [job.status for job in good if not isinstance(job, BaseException) and job is not None] == [
            "completed"
        ] * 3
        assert isinstance(bad, ZeroDivisionError)
        assert (await stored(database, jobs[3].id)).status == "active"
