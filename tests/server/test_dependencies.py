"""Jobs that wait for others, over HTTP: refused when that can never end well, shown while they wait, let go in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snapasset.job import new_id
from tests.server.service import ALICE, BOB, GOOD

if TYPE_CHECKING:
    import httpx

    from tests.server.service import Service


def after(*parents: str, **options: Any) -> dict[str, Any]:
    return {**GOOD, "options": {"dependsOn": list(parents), **options}}


async def _ask(service: Service, *parents: str) -> httpx.Response:
    return await service.http.post("/api/jobs/image-generation", json=after(*parents), headers=ALICE)


def _complaints(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["field"] for error in answer.json()["errors"]]


async def _all(service: Service) -> int:
    return len((await service.get("/api/jobs"))["jobs"])


async def test_a_job_that_waits_for_others_is_blocked_and_says_for_whom(service: Service) -> None:
    parents = [await service.submit(), await service.submit()]
    answer = await _ask(service, *parents)
    assert (answer.status_code, answer.json()["status"]) == (202, "blocked")
    job = await service.job(answer.json()["jobId"])
    assert (job["status"], job["dependsOn"]) == ("blocked", parents)
    assert (job["queuePosition"], job["eta"]) == (None, None)
    (listed,) = (await service.get("/api/jobs?status=blocked"))["jobs"]
    assert (listed["jobId"], listed["dependsOn"]) == (job["jobId"], parents)


async def test_it_may_run_once_the_last_of_them_has_completed(service: Service) -> None:
    parents = [await service.submit(), await service.submit()]
    child = await service.submit(body=after(*parents))
    await service.run(parents[0])
    assert (await service.job(child))["status"] == "blocked"
    await service.run(parents[1])
    job = await service.job(child)
    assert (job["status"], job["dependsOn"], job["queuePosition"]) == ("waiting", parents, 1)
    await service.run(child)
    assert (await service.job(child))["status"] == "completed"


async def test_a_parent_that_has_completed_holds_nothing_up(service: Service) -> None:
    parent = await service.submit()
    await service.run(parent)
    child = await service.job(await service.submit(body=after(parent)))
    assert (child["status"], child["dependsOn"]) == ("waiting", [parent])


async def test_one_that_is_put_off_as_well_waits_for_its_time_too(service: Service) -> None:
    parent = await service.submit()
    child = await service.submit(body=after(parent, delay=3_600))
    assert (await service.job(child))["status"] == "blocked"
    await service.run(parent)
    assert (await service.job(child))["status"] == "delayed"


@pytest.mark.parametrize("ending", ["fail", "cancel"])
async def test_when_a_parent_ends_badly_all_below_it_fail_and_say_so(service: Service, ending: str) -> None:
    parent = await service.submit()
    child = await service.submit(body=after(parent))
    grandchild = await service.submit(body=after(child))
    if ending == "fail":
        await service.fail(await service.claim())
    else:
        await service.http.delete(f"/api/jobs/{parent}", headers=ALICE)
    for job_id in (child, grandchild):
        job = await service.job(job_id)
        assert (job["status"], job["error"]["code"], job["error"]["retryable"]) == (
            "failed",
            "dependency_failed",
            False,
        )
        last = (await service.get(f"/api/jobs/{job_id}/timeline"))["events"][-1]
        assert (last["type"], last["status"], last["error"]["code"]) == ("final", "failed", "dependency_failed")


async def test_a_parent_that_has_ended_badly_already_refuses_the_job(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    failed, cancelled = await service.submit(), await service.submit()
    await service.fail(await service.claim())
    await service.http.delete(f"/api/jobs/{cancelled}", headers=ALICE)
    for parent, word in ((failed, "failed"), (cancelled, "cancelled")):
        answer = await _ask(service, parent)
        assert (answer.status_code, answer.json()["code"]) == (409, "dependency_failed")
        assert parent in answer.json()["detail"]
        assert word in answer.json()["detail"]
    assert await _all(service) == 2
    assert not caplog.records  # it is the caller's matter, not ours


async def test_a_strangers_job_is_named_like_a_missing_one(service: Service) -> None:
    mine, theirs = await service.submit(), await service.submit(who=BOB)
    answers = [await _ask(service, mine, parent) for parent in (theirs, new_id())]
    assert [_complaints(answer) for answer in answers] == [["options.dependsOn.1"]] * 2
    assert answers[0].json()["errors"] == answers[1].json()["errors"]
    assert await _all(service) == 1


async def test_every_missing_parent_is_named(service: Service) -> None:
    mine = await service.submit()
    assert _complaints(await _ask(service, new_id(), mine, "no-id-at-all")) == [
        "options.dependsOn.0",
        "options.dependsOn.2",
    ]


async def test_twenty_parents_are_taken_and_one_more_is_not(service: Service) -> None:
    parents = [await service.submit() for _ in range(21)]
    assert _complaints(await _ask(service, *parents)) == ["options.dependsOn"]
    answer = await _ask(service, *parents[:20])
    assert (answer.status_code, answer.json()["status"]) == (202, "blocked")


async def test_a_parent_named_twice_is_refused(service: Service) -> None:
    parent = await service.submit()
    assert _complaints(await _ask(service, parent, parent)) == ["options.dependsOn"]


async def test_no_circle_can_be_built(service: Service) -> None:
    # A job can name only what was there before it, and nothing changes what it names: that is refused here.
    first = await service.submit()
    second = await service.submit(body=after(first))
    for path in (f"/api/jobs/{first}", f"/api/jobs/{first}/retry"):
        for method in ("PUT", "PATCH", "POST"):
            await service.http.request(method, path, json={"options": {"dependsOn": [second]}}, headers=ALICE)
    assert (await service.job(first))["dependsOn"] == []
    await service.run(first)
    await service.run(second)
    assert [(await service.job(job_id))["status"] for job_id in (first, second)] == ["completed"] * 2


async def _family(service: Service) -> list[str]:
    """A failed parent, a child, a grandchild, and the child of another failed parent as well; with that parent last."""
    parent, other = await service.submit(), await service.submit()
    child = await service.submit(body=after(parent))
    grandchild = await service.submit(body=after(child))
    of_both = await service.submit(body=after(parent, other))
    for _ in range(2):
        await service.fail(await service.claim())
    return [parent, child, grandchild, of_both, other]


async def _retry(service: Service, job_id: str, query: str = "") -> httpx.Response:
    return await service.http.post(f"/api/jobs/{job_id}/retry{query}", headers=ALICE)


async def _statuses(service: Service, jobs: list[str]) -> list[str]:
    return [(await service.job(job_id))["status"] for job_id in jobs]


@pytest.mark.parametrize("query", ["", "?cascade=false"])
async def test_a_retry_leaves_what_waited_for_it_as_it_is(service: Service, query: str) -> None:
    family = await _family(service)
    assert (await _retry(service, family[0], query)).status_code == 202
    assert await _statuses(service, family) == ["waiting", "failed", "failed", "failed", "failed"]


async def test_with_cascade_all_that_failed_because_of_it_waits_for_it_again(service: Service) -> None:
    family = await _family(service)
    answer = await _retry(service, family[0], "?cascade=true")
    assert (answer.status_code, answer.json()["jobId"], answer.json()["run"]) == (202, family[0], 2)
    # What has another parent that failed goes on being failed, until that one is tried again.
    assert await _statuses(service, family) == ["waiting", "blocked", "blocked", "failed", "failed"]
    await _retry(service, family[4], "?cascade=true")
    assert await _statuses(service, family) == ["waiting", "blocked", "blocked", "blocked", "waiting"]
    for job_id in (family[0], family[4], family[1], family[3], family[2]):
        await service.complete(await service.claim())
        assert (await service.job(job_id))["status"] == "completed"


async def test_a_child_cannot_be_tried_again_before_its_parent(service: Service) -> None:
    family = await _family(service)
    answer = await _retry(service, family[1])
    assert (answer.status_code, answer.json()["code"]) == (409, "dependency_failed")
    await _retry(service, family[0])
    assert (await _retry(service, family[1])).json()["status"] == "blocked"


@pytest.mark.parametrize("query", ["cascade=1", "cascade=", "cascade=TRUE", "cascade=yes"])
async def test_a_cascade_is_true_or_false(service: Service, query: str) -> None:
    family = await _family(service)
    assert _complaints(await _retry(service, family[0], f"?{query}")) == ["cascade"]
    assert await _statuses(service, family) == ["failed"] * 5
