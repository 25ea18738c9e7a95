"""One SQLite connection: its settings, its schema, and how an operation's steps are run on it.

`now_ms()` is fixed for the length of an operation, so that every row it writes carries the same time.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from snapasset.database.migrations import Migration, load
from snapasset.database.setback import BROKEN, FULL, READ_ONLY
from snapasset.errors import BadConfiguration, DatabaseUnavailable
from snapasset.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from snapasset.database import Read, Write

T = TypeVar("T")

BUSY_MS: Final = 5_000
"""How long a commit waits for another process that is writing before it says `database_unavailable`."""

CHECKPOINT_PAGES: Final = 16_000
"""Pages (4 KiB) of log before a commit writes them back itself. It should never come to that; see `sqlite_checkpoints`."""

_ROW_LOCK: Final = re.compile(r" FOR (UPDATE|SHARE)( SKIP LOCKED)?")
"""What SQLite has no words for and no need of: a writer is alone."""

_BUGS: Final = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)
_SETBACKS: Final = {sqlite3.SQLITE_FULL: FULL, sqlite3.SQLITE_READONLY: READ_ONLY, sqlite3.SQLITE_IOERR: BROKEN}
_INSERT_EVENT: Final = "INSERT INTO job_events (job_id, seq, type, body, at, owner) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"


class Connection:
    """One SQLite connection and what it takes to run operations on it. Belongs to one thread at a time."""

    def __init__(self, path: Path, synchronous: str, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._now = clock()
        self._translated: dict[str, str] = {}
        self.raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
        self.raw.create_function("now_ms", 0, lambda: self._now)
        self.raw.create_function("restart_positions", 0, lambda: None)  # SQLite goes on from the highest by itself
        self.raw.create_function(
            "settled_below", 0, lambda: 1, deterministic=True
        )  # a writer is alone: all of them are
        self._cursor = self.raw.cursor()
        try:
            self._use_wal()
            for pragma in (
                f"synchronous = {synchronous}",
                "foreign_keys = ON",
                "temp_store = MEMORY",
                "cache_size = -16384",
                f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            ):
                self.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            self.raw.close()
            raise

    def _use_wal(self) -> None:
        """Switch to WAL. Of two processes that do so with a new file at once, SQLite refuses one without any waiting."""
        until = time.monotonic() + BUSY_MS / 1000
        while True:
            try:
                self.raw.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(0.01)
            else:
                return

    def run(self, operation: Write[T] | Read[T], events: list[Event]) -> T:
        """Run one operation's steps; its events are stored and appended to `events`."""
        self._now = self._clock()
        cursor, translated = self._cursor, self._translated
        steps = operation.steps()
        rows: list[tuple[Any, ...]] | None = None
        try:
            while True:
                step = next(steps) if rows is None else steps.send(rows)
                if isinstance(step, Event):
                    cursor.execute(_INSERT_EVENT, step)
                    events.append(step)
                    rows = []
                    continue
                sql = translated.get(step.sql)
                if sql is None:
                    sql = translated[step.sql] = _ROW_LOCK.sub("", step.sql).replace("$", "?")
                rows = cursor.execute(sql, step.params).fetchall()
        except StopIteration as stop:
            return stop.value

    def execute(self, sql: str) -> None:
        self._cursor.execute(sql)

    def close(self) -> None:
        """Let go of the file. The cursor first: a statement that was not read to its end would keep the file open."""
        self._cursor.close()
        self.raw.close()

    def roll_back(self) -> None:
        """End a transaction without a trace; SQLite may have ended it by itself (disk full, I/O error)."""
        if self.raw.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self.raw.execute("ROLLBACK")

    def migrate(self) -> str:
        """Bring the schema up to date, under a lock; return the record's id. Raises `BadConfiguration`."""
        migrations = load("sqlite")
        # IMMEDIATE is the lock: of two processes that start together, the second finds nothing left to do.
        self.execute("BEGIN IMMEDIATE")
        try:
            self.execute(
                "CREATE TABLE IF NOT EXISTS migrations "
                "(number INTEGER PRIMARY KEY, name TEXT NOT NULL, min_compatible INTEGER NOT NULL) STRICT"
            )
            known = self.raw.execute(
                "SELECT coalesce(max(number), 0), coalesce(max(min_compatible), 0) FROM migrations"
            ).fetchone()
            if known[1] > len(migrations):
                raise BadConfiguration(
                    f"The database was made by a newer program (its schema needs migration {known[1]}, "
                    f"this one knows {len(migrations)}): update this program."
                )
            for migration in migrations[known[0] :]:
                self._apply(migration)
            self.execute("COMMIT")
        except BaseException:
            self.roll_back()
            raise
        (record_id,) = self.raw.execute("SELECT record_id FROM record").fetchone()
        return record_id

    def _apply(self, migration: Migration) -> None:
        statement = ""
        for line in migration.sql.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                self.execute(statement)
                statement = ""
        self.raw.execute(
            "INSERT INTO migrations VALUES (?, ?, ?)", (migration.number, migration.name, migration.min_compatible)
        )


def named(error: BaseException) -> BaseException:
    """A driver's failure as the contract's; a bug in an operation (a broken rule, bad SQL) stays what it is."""
    if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, _BUGS):
        return error
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return error
    return DatabaseUnavailable(f"The database did not answer: {error}")


def setback_of(error: BaseException) -> str | None:
    """Why the next change will fail as well, if that is so."""
    return _SETBACKS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)  # the rest says which way it came to light
