"""The record in a SQLite file: its schema, its locks, a full disk. What holds for every database is in `test_database.py`."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database.calls import Call
from snapasset.database.migrations import load
from snapasset.database.sqlite import SqliteDatabase
from snapasset.database.sqlite_connection import Connection
from snapasset.errors import BadConfiguration, Conflict, DatabaseUnavailable
from snapasset.job import Job
from tests.contracts.record_backends import Counted, Do, Look, Nothing, SqliteRecord, ThenRaise, begun
from tests.contracts.record_jobs import a_job, stored, submitted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from snapasset.database import Database

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[SqliteRecord]:
    opened = SqliteRecord(tmp_path)
    yield opened
    await opened.close()


def write_raw(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def record_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("record-")]


class TestSettings:
    async def test_what_is_acknowledged_survives_a_power_cut_by_default(self, tmp_path: Path) -> None:
        database = SqliteDatabase(tmp_path / "record.db")
        await database.open()
        try:
            pragmas = [(await database.write(Do(f"PRAGMA {name}")))[0][0] for name in ("synchronous", "journal_mode")]
            assert pragmas == [2, "wal"]
            assert "FULL" in database.name
        finally:
            await database.close()

    async def test_closing_ends_every_thread(self, record: SqliteRecord) -> None:
        database = await record.open()
        assert len(record_threads()) == 4
        await database.close()
        assert not record_threads()


class TestSchema:
    async def test_a_new_file_has_every_migration_and_a_random_id(self, record: SqliteRecord, tmp_path: Path) -> None:
        database = await record.open()
        rows = await database.read(Look("SELECT number, name, min_compatible FROM migrations ORDER BY number"))
        assert rows == [(one.number, one.name, one.min_compatible) for one in load("sqlite")]
        assert len(database.record_id) == 32
        other = SqliteRecord(tmp_path / "other")
        assert (await other.open()).record_id != database.record_id
        await other.close()

    async def test_a_record_keeps_its_id_and_its_jobs_when_it_is_opened_again(self, record: SqliteRecord) -> None:
        database = await record.open()
        job = await submitted(database)
        await database.close()
        again = await record.open()
        assert again.record_id == database.record_id
        assert await stored(again, job.id) == job

    async def test_a_newer_schema_that_still_suits_this_program_is_used(self, record: SqliteRecord) -> None:
        await (await record.open()).close()
        newer = len(load("sqlite")) + 1
        write_raw(record.path, f"INSERT INTO migrations VALUES ({newer}, 'newer', 1)", "CREATE TABLE newer (x)")
        await submitted(await record.open())

    async def test_a_newer_schema_that_does_not_is_refused_in_a_sentence(self, record: SqliteRecord) -> None:
        await (await record.open()).close()
        newer = len(load("sqlite")) + 1
        write_raw(record.path, f"INSERT INTO migrations VALUES ({newer}, 'newer', {newer})")
        with pytest.raises(BadConfiguration, match="newer program"):
            await record.open()
        assert not record_threads()

    async def test_a_migration_that_fails_leaves_nothing_behind(self, record: SqliteRecord) -> None:
        record.path.parent.mkdir(exist_ok=True)
        write_raw(record.path, "CREATE TABLE job_steps (mine)")
        with pytest.raises(DatabaseUnavailable):
            await record.open()
        assert record.glimpse("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'") == [("job_steps",)]

    async def test_processes_that_start_together_make_one_record(self, tmp_path: Path) -> None:
        for round_ in range(5):
            record = SqliteRecord(tmp_path / str(round_))
            opened = await asyncio.gather(*(record.open() for _ in range(6)))
            assert len({database.record_id for database in opened}) == 1
            assert record.glimpse("SELECT count(*) FROM migrations") == [(len(load("sqlite")),)]
            await record.close()

    async def test_so_do_real_processes(self, tmp_path: Path) -> None:
        script = Path(__file__).with_name("record_opener.py")
        openers = [
            await asyncio.create_subprocess_exec(
                sys.executable,
                str(script),
                str(tmp_path / "new" / "record.db"),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            for _ in range(2)
        ]
        for opener in openers:
            assert opener.stdout is not None
            assert await opener.stdout.readline() == b"ready\n"
        answers = await asyncio.gather(*(opener.communicate(b"go\n") for opener in openers))
        assert [opener.returncode for opener in openers] == [0, 0]
        assert len({out for out, _ in answers}) == 1
        assert len(answers[0][0].strip()) == 32

    @pytest.mark.parametrize("obstacle", ["a folder", "no database", "no folder"])
    async def test_a_file_that_cannot_be_used_is_named_without_its_folder(
        self, record: SqliteRecord, obstacle: str
    ) -> None:
        if obstacle == "a folder":
            record.path.mkdir(parents=True)
        elif obstacle == "no database":
            record.path.write_bytes(b"this is no database, whatever its name says" * 100)
        else:
            record.path = record.path / "below" / "record.db"
            record.path.parent.parent.write_text("a file where a folder should be")
        database = record.unopened()
        with pytest.raises(DatabaseUnavailable, match=r"record\.db") as raised:
            await database.open()
        if obstacle != "no folder":
            assert str(record.path.parent) not in raised.value.detail
        with pytest.raises(DatabaseUnavailable):
            await database.write(a_job())
        await database.close()
        assert not record_threads()


class TestMigrations:
    """The files that a schema is made of. An absolute folder stands for one beside the real ones."""

    def write(self, folder: Path, name: str, text: str = "-- min_compatible: 1\nSELECT 1;\n") -> None:
        (folder / name).write_text(text, "utf-8")

    def test_they_are_in_the_order_of_their_numbers(self, tmp_path: Path) -> None:
        for name in ("0002_more.sql", "0001_first.sql", "README.md", "0003_not_sql.txt", "notes.sql"):
            self.write(tmp_path, name)
        assert [(one.number, one.name) for one in load(str(tmp_path))] == [(1, "0001_first.sql"), (2, "0002_more.sql")]

    @pytest.mark.parametrize("names", [["0002_more.sql"], ["0001_a.sql", "0003_c.sql"], ["0001_a.sql", "0001_b.sql"]])
    def test_a_gap_or_a_double_is_refused(self, tmp_path: Path, names: list[str]) -> None:
        for name in names:
            self.write(tmp_path, name)
        with pytest.raises(ValueError, match="numbered"):
            load(str(tmp_path))

    def test_each_says_whom_it_suits(self, tmp_path: Path) -> None:
        self.write(tmp_path, "0001_first.sql", "SELECT 1;\n-- min_compatible: 1\n")
        with pytest.raises(ValueError, match="0001_first"):
            load(str(tmp_path))

    def test_ours_suit_themselves(self) -> None:
        migrations = load("sqlite")
        assert migrations
        assert all(1 <= one.min_compatible <= one.number for one in migrations)

    async def test_a_record_of_an_older_program_is_brought_up_to_date_with_its_jobs(self, record: SqliteRecord) -> None:
        record.path.parent.mkdir(exist_ok=True)
        first = load("sqlite")[0]
        old = sqlite3.connect(record.path)
        old.create_function("now_ms", 0, lambda: 1)
        old.executescript("CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT, min_compatible INTEGER);")
        old.executescript(first.sql)
        old.execute("INSERT INTO migrations VALUES (1, ?, 1)", (first.name,))
        old.execute(
            "INSERT INTO jobs (id, kind, queue, owner, status, priority, rank, data, attempts, created_at, updated_at) "
            "VALUES ('old', 'draw', 'pictures', 'anna', 'waiting', 0, 0, '{}', 3, 1, 1)"
        )
        old.commit()
        ((record_id,),) = old.execute("SELECT record_id FROM record")
        old.close()
        database = await record.open()
        assert database.record_id == record_id
        assert (await stored(database, "old")).status == "waiting"
        await submitted(database)
        assert await database.read(Look("SELECT count(*) FROM migrations")) == [(len(load("sqlite")),)]


class Robbed(Connection):
    """A connection whose lock is taken by another process the moment it lets go of it."""

    def __init__(self, path: Path) -> None:
        self.begins = 0
        super().__init__(path, "NORMAL", lambda: 0)
        self.raw.execute("PRAGMA busy_timeout = 1")
        self.thief = sqlite3.connect(path, isolation_level=None)

    def execute(self, sql: str) -> None:
        self.begins += sql.startswith("BEGIN")
        super().execute(sql)

    def roll_back(self) -> None:
        super().roll_back()
        self.thief.execute("BEGIN IMMEDIATE")


async def test_a_replay_that_is_robbed_of_its_lock_waits_for_it_once(record: SqliteRecord) -> None:
    database = await record.open()
    assert isinstance(database, SqliteDatabase)
    changes = [Counted(a_job()) for _ in range(50)]
    batch = [ThenRaise(a_job(), Conflict("no")), *changes]
    calls = [Call(change, asyncio.get_running_loop().create_future()) for change in batch]
    connection = Robbed(record.path)
    answers, events = database._commit(connection, calls)  # pyright: ignore[reportPrivateUsage]
    connection.thief.close()
    connection.raw.close()
    assert {type(answer.error) for answer in answers} == {DatabaseUnavailable}
    assert [answer.call for answer in answers] == calls
    assert connection.begins == 2
    assert not events


class TestFullDisk:
    async def fill(self, database: Database) -> list[str]:
        """Leave room for a few pages, and submit until they are full. Returns the ids of what was acknowledged."""
        ((pages,),) = await database.write(Do("PRAGMA page_count"))
        await database.write(Do(f"PRAGMA max_page_count = {pages + 8}"))
        kept: list[str] = []
        with suppress(DatabaseUnavailable):
            while True:
                kept.append((await submitted(database, data=f'"{"x" * 3000}"')).id)
        return kept

    async def test_the_caller_is_told_and_what_was_acknowledged_stays(self, record: SqliteRecord) -> None:
        database = await record.open()
        kept = await self.fill(database)
        assert kept
        assert await database.read(Look("SELECT id FROM jobs ORDER BY id")) == [(job_id,) for job_id in kept]
        assert await database.read(Look("SELECT job_id FROM job_events ORDER BY pos")) == [(job_id,) for job_id in kept]
        assert record.glimpse("PRAGMA integrity_check") == [("ok",)]

    async def test_when_there_is_room_again_it_goes_on(self, record: SqliteRecord) -> None:
        database = await record.open()
        kept = await self.fill(database)
        await database.write(Do("PRAGMA max_page_count = 1000000"))
        job = await submitted(database, data=f'"{"x" * 30_000}"')
        assert await database.read(Look("SELECT count(*) FROM jobs")) == [(len(kept) + 1,)]
        await database.close()
        assert await stored(await record.open(), job.id) == job

    async def test_in_a_batch_each_is_told_the_truth(self, record: SqliteRecord) -> None:
        database = await record.open()
        await self.fill(database)
        await database.write(Do("DELETE FROM jobs"))
        changes = [a_job(data=f'"{"x" * size}"') for size in (100, 500_000, 100, 700_000, 100)]
        async with record.busy(database):
            tasks = await begun(*(database.write(change) for change in changes))
        answers: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
        there = {job_id for (job_id,) in await database.read(Look("SELECT id FROM jobs"))}
        assert [type(answer) for answer in answers] == [Job, DatabaseUnavailable, Job, DatabaseUnavailable, Job]
        assert there == {answer.id for answer in answers if isinstance(answer, Job)}
        await database.write(Nothing())


async def test_closing_leaves_one_file_whichever_connection_goes_last(tmp_path: Path) -> None:
    for number in range(20):
        database = SqliteDatabase(tmp_path / f"{number}.db", synchronous="NORMAL")
        await database.open()
        await asyncio.gather(database.write(Nothing()), database.read(Look("SELECT 1")))
        await database.close()
    assert files_in(tmp_path) == {f"{number}.db" for number in range(20)}


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}
