"""Every route, asked by nobody, by another owner and by the owner. The rows are held against the route table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from server.routes import ROUTES
from snapasset.job import new_id
from snapasset.records.endings import EndCancelled
from snapasset.records.jobs import GetJob
from tests.server.service import ALICE, BOB, GOOD

if TYPE_CHECKING:
    import httpx

    from tests.server.service import Service

WHO = {"nobody": {}, "another": BOB, "the owner": ALICE}


class Row(NamedTuple):
    """What a route answers: to nobody, to another owner, to the owner of the job or file in its address."""

    nobody: int
    another: int
    owner: int
    body: Any = None


OPEN = Row(200, 200, 200)
OWNED = Row(404, 404, 200)
EXPECTED = {
    "POST /api/jobs/{kind}": Row(202, 202, 202, GOOD),
    "POST /api/jobs/batch": Row(202, 202, 202, {"jobs": [{"kind": "image-generation", "data": GOOD}]}),
    "GET /api/jobs/stats/overview": OPEN,
    "GET /api/jobs": OPEN,
    "GET /api/jobs/{job_id}": OWNED,
    "DELETE /api/jobs/{job_id}": Row(404, 404, 202),
    "POST /api/jobs/{job_id}/cancel": Row(404, 404, 202),
    "POST /api/jobs/{job_id}/retry": Row(404, 404, 409),
    "GET /api/jobs/{job_id}/timeline": OWNED,
    "GET /api/jobs/{job_id}/events": Row(404, 404, 204),
    "GET /api/generations": OPEN,
    "GET /api/generations/{generation_id}": OWNED,
    "DELETE /api/generations/{generation_id}": Row(404, 404, 409),
    "POST /api/generations/{generation_id}/renditions": Row(404, 404, 202, {"platforms": ["open-graph"]}),
    "GET /api/generations/{generation_id}/zip": OWNED,
    "GET /api/files/{file_id}": OWNED,
    "GET /api/kinds": OPEN,
    "GET /openapi.json": OPEN,
    "GET /health": OPEN,
    "GET /health/live": OPEN,
    "GET /health/ready": OPEN,
    "GET /health/detailed": Row(401, 401, 401),
    "GET /metrics": OPEN,
    "GET /": OPEN,
    "GET /page/{name:path}": OPEN,
}
ROUTE_NAMES = [
    f"{method} {route.path}" for route in ROUTES for method in sorted(route.methods or ()) if method != "HEAD"
]
OF_ONE_THING = [name for name in ROUTE_NAMES if "_id}" in name]


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert sorted(ROUTE_NAMES) == sorted(EXPECTED)


class Things(NamedTuple):
    """The ids of a running job, its generation and its file."""

    job_id: str
    generation_id: str
    file_id: str


async def _running_job_with_a_file(service: Service) -> Things:
    await service.submit()
    job = await service.claim()
    file = await service.picture(job, "instagram-post", made={})
    return Things(job.id, job.generation_id or "", file.id)


def _missing() -> Things:
    return Things(new_id(), new_id(), new_id())


async def _ask(
    service: Service, route: str, who: dict[str, str], things: Things, method: str | None = None
) -> httpx.Response:
    own_method, path = route.split(" ")
    path = path.replace("{name:path}", "index.html")
    path = path.format(kind="image-generation", **things._asdict())
    # The stream of a job that has ended and is known to its end: it answers and does not stay.
    query = "?after=999999" if path.endswith("/events") else ""
    service.http.cookies.clear()
    return await service.http.request(method or own_method, path + query, headers=who, json=EXPECTED[route].body)


@pytest.mark.parametrize("route", ROUTE_NAMES)
async def test_a_route_answers_each_as_its_row_says(service: Service, route: str) -> None:
    things = await _running_job_with_a_file(service)
    if route.endswith("/events"):
        await _end(service, things.job_id)
    answers = {name: await _ask(service, route, who, things) for name, who in WHO.items()}
    expected = EXPECTED[route]
    assert [answer.status_code for answer in answers.values()] == [expected.nobody, expected.another, expected.owner]


async def _end(service: Service, job_id: str) -> None:
    await service.http.post(f"/api/jobs/{job_id}/cancel", headers=ALICE)
    job = await service.state["database"].read(GetJob(job_id))
    assert job is not None
    await service.state["database"].write(EndCancelled(job.id, job.fence))


@pytest.mark.parametrize("route", OF_ONE_THING)
async def test_a_strangers_thing_looks_like_a_missing_one(service: Service, route: str) -> None:
    things = await _running_job_with_a_file(service)
    missing = _missing()
    bodies = {
        (answer.status_code, _without_its_name(answer))
        for who, asked in ((BOB, things), (BOB, missing), ({}, things), ({}, missing))
        for answer in [await _ask(service, route, who, asked)]
    }
    assert len(bodies) == 1
    assert bodies.pop()[0] == 404


def _without_its_name(answer: httpx.Response) -> str:
    """All that can be seen of an answer, but for the name of the request."""
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id")
    problem = {name: value for name, value in answer.json().items() if name != "requestId"}
    return f"{headers} {problem}"


@pytest.mark.parametrize("route", [name for name in ROUTE_NAMES if name.startswith("GET ")])
async def test_a_head_has_the_status_and_headers_of_its_get_and_no_body(service: Service, route: str) -> None:
    things = await _running_job_with_a_file(service)
    if route.endswith("/events"):
        await _end(service, things.job_id)
    got = await _ask(service, route, ALICE, things)
    head = await _ask(service, route, ALICE, things, "HEAD")
    assert head.status_code == got.status_code
    assert head.headers.get("content-type") == got.headers.get("content-type")
    assert head.headers.get("etag") == got.headers.get("etag")


@pytest.mark.parametrize("route", ROUTE_NAMES)
async def test_every_answer_keeps_browsers_careful(service: Service, route: str) -> None:
    for who in WHO.values():
        answer = await _ask(service, route, who, _missing())
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
        assert answer.headers["x-request-id"]
        assert "access-control-allow-origin" not in answer.headers
        assert "cache-control" in answer.headers


async def test_nobody_has_no_jobs(service: Service) -> None:
    await service.submit()
    assert (await service.http.get("/api/jobs")).json() == {"jobs": [], "nextCursor": None}
    assert (await service.http.get("/api/jobs", headers=BOB)).json() == {"jobs": [], "nextCursor": None}
    assert len((await service.http.get("/api/jobs", headers=ALICE)).json()["jobs"]) == 1
