"""The databases that the record's suites run over. A new backend is one more line in `RECORDS`; no test knows its name."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from snapasset.database import Read, Statement, Write
from snapasset.database.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
    from pathlib import Path

    from snapasset.database import Database, Row, Steps

T = TypeVar("T")

WAIT = 10.0
"""Seconds after which a test that waits for another thread has failed."""


class Clock:
    """The database's time in a test: it stands still until it is moved. In ms since the epoch."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now

    def move(self, millis: int) -> None:
        self.now += millis


class Record(ABC):
    """One record that lives as long as a test, and the databases that processes open on it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._opened = AsyncExitStack()

    async def open(self) -> Database:
        """Open the record as one more process would; it is closed after the test at the latest."""
        database = self.unopened()
        await database.open()
        self._opened.push_async_callback(database.close)
        return database

    async def close(self) -> None:
        await self._opened.aclose()

    @abstractmethod
    def unopened(self) -> Database:
        """One more process's database, not yet open."""

    @abstractmethod
    def glimpse(self, sql: str, *params: object) -> list[Row]:
        """What another process sees at this very moment, without waiting for anybody."""

    @abstractmethod
    def occupied(self, database: Database) -> Any:
        """A context in which another process writes and does not end; `database` waits only a moment for it."""

    @abstractmethod
    def pause(self) -> Pause:
        """A place at which an operation on this record waits."""

    def halfway(self, change: Write[Any]) -> Halfway:
        """`change`, but it stops before its last step until it is let go on."""
        return Halfway(change, self.pause())

    @asynccontextmanager
    async def busy(self, database: Database) -> AsyncGenerator[None]:
        """A context in which `database` is in the middle of a commit: what is handed in meanwhile goes together."""
        gate = self.halfway(Nothing())
        task = asyncio.create_task(database.write(gate))
        await gate.reached()
        try:
            yield
        finally:
            gate.go_on()
            await task


class SqliteRecord(Record):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "record.db"

    def unopened(self) -> SqliteDatabase:
        # NORMAL survives everything that a test can do but a power cut, and spares the disk.
        return SqliteDatabase(self.path, synchronous="NORMAL", clock=self.clock)

    def glimpse(self, sql: str, *params: object) -> list[Row]:
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            return connection.execute(sql.replace("$", "?"), params).fetchall()
        finally:
            connection.close()

    @asynccontextmanager
    async def occupied(self, database: Database) -> AsyncGenerator[None]:
        await database.write(Do("PRAGMA busy_timeout = 400"))
        with self.locked():
            yield
        await database.write(Do("PRAGMA busy_timeout = 5000"))

    @contextmanager
    def locked(self) -> Generator[None]:
        """The file's write lock is held by a connection of nobody's."""
        other = sqlite3.connect(self.path, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
        finally:
            other.close()

    def pause(self) -> ThreadPause:
        return ThreadPause()


def _postgres(folder: Path) -> Record:
    from tests.contracts.record_postgres import PostgresRecord  # it builds on this file, and starts a server

    return PostgresRecord(folder)


RECORDS: dict[str, Callable[[Path], Record]] = {"sqlite": SqliteRecord, "postgres": _postgres}


@pytest.fixture(params=RECORDS)
async def record(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Record]:
    opened = RECORDS[request.param](tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
async def database(record: Record) -> Database:
    return await record.open()


@pytest.fixture
def clock(record: Record) -> Clock:
    return record.clock


# --- operations of the tests' own


@dataclass(frozen=True, slots=True)
class Look(Read["list[Row]"]):
    """The rows of any query."""

    sql: str
    params: tuple[object, ...] = ()

    def steps(self) -> Steps[list[Row]]:
        return (yield Statement(self.sql, self.params))


@dataclass(frozen=True, slots=True)
class Do(Write["list[Row]"]):
    """Any statement, whatever it does."""

    sql: str
    params: tuple[object, ...] = ()

    def steps(self) -> Steps[list[Row]]:
        return (yield Statement(self.sql, self.params))


class Nothing(Write[None]):
    """A change that changes nothing."""

    def steps(self) -> Steps[None]:
        yield from ()


@dataclass(frozen=True, slots=True)
class ThenRaise(Write[None]):
    """A change that is carried out whole and then thinks better of it."""

    change: Write[Any]
    error: Exception

    def steps(self) -> Steps[None]:
        yield from self.change.steps()
        raise self.error


@dataclass(frozen=True, slots=True)
class Refuse(Write[None]):
    """A change that looks around and refuses."""

    error: BaseException

    def steps(self) -> Steps[None]:
        yield Statement("SELECT count(*) FROM jobs")
        raise self.error


@dataclass(slots=True)
class Counted(Write[Any]):
    """A change that knows how often it was begun."""

    change: Write[Any]
    runs: int = 0

    def steps(self) -> Steps[Any]:
        self.runs += 1
        return (yield from self.change.steps())

    def touches(self) -> frozenset[str] | None:
        return self.change.touches()

    def abandoned(self, answer: Any) -> Write[Any] | None:
        return self.change.abandoned(answer)


class Pause(ABC):
    """A place at which an operation waits until it is let go on."""

    @abstractmethod
    def wait(self) -> Steps[None]: ...

    @abstractmethod
    async def reached(self) -> None:
        """Return once an operation waits here."""

    @abstractmethod
    def go_on(self) -> None: ...


class ThreadPause(Pause):
    """For databases whose operations run in threads: these stand still."""

    def __init__(self) -> None:
        self._is_there = threading.Event()
        self._let_go = threading.Event()

    def wait(self) -> Steps[None]:
        self._is_there.set()
        assert self._let_go.wait(WAIT)
        yield from ()

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._is_there.wait, WAIT)

    def go_on(self) -> None:
        self._let_go.set()


@dataclass(slots=True)
class Halfway(Write[Any]):
    """A change that has done everything but to commit, and waits."""

    change: Write[Any]
    pause: Pause

    def steps(self) -> Steps[Any]:
        answer = yield from self.change.steps()
        yield from self.pause.wait()
        return answer

    async def reached(self) -> None:
        await self.pause.reached()

    def go_on(self) -> None:
        self.pause.go_on()


async def begun(*work: Coroutine[Any, Any, T]) -> list[asyncio.Task[T]]:
    """Tasks of these, each run up to where it waits for another."""
    tasks = [asyncio.create_task(one) for one in work]
    await asyncio.sleep(0)
    return tasks
