"""A record that answers questions and takes no changes says so, and why, until a change is made again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from snapasset.database import setback
from snapasset.database.postgres import PostgresDatabase
from snapasset.database.setback import BROKEN, FULL, READ_ONLY
from snapasset.errors import Conflict, DatabaseUnavailable
from tests.contracts.record_backends import Do, Look, Refuse, SqliteRecord
from tests.contracts.record_jobs import a_job, submitted
from tests.contracts.record_postgres import PostgresRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from snapasset.database import Database
    from snapasset.database.sqlite import SqliteDatabase

CODES = {FULL: "53100", READ_ONLY: "25006", BROKEN: "58030"}


@pytest.fixture(autouse=True)
def sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first change that is made heals."""
    monkeypatch.setattr(setback, "DOUBT_SECONDS", 0.0)


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteRecord(tmp_path).unopened()
    await database.open()
    yield database
    await database.close()


async def fill(database: Database) -> None:
    """Leave room for a few pages, and submit until they are full."""
    ((pages,),) = await database.write(Do("PRAGMA page_count"))
    await database.write(Do(f"PRAGMA max_page_count = {pages + 8}"))
    with suppress(DatabaseUnavailable):
        while True:
            await submitted(database, data=f'"{"x" * 3000}"')


class TestAFile:
    async def test_whose_disk_is_full_says_so_until_there_is_room(self, sqlite: SqliteDatabase) -> None:
        await submitted(sqlite)
        assert sqlite.refuses is None
        await fill(sqlite)
        assert sqlite.refuses == FULL
        assert await sqlite.read(Look("SELECT 1")) == [(1,)]
        await sqlite.write(Do("UPDATE jobs SET beat = beat WHERE id = 'nobody'"))
        assert sqlite.refuses == FULL, "nothing had to be written for that"
        await sqlite.write(Do("PRAGMA max_page_count = 1000000"))
        await submitted(sqlite)
        assert sqlite.refuses is None

    async def test_what_is_made_right_after_a_failure_proves_nothing(
        self, sqlite: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(setback, "DOUBT_SECONDS", 60.0)
        await fill(sqlite)
        await sqlite.write(Do("UPDATE jobs SET beat = beat + 1"))
        assert sqlite.refuses == FULL
        monkeypatch.setattr(setback, "DOUBT_SECONDS", 0.0)
        await sqlite.write(Do("UPDATE jobs SET beat = beat + 1"))
        assert sqlite.refuses is None

    async def test_that_is_read_only_says_so(self, sqlite: SqliteDatabase) -> None:
        await sqlite.write(Do("PRAGMA query_only = ON"))
        with pytest.raises(DatabaseUnavailable):
            await submitted(sqlite)
        assert sqlite.refuses == READ_ONLY

    async def test_that_another_process_keeps_locked_for_a_while_is_well(self, tmp_path: Path) -> None:
        record = SqliteRecord(tmp_path)
        database = await record.open()
        async with record.occupied(database):
            with pytest.raises(DatabaseUnavailable):
                await submitted(database)
            assert database.refuses is None
        await record.close()

    async def test_a_change_that_refuses_says_nothing_of_the_next(self, sqlite: SqliteDatabase) -> None:
        with pytest.raises(Conflict):
            await sqlite.write(Refuse(Conflict("no")))
        assert sqlite.refuses is None


class TestAServer:
    @pytest.fixture
    async def record(self, tmp_path: Path) -> AsyncIterator[PostgresRecord]:
        record = PostgresRecord(tmp_path)
        yield record
        await record.close()

    @pytest.mark.parametrize("why", CODES)
    async def test_whose_disk_does_not_do_says_so_until_it_does(self, record: PostgresRecord, why: str) -> None:
        database = await record.open()
        with pytest.raises(DatabaseUnavailable):
            await database.write(Do(f"DO $do$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{CODES[why]}'; END $do$"))
        assert database.refuses == why
        assert await database.read(Look("SELECT 1")) == [(1,)]
        await database.write(Do("UPDATE jobs SET beat = beat WHERE id = 'nobody' RETURNING 1"))
        assert database.refuses == why, "nothing had to be written for that"
        await submitted(database)
        assert database.refuses is None

    async def test_that_has_become_a_replica_says_so_until_it_is_the_first_again(self, record: PostgresRecord) -> None:
        mode = {"transaction_read_only": "off"}
        database = PostgresDatabase(record.url, more_settings=lambda: {**record.settings(), **mode})
        await database.open()
        mode["transaction_read_only"] = "on"
        with pytest.raises(DatabaseUnavailable):
            await database.write(a_job())
        assert database.refuses == READ_ONLY
        mode["transaction_read_only"] = "off"
        await submitted(database)
        assert database.refuses is None
        await database.close()
