"""The limits of a day on PostgreSQL, where others commit between two statements of one change."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Both, Statement, Write
from snapasset.errors import SpendCapReached
from snapasset.records.claims import GiveBack
from snapasset.records.costs import Charge, SaveCharge
from snapasset.records.endings import Cancel, Complete
from snapasset.records.revival import Retry
from snapasset.records.steps import FinishStep, SavePaidStep, StartStep
from snapasset.spend_settings import Caps
from tests.contracts.conftest import wait_until
from tests.contracts.record_backends import WAIT, Counted
from tests.contracts.record_jobs import a_job, claimed
from tests.contracts.record_postgres import PostgresRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from snapasset.database import Database, Steps
    from tests.contracts.record_backends import Pause

STEP = "generate"
CAPS = Caps(None, 60)


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[PostgresRecord]:
    opened = PostgresRecord(tmp_path)
    yield opened
    await opened.close()


@dataclass(frozen=True, slots=True)
class Thinking(Write[Any]):
    """A change that waits once it has said the first thing that has `after` in it: by default, asked what was spent."""

    change: Write[Any]
    pause: Pause
    after: str = "FROM costs"

    def steps(self) -> Steps[Any]:
        inner = self.change.steps()
        item, waited = next(inner), False
        while True:
            rows = yield item
            if not waited and isinstance(item, Statement) and self.after in item.sql:
                waited = True
                yield from self.pause.wait()
            try:
                item = inner.send(rows)
            except StopIteration as end:
                return end.value


async def test_what_is_paid_while_somebody_asks_what_is_left_counts_all_the_same(
    record: PostgresRecord, database: Database
) -> None:
    for _ in range(2):
        await database.write(a_job(estimate=40))
    first, second = [await claimed(database) for _ in range(2)]
    assert await database.write(StartStep(first.id, first.fence, STEP, paid=True, progress=1.0, caps=CAPS))
    change = Thinking(StartStep(second.id, second.fence, STEP, paid=True, progress=1.0, caps=CAPS), record.pause())
    asking = asyncio.create_task(database.write(change))
    await change.pause.reached()
    other = await record.open()
    await other.write(FinishStep(first.id, first.fence, STEP, "1", 40.0, charge=Charge(micro_usd=40)))
    change.pause.go_on()
    with pytest.raises(SpendCapReached):
        await asking


async def test_while_somebody_counts_nobody_waits_but_who_spends_as_well(
    record: PostgresRecord, database: Database
) -> None:
    await database.write(a_job(credits=0))
    job = await claimed(database)
    counting = record.halfway(a_job(estimate=20, caps=CAPS))
    holding = asyncio.create_task(database.write(counting))
    await counting.reached()
    other = await record.open()
    free = await other.write(a_job(caps=CAPS))
    assert await other.write(StartStep(job.id, job.fence, STEP, paid=False, progress=1.0, caps=CAPS))
    await other.write(FinishStep(job.id, job.fence, STEP, "1", 40.0, charge=Charge(micro_usd=1)))
    assert await other.write(Complete(job.id, job.fence, "{}"))
    await other.write(Cancel(free.id, free.owner))
    assert await other.write(Retry(free.id, free.owner, caps=CAPS))
    with pytest.raises(SpendCapReached):
        await other.write(a_job(estimate=61, caps=CAPS))
    spending = asyncio.create_task(other.write(a_job(estimate=40, caps=CAPS)))
    await wait_until(lambda: waiting(record), WAIT)
    assert not spending.done()
    counting.go_on()
    await holding
    with pytest.raises(SpendCapReached):
        await spending


async def test_who_saves_what_came_late_and_who_goes_on_meanwhile_do_not_wait_crosswise(
    record: PostgresRecord, database: Database
) -> None:
    await database.write(a_job(estimate=40))
    old = await claimed(database)
    assert await database.write(StartStep(old.id, old.fence, STEP, paid=True, progress=1.0))
    await database.write(GiveBack(old.id, old.fence))
    new = await claimed(database)
    late = Both(SavePaidStep(old.id, old.run, STEP, '"late"', ()), SaveCharge(old, STEP, Charge(micro_usd=40)))
    saved = Thinking(late, record.pause(), "UPDATE job_steps")
    saving, going_on = Counted(saved), Counted(StartStep(new.id, new.fence, STEP, paid=True, progress=1.0))
    first = asyncio.create_task(database.write(saving))
    await saved.pause.reached()
    second = asyncio.create_task((await record.open()).write(going_on))
    await wait_until(lambda: waiting(record), WAIT)
    saved.pause.go_on()
    await first
    begun = await second
    assert begun is not None
    assert (begun.output, saving.runs, going_on.runs) == ('"late"', 1, 1)


async def waiting(record: PostgresRecord) -> bool:
    """Whether a process waits for a row that another one has locked."""
    return bool(record.glimpse("SELECT 1 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"))
