"""The record's floor: the contract between operations and the database that carries them out.

An operation is a small frozen object in `snapasset/records/` whose `steps()` is a generator: it yields `Statement`s and
gets their rows back, yields `Event`s to have them stored and told, and returns its answer. It knows no driver, so one
operation serves every database; a database knows no operation.

What a database promises for `write`:
  - all or nothing: an operation that raises leaves no trace, and its neighbours in the same commit are untouched;
  - when `write` returns, the change is durable (how durable is the database's setting), and its events are told to the
    listeners after the commit, in the order of commits, before the caller goes on;
  - an operation may be run more than once (a failed batch is replayed one by one), so `steps()` has no side effects;
  - a caller that was cancelled before its turn costs nothing; one that was cancelled after the commit has its
    operation's `abandoned` carried out.

SQL is written once: parameters are `$1 … $n`, `now_ms()` is the database's time in ms since the epoch. Row locks
(`FOR UPDATE`, `FOR SHARE`, `SKIP LOCKED`) are left out where only one can write at a time.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from snapasset.database.setback import Setback
from snapasset.event import Event

if TYPE_CHECKING:
    from collections.abc import Collection

log = logging.getLogger(__name__)

T = TypeVar("T")
U = TypeVar("U")

Row = tuple[Any, ...]

BULK: Final = 4 * 1024 * 1024
"""Most bytes that a question asks for at once."""


class Together(Enum):
    """How a database may carry out several of a statement, from as many operations, as one."""

    ROWS = "rows"
    """An UPDATE of one row that its first parameters name: each of the several names another row."""
    TAKES = "takes"
    """An UPDATE of `(SELECT … LIMIT 1 …)`, the first free row: n of the same parameters take the first n."""
    ALONE = "alone"
    """A lock on the row that its parameters name: from here to its end, its operation is carried out by itself.

    Those of a round that get so far do it when the others have ended, in the order of their parameters: what one of them
    looks at the next one finds changed, and two processes that want the same rows do not wait crosswise.
    """


class Statement(NamedTuple):
    """One SQL statement and its parameters; answered with its rows, none for a statement that returns none.

    `tells`: it returns the jobs that it has changed, as `records.jobs.COLUMNS`, and sets their `updated_at` to `now_ms()`; for
    each, the operation yields next the event of this type that `tell` makes of it, with nothing more than the job's result in a
    `final`. So a database may store that event with the change.
    """

    sql: str
    params: tuple[Any, ...] = ()
    together: Together | None = None
    tells: str | None = None


Steps = Generator[Statement | Event, list[Row], T]
EventListener = Callable[[Sequence[Event]], None]


class Write(ABC, Generic[T]):
    """A change of the record. May raise a `SnapAssetError`, which undoes it and reaches the caller."""

    __slots__ = ()

    @abstractmethod
    def steps(self) -> Steps[T]:
        """The change, as the statements and events it is made of."""

    def touches(self) -> frozenset[str] | None:
        """The ids of jobs, and names of other things, that no other change must be concerned with meanwhile.

        A database may run changes in turns, statement by statement, when no name occurs in two of them. Among the names are
        the jobs whose rows the change is certain to lock. None: not known, and the change runs by itself. What only shows on
        the way is told by `Together.ALONE`.
        """
        return None

    def abandoned(self, answer: T) -> Write[Any] | None:
        """What to do when the change was committed but its caller had gone; nothing by default."""
        del answer

    def ahead(self) -> Ahead[T] | None:
        """The change in two parts, where one of them is large; None by default. A database may make use of it or not."""
        return None


@dataclass(frozen=True, slots=True)
class Ahead(Generic[T]):
    """A change in two parts: what is large of it, and the `rest`, which is carried out after that and answers for both.

    `large`: harmless when it is carried out twice, and of no meaning to anybody until the rest is done. `size`: in bytes.
    """

    large: tuple[Write[None], ...]
    size: int
    rest: Write[T]


@dataclass(frozen=True, slots=True)
class Both(Write[tuple[T, U]], Generic[T, U]):
    """Two changes in one: both or neither, in this order, at the cost of one hand-over.

    `apart`: the second need not see what the first has done, and touches nothing of it, so a database may carry them out side
    by side. Still both or neither.
    """

    first: Write[T]
    second: Write[U]
    apart: bool = False

    def steps(self) -> Steps[tuple[T, U]]:
        first = yield from self.first.steps()
        second = yield from self.second.steps()
        return first, second

    def touches(self) -> frozenset[str] | None:
        first, second = self.first.touches(), self.second.touches()
        return None if first is None or second is None else first | second

    def abandoned(self, answer: tuple[T, U]) -> Write[Any] | None:
        undo_first, undo_second = self.first.abandoned(answer[0]), self.second.abandoned(answer[1])
        if undo_first is None or undo_second is None:
            return undo_first or undo_second
        return Both(undo_first, undo_second)

    def ahead(self) -> Ahead[tuple[T, U]] | None:
        first, second = self.first.ahead(), self.second.ahead()
        if first is None and second is None:
            return None
        parts = [part for part in (first, second) if part is not None]
        return Ahead(
            tuple(large for part in parts for large in part.large),
            sum(part.size for part in parts),
            Both(first.rest if first else self.first, second.rest if second else self.second, self.apart),
        )


class Read(ABC, Generic[T]):
    """A question to the record, answered from one consistent view. Yields no events."""

    __slots__ = ()

    bulk: ClassVar[bool] = False
    """Whether the answer is large (`BULK` bytes at most), so that others should not have to wait behind it."""

    @abstractmethod
    def steps(self) -> Steps[T]:
        """The question, as the statements it is made of."""


class Database(ABC):
    """A record's home. Open it before use; closing lets the changes already handed in finish first."""

    name: str
    """What `/health` and the start banner call it; holds no secret."""

    def __init__(self) -> None:
        self._listeners: list[EventListener] = []
        self._record_id = ""
        self._setback = Setback()

    @property
    def refuses(self) -> str | None:
        """Why changes fail though questions are answered, as the last ones have shown: a sentence without a secret."""
        return self._setback.why

    @property
    def record_id(self) -> str:
        """The random name this record got when it was made; processes of one system must agree on it."""
        return self._record_id

    def listen(self, listener: EventListener) -> None:
        """Have `listener` called on the event loop with the events of each commit, in order. It must not raise."""
        self._listeners.append(listener)

    def _tell(self, events: Sequence[Event]) -> None:
        for listener in self._listeners:
            try:
                listener(events)
            except Exception:
                log.exception("a listener of the record failed")  # the callers still get their answers

    @abstractmethod
    async def open(self) -> None:
        """Connect, bring the schema up to date. Raises `BadConfiguration` or `DatabaseUnavailable`."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what was handed in, then let go."""

    @abstractmethod
    async def write(self, change: Write[T]) -> T:
        """Carry out one change. Raises `DatabaseUnavailable`, or what the change itself raises."""

    @abstractmethod
    async def read(self, question: Read[T]) -> T:
        """Answer one question. Raises `DatabaseUnavailable`, or what the question itself raises."""


@runtime_checkable
class Liveness(Protocol):
    """What a database on one host can do besides: tell at once that a worker's process has died."""

    def hold(self, worker_id: str) -> None:
        """Mark this process as alive under `worker_id` until it ends or lets go, however it ends."""

    def release(self, worker_id: str) -> None:
        """End the mark in an orderly way."""

    def dead(self, worker_ids: Collection[str]) -> frozenset[str]:
        """Those of `worker_ids` whose process no longer lives. Never names one that does."""
        ...

    def anybody(self) -> bool:
        """Whether a worker of any process lives that uses this record, as far as that can be told."""
        ...
