"""PostgreSQL behind a pooler that gives each transaction another server connection: nothing may outlive a transaction there.

On a connection that is the server's own, the texts said most often have names there, and those may be lost at any time. All
but the last suite need no pooler; that one asks a real pgbouncer.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from snapasset.database import Both
from snapasset.database.postgres import PostgresDatabase
from snapasset.database.postgres_connection import connect, is_direct
from snapasset.database.postgres_line import AHEAD_SECONDS, KEPT, NAMED, OFTEN, PLAN_SECONDS, Line, Texts
from snapasset.records.claims import Beat
from snapasset.records.endings import Complete
from snapasset.records.jobs import GetJob
from tests.contracts.record_backends import Do, Look, Nothing, begun
from tests.contracts.record_jobs import CLAIM, claimed, held, stored, submitted
from tests.contracts.record_postgres import PostgresRecord
from tests.contracts.test_database_postgres import Alone
from tests.servers.pgbouncer import SERVER_CONNECTIONS, pooled
from tests.servers.postgres import shared_server
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from snapasset.database import Database

DESCRIBE = b"D\0\0\0\x06S\0"
"""What asks for the types of an unnamed statement; the answer is waited for."""

LEFT_BEHIND = (
    "SELECT (SELECT count(*) FROM pg_prepared_statements WHERE name NOT LIKE 'snapasset\\_%'), "
    "(SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'), "
    "(SELECT count(*) FROM pg_listening_channels())"
)
NAMES = "SELECT name, statement FROM pg_prepared_statements"
EXECUTORS = 10


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[PostgresRecord]:
    opened = PostgresRecord(tmp_path)
    yield opened
    await opened.close()


async def execute(database: Database, *, turns: int = 0) -> None:
    """Take jobs until there are none; `turns` of the loop later, end one and claim the next in one change."""
    job = await database.write(CLAIM)
    while job is not None:
        for _ in range(turns):
            await asyncio.sleep(0)
        _, job = await database.write(Both(Complete(job.id, job.fence, "{}"), CLAIM))


async def work_off(database: Database, count: int) -> None:
    """Have so many jobs done by executors side by side."""
    await asyncio.gather(*(submitted(database) for _ in range(count)))
    await asyncio.gather(*(execute(database) for _ in range(EXECUTORS)))


class TestNothingIsLeft:
    async def test_no_transaction_leaves_a_lock_of_the_session_or_a_statement_of_any_other_name(
        self, database: Database
    ) -> None:
        await work_off(database, 30)
        await asyncio.gather(*(database.read(GetJob("any")) for _ in range(9)))
        assert await database.write(Do(LEFT_BEHIND)) == [(0, 0, 0)]
        assert await asyncio.gather(*(database.read(Look(LEFT_BEHIND)) for _ in range(9))) == [[(0, 0, 0)]] * 9

    async def test_what_the_server_forgets_between_two_changes_is_not_missed(self, database: Database) -> None:
        for what in ("DEALLOCATE ALL", "RESET search_path", "RESET search_path"):
            job = await held(database)
            await database.write(Do(what))
            assert await database.write(Beat(job.id, job.fence, 5.0)) is False
            await database.write(Do("DEALLOCATE ALL"))
            await database.write(Complete(job.id, job.fence, "{}"))
            assert (await stored(database, job.id)).status == "completed"

    async def test_nor_is_what_a_pooler_discards_of_a_connection(self) -> None:
        line = Line(shared_server().url())
        for n in range(3):
            driver = await line.begin("READ COMMITTED", {})
            assert [tuple(row) for row in await line.texts.fetch("SELECT $1::int + 1", n)] == [(n + 1,)]
            await line.end(driver, "COMMIT")
            await driver.execute("DISCARD ALL")
        await line.close()


class TestBegunAhead:
    """A transaction that is begun with the COMMIT of the one before."""

    OPEN = (
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()"
    )

    @pytest.fixture
    async def line(self, record: PostgresRecord) -> AsyncIterator[Line]:
        line = Line(record.url, may_name=True)
        yield line
        await line.close()

    async def transaction(self, line: Line, settings: Mapping[str, str]) -> tuple[Any, ...]:
        driver = await line.begin("READ COMMITTED", settings)
        [found] = await line.texts.fetch("SELECT CAST(now() AS text), current_setting('lock_timeout')")
        await line.commit(driver, "READ COMMITTED", settings)
        return tuple(found)

    @pytest.mark.parametrize("change", ["none", "other settings", "long ago", "rest", "lost"])
    async def test_it_is_used_while_it_is_fresh_and_as_it_should_be(
        self, line: Line, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        settings = {"lock_timeout": "1234ms"}
        first, _ = await self.transaction(line, settings)
        driver = await line.begin("READ COMMITTED", settings)
        begun = await driver.fetchval("SELECT CAST(now() AS text)")
        assert begun != first
        await line.commit(driver, "READ COMMITTED", settings)
        before = await driver.fetchval("SELECT CAST(now() AS text)")
        if change == "other settings":
            settings = {"lock_timeout": "77ms"}
        elif change == "long ago":
            later = time.monotonic() + AHEAD_SECONDS
            monkeypatch.setattr("snapasset.database.postgres_line.time.monotonic", lambda: later)
        elif change == "rest":
            await line.rest()
        elif change == "lost":
            driver.terminate()
        now, lock_timeout = await self.transaction(line, settings)
        assert (now == before) == (change == "none")
        assert lock_timeout == settings["lock_timeout"]

    async def test_none_stays_open_when_nobody_wants_it(self, record: PostgresRecord, database: Database) -> None:
        for _ in range(3):
            await submitted(database)
        async with asyncio.timeout(10):
            while record.glimpse(self.OPEN) != [(0,)]:  # noqa: ASYNC110  the server is asked
                await asyncio.sleep(0.01)

    async def test_through_a_pooler_none_is_begun(self, record: PostgresRecord) -> None:
        line = Line(record.url)
        await self.transaction(line, {})
        assert record.glimpse(self.OPEN) == [(0,)]
        await line.close()


class Overheard(Proxy):
    """Remembers what it carries to the server."""

    said = b""

    def forward(self, chunk: bytes, *, there: bool) -> bytes:
        if there:
            self.said += chunk
        return chunk


class TestKept:
    """What a connection of the server's own is told once: the settings that its transactions have."""

    SETTINGS: Final = {"lock_timeout": "1234ms", "jit": "off", "snapasset.now": "7"}

    @pytest.fixture
    async def proxy(self, record: PostgresRecord) -> AsyncIterator[Overheard]:
        del record  # it makes the database
        proxy = Overheard(shared_server().port)
        await proxy.open()
        yield proxy
        await proxy.close()

    @pytest.fixture(params=["ahead", "each by itself"])
    def ahead(self, request: pytest.FixtureRequest) -> bool:
        return request.param == "ahead"

    def line(self, proxy: Overheard, *, may_name: bool = True) -> Line:
        url = shared_server().tcp_url("record").replace(str(shared_server().port), str(proxy.port))
        return Line(url, may_name=may_name)

    async def has(self, line: Line, settings: Mapping[str, str], *, ahead: bool) -> tuple[Any, ...]:
        driver = await line.begin("READ COMMITTED", settings)
        sql = "SELECT current_setting('lock_timeout'), current_setting('jit'), current_setting('snapasset.now', true)"
        [found] = await line.texts.fetch(sql)
        await line.commit(driver, "READ COMMITTED", settings if ahead else None)
        return tuple(found)

    async def test_it_is_not_told_again(self, proxy: Overheard, ahead: bool) -> None:
        line = self.line(proxy)
        for _ in range(3):
            assert await self.has(line, self.SETTINGS, ahead=ahead) == ("1234ms", "off", "7")
        assert proxy.said.count(b"lock_timeout =") == 1
        assert b"SET LOCAL" not in proxy.said
        await line.close()

    async def test_a_transaction_that_is_to_have_others_has_them_and_no_other_does(
        self, proxy: Overheard, ahead: bool
    ) -> None:
        line = self.line(proxy)
        await self.has(line, self.SETTINGS, ahead=ahead)
        other = {**self.SETTINGS, "lock_timeout": "55ms"}
        assert await self.has(line, other, ahead=ahead) == ("55ms", "off", "7")
        assert await self.has(line, {"jit": "off"}, ahead=ahead) == ("0", "off", "")
        assert await self.has(line, self.SETTINGS, ahead=ahead) == ("1234ms", "off", "7")
        await line.close()

    async def test_one_that_is_undone_leaves_them_as_they_were(self, proxy: Overheard) -> None:
        line = self.line(proxy)
        driver = await line.begin("READ COMMITTED", self.SETTINGS)
        await line.roll_back(driver)
        assert await self.has(line, self.SETTINGS, ahead=False) == ("1234ms", "off", "7")
        await line.close()

    @pytest.mark.parametrize("why", ["it never is", "names were missed"])
    async def test_where_the_server_may_be_another_each_transaction_is_told(self, proxy: Overheard, why: str) -> None:
        line = self.line(proxy, may_name=why != "it never is")
        await self.has(line, self.SETTINGS, ahead=False)
        if why == "names were missed":
            line.texts.name_nothing()
        proxy.said = b""
        for _ in range(2):
            assert await self.has(line, self.SETTINGS, ahead=True) == ("1234ms", "off", "7")
        assert proxy.said.count(b"SET LOCAL lock_timeout") == 2
        await line.close()

    async def test_a_connection_that_is_made_anew_is_told_anew(self, proxy: Overheard) -> None:
        line = self.line(proxy)
        await self.has(line, self.SETTINGS, ahead=False)
        line.drop()
        other = {**self.SETTINGS, "lock_timeout": "55ms"}
        assert await self.has(line, other, ahead=False) == ("55ms", "off", "7")
        assert b"SET LOCAL" not in proxy.said
        await line.close()


