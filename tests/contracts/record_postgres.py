"""The record in PostgreSQL, as the suites use it: one database for all tests of a process, emptied before each."""

from __future__ import annotations

import asyncio
import atexit
import itertools
import threading
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import asyncpg

from snapasset.database import Statement
from snapasset.database.postgres import PostgresDatabase
from snapasset.database.postgres_connection import SCHEMA
from snapasset.records.transfer import PASSING, TABLES
from tests.contracts.conftest import wait_until
from tests.contracts.record_backends import WAIT, Pause, Record
from tests.servers.postgres import aside, shared_server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine
    from pathlib import Path

    from snapasset.database import Database, Row, Steps

_locks = itertools.count(1)

# The time of a test is a setting of each transaction, as its search path is.
_CLOCK = (
    f"CREATE OR REPLACE FUNCTION {SCHEMA}.now_ms() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE "
    "RETURN CAST(current_setting('snapasset.now') AS bigint)"
)
_FILLED = (*(table.name for table in TABLES), *PASSING)
_EMPTY = f"TRUNCATE {', '.join(f'{SCHEMA}.{table}' for table in _FILLED)} RESTART IDENTITY"
_WAITS = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1"
_STRANGERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"


class Bystander:
    """Another process, which a test asks without giving up its own turn: a connection in a thread and loop of its own."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bystander", daemon=True)
        self._thread.start()
        self._connection: Any = self._do(asyncpg.connect(url))

    def ask(self, sql: str, *params: object) -> list[Row]:
        return [tuple(row) for row in self._do(self._connection.fetch(sql, *params))]

    def do(self, script: str) -> None:
        self._do(self._connection.execute(script))

    def close(self) -> None:
        self._do(self._connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT)


@cache
def bystander() -> Bystander:
    """The one of this process, in a database that has the schema and a clock that tests can set."""
    server = shared_server()
    founder = Bystander(server.url())
    founder.do("CREATE DATABASE record")
    founder.close()
    one = Bystander(server.url("record"))
    atexit.register(one.close)
    aside(_migrate(server.url("record")))
    one.do(_CLOCK)
    one.do(f"SET search_path = {SCHEMA}")
    return one


async def _migrate(url: str) -> None:
    database = PostgresDatabase(url)
    await database.open()
    await database.close()


class PostgresPause(Pause):
    """Waits for a lock that the bystander holds."""

    def __init__(self) -> None:
        self._key = next(_locks)
        bystander().ask("SELECT pg_advisory_lock($1)", self._key)

    def wait(self) -> Steps[None]:
        yield Statement("SELECT pg_advisory_xact_lock($1)", (self._key,))

    async def reached(self) -> None:
        async def is_there() -> object:
            return bystander().ask(_WAITS, self._key)

        await wait_until(is_there, WAIT)

    def go_on(self) -> None:
        bystander().ask("SELECT pg_advisory_unlock($1)", self._key)


class PostgresRecord(Record):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        del folder
        bystander().ask(_STRANGERS, "record")
        bystander().do(_EMPTY)

    @property
    def url(self) -> str:
        return shared_server().url("record")

    def unopened(self) -> PostgresDatabase:
        return PostgresDatabase(self.url, more_settings=self.settings)

    def settings(self) -> dict[str, str]:
        """What each transaction must be begun with, for its clock to stand where the test's does."""
        return {"snapasset.now": str(self.clock.now)}

    def glimpse(self, sql: str, *params: object) -> list[Row]:
        return bystander().ask(sql, *params)

    @asynccontextmanager
    async def occupied(self, database: Database) -> AsyncGenerator[None]:
        assert isinstance(database, PostgresDatabase)
        usual, database.lock_ms = database.lock_ms, 400
        bystander().do(f"BEGIN; LOCK TABLE {SCHEMA}.jobs IN EXCLUSIVE MODE")
        try:
            yield
        finally:
            bystander().do("ROLLBACK")
            database.lock_ms = usual

    def pause(self) -> PostgresPause:
        return PostgresPause()


def fresh_database() -> str:
    """The address of a new database with nothing in it; it goes with the server."""
    name = f"fresh_{next(_locks)}"
    founder = Bystander(shared_server().url())
    founder.do(f"CREATE DATABASE {name}")
    founder.close()
    return shared_server().url(name)
