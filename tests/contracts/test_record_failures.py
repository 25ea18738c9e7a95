"""When the provider last failed a job, as the record knows it from every process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snapasset.errors import ProcessorFailed, ProviderError, ProviderRefused, wire_error
from snapasset.records.endings import Fail
from snapasset.records.failures import ProviderFailedAt
from tests.contracts.record_jobs import KIND, held

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.errors import SnapAssetError
    from tests.contracts.record_backends import Clock

QUESTION = ProviderFailedAt((KIND, "another"))


async def failed(database: Database, error: SnapAssetError, **more: Any) -> None:
    job = await held(database)
    fields: dict[str, Any] = {"retryable": False, "delay_ms": 0, **more}
    assert await database.write(Fail(job.id, job.fence, wire_error(error), **fields)) is not None


async def test_what_failed_by_itself_says_nothing_of_the_provider(database: Database) -> None:
    await failed(database, ProcessorFailed('It said "provider_refused".'))
    assert await database.read(QUESTION) is None


async def test_the_newest_failure_counts_whether_it_is_tried_again_or_not(database: Database, clock: Clock) -> None:
    await failed(database, ProviderRefused())
    assert await database.read(QUESTION) == clock.now
    assert await database.read(ProviderFailedAt(("another",))) is None
    clock.move(1_000)
    await failed(database, ProviderError(), retryable=True, delay_ms=60_000)
    assert await database.read(QUESTION) == clock.now


async def test_what_is_long_ago_counts_no_more(database: Database, clock: Clock) -> None:
    await failed(database, ProviderRefused())
    await failed(database, ProviderError(), retryable=True, delay_ms=3_600_000)
    clock.move(180_000)
    assert await database.read(QUESTION) is None
