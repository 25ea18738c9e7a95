"""Which job is next, and when: on a server that runs one job at a time, told by the record's own times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.flows.person import Person
from tests.flows.process import Server, hosting
from tests.flows.soundness import assert_sound

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with hosting(tmp_path_factory.mktemp("order"), job_max_concurrency=1) as host:
        yield host.start()
        assert_sound(host.data_dir)


@pytest.fixture
def alice(http: httpx.AsyncClient, server: Server) -> Person:
    return Person(http, server)


async def begun(alice: Person) -> list[dict[str, Any]]:
    """Their jobs in the order in which they began, all having ended."""
    await alice.all_end()
    return sorted(await alice.jobs("status=completed"), key=lambda job: job["startedAt"])


async def test_the_more_urgent_goes_first_and_the_older_of_two_alike(alice: Person) -> None:
    in_the_way = await alice.walk(1000, 0.02)
    # Nobody without an account passes others: what asks for more than normal is normal.
    wishes = ["low", "normal", -3, "critical", -10, 0, "high", 10, "low"]
    ids = [await alice.walk(1, 0.01, options={"priority": wish}) for wish in wishes]
    assert [job["priority"] for job in await alice.each(ids)] == [-5, 0, -3, 0, -10, 0, 0, 0, -5]
    await alice.act(in_the_way, "cancel", 202)
    assert [ids.index(job["jobId"]) for job in await begun(alice)] == [1, 3, 5, 6, 7, 2, 0, 8, 4]


async def test_what_is_put_off_begins_when_it_is_due_and_not_before(alice: Person) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.9)
    delayed = await alice.walk(1, 0, options={"delay": 0.5})
    at_a_time = await alice.walk(1, 0, options={"runAt": soon.isoformat()})
    in_the_past = await alice.walk(1, 0, options={"runAt": "2020-01-01T00:00:00Z"})
    jobs = await alice.each([delayed, at_a_time])
    for job in jobs:
        told = await alice.told(job["jobId"])
        assert [event["status"] for event in told if "state" not in event] == [
            "delayed", "waiting", "active", "completed",
        ]  # fmt: skip
    first, second, third = await begun(alice)
    assert [first["jobId"], second["jobId"], third["jobId"]] == [in_the_past, delayed, at_a_time]
    assert _ms(second["startedAt"]) - _ms(second["createdAt"]) >= 500
    assert _ms(third["startedAt"]) >= round(soon.timestamp() * 1000)
    assert (await alice.timeline(in_the_past))[0]["status"] == "waiting"


async def test_what_is_put_off_lets_others_pass(alice: Person) -> None:
    delayed = await alice.walk(1, 0, options={"delay": 0.3})
    now = await alice.walk(1, 0)
    assert [job["jobId"] for job in await begun(alice)] == [now, delayed]


async def test_each_queue_has_slots_of_its_own(alice: Person) -> None:
    in_the_way = await alice.walk(1000, 0.02)
    other = await alice.submit("noop")
    assert (await alice.told(other))[-1]["status"] == "completed"
    assert (await alice.job(in_the_way))["status"] == "active"
    await alice.act(in_the_way, "cancel", 202)
    await alice.all_end()


def _ms(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)
