"""Operations inside one PostgreSQL transaction: several at once, turn by turn, with what they say alike said once.

A trip to the server costs more than most statements. So the operations of a round take turns: each is asked for its next
statement, those of one text go to the server together, and each gets its own rows back. Events wait until the end, or until
a statement looks at them, and are stored with one INSERT, in the order in which they were told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from snapasset.database import Both, Statement, Together, Write
from snapasset.database.postgres_rewriting import (
    EVENT_TYPES,
    as_one,
    at_once,
    changing,
    inserting_events,
    may_go_at_once,
    taking,
)
from snapasset.event import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias

    from asyncpg import Record

    from snapasset.database import Read, Row
    from snapasset.database.postgres_line import Texts

    Operation: TypeAlias = Write[Any] | Read[Any]

_LOCK_JOBS: Final = "SELECT 1 FROM jobs WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE"
_FOR_EACH: Final = (Together.ROWS, Together.TAKES)


class OperationRaised(Exception):
    """An operation raised `error` after it had changed something: its transaction is spoilt."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Running:
    """One operation on its way: the statement it waits for, and in the end what it answered or raised."""

    __slots__ = ("_events", "_steps", "answer", "changed", "error", "statement")

    def __init__(self, operation: Operation, events: list[Event]) -> None:
        self._steps = operation.steps()
        self._events = events
        self.changed = False
        self.statement: Statement | None = None
        self.answer: Any = None
        self.error: BaseException | None = None
        self._go_on(None)

    def give(self, rows: list[Row]) -> None:
        """Hand it the rows of its statement. Raises `OperationRaised`."""
        assert self.statement is not None
        sql = self.statement.sql
        self.changed |= not sql.startswith("SELECT") and (bool(rows) or " RETURNING " not in sql)
        self._go_on(rows)

    def _go_on(self, rows: list[Row] | None) -> None:
        self.statement = None
        try:
            step = next(self._steps) if rows is None else self._steps.send(rows)
            while isinstance(step, Event):
                self._events.append(step)
                self.changed = True
                step = self._steps.send([])
        except StopIteration as stop:
            self.answer = stop.value
        except BaseException as error:
            if self.changed:
                raise OperationRaised(error) from error
            self.error = error
        else:
            self.statement = step


class Done(NamedTuple):
    """What an operation of two halves answered."""

    answer: Any
    error: None = None