class TestTexts:
    @pytest.fixture
    async def proxy(self) -> AsyncIterator[Overheard]:
        proxy = Overheard(shared_server().port)
        await proxy.open()
        yield proxy
        await proxy.close()

    @pytest.fixture
    def url(self, proxy: Overheard) -> str:
        return shared_server().tcp_url("record").replace(str(shared_server().port), str(proxy.port))

    @pytest.fixture
    async def texts(self, record: PostgresRecord, url: str) -> AsyncIterator[Texts]:
        del record  # it makes the database
        driver = await connect(url)
        yield Texts(driver)
        await driver.close()

    async def test_each_use_is_of_its_own_text_whatever_came_between(self, texts: Texts) -> None:
        for n in range(3):
            [[up]] = await texts.fetch("SELECT $1::bigint + 1", n)
            [[down]] = await texts.fetch("SELECT $1::bigint - 1", n)
            [[word]] = await texts.fetch("SELECT $1::text", str(n))
            rows = await texts.fetchmany("SELECT $1::bigint * 2", [(n,), (n + 1,)])
            assert (up, down, word, [row[0] for row in rows]) == (n + 1, n - 1, str(n), [2 * n, 2 * n + 2])

    async def test_the_oldest_of_too_many_is_forgotten_and_asked_for_again(
        self, texts: Texts, proxy: Overheard
    ) -> None:
        async def asks(n: int) -> int:
            proxy.said = b""
            [[answer]] = await texts.fetch(f"SELECT {n} + $1::bigint", 1)
            assert answer == n + 1
            return proxy.said.count(DESCRIBE)

        assert [await asks(n) for n in range(KEPT + 1)] == [1] * (KEPT + 1)
        assert [await asks(n) for n in (1, KEPT, 0)] == [0, 0, 1]

    async def test_one_that_fails_can_be_used_again(self, texts: Texts) -> None:
        for n in (0, 1):
            with pytest.raises(Exception, match="division by zero"):
                await texts.fetch("SELECT 1 / $1::int", 0)
            [[answer]] = await texts.fetch("SELECT 1 / $1::int", 1)
            assert answer == 1, n

    async def test_types_are_asked_for_once_a_text_and_connection(
        self, record: PostgresRecord, proxy: Overheard, url: str
    ) -> None:
        database = PostgresDatabase(url, more_settings=record.settings)
        await database.open()

        async def life() -> int:
            proxy.said = b""
            job = await submitted(database)
            assert (await claimed(database)).id == job.id
            await database.write(Complete(job.id, 1, "{}"))
            assert proxy.said.count(b"COMMIT\0") + proxy.said.count(b"COMMIT; BEGIN") == 3
            return proxy.said.count(DESCRIBE)

        assert [await life() > 0, await life(), await life()] == [True, 0, 0]
        await database.close()


