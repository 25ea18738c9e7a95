"""The whole record as lines of JSON, and back: how it moves from one database to another.

The first line names the form and the record, then each table is announced with its columns and followed by its rows, and
the last line counts them: a file that was cut off is told from a whole one. Files of pictures are not in it, but for those
that are nowhere else yet (`blobs`).
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from snapasset.database import Read, Statement, Write
from snapasset.errors import Conflict, InvalidInput
from snapasset.records.placeholders import marks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from snapasset.database import Steps

FORM: Final = "snapasset-record-1"

_LARGEST: Final = 2**63
_BINARY: Final = "data"
"""The column of `blobs` that holds bytes; in the file they are in Base64."""
_PAGE: Final = 1_000
"""Rows read at a time: the file may be larger than the memory."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table and its columns; those of its primary key, by which it is read in order, come first."""

    name: str
    columns: tuple[str, ...]
    keys: int = 1
    page: int = _PAGE


def _table(name: str, columns: str, keys: int = 1, page: int = _PAGE) -> _Table:
    return _Table(name, tuple(columns.split()), keys, page)


TABLES: Final = (
    _table(
        "jobs",
        "id kind queue owner status priority rank data result error generation_id run attempt attempts fence beat seq "
        "step progress cancel_requested worker_id created_at due_at started_at finished_at updated_at depends_on blockers "
        "dependants ttl expires_at estimate cost credits unbegun",
    ),
    _table("job_events", "pos job_id seq type body at"),
    _table("job_steps", "job_id run step state paid doubts fence output error started_at finished_at", keys=3),
    _table("dependencies", "parent_id job_id", keys=2),
    _table("generations", "id owner job_id request created_at outcome ended_at made condemned_at likeness"),
    _table(
        "files",
        "id owner job_id generation_id role name key content_type size width height created_at details",
    ),
    _table("idempotency", "owner key fingerprint job_id status created_at jobs", keys=2),
    _table(
        "schedules",
        "id owner kind queue data priority attempts cron zone next_run last_run last_job_id created_at",
    ),
    _table("schedule_firings", "schedule_id fire_at job_id", keys=2),
    _table("queues", "name paused concurrency rate_jobs rate_ms updated_at reason"),
    _table(
        "costs",
        "job_id run step fence owner kind generation_id state provider model request_id size quality usage priced "
        "micro_usd estimate at",
        keys=4,
    ),
    _table("credits", "job_id run reason owner amount at", keys=3),
    _table("blobs", "key content_type size created_at due_at data", page=1),
)
"""Every table but the record's own, the list of migrations, and `PASSING`, without `DERIVED`; a test holds them against
the schema."""

DERIVED: Final = {"job_events": ("owner", "horizon")}
"""Columns that each database fills by itself, in ways of its own."""

PASSING: Final = ("workers", "queue_claims")
"""Tables of what is so for a moment: who works, and how often was claimed lately."""


@dataclass(frozen=True, slots=True)
class Export(Read[dict[str, int]]):
    """Hand the record, as it stands at one moment, to `write`, line by line; returns the number of rows by table.

    May be asked while the record is in use. `write` is called from the database's own thread.
    """

    write: Callable[[str], object]

    def steps(self) -> Steps[dict[str, int]]:
        ((record_id,),) = yield Statement("SELECT record_id FROM record")
        self._line({"form": FORM, "recordId": record_id})
        counts: dict[str, int] = {}
        for table in TABLES:
            self._line({"table": table.name, "columns": table.columns})
            counts[table.name] = yield from self._rows(table)
        self._line({"rows": sum(counts.values())})
        return counts

    def _rows(self, table: _Table) -> Steps[int]:
        keys = ", ".join(table.columns[: table.keys])
        select = f"SELECT {', '.join(table.columns)} FROM {table.name}"
        count, last = 0, None
        while True:
            beyond = f" WHERE ({keys}) > ({marks(table.keys, 2)})" if last is not None else ""
            rows = yield Statement(f"{select}{beyond} ORDER BY {keys} LIMIT $1", (table.page, *(last or ())))
            for row in rows:
                self._line(row)
            count += len(rows)
            if len(rows) < table.page:
                return count
            last = rows[-1][: table.keys]

    def _line(self, value: object) -> None:
        self.write(json.dumps(value, separators=(",", ":"), default=_as_text) + "\n")


