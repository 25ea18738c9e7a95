"""Jobs that are worth nothing when they come too late: `ttl`, and what is shown of it."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.records.upkeep import Expire
from tests.server.service import ALICE, GOOD

if TYPE_CHECKING:
    from tests.server.service import Service


def within(ttl: float, **options: Any) -> dict[str, Any]:
    return {**GOOD, "options": {"ttl": ttl, **options}}


def _ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


async def _expire(service: Service) -> list[str]:
    """The jobs whose time is over, once there are any."""
    until = time.monotonic() + 5
    while not (expired := await service.state["database"].write(Expire())):
        assert time.monotonic() < until, "none expired in time"
        await asyncio.sleep(0.002)
    return [job.id for job in expired]


@pytest.mark.parametrize("ttl", [0.5, 1, 90, 30 * 86_400])
async def test_the_time_counts_from_when_it_was_to_start(service: Service, ttl: float) -> None:
    job = await service.job(await service.submit(body=within(ttl)))
    assert _ms(job["expiresAt"]) - _ms(job["createdAt"]) == ttl * 1000
    later = await service.job(await service.submit(body=within(ttl, delay=600)))
    assert _ms(later["expiresAt"]) - _ms(later["runAt"]) == ttl * 1000
    assert later["status"] == "delayed"


async def test_without_one_a_job_never_expires(service: Service) -> None:
    for body in (GOOD, {**GOOD, "options": {"ttl": None}}):
        assert (await service.job(await service.submit(body=body)))["expiresAt"] is None


async def test_a_job_that_comes_too_late_fails_and_says_why(service: Service) -> None:
    job_id = await service.submit(body=within(0.001))
    keeps = await service.submit(body=within(600))
    assert await _expire(service) == [job_id]
    job = await service.job(job_id)
    assert (job["status"], job["error"]["code"], job["error"]["retryable"]) == ("failed", "expired", False)
    assert job["finishedAt"] is not None
    assert job["attempt"] == 0
    last = (await service.get(f"/api/jobs/{job_id}/timeline"))["events"][-1]
    assert (last["type"], last["status"], last["error"]["code"]) == ("final", "failed", "expired")
    assert (await service.job(keeps))["status"] == "waiting"


async def test_a_job_that_has_started_in_time_may_take_its_time(service: Service) -> None:
    started = await service.submit(body=within(0.05))
    await service.claim()
    late = await service.submit(body=within(0.05))
    assert await _expire(service) == [late]
    assert (await service.job(started))["status"] == "active"


async def test_what_waited_for_it_fails_with_it(service: Service) -> None:
    parent = await service.submit(body=within(0.001))
    child = await service.submit(body={**GOOD, "options": {"dependsOn": [parent]}})
    await _expire(service)
    job = await service.job(child)
    assert (job["status"], job["error"]["code"]) == ("failed", "dependency_failed")


async def test_one_that_is_still_blocked_expires_too(service: Service) -> None:
    parent = await service.submit()
    child = await service.submit(body=within(0.001, dependsOn=[parent]))
    assert await _expire(service) == [child]
    assert (await service.job(child))["error"]["code"] == "expired"
    await service.run(parent)
    assert (await service.job(child))["status"] == "failed"


async def test_tried_again_it_has_its_time_again(service: Service) -> None:
    job_id = await service.submit(body=within(0.001))
    await _expire(service)
    before = await service.job(job_id)
    answer = await service.http.post(f"/api/jobs/{job_id}/retry", headers=ALICE)
    after = answer.json()
    assert (answer.status_code, after["status"], after["error"]) == (202, "waiting", None)
    assert _ms(after["expiresAt"]) - _ms(after["updatedAt"]) == 1
    assert _ms(after["expiresAt"]) > _ms(before["expiresAt"])
