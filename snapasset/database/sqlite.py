"""The record in one SQLite file: for one host and a local disk; any number of processes may share the file.

One writer thread per process owns the only writing connection. It takes what is waiting, runs it inside one
transaction and commits once: the cost of the disk is shared by the batch, and a batch grows just when the disk is slow. Readers have threads and connections of their own and never wait for it (WAL), nor does it wait until the log is written back
(`sqlite_checkpoints`).

Things that look odd and are meant:
  1. The event loop is woken once a batch, not once an operation.
  2. There are no savepoints. An operation that refuses before it changed anything (nearly all that refuse) is just
     answered; when one raises later, or the commit fails, the batch is rolled back and replayed one by one, so that
     no operation takes its neighbours with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from snapasset.database import Database, Read, Write
from snapasset.database.calls import Answer, Call, Nothing, deliver
from snapasset.database.liveness import LockFiles
from snapasset.database.sqlite_checkpoints import Checkpoints
from snapasset.database.sqlite_connection import Connection, named, setback_of
from snapasset.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from snapasset.event import Event

T = TypeVar("T")

BATCH: Final = 256
"""Most operations in one commit: bounds how long the first of them waits for the last."""


def wall_ms() -> int:
    """The host's time in ms since the epoch."""
    return time.time_ns() // 1_000_000


