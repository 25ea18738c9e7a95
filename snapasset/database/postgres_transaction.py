"""Operations inside one PostgreSQL transaction: several at once, turn by turn, with what they say alike said once.

A trip to the server costs more than most statements. So the operations of a round take turns: each is asked for its next
statement, those of one text go to the server together, and each gets its own rows back. Events that no statement has stored
with the change they tell wait until the end, or until one looks at events or stores some, and are stored with one INSERT, in the
order in which they were told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from snapasset.database import Statement, Together, Write
from snapasset.database.postgres_operations import Running, halves, whole
from snapasset.database.postgres_rewriting import (
    EVENT_TYPES,
    as_one,
    at_once,
    changing,
    inserting_events,
    may_go_at_once,
    taking,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from asyncpg import Record

    from snapasset.database import Row
    from snapasset.database.postgres_line import Texts
    from snapasset.database.postgres_operations import Done, Operation
    from snapasset.event import Event

_LOCK_JOBS: Final = "SELECT 1 FROM jobs WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE"
_FOR_EACH: Final = (Together.ROWS, Together.TAKES)


class Transaction:
    """What is done between BEGIN and COMMIT on one connection. `events` are those told so far."""

    def __init__(self, texts: Texts, parameter_types: dict[str, tuple[str, ...]]) -> None:
        self._texts = texts
        self._types = parameter_types
        self._stored = 0
        self._stored_with_change: set[int] = set()
        """Places in `events`."""
        self.events: list[Event] = []
        self.changed = False
        self.xid: str | None = None
        """Names this transaction once its events are stored, at the latest; None while it has none."""

    async def run(self, operations: Sequence[Operation], names: frozenset[str] = frozenset()) -> list[Running | Done]:
        """Carry out operations that do not touch each other. Raises `OperationRaised`, or the driver's errors.

        `names`: what they touch, if no row of it has been locked yet.
        """
        parts = [[Running(half, self.events) for half in halves(operation)] for operation in operations]
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
                return [whole(part) for part in parts]
            asked = [[one.statement for one in group if one.statement is not None] for group in groups]
            if len(groups) == 2 and may_go_at_once(asked[0][0], asked[1][0]):
                await self._at_once(groups[0] + groups[1], *asked)
                continue
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
        told = enumerate(self.events[self._stored :], self._stored)
        fresh = [event for place, event in told if place not in self._stored_with_change]
        if fresh:
            params, joined = as_one(zip(*fresh, strict=True), EVENT_TYPES)
            ((self.xid,),) = await self._texts.fetch_often(inserting_events(joined), *params)
        self._stored = len(self.events)

    async def _execute(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """The rows of each of these statements, which have one text."""
        sql, params, together, _ = statements[0]
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

    async def _at_once(
        self, everyone: Sequence[Running], changes: Sequence[Statement], takes: Sequence[Statement]
    ) -> None:
        """Give each its rows of these two texts, which go as one statement, and store the events that they tell."""
        sql = changes[0].sql
        types = await self._types_of(sql)
        params, joined = as_one(zip(*(change.params for change in changes), strict=True), types)
        tells = _tells(changes, takes)
        if tells is not None:
            await self.store_events()  # what was told before stands before
        text = at_once(sql, types, joined, takes[0].sql, len(takes), tells)
        rows: list[Row] = [tuple(row) for row in await self._texts.fetch_often(text, *params, *takes[0].params)]
        answers: list[list[Row]] = [[] for _ in everyone]
        free = len(changes)
        for row in rows:
            place = row[-2] - 1
            if place < 0:
                place, free = free, free + 1
            answers[place].append(row[:-2])
        if rows:
            self.xid = rows[0][-1]
        for one, answer in zip(everyone, answers, strict=True):
            at = len(self.events)
            one.give(answer)
            if answer and tells is not None:
                event = self.events[at]
                assert (event.job_id, event.type in tells) == (answer[0][0], True), (
                    "an event was stored that is not told"
                )
                self._stored_with_change.add(at)

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


def _alike(everyone: Iterable[Running]) -> tuple[list[list[Running]], list[Running]]:
    """Those that have not ended, by what their statements have in common; and apart from them those that must go alone."""
    groups: dict[object, list[Running]] = {}
    apart: list[Running] = []
    for one in everyone:
        if one.statement is None:
            continue
        sql, params, together, _ = one.statement
        if together is Together.ALONE:
            apart.append(one)
        else:
            groups.setdefault((sql, params) if together is Together.TAKES else sql, []).append(one)
    return list(groups.values()), apart


def _tells(changes: Iterable[Statement], takes: Iterable[Statement]) -> tuple[str, str] | None:
    """The types of the events that these all tell, those of either alike; None when one of them tells none, or another."""
    first, second = {one.tells for one in changes}, {one.tells for one in takes}
    if len(first) > 1 or len(second) > 1:
        return None
    (ending,), (beginning,) = first, second
    return None if ending is None or beginning is None else (ending, beginning)


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
