"""The limits of a day on PostgreSQL, where others commit between two statements of one change."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Statement, Write
from snapasset.errors import SpendCapReached
from snapasset.records.costs import Charge
from snapasset.records.steps import FinishStep, StartStep
from snapasset.spend_settings import Caps
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
    """A change that waits once it has asked what was spent."""

    change: Write[Any]
    pause: Pause

    def steps(self) -> Steps[Any]:
        inner = self.change.steps()
        item, waited = next(inner), False
        while True:
            rows = yield item
            if not waited and isinstance(item, Statement) and "FROM costs" in item.sql:
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
