"""SQLite's write-ahead log: written back beside the writer, begun anew while changes go on, and gone with the last who leaves."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from snapasset.database import sqlite_checkpoints
from snapasset.database.sqlite_connection import CHECKPOINT_PAGES
from tests.contracts.record_backends import SqliteRecord
from tests.contracts.record_jobs import submitted
from tests.flows.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from snapasset.database import Database
    from snapasset.database.sqlite_connection import Connection

_FRAME_BYTES = 4_096 + 24
_RESTART_PAGES = 50


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_checkpoints, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(sqlite_checkpoints, "RESTART_PAGES", _RESTART_PAGES)


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[SqliteRecord]:
    opened = SqliteRecord(tmp_path)
    yield opened
    await opened.close()


def log_of(record: SqliteRecord) -> Path:
    return record.path.with_name(f"{record.path.name}-wal")


async def changes_until_begun_anew(database: Database, log: Path) -> None:
    """Change without a pause until the log's first bytes, a number drawn at each beginning among them, are others."""
    await submitted(database)
    before = await asyncio.to_thread(lambda: log.read_bytes()[:32])
    async with asyncio.timeout(PATIENCE):
        while await asyncio.to_thread(lambda: log.read_bytes()[:32]) == before:
            await asyncio.gather(*(submitted(database) for _ in range(20)))


async def test_it_is_begun_anew_while_changes_go_on(record: SqliteRecord) -> None:
    database = await record.open()
    for _ in range(3):
        await changes_until_begun_anew(database, log_of(record))
    assert log_of(record).stat().st_size < CHECKPOINT_PAGES * _FRAME_BYTES / 4


async def test_the_writer_does_not_write_it_back_alone(record: SqliteRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    by: list[str] = []
    write_back = sqlite_checkpoints.write_back

    def noted(connection: Connection) -> int:
        by.append(threading.current_thread().name)
        return write_back(connection)

    monkeypatch.setattr(sqlite_checkpoints, "write_back", noted)
    await changes_until_begun_anew(await record.open(), log_of(record))
    assert by.count("record-checkpoints") >= 2 * by.count("record-writer") > 0


async def test_a_record_that_rests_is_left_alone(record: SqliteRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    database = await record.open()
    await submitted(database)
    rounds: list[None] = []

    def counted(_connection: Connection) -> int:
        rounds.append(None)
        return 0

    monkeypatch.setattr(sqlite_checkpoints, "write_back", counted)
    for _ in range(20):
        await asyncio.to_thread(threading.Event().wait, sqlite_checkpoints.PAUSE_SECONDS)
    assert len(rounds) <= 1


async def test_one_that_cannot_be_written_back_harms_no_change(
    record: SqliteRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[None] = []
    write_back = sqlite_checkpoints.write_back

    def forbidden(action: int, what: str | None, *_: object) -> int:
        if action != sqlite3.SQLITE_PRAGMA or what != "wal_checkpoint":
            return sqlite3.SQLITE_OK
        refused.append(None)
        return sqlite3.SQLITE_DENY

    def tried(connection: Connection) -> int:
        connection.raw.set_authorizer(forbidden)
        try:
            return write_back(connection)
        finally:
            connection.raw.set_authorizer(None)

    database = await record.open()
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_checkpoints, "write_back", tried)
        while len(refused) < 5:
            await submitted(database)
    await changes_until_begun_anew(database, log_of(record))
    await database.close()
    assert not log_of(record).exists()
