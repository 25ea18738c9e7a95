"""Statements of one operation, as PostgreSQL is told them when as many operations say the same: their texts are rewritten here.

Invariant: what is rewritten does to each row what the statements would have done one after another, under the same guards.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from snapasset.database import Together
from snapasset.database.postgres_telling import storing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from snapasset.database import Statement

_FIRST_FREE: Final = re.compile(r"id = \((SELECT .+?) LIMIT 1 (FOR UPDATE SKIP LOCKED)\)")
_AT_ONCE: Final = (
    "WITH changed AS ({changing}), counted AS (SELECT count(*) FROM changed), taken AS ({taking}){told} "
    "SELECT *, CAST(pg_current_xact_id() AS text) FROM changed "
    "UNION ALL SELECT *, 0, CAST(pg_current_xact_id() AS text) FROM taken"
)
_INSERT_EVENTS: Final = (
    "WITH told AS (INSERT INTO job_events (job_id, seq, type, body, at, owner, horizon) "
    "SELECT *, (SELECT horizon()) FROM unnest({arrays})) SELECT CAST(pg_current_xact_id() AS text)"
)
EVENT_TYPES: Final = ("text", "bigint", "text", "text", "bigint", "text")
_PARAMETER: Final = re.compile(r"\$(\d+)")
_BETWEEN: Final = "\x1f"
"""Stands between texts that go as one: in JSON it never stands as it is."""


@lru_cache(maxsize=512)
def taking(sql: str, count: int) -> str:
    """Of a statement that takes the first free row: the one that takes so many."""
    # An array, not IN: the planner may carry out the subquery of an IN more than once, and then it takes more.
    many, changed = _FIRST_FREE.subn(rf"id = ANY(ARRAY(\1 LIMIT {count} \2))", sql)
    assert changed == 1, "a statement of this kind takes the first free row"
    return many


def as_one(columns: Iterable[Sequence[Any]], types: Sequence[str]) -> tuple[list[Any], tuple[bool, ...]]:
    """The columns, of these types, as parameters; and which of them became one text each.

    Of each text in an array the driver asks at length whether it is an array itself. Where one text would not come apart as it
    was, the column stays an array.
    """
    params = [_joined(column, type_) or column for column, type_ in zip(columns, types, strict=True)]
    return params, tuple(isinstance(param, str) for param in params)


def _joined(texts: Sequence[Any], type_: str) -> str:
    """Empty where it must not be."""
    if type_ != "text" or None in texts:
        return ""
    text = _BETWEEN.join(texts)
    return text if text.count(_BETWEEN) == len(texts) - 1 else ""


def _arrays(types: tuple[str, ...], joined: tuple[bool, ...]) -> str:
    """The arrays that the parameters stand for, each one text or not (`as_one`)."""
    return ", ".join(
        f"string_to_array(${number}::text, chr(31))" if is_joined else f"${number}::{name}[]"
        for number, (name, is_joined) in enumerate(zip(types, joined, strict=True), 1)
    )


@lru_cache(maxsize=64)
def inserting_events(joined: tuple[bool, ...]) -> str:
    """What stores events, given the fields of each as `as_one` gives them; answers with the transaction's id."""
    return _INSERT_EVENTS.format(arrays=_arrays(EVENT_TYPES, joined))


@lru_cache(maxsize=512)
def changing(sql: str, types: tuple[str, ...], joined: tuple[bool, ...]) -> str:
    """Of an UPDATE of one row, with parameters of these types: the one that is given an array of each, or one text for it.

    Where it returns rows, each has one column more: which of the arrays' elements it is of, from 1.
    """
    update, where = _PARAMETER.sub(r"given.p\1", sql).split(" WHERE ", 1)
    arrays = _arrays(types, joined)
    names = ", ".join(f"p{number}" for number in range(1, 1 + len(types)))
    returning = ", given.place" if " RETURNING " in where else ""
    return f"{update} FROM unnest({arrays}) WITH ORDINALITY AS given({names}, place) WHERE {where}{returning}"


@lru_cache(maxsize=512)
def at_once(
    update: str, types: tuple[str, ...], joined: tuple[bool, ...], take: str, count: int, tells: tuple[str, str] | None
) -> str:
    """Of an UPDATE as for `changing` and one as for `taking` (see `may_go_at_once`): one statement that does both.

    The parameters are those of the first and then those of the second. Each row has the place, 0 if it was taken, and the
    transaction's id. `tells`: the events' types of the two (`Statement.tells`), if it is to store them as well.
    """
    second = _PARAMETER.sub(lambda found: f"${int(found[1]) + len(types)}", taking(take, count))
    # Looked at before the first free row is: rows that are waited for are locked before those that are taken, as one after the
    # other. The other way round, two processes might wait crosswise.
    second = second.replace(
        "ARRAY(SELECT id FROM jobs WHERE ", "ARRAY(SELECT id FROM jobs WHERE (TABLE counted) >= 0 AND ", 1
    )
    told = "" if tells is None else f", {storing({'changed': tells[0], 'taken': tells[1]})}"
    return _AT_ONCE.format(changing=changing(update, types, joined), taking=second, told=told)


def may_go_at_once(first: Statement, second: Statement) -> bool:
    """Whether these change different rows of `jobs` whatever is in them, and return the same columns."""
    return first.together is Together.ROWS and second.together is Together.TAKES and _at_odds(first.sql, second.sql)


@lru_cache(maxsize=512)
def _at_odds(update: str, take: str) -> bool:
    """A row that is active is not waiting: no row is changed twice by one statement, of which only one would take place."""
    changes, takes = update.rpartition(" RETURNING "), take.rpartition(" RETURNING ")
    return (
        changes[2] == takes[2]
        and changes[0].startswith("UPDATE jobs ")
        and changes[0].rpartition(" WHERE ")[2].endswith(" AND status = 'active'")
        and "(SELECT id FROM jobs WHERE status = 'waiting' AND " in takes[0]
    )