class SqliteDatabase(Database):
    """A record at `path`. `synchronous` is SQLite's: FULL survives a power cut, NORMAL only the program's death."""

    def __init__(
        self, path: Path, *, synchronous: str = "FULL", readers: int = 2, clock: Callable[[], int] = wall_ms
    ) -> None:
        super().__init__()
        self.name = f"SQLite {path.name} (synchronous={synchronous})"
        self._path = path
        self._synchronous = synchronous
        self._clock = clock
        self._changes: SimpleQueue[Call | None] = SimpleQueue()
        self._questions: SimpleQueue[Call | None] = SimpleQueue()
        self._reader_count = readers
        self._threads: list[threading.Thread] = []
        self._checkpoints: Checkpoints | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._locks = LockFiles(path.with_name(f"{path.name}-workers"))

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        writer, beside, *readers = await loop.run_in_executor(None, self._connect)
        self._checkpoints = Checkpoints(beside)
        self._threads = [
            threading.Thread(
                target=self._write_on, args=(writer, loop, self._checkpoints), name="record-writer", daemon=True
            ),
            threading.Thread(target=self._checkpoints.run, name="record-checkpoints", daemon=True),
        ]
        for reader in readers:
            self._threads.append(
                threading.Thread(target=self._read_on, args=(reader, loop), name="record-reader", daemon=True)
            )
        for thread in self._threads:
            thread.start()
        self._loop = loop

    async def close(self) -> None:
        if self._loop is None:
            return
        loop, self._loop = self._loop, None
        assert self._checkpoints is not None
        # Once this has been answered, what callers have left behind has been handed in to be undone.
        last: asyncio.Future[None] = loop.create_future()
        self._changes.put(Call(Nothing(), last))
        await asyncio.gather(last, return_exceptions=True)
        writer, *others = self._threads
        for _ in range(self._reader_count):
            self._questions.put(None)
        self._checkpoints.close()
        # One after the other, the writer last: two that close in one moment each take the other for somebody who stays,
        # and neither folds the write-ahead log into the file.
        for thread in others:
            await loop.run_in_executor(None, thread.join)
        self._changes.put(None)
        await loop.run_in_executor(None, writer.join)

    async def write(self, change: Write[T]) -> T:
        answer = self._hand_in(self._changes, change)
        try:
            return await answer
        except asyncio.CancelledError:
            # Cancelled between the answer and the moment the caller would have got it.
            if not answer.cancelled() and answer.exception() is None:
                self._undo(change, answer.result())
            raise

    async def read(self, question: Read[T]) -> T:
        return await self._hand_in(self._questions, question)

    def hold(self, worker_id: str) -> None:
        self._locks.hold(worker_id)

    def release(self, worker_id: str) -> None:
        self._locks.release(worker_id)

    def dead(self, worker_ids: Collection[str]) -> frozenset[str]:
        return self._locks.dead(worker_ids)

    def anybody(self) -> bool:
        return self._locks.anybody()

    # --- on the event loop

    def _hand_in(self, queue: SimpleQueue[Call | None], operation: Write[T] | Read[T]) -> asyncio.Future[T]:
        if self._loop is None:
            raise DatabaseUnavailable("The database is closed.")
        future: asyncio.Future[T] = self._loop.create_future()
        queue.put(Call(operation, future))
        return future

    def _deliver(self, answers: Sequence[Answer], events: Sequence[Event]) -> None:
        if events:
            self._tell(events)
        deliver(answers, self._undo)

    def _undo(self, change: Write[T], answer: T) -> None:
        undo = change.abandoned(answer)
        if undo is not None:
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            future.add_done_callback(lambda done: done.exception())  # nobody else asks, and asyncio would complain
            self._changes.put(Call(undo, future))

    # --- on the threads

    def _connect(self) -> list[Connection]:
        connections: list[Connection] = []
        with contextlib.ExitStack() as half_open:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                for _ in range(2 + self._reader_count):
                    connections.append(Connection(self._path, self._synchronous, self._clock))
                    half_open.callback(connections[-1].close)
                self._record_id = connections[0].migrate()
            except (sqlite3.Error, OSError) as error:
                raise DatabaseUnavailable(f"The database file {self._path.name} cannot be used: {error}") from error
            half_open.pop_all()
        return connections

    def _write_on(self, connection: Connection, loop: asyncio.AbstractEventLoop, checkpoints: Checkpoints) -> None:
        closing = False
        while not closing:
            call = self._changes.get()
            batch: list[Call] = []
            while call is not None:
                if not call.future.cancelled():
                    batch.append(call)
                if len(batch) == BATCH:
                    break
                try:
                    call = self._changes.get_nowait()
                except Empty:
                    break
            closing = call is None
            if batch:
                answers, events = self._commit(connection, batch)
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                    loop.call_soon_threadsafe(self._deliver, answers, events)
                checkpoints.committed(connection)
        connection.close()

    def _commit(self, connection: Connection, batch: Sequence[Call]) -> tuple[list[Answer], list[Event]]:
        answers: list[Answer] = []
        events: list[Event] = []
        left: list[Sequence[Call]] = [batch]
        while left:
            calls = left.pop(0)
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                # Another process keeps the lock: all that is left fails now, not each after a wait of its own.
                self._setback.met(setback_of(error))
                answers += [Answer(call, None, named(error)) for call in itertools.chain(calls, *left)]
                break
            changes = connection.raw.total_changes
            try:
                its_answers, its_events = self._run_all(connection, calls)
                connection.execute("COMMIT")
            except BaseException as error:  # noqa: BLE001  whatever it is belongs to the callers, and the thread goes on
                connection.roll_back()
                self._setback.met(setback_of(error))
                if len(calls) == 1:
                    answers.append(Answer(calls[0], None, named(error)))
                else:
                    left = [[call] for call in calls]
                continue
            if connection.raw.total_changes != changes:
                self._setback.overcome()
            answers += its_answers
            events += its_events
        return answers, events

    def _run_all(self, connection: Connection, batch: Sequence[Call]) -> tuple[list[Answer], list[Event]]:
        answers: list[Answer] = []
        events: list[Event] = []
        for call in batch:
            changes = connection.raw.total_changes
            try:
                answers.append(Answer(call, connection.run(call.operation, events), None))
            except BaseException as error:
                if connection.raw.total_changes != changes or isinstance(error, sqlite3.Error):
                    raise
                answers.append(Answer(call, None, error))
        return answers, events

    def _read_on(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        while (call := self._questions.get()) is not None:
            if call.future.cancelled():
                continue
            try:
                connection.execute("BEGIN")
                answer = Answer(call, connection.run(call.operation, []), None)
                connection.execute("COMMIT")
            except BaseException as error:  # noqa: BLE001  whatever it raised belongs to its caller
                answer = Answer(call, None, named(error))
                connection.roll_back()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                loop.call_soon_threadsafe(self._deliver, (answer,), ())
        connection.close()