@dataclass(frozen=True, slots=True)
class Import(Write[dict[str, int]]):
    """Fill an empty record from an export, and take over its name: all of it or nothing. Returns the rows by table.

    `lines` begins the file anew each time it is called. What was running goes on when a process has found that its
    executor is gone. Raises `Conflict` when the record is not empty, `InvalidInput` when the lines are no whole export.
    """

    lines: Callable[[], Iterable[str]]

    def steps(self) -> Steps[dict[str, int]]:
        for table in TABLES:
            # Schedules are made anew at each start; those of the export replace them.
            if table.name != "schedules" and (yield Statement(f"SELECT 1 FROM {table.name} LIMIT 1")):
                raise Conflict("The record is not empty: an export can only be imported into a new one.")
        yield Statement("DELETE FROM schedules")
        values = _values(self.lines())
        head = next(values, None)
        if not isinstance(head, dict) or head.get("form") != FORM or not isinstance(head.get("recordId"), str):
            raise InvalidInput("The file is no export of a record.")
        # Positions mean something else here: no cursor of the old record may be taken for one of this.
        yield Statement("UPDATE record SET record_id = $1, era = $2", (head["recordId"], secrets.token_hex(4)))
        counts: dict[str, int] = {}
        insert, width, table_name, binary = "", 0, "", None
        for value in values:
            if isinstance(value, list):
                if len(value) != width or not all(map(_is_cell, value)):
                    raise InvalidInput(f"A row of the table {table_name!r} does not fit its columns.")
                yield Statement(insert, tuple(value if binary is None else _with_bytes(value, binary)))
                counts[table_name] += 1
            elif "table" in value:
                table_name, columns = _announced(value)
                if table_name in counts:
                    raise InvalidInput(f"The file has the table {table_name!r} twice.")
                counts[table_name], width = 0, len(columns)
                binary = columns.index(_BINARY) if _BINARY in columns and table_name == "blobs" else None
                insert = f"INSERT INTO {table_name} ({', '.join(columns)}) VALUES ({marks(width)})"
            elif value.get("rows") == sum(counts.values()) and next(values, None) is None:
                yield Statement("SELECT restart_positions()")
                return counts
            else:
                break
        raise InvalidInput("The file is not whole: its last line is missing, or counts other rows.")


def _as_text(cell: object) -> str:
    """Bytes, which JSON does not know. Raises `TypeError` for anything else, as `json` expects it."""
    if not isinstance(cell, bytes):
        raise TypeError(type(cell).__name__)
    return base64.b64encode(cell).decode()


def _with_bytes(row: list[Any], place: int) -> list[Any]:
    try:
        return [*row[:place], base64.b64decode(row[place], validate=True), *row[place + 1 :]]
    except (ValueError, TypeError):
        raise InvalidInput("The file has bytes that are not in Base64: it is damaged.") from None


def _values(lines: Iterable[str]) -> Iterator[dict[str, Any] | list[Any]]:
    for number, line in enumerate(lines, 1):
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError):
            raise InvalidInput(f"Line {number} of the file is not JSON: it is damaged, or was cut off.") from None
        if not isinstance(value, dict | list):
            raise InvalidInput(f"Line {number} of the file is neither a row nor the head of a table.")
        yield cast("dict[str, Any] | list[Any]", value)


def _announced(value: dict[str, Any]) -> tuple[str, list[str]]:
    """A table's name and columns, which go into SQL: only those that are known."""
    known = {table.name: table.columns for table in TABLES}.get(str(value["table"]))
    columns: object = value.get("columns")
    if known is None or not isinstance(columns, list) or not _are_columns(cast("list[object]", columns), known):
        raise InvalidInput(
            f"The file has a table or column that this version does not know: {str(value['table'])[:40]!r}."
        )
    return str(value["table"]), cast("list[str]", columns)


def _are_columns(columns: list[object], known: tuple[str, ...]) -> bool:
    return bool(columns) and all(column in known for column in columns) and len(set(map(str, columns))) == len(columns)


def _is_cell(value: object) -> bool:
    """Whether a value is one that every database can hold in a column."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < _LARGEST
    return value is None or isinstance(value, str | float)