class TestNames:
    @pytest.fixture
    async def line(self) -> AsyncIterator[Line]:
        line = Line(shared_server().url(), may_name=True)
        yield line
        await line.close()

    async def said(self, line: Line, sql: str, times: int) -> None:
        for n in range(times):
            driver = await line.begin("READ COMMITTED", {})
            assert [tuple(row) for row in await line.texts.fetch_often(sql, n)] == [(n + 1,)]
            await line.end(driver, "COMMIT")

    async def names(self, line: Line) -> int:
        driver = await line.begin("READ COMMITTED", {})
        rows = await line.texts.fetch(NAMES)
        await line.end(driver, "COMMIT")
        return len(rows)

    async def test_what_is_said_often_has_a_name_and_no_more_than_so_much(self, line: Line) -> None:
        await self.said(line, "SELECT $1::int + 1", OFTEN - 1)
        assert await self.names(line) == 0
        await self.said(line, "SELECT $1::int + 1", 3)
        assert await self.names(line) == 1
        for n in range(NAMED):
            await self.said(line, f"SELECT $1::int + {n} - {n - 1}", OFTEN + 1)
        assert await self.names(line) == NAMED

    async def test_questions_give_no_names(self) -> None:
        line = Line(shared_server().url())
        await self.said(line, "SELECT $1::int + 1", 2 * OFTEN)
        assert await self.names(line) == 0
        await line.close()

    async def test_a_plan_is_not_kept_for_long(self, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [1000.0]
        monkeypatch.setattr("snapasset.database.postgres_line.time.monotonic", lambda: now[0])
        await self.said(line, "SELECT $1::int + 1", OFTEN)
        assert line.texts.due() == ("DISCARD PLANS",)
        assert line.texts.due() == ()
        now[0] += PLAN_SECONDS
        await self.said(line, "SELECT $1::int + 1", 1)
        assert line.texts.due() == ()

    async def test_a_name_that_was_lost_is_not_missed_and_none_is_given_again(
        self, record: PostgresRecord, database: Database
    ) -> None:
        await asyncio.gather(*(submitted(database) for _ in range(2)))
        first, second = [await claimed(database) for _ in range(2)]

        async def beats(times: int) -> None:
            for _ in range(times):
                done = await asyncio.gather(*(database.write(Beat(one.id, 1, 5.0)) for one in (first, second)))
                assert done == [False, False]

        await beats(OFTEN)
        named = await database.write(Do(NAMES))
        assert any("UPDATE jobs SET beat" in text and "unnest" in text for _, text in named)
        assert all(name.startswith("snapasset_") for name, _ in named)
        await database.write(Do("DEALLOCATE ALL"))
        await beats(2 * OFTEN)
        for _ in range(2 * OFTEN):  # a text that had none before
            assert await database.write(Beat(first.id, 1, 5.0)) is False
        assert await database.write(Do(NAMES)) == []
        assert record.glimpse("SELECT beat FROM jobs ORDER BY beat") == [(3 * OFTEN,), (5 * OFTEN,)]


class TestTurns:
    async def test_those_who_were_answered_apart_commit_together_soon(
        self, record: PostgresRecord, database: Database
    ) -> None:
        lives = 20
        await asyncio.gather(*(submitted(database) for _ in range(lives * EXECUTORS)))
        gate = record.halfway(Nothing())
        early = asyncio.create_task(database.write(gate))
        await gate.reached()
        first = await begun(*(execute(database, turns=4) for _ in range(EXECUTORS // 2)))
        late = record.halfway(CLAIM)
        [joining] = await begun(database.write(late))
        gate.go_on()
        await early
        await late.reached()  # the first half has been taken into a commit, and is held there by the last of it
        rest = await begun(*(execute(database, turns=4) for _ in range(EXECUTORS // 2)))
        late.go_on()
        await asyncio.gather(joining, *first, *rest)
        [(commits,)] = record.glimpse(
            "SELECT count(DISTINCT xid) FROM job_events WHERE body::json ->> 'status' = 'completed'"
        )
        assert lives - 1 <= commits <= lives + 3


class TestPooler:
    @pytest.fixture
    async def both(self, record: PostgresRecord) -> AsyncIterator[list[Database]]:
        """Two processes' databases on one record, each through the pooler."""
        async with contextlib.AsyncExitStack() as stack:
            url = stack.enter_context(pooled(shared_server(), "record"))
            databases: list[Database] = [PostgresDatabase(url, more_settings=record.settings) for _ in range(2)]
            for one in databases:
                await one.open()
                stack.push_async_callback(one.close)
            halves = [record.halfway(Nothing()) for _ in databases]
            waiting = await begun(*(one.write(half) for one, half in zip(databases, halves, strict=True)))
            for half in halves:
                await half.reached()  # when both are in a transaction, the pooler has two connections to give
            for half in halves:
                half.go_on()
            await asyncio.gather(*waiting)
            yield databases

    async def test_every_change_is_made_once_on_whichever_connection(
        self, record: PostgresRecord, both: list[Database]
    ) -> None:
        await asyncio.gather(*(work_off(one, 60) for one in both))
        assert record.glimpse("SELECT status, seq, count(*) FROM jobs GROUP BY status, seq") == [("completed", 3, 120)]
        assert record.glimpse("SELECT count(*), count(DISTINCT (job_id, seq)) FROM job_events") == [(360, 360)]

    async def test_it_is_known_for_one_and_nothing_is_given_a_name(self, both: list[Database]) -> None:
        driver = await connect(shared_server().url("record"))
        assert await is_direct(driver)
        await driver.close()
        await asyncio.gather(*(work_off(one, 20 * OFTEN) for one in both))
        question = Do("SELECT pg_backend_pid(), (SELECT count(*) FROM pg_prepared_statements)")
        counts = [(await one.write(question))[0] for one in both * 2 * SERVER_CONNECTIONS]
        assert len({pid for pid, _ in counts}) > 1
        assert {count for _, count in counts} == {0}

    async def test_one_client_has_several_connections_in_turn(self, both: list[Database]) -> None:
        for one in both:
            served = [await one.write(Do("SELECT pg_backend_pid()")) for _ in range(2)]
            assert served[0] != served[1]

    async def test_batches_and_questions_do_not_miss_what_was_said_on_another(
        self, record: PostgresRecord, both: list[Database]
    ) -> None:
        one, other = both
        for n in range(4 * SERVER_CONNECTIONS):
            names = ("a", "b", "c")
            asked = [one.write(Alone("SELECT $1::text, $2::bigint", (name, n), name)) for name in names]
            jobs = await asyncio.gather(*(submitted(other) for _ in range(3)))
            assert await asyncio.gather(*asked) == [[(name, n)] for name in names]
            assert [await one.read(GetJob(job.id)) for job in jobs] == jobs
        assert record.glimpse("SELECT count(*) FROM jobs") == [(12 * SERVER_CONNECTIONS,)]