class Transaction:
    """What is done between BEGIN and COMMIT on one connection. `events` are those told so far."""

    def __init__(self, texts: Texts, parameter_types: dict[str, tuple[str, ...]]) -> None:
        self._texts = texts
        self._types = parameter_types
        self._stored = 0
        self.events: list[Event] = []
        self.changed = False
        self.xid: str | None = None
        """Names this transaction once its events are stored; None while it has none."""

    async def run(self, operations: Sequence[Operation], names: frozenset[str] = frozenset()) -> list[Running | Done]:
        """Carry out operations that do not touch each other. Raises `OperationRaised`, or the driver's errors.

        `names`: what they touch, if no row of it has been locked yet.
        """
        parts = [[Running(half, self.events) for half in _halves(operation)] for operation in operations]
        everyone = [half for part in parts for half in part]
        in_turn = _locking(everyone, names)
        if in_turn is None:
            await self.lock(names)
            in_turn = everyone
        while True:
            groups, apart = _alike(in_turn)
            if not groups:
                for one in sorted(apart, key=_parameters):
                    await self._finish(one)
                self.changed |= any(one.changed for one in everyone)
                return [_whole(part) for part in parts]
            asked = [[one.statement for one in group if one.statement is not None] for group in groups]
            if len(groups) == 2 and may_go_at_once(asked[0][0], asked[1][0]):
                groups, asked = [groups[0] + groups[1]], [asked[0] + asked[1]]
            for group, statements in zip(groups, asked, strict=True):
                for one, rows in zip(group, await self._execute(statements), strict=True):
                    one.give(rows)

    async def _finish(self, one: Running) -> None:
        """Carry out the rest of an operation, whatever its statements have in common with those of others."""
        while one.statement is not None:
            [rows] = await self._execute([one.statement])
            one.give(rows)

    async def lock(self, names: Iterable[str]) -> None:
        """Lock the jobs among these, in the order of their ids: two processes that want the same ones never wait crosswise."""
        await self._texts.fetch(_LOCK_JOBS, list(names))

    async def store_events(self) -> None:
        """Store the events told since the last time."""
        fresh = self.events[self._stored :]
        if fresh:
            params, joined = as_one(zip(*fresh, strict=True), EVENT_TYPES)
            ((self.xid,),) = await self._texts.fetch_often(inserting_events(joined), *params)
            self._stored = len(self.events)

    async def _execute(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """The rows of each of these statements, which have one text, or two that may go at once."""
        sql, params, together = statements[0]
        if statements[-1].sql != sql:
            return await self._at_once(
                [one for one in statements if one.sql == sql], [one for one in statements if one.sql != sql]
            )
        if "job_events" in sql:
            await self.store_events()
        if len(statements) == 1:
            fetch = self._texts.fetch_often if together in _FOR_EACH else self._texts.fetch
            return [[tuple(row) for row in await fetch(sql, *params)]]
        if together is Together.TAKES:
            return await self._take(sql, params, len(statements))
        if together is Together.ROWS:
            return await self._as_one(sql, [statement.params for statement in statements])
        return await self._one_after_another(sql, [statement.params for statement in statements])

    async def _take(self, sql: str, params: Row, count: int) -> list[list[Row]]:
        taken = [[tuple(row)] for row in await self._texts.fetch_often(taking(sql, count), *params)]
        return taken + [[] for _ in range(count - len(taken))]

    async def _as_one(self, sql: str, all_params: Sequence[Row]) -> list[list[Row]]:
        types = await self._types_of(sql)
        params, joined = as_one(zip(*all_params, strict=True), types)
        text = changing(sql, types, joined)
        return _by_place(await self._texts.fetch_often(text, *params), len(all_params))

    async def _at_once(self, changes: Sequence[Statement], takes: Sequence[Statement]) -> list[list[Row]]:
        sql = changes[0].sql
        types = await self._types_of(sql)
        params, joined = as_one(zip(*(change.params for change in changes), strict=True), types)
        text = at_once(sql, types, joined, takes[0].sql, len(takes))
        rows = await self._texts.fetch_often(text, *params, *takes[0].params)
        changed = _by_place((row for row in rows if row[-1]), len(changes))
        taken = [[tuple(row)[:-1]] for row in rows if not row[-1]]
        return changed + taken + [[] for _ in range(len(takes) - len(taken))]

    async def _types_of(self, sql: str) -> tuple[str, ...]:
        types = self._types.get(sql)
        if types is None:
            types = self._types[sql] = tuple(await self._texts.parameter_types(sql))
        return types

    async def _one_after_another(self, sql: str, all_params: Sequence[Row]) -> list[list[Row]]:
        """In one trip; what each returns is told apart by one more column. A question that all ask is asked once."""
        width = len(all_params[0])
        if sql.startswith("SELECT"):
            if all(params == all_params[0] for params in all_params):
                rows = [tuple(row) for row in await self._texts.fetch(sql, *all_params[0])]
                return [rows for _ in all_params]
            sql = f"SELECT asked.*, ${width + 1}::bigint FROM ({sql}) AS asked"  # noqa: S608
        elif " RETURNING " in sql:
            sql = f"{sql}, ${width + 1}::bigint"
        else:
            await self._texts.executemany(sql, all_params)
            return [[] for _ in all_params]
        rows = await self._texts.fetchmany(sql, [(*params, place) for place, params in enumerate(all_params, 1)])
        return _by_place(rows, len(all_params))


def _halves(operation: Operation) -> tuple[Operation, ...]:
    """What of it may be carried out side by side."""
    if not isinstance(operation, Both):
        return (operation,)
    both = cast("Both[Any, Any]", operation)
    return (both.first, both.second) if both.apart else (both,)


def _whole(halves: Sequence[Running]) -> Running | Done:
    """What an operation came to. Raises `OperationRaised` when one half failed and the other has changed something."""
    if len(halves) == 1:
        return halves[0]
    failed = next((half for half in halves if half.error is not None), None)
    if failed is None:
        return Done(tuple(half.answer for half in halves))
    assert failed.error is not None
    if any(half.changed for half in halves):
        raise OperationRaised(failed.error) from failed.error
    return failed


def _alike(everyone: Iterable[Running]) -> tuple[list[list[Running]], list[Running]]:
    """Those that have not ended, by what their statements have in common; and apart from them those that must go alone."""
    groups: dict[object, list[Running]] = {}
    apart: list[Running] = []
    for one in everyone:
        if one.statement is None:
            continue
        sql, params, together = one.statement
        if together is Together.ALONE:
            apart.append(one)
        else:
            groups.setdefault((sql, params) if together is Together.TAKES else sql, []).append(one)
    return list(groups.values()), apart


def _locking(everyone: list[Running], names: frozenset[str]) -> list[Running] | None:
    """The same in an order in which their first statements lock the jobs `names` one after the other; None: they do not.

    That is so when they begin with one UPDATE of all these jobs: it is given their ids in order, and nothing comes before.
    """
    if len(names) < 2:
        return everyone  # nobody waits crosswise for one
    rows: dict[str, Running] = {}
    others: list[Running] = []
    sql = None
    for one in everyone:
        if one.statement is None or one.statement.together is not Together.ROWS:
            others.append(one)
        elif one.statement.sql == (sql := sql or one.statement.sql):
            rows[one.statement.params[0]] = one
        else:
            return None
    if sql is None or not sql.startswith("UPDATE jobs ") or rows.keys() != names:
        return None
    return [*(rows[name] for name in sorted(rows)), *others]


def rounds(changes: Iterable[Write[Any]]) -> Iterator[tuple[list[Write[Any]], frozenset[str]]]:
    """The changes in their order, cut wherever one must see what those before it have done; and what each cut touches."""
    current: list[Write[Any]] = []
    touched: set[str] = set()
    for change in changes:
        names = change.touches()
        if current and (names is None or not touched.isdisjoint(names)):
            yield current, frozenset(touched)
            current, touched = [], set()
        current.append(change)
        if names is None:
            yield current, frozenset()
            current = []
        else:
            touched |= names
    if current:
        yield current, frozenset(touched)


def _parameters(one: Running) -> str:
    return "" if one.statement is None else repr(one.statement.params)


def _by_place(rows: Iterable[Record], count: int) -> list[list[Row]]:
    answers: list[list[Row]] = [[] for _ in range(count)]
    for row in rows:
        values: Row = tuple(row)
        place: int = values[-1]
        answers[place - 1].append(values[:-1])
    return answers
