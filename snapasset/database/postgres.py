"""The record in a PostgreSQL database: for any number of processes on any number of hosts.

One writer task per process carries out what is waiting inside one transaction and commits once, so the trips to the server
and its disk are shared by the batch, and a batch grows just when the server is slow or far away. Readers have connections
of their own, made when they are first needed. A connection that is lost is made anew by the next who needs it.

Things that look odd and are meant:
  1. A batch is carried out in rounds. The changes of a round touch nothing in common (`Write.touches`) and take turns; a
     change that touches what another one of the round does, or does not say what it touches, begins the next round.
  2. There are no savepoints: a batch that failed is rolled back and replayed one by one, and of those each that another
     process crossed (the same key, a deadlock) is run again.
  3. A COMMIT whose answer was lost is asked for by the transaction's id: changes that were made are never told as failed
     when the server can be reached again at once. Those that told no event leave no id; all of them may be sent again.
  4. A lock that could not be had fails the whole batch: a wait each would keep the last of them waiting for minutes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from snapasset.database import Database, Read, Write
from snapasset.database.calls import Answer, Call, Nothing, deliver
from snapasset.database.postgres_blobs import LargeWrites, line_for_bulk
from snapasset.database.postgres_connection import (
    FAILURES,
    LOCK_MS,
    connect,
    crossed,
    migrate,
    named,
    nameless,
    refusal,
    setback_of,
    settings_for,
    unavailable,
    was_committed,
)
from snapasset.database.postgres_line import Line
from snapasset.database.postgres_operations import Done, OperationRaised, Running
from snapasset.database.postgres_transaction import Transaction, rounds
from snapasset.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from snapasset.event import Event

T = TypeVar("T")

BATCH: Final = 256
"""Most operations in one commit: bounds how long the first of them waits for the last."""

TURNS: Final = 6
"""How many turns of the loop the writer waits for those it has just answered to hand in what they want next.

