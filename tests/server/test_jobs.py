"""Jobs over HTTP, told through their answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import ProviderTimeout
from snapasset.records.endings import Fail
from tests.server.service import ALICE, BOB, GOOD, addressed, opened, settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.service import Service


async def get(service: Service, path: str, **parameters: Any) -> Any:
    answer = await service.http.get(path, headers=ALICE, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_submitted_job_is_answered_with_its_addresses(service: Service) -> None:
    answer = await service.http.post("/api/jobs/image-generation", json=GOOD, headers=ALICE)
    body = answer.json()
    at = f"/api/jobs/{body['jobId']}"
    assert (answer.status_code, answer.headers["location"]) == (202, at)
    assert body == {
        "jobId": body["jobId"],
        "generationId": body["generationId"],
        "status": "waiting",
        "streamToken": body["streamToken"],
        "estimatedCost": None,
        "links": {
            "self": at,
            "events": f"{at}/events",
            "timeline": f"{at}/timeline",
            "cancel": f"{at}/cancel",
            "retry": f"{at}/retry",
        },
    }
    assert (await get(service, at))["links"] == body["links"]


async def test_a_kind_without_generations_gives_no_generation_id(service: Service) -> None:
    answer = await service.http.post("/api/jobs/noop", json={}, headers=ALICE)
    assert answer.status_code == 202
    assert "generationId" not in answer.json()


async def test_a_job_as_it_is_shown(service: Service) -> None:
    job_id = await service.submit()
    job = await get(service, f"/api/jobs/{job_id}")
    assert set(job) == {
        "jobId", "kind", "queue", "status", "cancelRequested", "priority", "run", "attempt", "attempts", "seq", "step",
        "progress", "data", "result", "error", "generationId", "createdAt", "startedAt", "finishedAt", "runAt",
        "updatedAt", "links", "dependsOn", "expiresAt", "queuePosition", "eta",
        "estimatedCost", "cost",
    }  # fmt: skip
    unsaid = {"imageType": "vivid", "fit": "cover", "focalPoint": None, "background": None, "seed": 0, "reuse": False}
    assert job["data"] == {**GOOD, **unsaid}
    assert (job["dependsOn"], job["expiresAt"]) == ([], None)
    assert (job["status"], job["seq"], job["run"], job["attempt"], job["attempts"]) == ("waiting", 1, 1, 0, 3)
    assert [job[name] for name in ("result", "error", "startedAt", "finishedAt", "runAt", "step")] == [None] * 6
    assert job["cancelRequested"] is False

    await service.run(job_id, {"images": [{"fileId": "0-1"}]})
    job = await get(service, f"/api/jobs/{job_id}")
    assert (job["status"], job["progress"], job["seq"]) == ("completed", 100, 5)
    (image,) = job["result"].pop("images")
    assert (job["result"], set(image)) == ({}, {"fileId", "url", "urlExpiresAt"})
    assert addressed(image["url"]) == image["fileId"] == "0-1"
    assert job["startedAt"] <= job["finishedAt"]


async def test_a_failed_job_shows_its_error(service: Service) -> None:
    job_id = await service.submit()
    job = await service.claim()
    error = {"code": ProviderTimeout.code, "message": ProviderTimeout.sentence, "retryable": False}
    await service.state["database"].write(Fail(job.id, job.fence, error=error, retryable=False, delay_ms=0))
    job = await get(service, f"/api/jobs/{job_id}")
    assert (job["status"], job["error"]) == ("failed", error)


async def test_an_unchanged_job_is_not_sent_again(service: Service) -> None:
    job_id = await service.submit()
    first = await service.http.get(f"/api/jobs/{job_id}", headers=ALICE)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert etag.startswith('W/"')
    for condition in (etag, f'"x", {etag}', etag.removeprefix("W/"), "*"):
        again = await service.http.get(f"/api/jobs/{job_id}", headers={**ALICE, "if-none-match": condition})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    await service.claim()
    changed = await service.http.get(f"/api/jobs/{job_id}", headers={**ALICE, "if-none-match": f'{etag}, "x"'})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"priority": -10}, {"priority": -10}),
        ({"priority": "low"}, {"priority": -5}),
        ({"priority": "critical"}, {"priority": 0}),  # a session may ask for normal at most
        ({"priority": 7}, {"priority": 0}),
        ({"attempts": 1}, {"attempts": 1}),
        ({"attempts": 50}, {"attempts": 3}),  # the kind's own
        ({"delay": 0.0}, {"status": "waiting", "runAt": None}),
        ({"delay": 90}, {"status": "delayed"}),
        ({"runAt": "2020-01-01T00:00:00Z"}, {"status": "waiting"}),
        ({"runAt": "0001-01-01T00:00:00+14:00"}, {"status": "waiting"}),
        ({"runAt": None, "attempts": None}, {"status": "waiting", "attempts": 3}),
        ({}, {"priority": 0, "attempts": 3}),
    ],
)
async def test_options(service: Service, options: dict[str, Any], shown: dict[str, Any]) -> None:
    job_id = await service.submit(body={**GOOD, "options": options})
    job = await get(service, f"/api/jobs/{job_id}")
    assert {name: job[name] for name in shown} == shown
    assert "options" not in job["data"]
    assert (job["runAt"] is not None) == (job["status"] == "delayed")


async def test_a_time_to_run_is_kept_to_the_millisecond(service: Service) -> None:
    moment = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=123_000)
    job_id = await service.submit(body={**GOOD, "options": {"runAt": moment.isoformat()}})
    job = await get(service, f"/api/jobs/{job_id}")
    assert (job["status"], job["runAt"]) == (
        "delayed",
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


async def test_jobs_are_listed_newest_first_page_by_page(service: Service) -> None:
    made = [await service.submit() for _ in range(7)]
    await service.submit(who=BOB)
    found: list[str] = []
    cursor: dict[str, str] = {}
    for size in (3, 3, 1):
        page = await get(service, "/api/jobs", limit=3, **cursor)
        assert len(page["jobs"]) == size
        found += [job["jobId"] for job in page["jobs"]]
        cursor = {"cursor": page["nextCursor"]}
    assert found == made[::-1]
    assert cursor == {"cursor": None}
    exact = await get(service, "/api/jobs", limit=7)
    assert exact["nextCursor"] is None


async def test_jobs_made_meanwhile_do_not_move_the_pages(service: Service) -> None:
    made = [await service.submit() for _ in range(4)]
    first = await get(service, "/api/jobs", limit=2)
    await service.submit()
    second = await get(service, "/api/jobs", limit=2, cursor=first["nextCursor"])
    assert [job["jobId"] for job in (*first["jobs"], *second["jobs"])] == made[::-1]


async def test_jobs_are_filtered(service: Service) -> None:
    picture = await service.submit()
    noop = await service.submit("noop", {})
    ended = await service.submit("walk", {})
    await service.http.delete(f"/api/jobs/{ended}", headers=ALICE)
    at = (await get(service, f"/api/jobs/{noop}"))["createdAt"]

    async def found(query: str) -> set[str]:
        answer = await service.http.get(f"/api/jobs?{query}", headers=ALICE)
        return {job["jobId"] for job in answer.json()["jobs"]}

    everything = {picture, noop, ended}
    assert await found("status=cancelled") == {ended}
    assert await found("status=waiting,cancelled") == everything
    assert await found("status=waiting&status=cancelled") == everything
    assert await found("status=failed") == set()
    assert await found("kind=noop&kind=walk") == {noop, ended}
    assert await found("kind=noop,nothing&status=waiting") == {noop}
    assert noop in await found(f"createdAfter={at}&createdBefore={at}")
    assert await found("createdAfter=2100-01-01T00:00:00Z") == set()
    assert await found("createdBefore=2000-01-01T00:00:00%2B02:00") == set()
    assert await found("createdAfter=2000-01-01T00:00:00Z") == everything


async def test_a_timeline_tells_everything_in_order(service: Service) -> None:
    job_id = await service.submit()
    await service.run(job_id, {"master": {"fileId": "0-1"}})
    whole = await get(service, f"/api/jobs/{job_id}/timeline")
    assert (whole["jobId"], whole["nextAfter"]) == (job_id, None)
    assert [event["seq"] for event in whole["events"]] == [1, 2, 3, 4, 5]
    assert addressed(whole["events"][-1]["result"]["master"]["url"]) == "0-1"
    first = await get(service, f"/api/jobs/{job_id}/timeline", limit=2)
    assert ([event["seq"] for event in first["events"]], first["nextAfter"]) == ([1, 2], 2)
    rest = await get(service, f"/api/jobs/{job_id}/timeline", after=first["nextAfter"], limit=3)
    assert ([event["seq"] for event in rest["events"]], rest["nextAfter"]) == ([3, 4, 5], None)
    beyond = await get(service, f"/api/jobs/{job_id}/timeline", after=99)
    assert (beyond["events"], beyond["nextAfter"]) == ([], None)


@pytest.mark.parametrize(("method", "ending"), [("POST", "/cancel"), ("DELETE", "")])
async def test_cancelling_ends_a_waiting_job_and_asks_a_running_one(service: Service, method: str, ending: str) -> None:
    running = await service.submit()
    await service.claim()
    waiting = await service.submit()
    ended = await service.http.request(method, f"/api/jobs/{waiting}{ending}", headers=ALICE)
    assert (ended.status_code, ended.json()["status"]) == (200, "cancelled")
    for _ in range(2):
        asked = await service.http.request(method, f"/api/jobs/{running}{ending}", headers=ALICE)
        assert (asked.status_code, asked.json()["status"], asked.json()["cancelRequested"]) == (202, "active", True)


async def test_a_cancelled_job_runs_anew_and_a_waiting_one_cannot(service: Service) -> None:
    job_id = await service.submit()
    refused = await service.http.post(f"/api/jobs/{job_id}/retry", headers=ALICE)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    await service.http.post(f"/api/jobs/{job_id}/cancel", headers=ALICE)
    again = await service.http.post(f"/api/jobs/{job_id}/retry", headers=ALICE)
    assert (again.status_code, again.json()["status"], again.json()["run"]) == (202, "waiting", 2)


async def test_one_owner_cannot_have_jobs_without_end(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, live_jobs_per_owner=2)) as service:
        for _ in range(2):
            await service.submit()
        answer = await service.http.post("/api/jobs/image-generation", json=GOOD, headers=ALICE)
        assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (429, "too_many_jobs", True)
        assert answer.headers["retry-after"]
        await service.submit(who=BOB)


@pytest.mark.parametrize(("given", "told"), [(1, 600.0), (300, 600.0), (301, 601.0), (7_200, 7_500.0)])
async def test_an_attempt_lasts_for_as_long_as_the_provider_may_take(tmp_path: Path, given: int, told: float) -> None:
    async with opened(settings_for(tmp_path, openai_seconds=given)) as service:
        kinds = {kind["kind"]: kind for kind in (await service.get("/api/kinds"))["kinds"]}
        assert kinds["image-generation"]["timeoutSeconds"] == told


async def test_the_kinds_tell_what_they_take(service: Service) -> None:
    answer = await service.http.get("/api/kinds")
    kinds = {kind["kind"]: kind for kind in answer.json()["kinds"]}
    image = kinds["image-generation"]
    assert {name: image[name] for name in ("queue", "attempts", "timeoutSeconds", "access")} == {
        "queue": "image-generation", "attempts": 3, "timeoutSeconds": 600.0, "access": "session",
    }  # fmt: skip
    assert image["schema"]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(image["schema"]["required"]) == {"prompt", "platforms"}
    platforms = image["schema"]["properties"]["platforms"]
    assert platforms["items"]["enum"] == [platform["name"] for platform in platforms["x-platforms"]]
    shown = {"name", "network", "width", "height", "format", "zones"}
    assert all(set(one) == shown for one in platforms["x-platforms"])
    assert set(kinds["image-renditions"]["schema"]["required"]) == {"generationId", "platforms"}
    again = await service.http.get("/api/kinds", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
