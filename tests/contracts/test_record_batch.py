"""Jobs that are submitted together: all or none of them, in the order given, and once for each key."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import DependencyFailed, InvalidInput, KeyReused, NotFound, TooManyJobs
from snapasset.job import new_id
from snapasset.records.endings import Cancel
from snapasset.records.idempotency import Once, SubmitOnce, Submitted
from snapasset.records.submission import Submit, SubmitAll
from tests.contracts.record_backends import Look, begun
from tests.contracts.record_jobs import (
    OWNER,
    STRANGER,
    a_job,
    claimed,
    ended,
    gone,
    job_of,
    last_told,
    stored,
    submitted,
)

if TYPE_CHECKING:
    from snapasset.database import Database, Write
    from tests.contracts.record_backends import Record

ONCE = Once("key-1", "fingerprint-1")


def in_order(*submits: Submit) -> SubmitAll:
    return SubmitAll(submits, tuple(range(len(submits))))


async def count(database: Database, table: str = "jobs") -> int:
    [(rows,)] = await database.read(Look(f"SELECT count(*) FROM {table}"))
    return rows


async def submit_once(database: Database, batch: SubmitAll, once: Once = ONCE) -> list[Submitted]:
    return await database.write(SubmitOnce(OWNER, batch, once))


class TestTogether:
    async def test_they_come_back_in_the_order_given_each_as_it_is(self, database: Database) -> None:
        submits = [a_job(priority=n, delay_ms=1000 * (n % 2)) for n in range(5)]
        jobs = await database.write(in_order(*submits))
        assert [job.id for job in jobs] == [submit.job_id for submit in submits]
        assert [job.priority for job in jobs] == [0, 1, 2, 3, 4]
        for job in jobs:
            assert job == await stored(database, job.id)
            assert (await last_told(database, job.id))["seq"] == 1
        assert (await claimed(database)).id == jobs[4].id

    async def test_one_may_wait_for_another_that_stands_behind_it(self, database: Database) -> None:
        last, middle, first = new_id(), new_id(), new_id()
        batch = SubmitAll(
            (a_job(last, depends_on=(middle, first)), a_job(middle, depends_on=(first,)), a_job(first)), (2, 1, 0)
        )
        jobs = await database.write(batch)
        assert [(job.id, job.status) for job in jobs] == [(last, "blocked"), (middle, "blocked"), (first, "waiting")]
        for job_id in (first, middle, last):
            await ended(database, await stored(database, job_id))

    async def test_they_may_wait_for_jobs_that_are_there_already(self, database: Database) -> None:
        done, running = await ended(database, await submitted(database)), await submitted(database)
        jobs = await database.write(in_order(a_job(depends_on=(done.id,)), a_job(depends_on=(done.id, running.id))))
        assert [job.status for job in jobs] == ["waiting", "blocked"]

    async def test_each_may_make_a_generation(self, database: Database) -> None:
        await database.write(in_order(a_job(generation_id="g-1"), a_job(generation_id="g-2"), a_job()))
        assert await count(database, "generations") == 2


class TestNoneOfThem:
    @pytest.mark.parametrize("position", [0, 2])
    async def test_one_that_is_refused_takes_the_others_with_it_and_is_pointed_at(
        self, database: Database, position: int
    ) -> None:
        parent = await submitted(database)
        theirs = await submitted(database, owner=STRANGER)
        submits = [a_job(depends_on=(parent.id,), generation_id=new_id()) for _ in range(3)]
        submits[position] = a_job(depends_on=(parent.id, theirs.id))
        with pytest.raises(InvalidInput) as raised:
            await database.write(in_order(*submits))
        assert raised.value.fields.keys() == {f"jobs.{position}.options.dependsOn.1"}
        assert await count(database) == 2
        assert await count(database, "job_events") == 2
        assert await count(database, "generations") == await count(database, "dependencies") == 0
        assert (await stored(database, parent.id)).dependants == 0

    async def test_the_position_is_the_callers_and_not_that_of_its_turn(self, database: Database) -> None:
        batch = SubmitAll((a_job(depends_on=("nobody",)), a_job(), a_job()), (1, 2, 0))
        with pytest.raises(InvalidInput) as raised:
            await database.write(batch)
        assert raised.value.fields.keys() == {"jobs.0.options.dependsOn.0"}

    async def test_whatever_the_reason(self, database: Database) -> None:
        bad = await ended(database, await submitted(database), "failed")
        refused: list[tuple[Submit, type[Exception]]] = [
            (a_job(depends_on=(bad.id,)), DependencyFailed),
            (a_job(generation_id="nobodys", adds=True), NotFound),
        ]
        for submit, error in refused:
            with pytest.raises(error) as raised:
                await database.write(in_order(a_job(), submit))
            assert str(raised.value).startswith("jobs.1: ")
        assert await count(database) == 1

    async def test_neighbours_in_the_same_commit_are_untouched(self, record: Record, database: Database) -> None:
        async with record.busy(database):
            changes: list[Write[Any]] = [
                a_job(),
                in_order(a_job(), a_job(depends_on=("nobody",))),
                a_job(),
            ]
            writes = await begun(*(database.write(change) for change in changes))
        answers = await asyncio.gather(*writes, return_exceptions=True)
        assert [isinstance(answer, InvalidInput) for answer in answers] == [False, True, False]
        assert await count(database) == await count(database, "job_events") == 2


class TestLimit:
    async def test_it_counts_for_all_of_them_together(self, database: Database) -> None:
        await submitted(database)
        three = [a_job(live_limit=3) for _ in range(3)]
        with pytest.raises(TooManyJobs, match=r"^1 of your jobs .* the most is 3"):
            await database.write(in_order(*three))
        assert await count(database) == 1
        assert len(await database.write(in_order(*three[:2]))) == 2
        with pytest.raises(TooManyJobs):
            await database.write(in_order(three[2]))

    async def test_those_that_have_ended_do_not_count(self, database: Database) -> None:
        for _ in range(3):
            await ended(database, await submitted(database))
        assert len(await database.write(in_order(*(a_job(live_limit=3) for _ in range(3))))) == 3


class TestOnce:
    async def test_the_same_key_finds_the_same_jobs_in_the_same_order(self, database: Database) -> None:
        batch = in_order(a_job(), a_job(delay_ms=1000), a_job())
        first = await submit_once(database, batch)
        again = await submit_once(database, in_order(a_job(), a_job(), a_job()))
        assert [one.replayed for one in (*first, *again)] == [False] * 3 + [True] * 3
        assert [one.job for one in again] == [one.job for one in first]
        assert [one.job_id for one in first] == [submit.job_id for submit in batch.submits]
        assert await count(database) == 3

    async def test_statuses_are_the_first_answers_and_jobs_as_they_are_now(self, database: Database) -> None:
        parent = new_id()
        first = await submit_once(database, in_order(a_job(parent), a_job(depends_on=(parent,))))
        await database.write(Cancel(parent, OWNER))
        again = await submit_once(database, in_order(a_job(), a_job()))
        assert [one.status for one in again] == [one.status for one in first] == ["waiting", "blocked"]
        assert [job_of(one).status for one in again] == ["cancelled", "failed"]

    async def test_many_at_once_from_several_processes_make_one_batch(self, record: Record, database: Database) -> None:
        databases = [database, await record.open()]
        answers = await asyncio.gather(*(submit_once(databases[n % 2], in_order(a_job(), a_job())) for n in range(50)))
        assert len({tuple(one.job_id for one in answer) for answer in answers}) == 1
        assert await count(database) == 2

    async def test_the_key_with_another_batch_is_refused_and_changes_nothing(self, database: Database) -> None:
        await submit_once(database, in_order(a_job(), a_job()))
        with pytest.raises(KeyReused):
            await submit_once(database, in_order(a_job()), ONCE._replace(fingerprint="fingerprint-2"))
        assert await count(database) == 2

    async def test_a_refused_batch_leaves_its_key_free(self, database: Database) -> None:
        with pytest.raises(InvalidInput):
            await submit_once(database, in_order(a_job(), a_job(depends_on=("nobody",))))
        assert await count(database, "idempotency") == 0
        assert [one.replayed for one in await submit_once(database, in_order(a_job()))] == [False]

    async def test_while_one_of_the_jobs_is_there_none_is_made_again(self, database: Database) -> None:
        first = await submit_once(database, in_order(a_job(generation_id="g"), a_job()))
        await gone(database, first[0].job_id)
        second = await submit_once(database, in_order(a_job(), a_job()))
        assert [(one.job_id, one.status, one.replayed) for one in second] == [
            (one.job_id, "waiting", True) for one in first
        ]
        assert [(one.job is None, one.generation_id) for one in second] == [(True, "g"), (False, None)]
        assert await count(database) == 1

    async def test_when_all_the_jobs_have_been_cleared_away_the_key_makes_others(self, database: Database) -> None:
        for one in await submit_once(database, in_order(a_job(), a_job())):
            await gone(database, one.job_id)
        second = await submit_once(database, in_order(a_job(), a_job()))
        assert [one.replayed for one in second] == [False, False]
        third = await submit_once(database, in_order(a_job(), a_job()))
        assert [one.job_id for one in third] == [one.job_id for one in second]

    async def test_a_batch_of_one_is_a_batch(self, database: Database) -> None:
        [only] = await submit_once(database, in_order(a_job()))
        [again] = await submit_once(database, in_order(a_job()))
        assert (again.job, again.replayed) == (only.job, True)
        [(jobs,)] = await database.read(Look("SELECT jobs FROM idempotency"))
        assert json.loads(jobs) == [[only.job_id, "waiting"]]
