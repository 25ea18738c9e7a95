"""GET /api/jobs/stats/overview: counted right, of the caller's jobs only, of everybody's for an admin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snapasset.database import Statement, Write
from tests.server.service import ADMIN, ALICE, BOB, GOOD

if TYPE_CHECKING:
    from snapasset.database import Steps
    from tests.server.service import Service

NONE = dict.fromkeys(("waiting", "delayed", "blocked", "active", "completed", "failed", "cancelled"), 0)
QUIET: dict[str, Any] = {
    "completed": 0, "failed": 0, "cancelled": 0, "retried": 0, "successRate": None, "meanSeconds": None,
    "p95Seconds": None, "perHour": 0, "errors": {},
}  # fmt: skip
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Ended(Write[None]):
    """Say that a job ran for so many ms, and ended so many ms ago."""

    job_id: str
    took: int
    ago: int = 0

    def steps(self) -> Steps[None]:
        yield Statement(
            "UPDATE jobs SET started_at = now_ms() - $2 - $3, finished_at = now_ms() - $3 WHERE id = $1",
            (self.job_id, self.took, self.ago),
        )


async def overview(service: Service, who: dict[str, str] = ALICE) -> Any:
    return await service.get("/api/jobs/stats/overview", who)


async def _completed(service: Service, took: int, ago: int = 0, who: dict[str, str] = ALICE) -> None:
    job_id = await service.submit(who=who)
    await service.run(job_id)
    await service.state["database"].write(Ended(job_id, took, ago))


async def test_without_jobs_all_is_nought(service: Service) -> None:
    await service.submit()
    for who in ({}, BOB):
        nothing = {"scope": "own", "total": 0, "byStatus": NONE, "byKind": {}, "lastDay": QUIET}
        assert await overview(service, who) == nothing


async def test_jobs_are_counted_by_status_and_kind(service: Service) -> None:
    await service.submit()
    await service.claim()
    parent = await service.submit()
    await service.submit(body={**GOOD, "options": {"dependsOn": [parent]}})
    await service.submit("walk", {"options": {"delay": 60}})
    await service.submit("walk", {})
    await service.complete(await service.claim("walk"))
    cancelled = await service.submit("noop", {})
    await service.http.delete(f"/api/jobs/{cancelled}", headers=ALICE)
    found = await overview(service)
    assert (found["scope"], found["total"]) == ("own", 6)
    assert found["byKind"] == {
        "image-generation": {**NONE, "active": 1, "waiting": 1, "blocked": 1},
        "noop": {**NONE, "cancelled": 1},
        "walk": {**NONE, "delayed": 1, "completed": 1},
    }
    assert found["byStatus"] == {**NONE, "active": 1, "waiting": 1, "blocked": 1, "delayed": 1, "completed": 1,
                                 "cancelled": 1}  # fmt: skip


async def test_how_the_last_day_went(service: Service) -> None:
    for took in range(1, 21):
        await _completed(service, took * 1000)
    for _ in range(2):
        await service.submit()
        await service.fail(await service.claim())
    parent = await service.submit()
    await service.submit(body={**GOOD, "options": {"dependsOn": [parent]}})
    await service.http.delete(f"/api/jobs/{parent}", headers=ALICE)
    assert (await overview(service))["lastDay"] == {
        "completed": 20,
        "failed": 3,
        "cancelled": 1,
        "retried": 0,
        "successRate": 0.8696,
        "meanSeconds": 10.5,
        "p95Seconds": 19.0,
        "perHour": 1.0,
        "errors": {"provider_timeout": 2, "dependency_failed": 1},
    }


async def test_what_ended_longer_ago_is_counted_among_all_but_not_in_the_day(service: Service) -> None:
    await _completed(service, 2_000, ago=DAY_MS - 60_000)
    await _completed(service, 90_000, ago=DAY_MS + 1)
    found = await overview(service)
    assert (found["byStatus"]["completed"], found["lastDay"]["completed"]) == (2, 1)
    assert (found["lastDay"]["meanSeconds"], found["lastDay"]["p95Seconds"]) == (2.0, 2.0)


async def test_a_second_run_and_a_second_attempt_count_as_tried_again(service: Service) -> None:
    job_id = await service.submit()
    await service.fail(await service.claim())
    await service.http.post(f"/api/jobs/{job_id}/retry", headers=ALICE)
    await service.complete(await service.claim())
    await service.run(await service.submit())
    day = (await overview(service))["lastDay"]
    assert (day["completed"], day["failed"], day["retried"], day["errors"]) == (2, 0, 1, {})


async def test_an_admin_sees_everybodys_and_nobody_else_does(service: Service) -> None:
    await _completed(service, 3_000, who=BOB)
    await service.submit()
    await service.submit(who=ADMIN)
    everybodys = await overview(service, ADMIN)
    assert (everybodys["scope"], everybodys["total"], everybodys["lastDay"]["completed"]) == ("all", 3, 1)
    mine, theirs = await overview(service), await overview(service, BOB)
    assert (mine["scope"], mine["total"], mine["lastDay"]) == ("own", 1, QUIET)
    assert (theirs["scope"], theirs["total"], theirs["byStatus"]) == ("own", 1, {**NONE, "completed": 1})


async def test_it_is_never_kept(service: Service) -> None:
    answer = await service.http.get("/api/jobs/stats/overview", headers=ALICE)
    assert answer.headers["cache-control"] == "no-store"
