"""What is really answered and told is as /openapi.json says: every body, and every type of event of a real stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import ProviderTimeout, wire_error
from snapasset.event import tick
from snapasset.records.endings import Fail
from snapasset.records.files import FileRow
from snapasset.records.steps import ShowFile
from tests.server.described import Described
from tests.server.listener import following, listening
from tests.server.service import ALICE, GOOD, Service, served
from worker.processors.image_generation.previews import ShownPreview
from worker.processors.image_generation.result import GeneratedPictures
from worker.renditions.result import StoredPicture

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

MADE = {"model": "none", "simulated": True, "source": "algorithmicMedia", "understood": None, "focalPoint": None}
FILE_ID = "01980000-0000-7000-8000-000000000003"
RESULT = GeneratedPictures(
    simulated=True,
    model="none",
    understood=None,
    master=StoredPicture(file_id=FILE_ID, content_type="image/png", size=3, width=2, height=1),
    images=(),
).model_dump(mode="json")


@pytest.fixture
async def described(service: Service) -> Described:
    return Described((await service.http.get("/openapi.json")).json())


@pytest.fixture
async def port(service: Service) -> AsyncGenerator[int]:
    async with served(service) as port:
        yield port


async def _ask(
    service: Service, described: Described, path: str, method: str = "get", status: int = 200, **ids: str
) -> Any:
    answer = await service.http.request(method, path.format(**ids), headers=ALICE)
    assert answer.status_code == status, answer.text
    return described.body(path, method, status, answer.text)


async def test_a_job_is_as_it_says_at_every_stage(service: Service, described: Described) -> None:
    job_id = await service.submit()
    assert (await _ask(service, described, "/api/jobs/{jobId}", jobId=job_id))["status"] == "waiting"
    job = await service.claim()
    await service.step(job)
    assert (await _ask(service, described, "/api/jobs/{jobId}", jobId=job_id))["status"] == "active"
    await service.complete(job, RESULT)
    ended = await _ask(service, described, "/api/jobs/{jobId}", jobId=job_id)
    assert ended["result"]["master"]["url"].startswith(f"/api/files/{FILE_ID}?")
    await _ask(service, described, "/api/jobs/{jobId}/timeline", jobId=job_id)
    assert len((await _ask(service, described, "/api/jobs"))["jobs"]) == 1
    await _ask(service, described, "/api/jobs/{jobId}/cancel", "post", 409, jobId=job_id)


async def test_a_failed_job_and_its_next_run_are_as_it_says(service: Service, described: Described) -> None:
    job_id = await service.submit()
    await service.fail(await service.claim())
    assert (await _ask(service, described, "/api/jobs/{jobId}", jobId=job_id))["error"]["code"] == "provider_timeout"
    assert (await _ask(service, described, "/api/jobs/{jobId}/retry", "post", 202, jobId=job_id))["run"] == 2
    assert (await _ask(service, described, "/api/jobs/{jobId}/cancel", "post", 200, jobId=job_id))["finishedAt"]


async def test_jobs_of_a_batch_are_as_it_says(service: Service, described: Described) -> None:
    first = {"kind": "image-generation", "data": GOOD, "ref": "first"}
    answer = await service.batch(first, {"kind": "noop", "data": {}, "options": {"dependsOn": ["first"], "ttl": 60}})
    jobs = described.body("/api/jobs/batch", "post", 202, answer.text)["jobs"]
    blocked = await _ask(service, described, "/api/jobs/{jobId}", jobId=jobs[1]["jobId"])
    assert (blocked["status"], blocked["dependsOn"]) == ("blocked", [jobs[0]["jobId"]])


async def test_a_generation_is_as_it_says(service: Service, described: Described) -> None:
    made = await service.make("master", "thumbnail", "instagram-post", made=MADE)
    found = await _ask(service, described, "/api/generations/{generationId}", generationId=made.generation_id)
    assert (found["made"], found["images"][0]["fit"]) == (MADE, "cover")
    assert len((await _ask(service, described, "/api/generations"))["generations"]) == 1


@pytest.mark.parametrize(
    "path", ["/health", "/health/live", "/health/ready", "/api/kinds", "/api/jobs/stats/overview", "/openapi.json"]
)
async def test_what_is_told_of_the_service_is_as_it_says(service: Service, described: Described, path: str) -> None:
    await service.submit()
    await _ask(service, described, path)


async def test_every_event_of_a_stream_is_as_it_says(service: Service, described: Described, port: int) -> None:
    job_id = await service.submit()
    async with following(port, job_id) as stream:
        told = [(await stream.next()).data]
        job = await service.claim()
        told.append((await stream.next()).data)  # from here on the stream is live, and no tick can be missed
        service.state["switch"].feed.publish([tick(job, "generate", 12.5)])
        told.append((await stream.next()).data)
        await service.step(job, output={"master": {"fileId": FILE_ID}})
        error = wire_error(ProviderTimeout())
        await service.state["database"].write(Fail(job.id, job.fence, error=error, retryable=True, delay_ms=0))
        await service.http.post(f"/api/jobs/{job_id}/cancel", headers=ALICE)
        told += [frame.data for frame in await stream.rest()]
    async with following(port, job_id, last_event_id="1") as stream:
        told.append((await stream.next()).data)
    for event in told:
        described.check_as("JobEvent", event)
    names = ("SnapshotEvent", "ResumedEvent", "ChangeEvent", "TickEvent", "ErrorEvent", "FinalEvent")
    met = {name for event in told for name in names if described.fits(name, event)}
    assert met == set(names)
    assert all(sum(described.fits(name, event) for name in names) == 1 for event in told)


async def test_all_that_the_stream_of_all_jobs_tells_is_as_it_says(
    service: Service, described: Described, port: int
) -> None:
    async with listening(port, "/api/events") as stream:
        told = [await stream.next()]
        first = told[0].id
        await service.submit()
        job = await service.claim()
        told += [await stream.next() for _ in range(2)]
        service.state["switch"].feed.publish([tick(job, "generate", 12.5)])
        told.append(await stream.next())
        error = wire_error(ProviderTimeout())
        await service.state["database"].write(Fail(job.id, job.fence, error=error, retryable=True, delay_ms=0))
        await service.http.post(f"/api/jobs/{job.id}/cancel", headers=ALICE)
        told += [await stream.next() for _ in range(2)]
    async with listening(port, "/api/events", headers={"last-event-id": first or ""}) as stream:
        told.append(await stream.next())
    names = ("OwnerConnectedEvent", "OwnerResumedEvent", "ChangeEvent", "TickEvent", "ErrorEvent", "FinalEvent")
    for frame in told:
        described.check_as("OwnerEvent", frame.data)
        described.check_as("OwnerFrame", {"data": json.dumps(frame.data), **({"id": frame.id} if frame.id else {})})
        assert sum(described.fits(name, frame.data) for name in names) == 1
    assert all(any(described.fits(name, frame.data) for frame in told) for name in names)


async def test_a_completed_jobs_last_event_holds_its_result(service: Service, described: Described, port: int) -> None:
    job_id = await service.submit()
    async with following(port, job_id) as stream:
        await service.run(job_id, RESULT)
        (*_, final) = [frame.data for frame in await stream.rest()]
    described.check_as("FinalEvent", final)
    assert described.fits("ImageGenerationResult", final["result"])


async def test_a_preview_is_told_of_with_its_address(service: Service, described: Described) -> None:
    job_id = await service.submit()
    job = await service.claim()
    file = FileRow(FILE_ID, "preview", "0", "a/key", "image/png", 9, 3, 2)
    shown = ShownPreview(index=0, file_id=FILE_ID, content_type="image/png", size=9, width=3, height=2)
    change = ShowFile(job.id, job.fence, "generate", 20.0, file, "preview", shown.model_dump_json())
    await service.state["database"].write(change)
    *_, event = (await _ask(service, described, "/api/jobs/{jobId}/timeline", jobId=job_id))["events"]
    assert event["preview"]["url"].startswith(f"/api/files/{FILE_ID}?")


async def test_what_is_not_as_it_says_is_found_out(service: Service, described: Described) -> None:
    job = await service.job(await service.submit())
    described.check_as("Job", job)
    assert not described.fits("Job", {**job, "more": 1})
    assert not described.fits("Job", {name: value for name, value in job.items() if name != "links"})
    assert not described.fits("Job", {**job, "createdAt": "yesterday"})
