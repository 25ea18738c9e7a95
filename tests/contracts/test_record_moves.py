"""A record moves from one database to another with all that it holds, and goes on there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import Conflict
from snapasset.records.events import EventsAfter
from snapasset.records.owner_events import CursorNow
from snapasset.records.steps import FinishStep, StartStep
from snapasset.records.transfer import Export, Import
from tests.contracts.record_backends import RECORDS, Look
from tests.contracts.record_jobs import CLAIM, a_job, claimed, ended, held, stored, submitted
from tests.contracts.test_record_owner_events import names, rest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from snapasset.database import Database
    from tests.contracts.record_backends import Record

NEWEST = Look("SELECT max(pos) FROM job_events")


@pytest.fixture
async def another(record: Record, tmp_path: Path) -> AsyncIterator[Record]:
    """An empty record in the other kind of database."""
    (name,) = (name for name in RECORDS if type(record).__name__.lower() != f"{name}record")
    opened = RECORDS[name](tmp_path / "another")
    yield opened
    await opened.close()


async def lines_of(database: Database) -> list[str]:
    lines: list[str] = []
    await database.read(Export(lines.append))
    return lines


async def fill(database: Database) -> None:
    await ended(database, await submitted(database, generation_id="g-1"))
    parent = await held(database)
    await database.write(StartStep(parent.id, parent.fence, "render", paid=False, progress=12.5))
    await database.write(FinishStep(parent.id, parent.fence, "render", '{"n": 1}', 33.3))
    await submitted(database, depends_on=(parent.id,), ttl_ms=1000)
    await submitted(database, delay_ms=5000)


async def test_all_of_it_arrives(database: Database, another: Record) -> None:
    await fill(database)
    lines = await lines_of(database)
    there = await another.open()
    counts = await there.write(Import(lambda: lines))
    assert counts["jobs"] == 4
    moved = await lines_of(there)
    assert [json.loads(line) for line in moved] == [json.loads(line) for line in lines]


async def test_it_goes_on_there(database: Database, another: Record) -> None:
    await fill(database)
    job = await submitted(database)
    lines = await lines_of(database)
    there = await another.open()
    await there.write(Import(lambda: lines))
    ((newest,),) = await there.read(NEWEST)
    assert (await claimed(there)).id == job.id
    fresh = await there.write(a_job())
    assert await there.read(NEWEST) == [(newest + 2,)]
    assert [event.seq for event in await there.read(EventsAfter(job.id, 0))] == [1, 2]
    assert (await stored(there, fresh.id)).status == "waiting"
    assert (await there.write(CLAIM)) is not None


async def test_whose_events_they_are_is_known_there_and_cursors_of_before_lead_nowhere(
    database: Database, another: Record
) -> None:
    there = await another.open()
    begun = await there.read(CursorNow())
    now = await database.read(CursorNow())
    await fill(database)
    was = (await rest(database, now))[3].cursor
    lines = await lines_of(database)
    await there.write(Import(lambda: lines))
    fresh = await there.read(CursorNow())
    for cursor in (now, was, begun):
        assert not cursor.leads_on_to(fresh)
    job = await submitted(there)
    assert names(await rest(there, fresh)) == [(job.id, 1)]
    from_the_first = await rest(there, fresh._replace(horizon=0, pos=0))
    assert names(from_the_first) == [*names(await rest(database, now)), (job.id, 1)]


async def test_nothing_is_mixed_with_what_is_there(database: Database, another: Record) -> None:
    lines = await lines_of(database)
    there = await another.open()
    job = await submitted(there)
    with pytest.raises(Conflict):
        await there.write(Import(lambda: lines))
    assert (await stored(there, job.id)) == job
