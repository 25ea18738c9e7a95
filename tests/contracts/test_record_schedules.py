"""Schedules: each time fires once, whoever looks and however often; times that were missed become one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import InvalidInput
from snapasset.records.endings import Cancel
from snapasset.records.schedules import (
    DueSchedules,
    FireSchedule,
    PutSchedule,
    RemoveSchedule,
    ScheduleRow,
)
from tests.contracts.record_backends import Do, Look
from tests.contracts.record_jobs import KIND, OWNER, QUEUE, last_told, stored

if TYPE_CHECKING:
    from snapasset.database import Database, Row
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock, Record

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def a_schedule(**more: Any) -> PutSchedule:
    """By default at each full hour."""
    fields: dict[str, Any] = {
        "id": "sweep", "owner": OWNER, "kind": KIND, "queue": QUEUE, "data": '{"n":1}', "priority": -5, "attempts": 2,
        "cron": "0 * * * *", "zone": "UTC", **more,
    }  # fmt: skip
    return PutSchedule(**fields)


@pytest.fixture(autouse=True)
def just_past_the_hour(clock: Clock) -> None:
    assert clock.now % HOUR == 0
    clock.move(1)


async def due(database: Database) -> list[ScheduleRow]:
    return await database.read(DueSchedules())


async def fire_all(database: Database) -> list[Job]:
    answers = [await database.write(FireSchedule(seen)) for seen in await due(database)]
    return [job for job in answers if job is not None]


async def rows(database: Database) -> list[Row]:
    return await database.read(Look("SELECT cron, next_run, last_run, last_job_id FROM schedules ORDER BY id"))


async def count(database: Database) -> int:
    [(jobs,)] = await database.read(Look("SELECT count(*) FROM jobs"))
    return jobs


class TestFiring:
    async def test_it_is_due_at_its_time_and_not_before(self, database: Database, clock: Clock) -> None:
        await database.write(a_schedule())
        assert await due(database) == []
        clock.move(HOUR - 2)
        assert await due(database) == []
        clock.move(1)
        [seen] = await due(database)
        assert seen == ScheduleRow(
            "sweep", OWNER, KIND, QUEUE, '{"n":1}', -5, 2, "0 * * * *", "UTC", clock.now, None, None
        )

    async def test_it_begins_its_job_and_moves_to_its_next_time(self, database: Database, clock: Clock) -> None:
        await database.write(a_schedule())
        clock.move(HOUR + 400)
        at = clock.now - 401
        [job] = await fire_all(database)
        assert job == await stored(database, job.id)
        assert (job.kind, job.queue, job.owner, job.data, job.priority, job.attempts, job.status) == (
            KIND, QUEUE, OWNER, '{"n":1}', -5, 2, "waiting",
        )  # fmt: skip
        assert (await last_told(database, job.id))["kind"] == KIND
        assert await rows(database) == [("0 * * * *", at + HOUR, at, job.id)]
        assert await due(database) == []

    async def test_one_that_is_not_due_does_not_fire(self, database: Database, clock: Clock) -> None:
        await database.write(a_schedule())
        clock.move(HOUR)
        [seen] = await due(database)
        clock.move(-2)
        assert await database.write(FireSchedule(seen)) is None
        assert await count(database) == 0

    async def test_of_many_who_saw_it_in_two_processes_one_fires(
        self, record: Record, database: Database, clock: Clock
    ) -> None:
        databases = [database, await record.open()]
        for name in ("sweep", "greet"):
            await database.write(a_schedule(id=name))
        for round_ in range(1, 4):
            clock.move(HOUR)
            seen = [await due(one) for one in databases]
            answers = await asyncio.gather(
                *(databases[n % 2].write(FireSchedule(row)) for n in range(20) for row in seen[n % 2])
            )
            assert sum(answer is not None for answer in answers) == 2
            assert await count(database) == 2 * round_

    async def test_one_who_saw_it_long_ago_does_nothing(self, database: Database, clock: Clock) -> None:
        await database.write(a_schedule())
        clock.move(HOUR)
        [old] = await due(database)
        await fire_all(database)
        clock.move(HOUR)
        assert await database.write(FireSchedule(old)) is None
        assert len(await fire_all(database)) == 1

    async def test_times_missed_while_nothing_ran_become_one(self, database: Database, clock: Clock) -> None:
        await database.write(a_schedule())
        clock.move(3 * HOUR + 10 * MINUTE)
        assert len(await fire_all(database)) == 1
        assert await fire_all(database) == []
        next_time = clock.now - clock.now % HOUR + HOUR
        assert (await rows(database))[0][1:3] == (next_time, next_time - 3 * HOUR)
        clock.move(50 * MINUTE)
        assert len(await fire_all(database)) == 1

    async def test_the_longest_due_comes_first(self, database: Database, clock: Clock) -> None:
        await database.write(a_schedule(id="a"))
        await database.write(a_schedule(id="b", cron="*/5 * * * *"))
        await database.write(a_schedule(id="c", cron="*/5 * * * *"))
        clock.move(HOUR)
        assert [row.id for row in await due(database)] == ["b", "c", "a"]

    async def test_a_time_does_not_fire_twice_though_its_row_is_set_back_by_hand(
        self, database: Database, clock: Clock
    ) -> None:
        await database.write(a_schedule())
        clock.move(HOUR)
        [job] = await fire_all(database)
        for _ in range(2):
            await database.write(Do("UPDATE schedules SET next_run = last_run"))
            assert len(await due(database)) == 1
            assert await fire_all(database) == []
            assert await due(database) == [], "it has moved on all the same"
        assert await database.read(Look("SELECT schedule_id, job_id FROM schedule_firings")) == [("sweep", job.id)]
        clock.move(HOUR)
        assert len(await fire_all(database)) == 1

    async def test_firings_are_remembered_for_a_month(self, database: Database, clock: Clock) -> None:
        await database.write(a_schedule())
        await database.write(a_schedule(id="greet", cron="0 0 1 1 *"))
        await database.write(Do("INSERT INTO schedule_firings VALUES ('greet', 1, 'another')"))
        fired: list[int] = []
        for _ in range(3):
            clock.move(15 * DAY)
            [seen] = await due(database)
            await database.write(FireSchedule(seen))
            fired.append(seen.next_run)
        kept = await database.read(
            Look("SELECT fire_at FROM schedule_firings WHERE schedule_id = 'sweep' ORDER BY fire_at")
        )
        assert [at for (at,) in kept] == [at for at in fired if at >= clock.now - 30 * DAY]
        assert 0 < len(kept) < len(fired)
        others = Look("SELECT fire_at FROM schedule_firings WHERE schedule_id = 'greet'")
        assert await database.read(others) == [(1,)], "a schedule forgets only its own"

    async def test_what_it_began_is_a_job_like_any_other(self, database: Database, clock: Clock) -> None:
        await database.write(a_schedule())
        clock.move(HOUR)
        [job] = await fire_all(database)
        assert (await database.write(Cancel(job.id, OWNER))).status == "cancelled"

    async def test_in_a_zone_that_is_not_known_here_it_says_so_and_stays_due(
        self, database: Database, clock: Clock
    ) -> None:
        await database.write(a_schedule())
        await database.write(Do("UPDATE schedules SET zone = 'Moon/Tranquility'"))
        clock.move(HOUR)
        [seen] = await due(database)
        with pytest.raises(InvalidInput):
            await database.write(FireSchedule(seen))
        assert await due(database) == [seen]
        assert await count(database) == 0


class TestKeeping:
    async def test_the_zone_says_when_the_hour_comes(self, database: Database, clock: Clock) -> None:
        await database.write(a_schedule(cron="30 * * * *", zone="Asia/Kolkata"))  # five and a half hours ahead
        ((_, next_run, _, _),) = await rows(database)
        assert next_run == clock.now - 1 + HOUR

    async def test_put_again_unchanged_it_keeps_a_time_that_was_missed(self, database: Database, clock: Clock) -> None:
        await database.write(a_schedule())
        clock.move(5 * HOUR)
        await database.write(a_schedule())
        assert len(await fire_all(database)) == 1
        last = await rows(database)
        await database.write(a_schedule())
        assert await rows(database) == last

    @pytest.mark.parametrize("more", [{"cron": "30 * * * *"}, {"cron": "0 */1 * * *"}, {"zone": "Asia/Kolkata"}])
    async def test_put_again_with_other_times_it_forgets_what_it_missed(
        self, database: Database, clock: Clock, more: dict[str, str]
    ) -> None:
        await database.write(a_schedule())
        clock.move(5 * HOUR + 1)
        [old] = await due(database)
        await database.write(a_schedule(**more))
        assert await due(database) == []
        assert await database.write(FireSchedule(old)) is None
        clock.move(HOUR)
        assert len(await fire_all(database)) == 1

    async def test_put_again_with_other_work_it_keeps_its_time_and_does_the_new(
        self, database: Database, clock: Clock
    ) -> None:
        await database.write(a_schedule())
        clock.move(2 * HOUR)
        await database.write(
            a_schedule(owner="system", kind="clean", queue="chores", data='{"n":2}', priority=0, attempts=1)
        )
        [job] = await fire_all(database)
        assert (job.owner, job.kind, job.queue, job.data, job.priority, job.attempts) == (
            "system", "clean", "chores", '{"n":2}', 0, 1,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("more", "field"),
        [({"cron": "at noon"}, "cron"), ({"cron": "0 0 30 2 *"}, "cron"), ({"zone": "Moon/Tranquility"}, "zone")],
    )
    async def test_what_is_no_schedule_is_refused_and_leaves_the_one_there_was(
        self, database: Database, more: dict[str, str], field: str
    ) -> None:
        await database.write(a_schedule())
        before = await rows(database)
        for id_ in ("sweep", "new"):
            with pytest.raises(InvalidInput) as raised:
                await database.write(a_schedule(id=id_, **more))
            assert raised.value.fields.keys() == {field}
        assert await rows(database) == before

    async def test_removed_it_fires_no_more_and_what_it_began_goes_on(self, database: Database, clock: Clock) -> None:
        await database.write(a_schedule())
        clock.move(HOUR)
        [job] = await fire_all(database)
        clock.move(HOUR)
        [seen] = await due(database)
        assert await database.write(RemoveSchedule("sweep")) is True
        assert await database.write(RemoveSchedule("sweep")) is False
        assert await due(database) == []
        assert await database.write(FireSchedule(seen)) is None
        assert (await stored(database, job.id)).status == "waiting"

    async def test_made_again_it_does_not_repeat_a_time_that_has_fired(self, database: Database, clock: Clock) -> None:
        await database.write(a_schedule())
        clock.move(HOUR)
        assert len(await fire_all(database)) == 1
        await database.write(RemoveSchedule("sweep"))
        clock.move(-2 * MINUTE)  # the host's clock was corrected
        await database.write(a_schedule())
        clock.move(2 * MINUTE)
        assert await fire_all(database) == []
        assert await count(database) == 1
