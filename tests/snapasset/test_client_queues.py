"""Queues that are paused, resumed and limited by whoever runs the service."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.client import JobClient
from snapasset.errors import InvalidInput, NotFound
from snapasset.job_type import Catalogue, JobType, Wire
from snapasset.records.queues import QueueRoom, QueueRooms
from snapasset.settings import Settings
from snapasset.switch import Switch
from tests.contracts.record_jobs import CLAIM, KIND, QUEUE, claimed, submitted

if TYPE_CHECKING:
    from snapasset.database import Database


class Wish(Wire):
    pass


async def run(*_args: Any) -> Wish:
    return Wish()


@pytest.fixture
def client(database: Database) -> JobClient:
    catalogue = Catalogue([JobType(KIND, QUEUE, Wish, Wish, run)])
    return JobClient(database, Switch(catalogue.queues, Settings(), ring_timeout=60), catalogue, Settings())


async def rooms(database: Database) -> dict[str, QueueRoom]:
    return await database.read(QueueRooms())


async def test_a_paused_queue_lets_nothing_go_until_it_is_resumed(client: JobClient, database: Database) -> None:
    await submitted(database)
    await client.pause(QUEUE)
    assert await database.write(CLAIM) is None
    await client.resume(QUEUE)
    await claimed(database)


async def test_limits_are_set_anew_as_a_whole(client: JobClient, database: Database) -> None:
    await client.limit(QUEUE, concurrency=3)
    assert await rooms(database) == {QUEUE: QueueRoom(False, 3, None, None, 3)}
    await client.limit(QUEUE, rate_jobs=10, rate_seconds=0.5)
    assert await rooms(database) == {QUEUE: QueueRoom(False, None, 10, 500, 10)}
    await client.limit(QUEUE, 1, 1, 86_400)
    assert await rooms(database) == {QUEUE: QueueRoom(False, 1, 1, 86_400_000, 1)}
    await client.limit(QUEUE)
    assert await rooms(database) == {}


@pytest.mark.parametrize("name", ["pictures ", "", "chores", "PICTURES", "x" * 10_000])
async def test_a_queue_that_no_kind_has_is_not_found(client: JobClient, database: Database, name: str) -> None:
    for act in (client.pause, client.resume, client.limit):
        with pytest.raises(NotFound):
            await act(name)
    assert await rooms(database) == {}


@pytest.mark.parametrize(
    ("limits", "fields"),
    [
        ({"concurrency": 0}, {"concurrency"}),
        ({"concurrency": -1}, {"concurrency"}),
        ({"concurrency": 2**63}, {"concurrency"}),
        ({"rate_jobs": 0, "rate_seconds": 1}, {"rateJobs"}),
        ({"rate_jobs": 10**6, "rate_seconds": 1}, {"rateJobs"}),
        ({"rate_jobs": 1, "rate_seconds": 0}, {"rateSeconds"}),
        ({"rate_jobs": 1, "rate_seconds": -1.0}, {"rateSeconds"}),
        ({"rate_jobs": 1, "rate_seconds": 0.0004}, {"rateSeconds"}),
        ({"rate_jobs": 1, "rate_seconds": 86_401}, {"rateSeconds"}),
        ({"rate_jobs": 1, "rate_seconds": math.inf}, {"rateSeconds"}),
        ({"rate_jobs": 1, "rate_seconds": math.nan}, {"rateSeconds"}),
        ({"rate_jobs": 1}, {"rateSeconds"}),
        ({"rate_seconds": 1}, {"rateJobs"}),
        ({"concurrency": 0, "rate_jobs": 0, "rate_seconds": 0}, {"concurrency", "rateJobs", "rateSeconds"}),
    ],
)
async def test_numbers_that_make_no_limit_are_refused_and_named(
    client: JobClient, database: Database, limits: dict[str, Any], fields: set[str]
) -> None:
    await client.limit(QUEUE, 7)
    with pytest.raises(InvalidInput) as refusal:
        await client.limit(QUEUE, **limits)
    assert refusal.value.fields.keys() == fields
    assert await rooms(database) == {QUEUE: QueueRoom(False, 7, None, None, 7)}
