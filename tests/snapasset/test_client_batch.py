"""Several jobs through the one door: all or none, by the names that they give each other."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.client import JobClient, SubmitOptions, Wanted
from snapasset.errors import DependencyFailed, InvalidInput, KeyReused, TooManyJobs, UnknownKind
from snapasset.job import Priority
from snapasset.job_type import Access, Catalogue, JobType, Wire
from snapasset.records.idempotency import Once, Submitted
from snapasset.records.jobs import FindJobs
from snapasset.settings import Settings
from snapasset.switch import Switch
from tests.contracts.record_jobs import OWNER, STRANGER, job_of, stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from snapasset.database import Database
    from tests.contracts.record_backends import Clock


class Wish(Wire):
    prompt: str = "a hill"


async def run(*_args: Any) -> Wish:
    return Wish()


CATALOGUE = Catalogue(
    [
        JobType("draw", "pictures", Wish, Wish, run, attempts=3, generation="new"),
        JobType("clean", "chores", Wish, Wish, run, attempts=2),
    ]
)
SETTINGS = Settings(live_jobs_per_owner=5, ring_seconds=0.05)
ONCE = Once("key-1", "fingerprint-1")


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    opened = Switch(CATALOGUE.queues, SETTINGS, ring_timeout=60)
    await opened.open("record-1")
    yield opened
    await opened.close()


@pytest.fixture
def client(database: Database, switch: Switch) -> JobClient:
    return JobClient(database, switch, CATALOGUE, SETTINGS)


def wanted(kind: str = "draw", prompt: str = "a hill", ref: str | None = None, **options: Any) -> Wanted:
    return Wanted(kind, Wish(prompt=prompt), SubmitOptions(**options), ref)


async def submit(
    client: JobClient, *several: Wanted, access: Access = Access.SESSION, once: Once | None = None
) -> list[Submitted]:
    return await client.submit_all(several, owner=OWNER, access=access, once=once)


async def test_they_are_answered_in_the_order_given_and_are_in_the_record(
    client: JobClient, database: Database
) -> None:
    answers = await submit(client, wanted(prompt="a"), wanted("clean", "b"), wanted(prompt="c", delay=1))
    assert [json.loads(job_of(one).data)["prompt"] for one in answers] == ["a", "b", "c"]
    assert [
        (job_of(one).kind, job_of(one).queue, job_of(one).attempts, one.status, one.replayed) for one in answers
    ] == [
        ("draw", "pictures", 3, "waiting", False),
        ("clean", "chores", 2, "waiting", False),
        ("draw", "pictures", 3, "delayed", False),
    ]
    for one in answers:
        assert one.job == await stored(database, one.job_id)
    generations = [job_of(one).generation_id for one in answers]
    assert generations[1] is None
    assert len({generations[0], generations[2], None}) == 3


async def test_they_may_name_each_other_in_any_order_and_jobs_that_are_there(client: JobClient) -> None:
    [there] = await submit(client, wanted())
    last, middle, first = await submit(
        client,
        wanted(ref="last", depends_on=("middle", "first")),
        wanted(ref="middle", depends_on=("first", there.job_id)),
        wanted(ref="first"),
    )
    assert json.loads(job_of(last).depends_on or "") == [middle.job_id, first.job_id]
    assert json.loads(job_of(middle).depends_on or "") == [first.job_id, there.job_id]
    assert [one.status for one in (last, middle, first)] == ["blocked", "blocked", "waiting"]


async def test_only_those_that_may_run_are_rung_for(client: JobClient, switch: Switch) -> None:
    await submit(client, wanted(ref="a"), wanted(depends_on=("a",)), wanted(delay=1), wanted("clean"))
    assert [await switch.waiting_rings(queue) for queue in ("pictures", "chores")] == [1, 1]


@pytest.mark.parametrize(
    ("several", "error", "fields"),
    [
        ([wanted(ref="a"), wanted(ref="a")], InvalidInput, {"jobs.1.ref"}),
        (
            [wanted(), wanted(ref="a", depends_on=("b",)), wanted(ref="b", depends_on=("a",))],
            InvalidInput,
            {"jobs.1.options.dependsOn", "jobs.2.options.dependsOn"},
        ),
        ([wanted(ref="a", depends_on=("a",))], InvalidInput, {"jobs.0.options.dependsOn"}),
        ([wanted(ref="a"), wanted(depends_on=("a", "nobody"))], InvalidInput, {"jobs.1.options.dependsOn.1"}),
        ([wanted(), wanted("paint")], UnknownKind, None),
        ([wanted()] * 6, TooManyJobs, None),
    ],
)
async def test_one_that_is_refused_takes_all_with_it(
    client: JobClient, switch: Switch, several: list[Wanted], error: type[Exception], fields: set[str] | None
) -> None:
    with pytest.raises(error) as raised:
        await submit(client, *several)
    if isinstance(raised.value, InvalidInput):
        assert raised.value.fields.keys() == fields
    assert await client.find(FindJobs(OWNER)) == []
    assert await switch.waiting_rings("pictures") == 0


async def test_a_parent_that_ended_badly_refuses_them(client: JobClient) -> None:
    [there] = await submit(client, wanted())
    await client.cancel(there.job_id, owner=OWNER)
    with pytest.raises(DependencyFailed, match=there.job_id):
        await submit(client, wanted(), wanted(depends_on=(there.job_id,)))
    assert len(await client.find(FindJobs(OWNER))) == 1


async def test_a_strangers_job_is_no_parent(client: JobClient) -> None:
    [theirs] = await client.submit_all([wanted()], owner=STRANGER, access=Access.SESSION)
    with pytest.raises(InvalidInput) as raised:
        await submit(client, wanted(depends_on=(theirs.job_id,)))
    assert raised.value.fields.keys() == {"jobs.0.options.dependsOn.0"}


async def test_each_is_clamped_as_if_it_came_alone(client: JobClient, clock: Clock) -> None:
    [urgent, often, mortal] = await submit(client, wanted(priority=10), wanted(attempts=99), wanted(ttl=1.5))
    assert (job_of(urgent).priority, job_of(often).attempts, job_of(mortal).expires_at) == (
        Priority.NORMAL,
        3,
        clock.now + 1500,
    )
    assert len(await submit(client, *[wanted()] * 6, access=Access.ADMIN)) == 6


class TestOnce:
    async def test_a_key_that_comes_again_finds_the_same_jobs(self, client: JobClient) -> None:
        several = [wanted(ref="a", depends_on=("b",)), wanted(ref="b")]
        first = await submit(client, *several, once=ONCE)
        await client.cancel(first[1].job_id, owner=OWNER)
        again = await submit(client, *several, once=ONCE)
        assert [one.job_id for one in again] == [one.job_id for one in first]
        assert [(one.status, job_of(one).status, one.replayed) for one in again] == [
            ("blocked", "failed", True),
            ("waiting", "cancelled", True),
        ]
        assert len(await client.find(FindJobs(OWNER))) == 2

    async def test_fifty_at_once_make_one_batch(self, client: JobClient) -> None:
        answers = await asyncio.gather(*(submit(client, wanted(), wanted(), once=ONCE) for _ in range(50)))
        assert len({tuple(one.job_id for one in answer) for answer in answers}) == 1
        assert len(await client.find(FindJobs(OWNER))) == 2

    async def test_with_another_request_it_is_refused(self, client: JobClient) -> None:
        await submit(client, wanted(), once=ONCE)
        with pytest.raises(KeyReused):
            await submit(client, wanted(), wanted(), once=ONCE._replace(fingerprint="another"))
