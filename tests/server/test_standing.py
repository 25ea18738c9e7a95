"""Where a job stands: its place in the queue, and when it may be expected, as far as history tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Statement, Write
from tests.server.listener import following
from tests.server.service import ALICE, BOB, GOOD, served

if TYPE_CHECKING:
    from snapasset.database import Steps
    from tests.server.service import Service


@dataclass(frozen=True, slots=True)
class Began(Write[None]):
    """Say that a job began so many seconds before it ended, or before now while it runs."""

    job_id: str
    seconds: float

    def steps(self) -> Steps[None]:
        yield Statement(
            "UPDATE jobs SET started_at = coalesce(finished_at, now_ms()) - $2 WHERE id = $1",
            (self.job_id, round(self.seconds * 1000)),
        )


async def _history(service: Service, *seconds: float) -> None:
    """Jobs that have completed, each after so many seconds."""
    for took in seconds:
        job_id = await service.submit()
        await service.run(job_id)
        await service.state["database"].write(Began(job_id, took))


async def _standing(service: Service, job_id: str) -> tuple[Any, Any]:
    job = await service.job(job_id)
    return job["queuePosition"], job["eta"]


def _in(starts: int, finishes: int, of: int) -> dict[str, int]:
    return {"startsIn": starts, "finishesIn": finishes, "sampleSize": of}


async def test_whoever_waits_has_a_place_and_whoever_is_urgent_is_before(service: Service) -> None:
    first, second = await service.submit(), await service.submit(who=BOB)
    later = await service.submit(body={**GOOD, "options": {"priority": "low"}})
    third = await service.submit()
    places = [(await service.job(first))["queuePosition"], (await service.job(second, BOB))["queuePosition"]]
    places += [(await service.job(job_id))["queuePosition"] for job_id in (third, later)]
    assert places == [1, 2, 3, 4]
    assert (await service.claim()).id == first
    places = [(await service.job(job_id))["queuePosition"] for job_id in (first, third, later)]
    assert places == [None, 2, 3]


async def test_other_queues_are_not_counted(service: Service) -> None:
    await service.submit("walk", {})
    assert await _standing(service, await service.submit()) == (1, None)


async def test_only_who_waits_or_runs_stands_anywhere(service: Service) -> None:
    await _history(service, 10)
    parent = await service.submit()
    blocked = await service.submit(body={**GOOD, "options": {"dependsOn": [parent]}})
    delayed = await service.submit(body={**GOOD, "options": {"delay": 60}})
    cancelled = await service.submit()
    await service.http.delete(f"/api/jobs/{cancelled}", headers=ALICE)
    for job_id in (blocked, delayed, cancelled):
        assert await _standing(service, job_id) == (None, None)


async def test_without_a_history_nothing_is_promised(service: Service) -> None:
    job_id = await service.submit()
    walked = await service.submit("walk", {})
    await service.complete(await service.claim("walk"))
    assert (await service.job(walked))["status"] == "completed"
    failed = await service.submit()
    assert await _standing(service, job_id) == (1, None)
    await service.claim()
    assert await _standing(service, job_id) == (None, None)
    await service.fail(await service.claim())
    assert (await service.job(failed))["status"] == "failed"
    assert await _standing(service, job_id) == (None, None)


async def test_who_waits_is_told_by_the_mean_of_those_before(service: Service) -> None:
    await _history(service, 8, 12)
    first, second, third = [await service.submit() for _ in range(3)]
    assert await _standing(service, first) == (1, _in(0, 10, 2))
    assert await _standing(service, third) == (3, _in(20, 30, 2))
    await service.claim()
    assert await _standing(service, second) == (1, _in(5, 15, 2))
    await service.claim()  # two at once now
    assert await _standing(service, third) == (1, _in(5, 15, 2))


async def test_who_runs_is_told_what_is_left(service: Service) -> None:
    await _history(service, 100)
    job_id = await service.submit()
    await service.claim()
    await service.state["database"].write(Began(job_id, 30.3))
    position, eta = await _standing(service, job_id)
    assert (position, eta["startsIn"], eta["sampleSize"]) == (None, 0, 1)
    assert 60 <= eta["finishesIn"] <= 70
    await service.state["database"].write(Began(job_id, 300))
    assert await _standing(service, job_id) == (None, _in(0, 0, 1))


async def test_what_is_expected_does_not_change_the_etag_alone(service: Service) -> None:
    await _history(service, 100)
    job_id = await service.submit()
    await service.claim()
    first = await service.http.get(f"/api/jobs/{job_id}", headers=ALICE)
    await _history(service, 40)
    again = await service.http.get(f"/api/jobs/{job_id}", headers=ALICE)
    assert (first.json()["eta"]["sampleSize"], again.json()["eta"]["sampleSize"]) == (1, 2)
    assert again.headers["etag"] == first.headers["etag"]
    condition = {**ALICE, "if-none-match": first.headers["etag"]}
    assert (await service.http.get(f"/api/jobs/{job_id}", headers=condition)).status_code == 304


async def test_another_place_in_the_queue_does(service: Service) -> None:
    first, second = await service.submit(), await service.submit()
    before = await service.http.get(f"/api/jobs/{second}", headers=ALICE)
    await service.http.delete(f"/api/jobs/{first}", headers=ALICE)
    condition = {**ALICE, "if-none-match": before.headers["etag"]}
    after = await service.http.get(f"/api/jobs/{second}", headers=condition)
    assert (after.status_code, after.json()["queuePosition"]) == (200, 1)


@pytest.mark.parametrize("claimed", [False, True])
async def test_a_fresh_reader_of_the_stream_is_told_too(service: Service, claimed: bool) -> None:
    await _history(service, 50, 70)
    job_id = await service.submit()
    if claimed:
        await service.claim()
    async with served(service) as port, following(port, job_id) as stream:
        connected = (await stream.next()).data
    expected = (None, 0, 60) if claimed else (1, 0, 60)
    eta = connected["eta"]
    assert (connected["queuePosition"], eta["startsIn"], eta["sampleSize"]) == (*expected[:2], 2)
    assert 50 <= eta["finishesIn"] <= 60


async def test_lists_do_not_tell_it(service: Service) -> None:
    await service.submit()
    (job,) = (await service.get("/api/jobs"))["jobs"]
    assert not {"queuePosition", "eta"} & set(job)
