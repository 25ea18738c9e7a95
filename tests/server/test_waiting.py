"""`Prefer: wait=n`: a POST that waits for the end of its job, and holds on to nothing when that does not come."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.records.endings import Complete
from tests.server.breakable import Breakable
from tests.server.service import ALICE, GOOD, Service, opened, served, settings_for, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import httpx

KEY = {"idempotency-key": "order-4711"}


def post(
    service: Service, prefer: str = "wait=60", *, body: Any = GOOD, **headers: str
) -> asyncio.Task[httpx.Response]:
    """A POST under way."""
    sent = {**ALICE, "prefer": prefer, **headers}
    return asyncio.create_task(service.http.post("/api/jobs/image-generation", json=body, headers=sent))


@asynccontextmanager
async def waiting(service: Service, **given: Any) -> AsyncGenerator[asyncio.Task[httpx.Response]]:
    """A POST that waits for the end of its job by now."""
    answer = post(service, **given)
    try:
        await wait_until(lambda: service.state["hub"].readers == 1)
        yield answer
    finally:
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)


async def _answered(answer: asyncio.Task[httpx.Response]) -> httpx.Response:
    async with asyncio.timeout(5):
        return await answer


async def test_a_job_that_ends_in_time_is_answered_whole(service: Service) -> None:
    async with waiting(service) as posted:
        job = await service.claim()
        await service.step(job)
        assert not posted.done()
        await service.complete(job, {"images": [{"fileId": "0-1"}]})
        answer = await _answered(posted)
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=60"
    assert answer.headers["location"] == f"/api/jobs/{job.id}"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    token = body.pop("streamToken")
    shown = await service.job(job.id)
    assert body == {name: value for name, value in shown.items() if name not in ("queuePosition", "eta")}
    assert (body["status"], body["result"]["images"][0]["fileId"]) == ("completed", "0-1")
    stream = await service.http.get(f"/api/jobs/{job.id}/events?after=99&token={token}")
    assert stream.status_code == 204
    assert service.state["hub"].readers == 0


async def test_a_job_that_failed_or_was_cancelled_has_ended_too(service: Service) -> None:
    async with waiting(service) as posted:
        await service.fail(await service.claim())
        answer = await _answered(posted)
    assert (answer.status_code, answer.json()["status"], answer.json()["error"]["code"]) == (
        200,
        "failed",
        "provider_timeout",
    )
    async with waiting(service) as posted:
        (job,) = (await service.get("/api/jobs?status=waiting"))["jobs"]
        await service.http.delete(f"/api/jobs/{job['jobId']}", headers=ALICE)
        answer = await _answered(posted)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


async def test_a_first_visitor_who_waits_gets_the_session_as_well(service: Service) -> None:
    async with asyncio.TaskGroup() as group:
        posted = group.create_task(
            service.http.post("/api/jobs/image-generation", json=GOOD, headers={"prefer": "wait=60"})
        )
        await wait_until(lambda: service.state["hub"].readers == 1)
        await service.complete(await service.claim())
    answer = posted.result()
    assert (answer.status_code, "set-cookie" in answer.headers) == (200, True)


async def test_a_job_that_takes_longer_is_accepted_and_nobody_may_wait_for_ever(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, wait_max_seconds=1)) as service:
        answer = await _answered(post(service, "wait=999999"))
        assert (answer.status_code, answer.json()["status"]) == (202, "waiting")
        assert "preference-applied" not in answer.headers
        assert set(answer.json()) == {"jobId", "generationId", "status", "streamToken", "estimatedCost", "links"}
        assert service.state["hub"].readers == 0


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=1", 1), ("wait=60", 60), ("wait=61", 60), ("wait=999999", 60), ("wait=9999999999", 60), ("Wait = 7", 7), ('wait="7"', 7),
        ("respond-async, wait=7", 7), ("handling=lenient;wait=7", 7), ("wait=7; x=y", 7), ("wait=7, return=minimal", 7),
        ("wait=7, wait=9", 7),
        *[(bad, None) for bad in (
            "", "wait", "wait=", "wait=-1", "wait=1.5", "wait=1s", "wait=x", "wait=1e3", "wait=0x7", "wait=\xb2",
            "wait=9999999999999999999", "await=7", "wait-7=7", "wait 7", "respond-async", "wait=7 wait", "x" * 4_000,
        )],
    ],
)  # fmt: skip
async def test_a_wish_is_understood_or_passed_over(service: Service, prefer: str, applied: int | None) -> None:
    # Of a job that has ended already: whoever would wait is answered with it at once, whoever would not is not.
    first = await post(service, "", **KEY)
    await service.run(first.json()["jobId"])
    sent = {**ALICE, **KEY, "prefer": prefer.encode("latin-1")}
    answer = await service.http.post("/api/jobs/image-generation", json=GOOD, headers=sent)  # pyright: ignore[reportArgumentType]
    assert (answer.status_code, answer.headers.get("preference-applied")) == (
        (202, None) if applied is None else (200, f"wait={applied}")
    )


async def test_several_lines_of_wishes_are_one_list(service: Service) -> None:
    first = await post(service, "", **KEY)
    await service.run(first.json()["jobId"])
    sent = [*ALICE.items(), *KEY.items(), ("prefer", "respond-async"), ("prefer", "wait=7")]
    answer = await service.http.post("/api/jobs/image-generation", json=GOOD, headers=sent)
    assert answer.headers["preference-applied"] == "wait=7"


async def test_the_same_request_again_waits_for_the_job_of_the_first(service: Service) -> None:
    first = await post(service, "", **KEY)
    async with waiting(service, **KEY) as posted:
        await service.run(first.json()["jobId"], {"images": []})
        answer = await _answered(posted)
    again = await _answered(post(service, **KEY))
    for one in (answer, again):
        assert (one.status_code, one.json()["jobId"]) == (200, first.json()["jobId"])
        assert one.json()["result"] == {"images": []}
        assert one.json()["streamToken"] == first.json()["streamToken"]
        assert one.headers["idempotent-replayed"] == "true"
    assert (await post(service, "", **KEY)).json() == first.json()
    assert len((await service.get("/api/jobs"))["jobs"]) == 1


async def test_a_refused_request_does_not_wait(service: Service) -> None:
    assert (await _answered(post(service, body={**GOOD, "prompt": ""}))).status_code == 422
    assert service.state["hub"].readers == 0


async def test_when_the_server_stops_it_is_accepted_as_usual(service: Service) -> None:
    async with waiting(service) as posted:
        await service.state["drain"]()
        answer = await _answered(posted)
    assert (answer.status_code, answer.json()["status"]) == (202, "waiting")
    assert "preference-applied" not in answer.headers
    assert (await service.job(answer.json()["jobId"]))["status"] == "waiting"
    assert service.state["hub"].readers == 0


async def test_a_record_that_is_away_at_the_end_takes_nothing_back(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path), wrap=Breakable) as service:
        database = service.state["database"]
        assert isinstance(database, Breakable)
        async with waiting(service) as posted:
            job = await service.claim()
            database.away = True
            await database.real.write(Complete(job.id, job.fence, "{}"))
            answer = await _answered(posted)
        assert (answer.status_code, answer.json()["jobId"]) == (202, job.id)
        assert service.state["hub"].readers == 0


async def test_a_caller_that_goes_away_leaves_its_job_and_nothing_else(service: Service) -> None:
    body = json.dumps(GOOD)
    async with served(service) as port:
        before = asyncio.all_tasks()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = [f"host: 127.0.0.1:{port}", "content-type: application/json", f"content-length: {len(body)}"]
        head += ["prefer: wait=60", f"x-session-id: {ALICE['x-session-id']}"]
        request = "\r\n".join(["POST /api/jobs/image-generation HTTP/1.1", *head, "", body])
        writer.write(request.encode())
        await wait_until(lambda: service.state["hub"].readers == 1)
        writer.close()
        await wait_until(lambda: service.state["hub"].readers == 0)
        await wait_until(lambda: not asyncio.all_tasks() - before)
    (job,) = (await service.get("/api/jobs"))["jobs"]
    assert job["status"] == "waiting"


async def test_a_connection_that_waits_is_not_taken_for_one_that_is_slow(tmp_path: Path) -> None:
    # The time that a request may take to arrive is over long before its answer is there.
    async with (
        opened(settings_for(tmp_path, request_seconds=0.05, wait_max_seconds=1)) as service,
        served(service) as port,
    ):
        body = json.dumps(GOOD)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"host: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nprefer: wait=1\r\n"
        writer.write(f"POST /api/jobs/image-generation HTTP/1.1\r\n{head}\r\n{body}".encode())
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 202")
        writer.close()
