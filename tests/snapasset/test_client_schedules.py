"""The schedules that kinds declare, as the record keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snapasset.client import SYSTEM, JobClient
from snapasset.errors import BadConfiguration
from snapasset.job_type import Catalogue, JobType, Schedule, Wire
from snapasset.records.schedules import DueSchedules, FireSchedule, PutSchedule
from snapasset.settings import Settings
from snapasset.switch import Switch
from tests.contracts.record_backends import Look

if TYPE_CHECKING:
    from snapasset.database import Database, Row
    from tests.contracts.record_backends import Clock

HOUR = 3_600_000


class Sweep(Wire):
    how_many: int = 1


async def run(*_args: Any) -> Sweep:
    return Sweep()


def a_client(database: Database, *schedules: Schedule) -> JobClient:
    catalogue = Catalogue([JobType("sweep", "chores", Sweep, Sweep, run, attempts=2, schedules=schedules)])
    return JobClient(database, Switch(catalogue.queues, Settings(), ring_timeout=60), catalogue, Settings())


async def rows(database: Database) -> list[Row]:
    return await database.read(
        Look("SELECT id, owner, kind, queue, data, priority, attempts, cron, zone FROM schedules ORDER BY id")
    )


async def test_each_is_kept_as_its_kind_says_and_is_the_systems(database: Database) -> None:
    await a_client(
        database,
        Schedule("daily", "0 2 * * *", Sweep(how_many=7), zone="Europe/Berlin"),
        Schedule("hourly", "0 * * * *", Sweep()),
    ).keep_schedules()
    assert await rows(database) == [
        ("system:sweep:daily", SYSTEM, "sweep", "chores", '{"howMany":7}', -5, 2, "0 2 * * *", "Europe/Berlin"),
        ("system:sweep:hourly", SYSTEM, "sweep", "chores", '{"howMany":1}', -5, 2, "0 * * * *", "UTC"),
    ]


async def test_its_job_is_what_the_kind_takes(database: Database, clock: Clock) -> None:
    await a_client(database, Schedule("hourly", "0 * * * *", Sweep(how_many=7))).keep_schedules()
    clock.move(HOUR)
    [due] = await database.read(DueSchedules())
    job = await database.write(FireSchedule(due))
    assert job is not None
    assert Sweep.model_validate_json(job.data) == Sweep(how_many=7)
    assert (job.owner, job.kind, job.queue, job.status) == (SYSTEM, "sweep", "chores", "waiting")


async def test_a_start_does_not_forget_what_was_missed_and_a_change_is_taken_up(
    database: Database, clock: Clock
) -> None:
    schedule = Schedule("hourly", "0 * * * *", Sweep())
    await a_client(database, schedule).keep_schedules()
    clock.move(5 * HOUR)
    await a_client(database, schedule).keep_schedules()
    assert len(await database.read(DueSchedules())) == 1
    await a_client(database, Schedule("hourly", "30 * * * *", Sweep(how_many=2))).keep_schedules()
    assert await database.read(DueSchedules()) == []
    [(*_, data, _, _, cron, _)] = await rows(database)
    assert (data, cron) == ('{"howMany":2}', "30 * * * *")


async def test_one_without_a_time_is_taken_away(database: Database) -> None:
    await a_client(database, Schedule("hourly", "0 * * * *", Sweep())).keep_schedules()
    for _ in range(2):
        await a_client(database, Schedule("hourly", None, Sweep())).keep_schedules()
        assert await rows(database) == []


@pytest.mark.parametrize(
    ("schedule", "complaint"),
    [
        (Schedule("odd", "at noon", Sweep()), "sweep.*cron must be five fields"),
        (Schedule("odd", "0 0 * * *", Sweep(), zone="Moon/Tranquility"), "sweep.*zone is no time zone"),
    ],
)
async def test_one_that_is_none_keeps_the_program_from_starting(
    database: Database, schedule: Schedule, complaint: str
) -> None:
    with pytest.raises(BadConfiguration, match=complaint):
        await a_client(database, schedule).keep_schedules()
    assert await rows(database) == []


async def test_one_that_its_kind_no_longer_has_is_removed_and_those_of_other_kinds_stay(database: Database) -> None:
    hourly, daily = Schedule("hourly", "0 * * * *", Sweep()), Schedule("daily", "0 2 * * *", Sweep())
    await a_client(database, hourly, daily).keep_schedules()
    await database.write(PutSchedule("system:newer:daily", SYSTEM, "newer", "chores", "{}", 0, 1, "0 2 * * *", "UTC"))
    await a_client(database, daily).keep_schedules()
    assert [row[0] for row in await rows(database)] == ["system:newer:daily", "system:sweep:daily"]