An executor ends a job and claims the next in the same change; from the answer to that it takes about five turns, when the job
does nothing. A writer that goes on sooner leaves half of them for the next commit, and each half waits for the other's disk for
ever after. Twelve turns gain nothing more. A turn with nothing to do takes some microseconds.
"""

_TRIES: Final = 5
"""How often a change is run that other processes cross each time."""


class PostgresDatabase(Database):
    """The record at `url`, in the schema `snapasset`.

    Uses at most one connection for changes and `readers` for questions, and one more for either where something is large.
    `more_settings` hold in each transaction besides its own.
    """

    def __init__(
        self,
        url: str,
        *,
        readers: int = 3,
        lock_ms: int = LOCK_MS,
        more_settings: Callable[[], Mapping[str, str]] = dict[str, str],
    ) -> None:
        super().__init__()
        self.name = "PostgreSQL"
        self._url = url
        self.lock_ms = lock_ms
        self._more_settings = more_settings
        self._reader_count = readers
        self._types: dict[str, tuple[str, ...]] = {}
        self._changes: deque[Call] = deque()
        self._questions: asyncio.Queue[Call | None] = asyncio.Queue()
        self._bulky: asyncio.Queue[Call | None] = asyncio.Queue()
        self._large = LargeWrites(url, self._settings, self._put)
        self._handed_in = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._in_stride = False
        self._is_open = False
        self._closing = False

    async def open(self) -> None:
        try:
            driver = await connect(self._url)
            try:
                self._record_id = await migrate(driver, self._settings())
            finally:
                driver.terminate()
        except (*FAILURES, ValueError) as error:
            raise refusal(error) from None  # the driver's own words may quote the address
        self._tasks = [asyncio.create_task(self._write_on(), name="record-writer")]
        lines = [(self._questions, Line(self._url)) for _ in range(self._reader_count)]
        for questions, line in (*lines, (self._bulky, line_for_bulk(self._url))):
            self._tasks.append(asyncio.create_task(self._read_on(questions, line), name="record-reader"))
        self._is_open = True

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        await self._large.finish()
        # Once this has been answered, what callers have left behind has been handed in to be undone.
        last: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(Nothing(), last)
        await asyncio.gather(last, return_exceptions=True)
        self._closing = True
        self._handed_in.set()
        for questions in (*[self._questions] * self._reader_count, self._bulky):
            questions.put_nowait(None)
        await asyncio.gather(*self._tasks)

    async def write(self, change: Write[T]) -> T:
        answer: asyncio.Future[T] = self._future()
        if not self._large.take(change, answer):
            self._put(change, answer)
        try:
            return await answer
        except asyncio.CancelledError:
            # Cancelled between the answer and the moment the caller would have got it.
            if not answer.cancelled() and answer.exception() is None:
                self._undo(change, answer.result())
            raise

    async def read(self, question: Read[T]) -> T:
        answer: asyncio.Future[T] = self._future()
        (self._bulky if question.bulk else self._questions).put_nowait(Call(question, answer))
        return await answer

    def _settings(self) -> dict[str, str]:
        return {**settings_for(self.lock_ms), **self._more_settings()}

    def _future(self) -> asyncio.Future[Any]:
        if not self._is_open:
            raise DatabaseUnavailable("The database is closed.")
        return asyncio.get_running_loop().create_future()

    def _put(self, change: Write[T], answer: asyncio.Future[T]) -> None:
        self._changes.append(Call(change, answer))
        self._handed_in.set()

    def _deliver(self, answers: Sequence[Answer], events: Sequence[Event]) -> None:
        if events:
            self._tell(events)
        deliver(answers, self._undo)

    def _undo(self, change: Write[T], answer: T) -> None:
        undo = change.abandoned(answer)
        if undo is not None:
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            future.add_done_callback(lambda done: done.exception())  # nobody else asks, and asyncio would complain
            self._put(undo, future)

    # --- the writer

    async def _write_on(self) -> None:
        line = Line(self._url, may_name=True)
        answered = 0
        while self._changes or not self._closing:
            await self._gather(line, answered)
            taken = [self._changes.popleft() for _ in range(min(BATCH, len(self._changes)))]
            batch = [call for call in taken if not call.future.cancelled()]
            if batch:
                await self._commit_all(line, batch)
            answered = len(batch)
        await line.close()

    async def _gather(self, line: Line, answered: int) -> None:
        """Return when there is something to do, and those who were just answered, if they are quick, have joined in."""
        full = min(BATCH, len(self._changes) + answered)
        for _ in range(TURNS):
            if len(self._changes) >= full:
                break
            await asyncio.sleep(0)
        self._in_stride = answered > 0 and bool(self._changes)
        if self._changes:
            return
        await line.rest()
        if not self._changes and not self._closing:
            self._handed_in.clear()
            await self._handed_in.wait()
            await asyncio.sleep(0)  # others may hand in theirs in the same turn

    async def _commit_all(self, line: Line, batch: Sequence[Call]) -> None:
        left: deque[tuple[Sequence[Call], int]] = deque([(batch, 1)])
        while left:
            calls, tries = left.popleft()
            try:
                self._deliver(*(await self._commit(line, calls)))
            except OperationRaised as spoilt:
                if len(calls) == 1:
                    self._deliver([Answer(calls[0], None, spoilt.error)], ())
                else:
                    left.extend(([call], 1) for call in calls)
            except Exception as error:  # noqa: BLE001  whatever it is belongs to the callers, and the task goes on
                if isinstance(error, DatabaseUnavailable):
                    # A server that is away stays away for all: they fail now, not each after a wait of its own.
                    calls = [*calls, *(call for more, _ in left for call in more)]
                    left.clear()
                    self._deliver([Answer(call, None, error) for call in calls], ())
                elif len(calls) > 1:
                    left.extend(([call], 1) for call in calls)
                elif crossed(error) and tries < _TRIES:
                    left.appendleft((calls, tries + 1))
                else:
                    self._deliver([Answer(calls[0], None, named(error, lost=False))], ())

    async def _commit(self, line: Line, calls: Sequence[Call]) -> tuple[list[Answer], list[Event]]:
        """Carry out these changes in one transaction. Raises `OperationRaised`, `DatabaseUnavailable` or a bug's error."""
        try:
            driver = await line.begin("READ COMMITTED", self._settings())
        except FAILURES as error:
            line.drop()
            raise unavailable(error) from error
        transaction = Transaction(line.texts, self._types)
        try:
            finished = await self._carry_out(transaction, calls)
            await transaction.store_events()
        except OperationRaised:
            await line.roll_back(driver)
            raise
        except BaseException as error:
            lost = await line.roll_back(driver)
            if nameless(error):
                line.texts.name_nothing()
            self._setback.met(setback_of(error))
            meant = named(error, lost=lost)
            if crossed(error) or meant is error:
                raise
            raise meant from error
        try:
            await line.commit(driver, "READ COMMITTED", self._settings() if self._in_stride else None)
        except FAILURES as error:
            line.drop()
            if transaction.xid is None or not await was_committed(self._url, transaction.xid):
                raise unavailable(error) from error
        if transaction.changed:
            self._setback.overcome()
        answers = [Answer(call, one.answer, one.error) for call, one in zip(calls, finished, strict=True)]
        return answers, transaction.events

    async def _carry_out(self, transaction: Transaction, calls: Sequence[Call]) -> list[Running | Done]:
        cut = list(rounds([cast("Write[Any]", call.operation) for call in calls]))
        if len(cut) == 1:
            return await transaction.run(*cut[0])
        touched = [names for _, names in cut]
        if sum(map(len, touched)) > 1:
            await transaction.lock({name for names in touched for name in names})
        return [one for some, _ in cut for one in await transaction.run(some)]

    # --- the readers

    async def _read_on(self, questions: asyncio.Queue[Call | None], line: Line) -> None:
        while (call := await questions.get()) is not None:
            if not call.future.cancelled():
                self._deliver([await self._answer(line, call)], ())
        await line.close()

    async def _answer(self, line: Line, call: Call) -> Answer:
        try:
            driver = await line.begin("REPEATABLE READ READ ONLY", self._settings())
        except Exception as error:  # noqa: BLE001  whatever it is, this task goes on: others wait for it
            line.drop()
            away = unavailable(error)
            self._deliver([Answer(other, None, away) for other in self._take_questions()], ())
            return Answer(call, None, away)
        try:
            [done] = await Transaction(line.texts, self._types).run([call.operation])
            await line.end(driver, "COMMIT")
        except Exception as error:  # noqa: BLE001  whatever it raised belongs to its caller
            lost = await line.roll_back(driver)
            return Answer(call, None, named(error, lost=lost) if isinstance(error, FAILURES) else error)
        return Answer(call, done.answer, done.error)

    def _take_questions(self) -> Iterator[Call]:
        """All that wait to be asked: without a connection, they need not try it each."""
        for _ in range(self._questions.qsize()):
            call = self._questions.get_nowait()
            if call is None:
                self._questions.put_nowait(None)  # for a reader, which is to end
            else:
                yield call
