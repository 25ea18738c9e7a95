"""POST /api/generations/{id}/renditions: more from a master that is there; a job like any other, and free."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.job import new_id
from tests.server.service import ALICE, BOB, wait_until

if TYPE_CHECKING:
    import httpx

    from tests.server.service import Service

MORE = {"platforms": ["open-graph", "instagram-story"]}


async def post(service: Service, generation_id: str, body: Any = MORE, who: dict[str, str] = ALICE) -> httpx.Response:
    path = f"/api/generations/{generation_id}/renditions"
    return await service.http.post(path, json=body, headers=who)


async def _jobs(service: Service, who: dict[str, str] = ALICE) -> list[Any]:
    return (await service.get("/api/jobs?kind=image-renditions", who))["jobs"]


async def test_it_is_answered_like_any_job_and_adds_to_the_generation(service: Service) -> None:
    made = await service.make("master")
    asked = {**MORE, "fit": "contain", "background": "#f4f1ea", "focalPoint": {"x": 0.25, "y": 1}}
    answer = await post(service, made.generation_id, asked)
    body = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/api/jobs/{body['jobId']}")
    assert set(body) == {"jobId", "generationId", "status", "streamToken", "estimatedCost", "links"}
    job = await service.job(body["jobId"])
    assert body["generationId"] == job["generationId"] == made.generation_id
    assert (job["kind"], job["queue"], job["status"]) == ("image-renditions", "image-renditions", "waiting")
    assert job["data"] == {**asked, "focalPoint": {"x": 0.25, "y": 1.0}, "generationId": made.generation_id}
    assert len((await service.get("/api/generations"))["generations"]) == 1


async def test_the_same_can_be_asked_by_its_kind(service: Service) -> None:
    made = await service.make("master")
    job_id = await service.submit("image-renditions", {**MORE, "generationId": made.generation_id})
    by_kind = await service.job(job_id)
    by_address = await service.job((await post(service, made.generation_id)).json()["jobId"])
    for name in ("kind", "queue", "data", "generationId", "attempts", "priority"):
        assert by_kind[name] == by_address[name]


async def test_a_strangers_generation_is_like_a_missing_one(service: Service) -> None:
    made = await service.make("master")
    for who in (BOB, {}):
        answers = [await post(service, generation_id, who=who) for generation_id in (made.generation_id, new_id())]
        for generation_id in (made.generation_id, new_id()):
            body = {**MORE, "generationId": generation_id}
            answers.append(await service.http.post("/api/jobs/image-renditions", json=body, headers=who))
        told = {
            (one.status_code, one.json()["code"], one.json()["detail"], "set-cookie" in one.headers) for one in answers
        }
        assert told == {(404, "not_found", answers[0].json()["detail"], False)}
    assert await _jobs(service) == await _jobs(service, BOB) == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"platforms"}),
        ({"platforms": []}, {"platforms"}),
        ({"platforms": ["myspace"]}, {"platforms.0"}),
        ({**MORE, "prompt": "another"}, {"prompt"}),
        ({**MORE, "fit": "stretch"}, {"fit"}),
        ({**MORE, "focalPoint": {"x": 1.01, "y": -0.01}}, {"focalPoint.x", "focalPoint.y"}),
        ({**MORE, "background": "red"}, {"background"}),
        ({**MORE, "options": {"ttl": 0}}, {"options.ttl"}),
    ],
)
async def test_what_breaks_a_rule_is_named(service: Service, body: Any, fields: set[str]) -> None:
    made = await service.make("master")
    for generation_id in (made.generation_id, new_id()):
        answer = await post(service, generation_id, body)
        assert answer.status_code == 422
        assert {error["field"] for error in answer.json()["errors"]} == fields
    assert await _jobs(service) == []


async def test_the_generation_stands_in_the_address_only(service: Service) -> None:
    mine, other = await service.make("master"), await service.make("master")
    for generation_id in (mine.generation_id, other.generation_id, None):
        answer = await post(service, mine.generation_id, {**MORE, "generationId": generation_id})
        assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, ["generationId"])
    assert await _jobs(service) == []


async def test_options_are_those_of_any_job(service: Service) -> None:
    made = await service.make("master")
    before = await service.submit()
    options = {"priority": "low", "ttl": 60, "attempts": 1, "dependsOn": [before]}
    answer = await post(service, made.generation_id, {**MORE, "options": options})
    job = await service.job(answer.json()["jobId"])
    assert (job["status"], job["priority"], job["attempts"], job["dependsOn"]) == ("blocked", -5, 1, [before])
    assert job["expiresAt"] is not None


async def test_one_key_makes_one_job_of_one_generation(service: Service) -> None:
    key = {**ALICE, "idempotency-key": "order-4711"}
    mine, other = await service.make("master"), await service.make("master")
    answers = await asyncio.gather(*(post(service, mine.generation_id, who=key) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == len(await _jobs(service)) == 1
    for refused in (
        await post(service, other.generation_id, who=key),
        await post(service, mine.generation_id, {"platforms": ["open-graph"]}, who=key),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_caller_may_wait_for_them(service: Service) -> None:
    made = await service.make("master")
    async with asyncio.TaskGroup() as group:
        posted = group.create_task(post(service, made.generation_id, who={**ALICE, "prefer": "wait=60"}))
        await wait_until(lambda: service.state["hub"].readers == 1)
        await service.complete(await service.claim("image-renditions"), {"images": []})
    answer = posted.result()
    assert (answer.status_code, answer.json()["status"], answer.json()["kind"]) == (
        200,
        "completed",
        "image-renditions",
    )


async def test_while_the_server_stops_none_is_taken(service: Service) -> None:
    made = await service.make("master")
    await service.state["drain"]()
    assert (await post(service, made.generation_id)).status_code == 503


async def test_they_need_a_json_body(service: Service) -> None:
    made = await service.make("master")
    path = f"/api/generations/{made.generation_id}/renditions"
    answer = await service.http.post(path, content="{}", headers={**ALICE, "content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_a_failed_one_leaves_the_generation_as_it_was(service: Service) -> None:
    made = await service.make("master", "open-graph")
    before = await service.get(f"/api/generations/{made.generation_id}")
    await post(service, made.generation_id)
    await service.fail(await service.claim("image-renditions"))
    assert await service.get(f"/api/generations/{made.generation_id}") == before


async def test_before_there_is_a_master_it_is_refused_unless_it_waits_for_the_job(service: Service) -> None:
    job_id = await service.submit()
    generation_id = (await service.get(f"/api/jobs/{job_id}"))["generationId"]
    refused = await post(service, generation_id)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    waits = await post(service, generation_id, {**MORE, "options": {"dependsOn": [job_id]}})
    assert (waits.status_code, waits.json()["status"]) == (202, "blocked")
