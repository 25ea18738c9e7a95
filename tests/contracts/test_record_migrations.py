"""A record made by the first release, in a SQLite file, opens under this one with all that it held."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from snapasset.database.migrations import load
from snapasset.database.sqlite_connection import Connection
from snapasset.records.endings import Complete
from snapasset.records.events import EventsAfter
from snapasset.records.files import GetFile
from snapasset.records.generations import FindGenerations, GetGeneration
from snapasset.records.idempotency import Once, SubmitOnce
from snapasset.records.owner_events import CursorNow, OwnerEventsAfter
from snapasset.records.queues import LimitQueue, QueueRooms
from snapasset.records.revival import Retry
from snapasset.records.upkeep import Expire, HeldJobs, NextExpiry
from tests.contracts.record_backends import Do, Look, SqliteRecord
from tests.contracts.record_jobs import CLAIM, OWNER, a_job, claimed, ended, stored, submitted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from snapasset.database import Database

FIRST_RELEASE = 2
"""The number of its newest migration."""

JOB = (
    "INSERT INTO jobs (id, kind, queue, owner, status, priority, rank, data, result, error, generation_id, run, attempt, "
    "attempts, fence, seq, worker_id, created_at, due_at, started_at, finished_at, updated_at) VALUES "
    "($1, 'draw', 'pictures', 'session:anna', $2, 0, $3, '{\"prompt\":\"a hill\"}', $4, $5, $6, $7, 1, 3, 1, 2, $8, $3, "
    "$9, $3, $10, $3)"
)
GENERATION = (
    "INSERT INTO generations (id, owner, job_id, request, created_at) VALUES "
    "($1, 'session:anna', $2, '{\"prompt\":\"a hill\"}', $3)"
)
STEP = (
    "INSERT INTO job_steps (job_id, run, step, state, paid, fence, output, started_at) "
    "VALUES ($1, $2, $3, $4, 1, 1, $5, 1)"
)
EVENT = "INSERT INTO job_events (job_id, seq, type, body, at) VALUES ($1, $2, 'update', '{}', 1)"
FILE = (
    "INSERT INTO files (id, owner, job_id, generation_id, role, name, key, content_type, size, width, height, created_at) "
    "VALUES ('f-1', 'session:anna', 'completed', 'g-completed', 'master', 'master', 'k', 'image/png', 9, 3, 3, 1)"
)


def output(model: str, **more: object) -> str:
    """What the step that makes the master left."""
    fields = {"master": {"fileId": "f-1"}, "model": model, "simulated": True, "source": "algorithmicMedia",
              "understood": "a hill", "focal": [0.25, 0.5]}  # fmt: skip
    return json.dumps({**fields, **more})


STATUSES = ("waiting", "delayed", "active", "completed", "failed", "cancelled")


def fill(old: Connection) -> None:
    for n, status in enumerate(STATUSES):
        is_ended = status in ("completed", "failed", "cancelled")
        old.run(
            Do(
                JOB,
                (
                    status, status, 100 + n, '{"n":1}' if status == "completed" else None,
                    '{"code":"expired"}' if status == "failed" else None, f"g-{status}", 2 if status == "completed" else 1,
                    "worker-1" if status == "active" else None, 5000 if status == "delayed" else None,
                    200 + n if is_ended else None,
                ),
            ),
            [],
        )  # fmt: skip
        old.run(Do(GENERATION, (f"g-{status}", status, 100 + n)), [])
        for seq in (1, 2):
            old.run(Do(EVENT, (status, seq)), [])
    for params in (
        ("completed", 1, "generate", "done", output("of the first run")),
        ("completed", 2, "generate", "done", output("sketch")),
        ("completed", 2, "decode", "done", '{"width":3}'),
        ("failed", 1, "generate", "doubtful", None),
        ("cancelled", 1, "generate", "done", output("sketch", simulated=False, focal=None, understood=None)),
        ("active", 1, "generate", "started", None),
    ):
        old.run(Do(STEP, params), [])
    old.run(Do(FILE), [])
    old.run(Do("INSERT INTO idempotency VALUES ('session:anna', 'key-1', 'print-1', 'completed', 'waiting', 1)"), [])


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[SqliteRecord]:
    opened = SqliteRecord(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def old(record: SqliteRecord) -> Iterator[Connection]:
    """The file as the first release left it."""
    record.path.parent.mkdir(exist_ok=True)
    connection = Connection(record.path, "OFF", lambda: 77)
    connection.execute("CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT, min_compatible INTEGER)")
    for migration in load("sqlite")[:FIRST_RELEASE]:
        connection.raw.executescript(migration.sql)
        connection.run(Do("INSERT INTO migrations VALUES ($1, $2, 1)", (migration.number, migration.name)), [])
    fill(connection)
    yield connection
    connection.raw.close()


COLUMNS = {
    "jobs": "id, kind, queue, owner, status, priority, rank, data, result, error, generation_id, run, attempt, attempts, "
    "fence, beat, seq, step, progress, cancel_requested, worker_id, created_at, due_at, started_at, finished_at, "
    "updated_at",
    "job_events": "pos, job_id, seq, type, body, at",
    "job_steps": "job_id, run, step, state, paid, doubts, fence, output, error, started_at, finished_at",
    "generations": "id, owner, job_id, request, created_at",
    "files": "id, owner, job_id, generation_id, role, name, key, content_type, size, width, height, created_at",
    "idempotency": "owner, key, fingerprint, job_id, status, created_at",
    "record": "record_id, created_at",
}


async def test_every_row_is_as_it_was(record: SqliteRecord, old: Connection) -> None:
    questions = {table: f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3" for table, columns in COLUMNS.items()
                 if table != "record"}  # fmt: skip
    questions["record"] = "SELECT record_id, created_at FROM record"
    before = {table: old.raw.execute(sql).fetchall() for table, sql in questions.items()}
    assert all(before.values())
    database = await record.open()
    for table, sql in questions.items():
        assert await database.read(Look(sql)) == before[table]
    assert database.record_id == before["record"][0][0]


@pytest.fixture
async def database(record: SqliteRecord, old: Connection) -> Database:
    assert old.raw.total_changes
    return await record.open()


async def test_the_new_columns_say_that_nobody_waits_for_anybody(database: Database) -> None:
    for status in STATUSES:
        job = await stored(database, status)
        assert (job.depends_on, job.dependants, job.expires_at) == (None, 0, None)
    assert await database.read(NextExpiry()) is None
    assert await database.write(Expire()) == []


@pytest.mark.parametrize("n", range(len(STATUSES)))
async def test_each_generation_learns_how_its_job_ended(database: Database, n: int) -> None:
    status = STATUSES[n]
    expected = (status, 200 + n) if n > 2 else (None, None)
    [row] = await database.read(Look("SELECT outcome, ended_at FROM generations WHERE job_id = $1", (status,)))
    assert row == expected
    generation = await database.read(GetGeneration(f"g-{status}", OWNER))
    assert generation is not None
    assert generation.outcome == expected[0]


async def made(database: Database, generation_id: str) -> dict[str, object] | None:
    generation = await database.read(GetGeneration(generation_id, OWNER))
    assert generation is not None
    return json.loads(generation.made) if generation.made is not None else None


async def test_and_what_its_newest_run_has_made(database: Database) -> None:
    assert await made(database, "g-completed") == {
        "model": "sketch", "simulated": True, "source": "algorithmicMedia", "understood": "a hill",
        "focalPoint": {"x": 0.25, "y": 0.5},
    }  # fmt: skip
    assert await made(database, "g-cancelled") == {
        "model": "sketch", "simulated": False, "source": "algorithmicMedia", "understood": None, "focalPoint": None,
    }  # fmt: skip
    for status in ("failed", "active", "waiting"):
        assert await made(database, f"g-{status}") is None


async def test_the_gallery_shows_it_with_its_files(database: Database) -> None:
    page = await database.read(FindGenerations(OWNER))
    assert [generation.id for generation in page] == [f"g-{status}" for status in reversed(STATUSES)]
    files: dict[str, list[str]] = {one.id: [file.id for file in one.files] for one in page if one.files}
    assert files == {"g-completed": ["f-1"]}
    assert await database.read(GetFile("f-1", OWNER)) is not None


async def test_its_jobs_go_on(database: Database) -> None:
    assert (await claimed(database)).id == "waiting"
    assert await database.write(CLAIM) is None
    [seen] = [held for held in await database.read(HeldJobs()) if held.id == "active"]
    done = await database.write(Complete(seen.id, seen.fence, "{}"))
    assert done is not None
    [row] = await database.read(Look("SELECT outcome, ended_at FROM generations WHERE id = 'g-active'"))
    assert row == ("completed", done.finished_at)
    assert (await database.write(Retry("failed", OWNER))).status == "waiting"
    assert [event.seq for event in await database.read(EventsAfter("failed", 0))] == [1, 2, 3]


async def test_others_may_wait_for_them(database: Database) -> None:
    free = await submitted(database, depends_on=("completed",), kind="clean")
    job = await submitted(database, depends_on=("waiting", "completed"))
    assert (free.status, job.status) == ("waiting", "blocked")
    await ended(database, await stored(database, "waiting"))
    assert (await stored(database, job.id)).status == "waiting"


async def test_their_events_are_their_jobs_and_who_follows_an_owner_begins_after_them(database: Database) -> None:
    assert {event.owner for event in await database.read(EventsAfter("active", 0))} == {OWNER}
    now = await database.read(CursorNow())
    assert now.pos == 2 * len(STATUSES)
    await claimed(database)
    [told] = await database.read(OwnerEventsAfter(OWNER, now))
    assert (told.event.job_id, told.event.seq, told.event.owner) == ("waiting", 3, OWNER)


async def test_a_key_that_made_a_job_finds_it(database: Database) -> None:
    [found] = await database.write(SubmitOnce(OWNER, a_job(), Once("key-1", "print-1")))
    assert (found.job_id, found.status, found.replayed) == ("completed", "waiting", True)


async def test_no_queue_is_held_up_and_any_may_be(database: Database) -> None:
    assert await database.read(QueueRooms()) == {}
    await database.write(LimitQueue("pictures", 2, None, None))
    await claimed(database)
    assert await database.write(CLAIM) is None
    assert {name: room.room for name, room in (await database.read(QueueRooms())).items()} == {"pictures": 0}
