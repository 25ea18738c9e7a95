"""The record as a bystander sees it: both databases, asked from outside the processes that use them."""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from snapasset.database.postgres_connection import SCHEMA
from tests.flows.soundness import lost_files, troubles
from tests.servers.postgres import shared_server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

_names = itertools.count(1)

_QUERIES: Final = (
    "SELECT job_id, seq, body FROM job_events ORDER BY job_id, seq",
    "SELECT * FROM jobs",
    "SELECT job_id, step FROM job_steps WHERE state = 'done' AND output IS NULL",
    "SELECT key, size, role FROM files",
)


class Record(ABC):
    """One record. `settings` are what a process needs to open it."""

    settings: dict[str, object]

    @abstractmethod
    async def ask(self, *queries: str) -> dict[str, list[Any]]:
        """The rows of each query, all from one moment; columns can be had by name and by position."""

    @abstractmethod
    async def change(self, statement: str) -> None:
        """Do to it what no process of the product would."""

    async def rows(self, query: str) -> list[Any]:
        return (await self.ask(query))[query]

    async def complaints(self, files: Path) -> list[str]:
        """What is wrong with it, and with the folder of its files."""
        found = await self.ask(*_QUERIES)
        return [*troubles(lambda query: found[query]), *lost_files(lambda query: found[query], files)]


class PostgresRecord(Record):
    """A database of its own on the server that all tests of this process share."""

    def __init__(self) -> None:
        self._server = shared_server()
        self.name = f"faults_{os.getpid()}_{next(_names)}"
        self.settings = {"database_url": self._server.tcp_url(self.name)}

    async def ask(self, *queries: str) -> dict[str, list[Any]]:
        async with self._connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            return {query: await connection.fetch(query) for query in queries}

    async def change(self, statement: str) -> None:
        async with self._connection() as connection:
            await connection.execute(statement)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Any]:
        made: Any = await asyncpg.connect(self._server.url(self.name), server_settings={"search_path": SCHEMA})
        try:
            yield made
        finally:
            await made.close()


async def made_postgres() -> PostgresRecord:
    """A record in a database with nothing in it yet."""
    record = await asyncio.to_thread(PostgresRecord)  # the first of all starts the server
    founder: Any = await asyncpg.connect(shared_server().url())
    await founder.execute(f"CREATE DATABASE {record.name}")
    await founder.close()
    return record


class SqliteRecord(Record):
    """The file in the folder of the deployment. To be asked while a process has it open."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = {}
        self._path = data_dir / "snapasset.db"

    async def ask(self, *queries: str) -> dict[str, list[Any]]:
        return await asyncio.to_thread(self._ask, queries)

    async def change(self, statement: str) -> None:
        await asyncio.to_thread(self._change, statement)

    def _change(self, statement: str) -> None:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute(statement)

    def _ask(self, queries: tuple[str, ...]) -> dict[str, list[Any]]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            return {query: connection.execute(query).fetchall() for query in queries}
