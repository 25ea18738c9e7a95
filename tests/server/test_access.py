"""Every route, asked by nobody, by strangers, by the owner, by an admin and with bad tokens, where users can sign in and
where they cannot. The rows are held against the route table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from server.routes import ROUTES
from snapasset.job import new_id
from snapasset.records.endings import EndCancelled
from snapasset.records.jobs import GetJob
from tests.fakes.supabase import FakeSupabase, running_supabase
from tests.fakes.supabase_auth import ANN, BEN, ec_key
from tests.server.service import ADMIN, ALICE, BOB, GOOD, Service, opened, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    import httpx


class People(NamedTuple):
    """What each of them sends."""

    another: dict[str, str]
    owner: dict[str, str]
    admin: dict[str, str]


SESSIONS = People(BOB, ALICE, ADMIN)


class Row(NamedTuple):
    """What a route answers: to nobody, to another owner, to the owner of the job or file in its address, to an admin whose
    it is not, and to a token that is not good."""

    nobody: int
    another: int
    owner: int
    admin: int
    bad: int
    body: Any = None


PUBLIC = Row(200, 200, 200, 200, 200)
OPEN = PUBLIC._replace(bad=401)
OWNED = Row(404, 404, 200, 404, 401)
EXPECTED = {
    "POST /api/jobs/{kind}": Row(202, 202, 202, 202, 401, GOOD),
    "POST /api/jobs/{kind}/estimate": OPEN._replace(body=GOOD),
    "POST /api/jobs/batch": Row(202, 202, 202, 202, 401, {"jobs": [{"kind": "image-generation", "data": GOOD}]}),
    "GET /api/jobs/stats/overview": OPEN,
    "GET /api/jobs": OPEN,
    "GET /api/jobs/{job_id}": OWNED,
    "DELETE /api/jobs/{job_id}": OWNED._replace(owner=202),
    "POST /api/jobs/{job_id}/cancel": OWNED._replace(owner=202),
    "POST /api/jobs/{job_id}/retry": OWNED._replace(owner=409),
    "GET /api/jobs/{job_id}/timeline": OWNED,
    "GET /api/jobs/{job_id}/events": OWNED._replace(owner=204),
    "GET /api/events": OPEN,
    "POST /api/events/token": Row(401, 200, 200, 200, 401),
    "GET /api/generations": OPEN,
    "GET /api/generations/{generation_id}": OWNED,
    "DELETE /api/generations/{generation_id}": OWNED._replace(owner=409),
    "POST /api/generations/{generation_id}/renditions": OWNED._replace(owner=202, body={"platforms": ["open-graph"]}),
    "GET /api/generations/{generation_id}/zip": OWNED,
    "GET /api/files/{file_id}": OWNED,
    "GET /api/usage": OPEN,
    "POST /api/usage/credits": Row(
        401, 401, 401, 200, 401, {"owner": "session:" + 64 * "a", "credits": 1, "name": "a"}
    ),
    "POST /api/queues/{queue}/resume": Row(401, 401, 401, 200, 401),
    "GET /api/kinds": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "GET /health": PUBLIC,
    "GET /health/live": PUBLIC,
    "GET /health/ready": PUBLIC,
    "GET /health/detailed": Row(401, 401, 401, 200, 401),
    "GET /metrics": PUBLIC._replace(bad=404),
    "GET /": PUBLIC,
    "GET /assets/{name:path}": Row(404, 404, 404, 404, 404),
    "GET /page/{name:path}": PUBLIC,
}
OF_USERS = {**EXPECTED, "GET /metrics": Row(200, 404, 404, 404, 404)}
"""What differs when they send users' tokens: of those that are sent, METRICS_TOKEN and ADMIN_TOKEN alone open this."""

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


@pytest.fixture(scope="module")
def project() -> Generator[FakeSupabase]:
    with running_supabase() as project:
        yield project


@pytest.fixture
def users(project: FakeSupabase) -> People:
    auth = project.auth
    return People(auth.bearer(BEN), auth.bearer(ANN), auth.bearer(BEN, app_metadata={"role": "admin"}))


@pytest.fixture
async def users_service(project: FakeSupabase, tmp_path: Path) -> AsyncGenerator[Service]:
    async with opened(settings_for(tmp_path, supabase_url=project.url)) as service:
        yield service


async def _running_job_with_a_file(service: Service, who: dict[str, str] = ALICE) -> Things:
    await service.submit(who=who)
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
    path = path.format(kind="image-generation", queue="image-generation", **things._asdict())
    if path == "/api/events":
        method = "HEAD"  # nothing else of a stream that is never over can be waited for
    # The stream of a job that has ended and is known to its end: it answers and does not stay.
    query = "?after=999999" if path.startswith("/api/jobs/") and path.endswith("/events") else ""
    service.http.cookies.clear()
    return await service.http.request(method or own_method, path + query, headers=who, json=EXPECTED[route].body)


@pytest.mark.parametrize("route", ROUTE_NAMES)
async def test_a_route_answers_each_as_its_row_says(service: Service, route: str) -> None:
    bad = [{"authorization": f"Bearer {token}"} for token in ("", "x", "a.b.c")]
    await _answers_as(EXPECTED[route], service, route, SESSIONS, bad)


@pytest.mark.parametrize("route", ROUTE_NAMES)
async def test_a_route_answers_users_as_its_row_says(
    users_service: Service, project: FakeSupabase, users: People, route: str
) -> None:
    auth = project.auth
    bad = [auth.bearer(ANN, exp=1), auth.bearer(ANN, aud="anon"), auth.bearer(ANN, ec_key("unknown"))]
    await _answers_as(OF_USERS[route], users_service, route, users, bad)


async def _answers_as(row: Row, service: Service, route: str, people: People, bad: list[dict[str, str]]) -> None:
    things = await _running_job_with_a_file(service, people.owner)
    if route.endswith("_id}/events"):
        await _end(service, things.job_id, people.owner)
    nobody: dict[str, str] = {}
    senders = (nobody, *bad, people.another, people.admin, people.owner)  # the owner last: he may remove it
    told = [(await _ask(service, route, who, things)).status_code for who in senders]
    assert told == [row.nobody, *[row.bad] * len(bad), row.another, row.admin, row.owner]


async def _end(service: Service, job_id: str, who: dict[str, str] = ALICE) -> None:
    await service.http.post(f"/api/jobs/{job_id}/cancel", headers=who)
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


@pytest.mark.parametrize("route", OF_ONE_THING)
async def test_a_users_thing_looks_like_a_missing_one_to_all_others(
    users_service: Service, users: People, route: str
) -> None:
    things, missing = await _running_job_with_a_file(users_service, users.owner), _missing()
    bodies = {
        (answer.status_code, _without_its_name(answer))
        for who in ({}, ALICE, users.another, users.admin, ADMIN)
        for asked in (things, missing)
        for answer in [await _ask(users_service, route, who, asked)]
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
    if route.endswith("_id}/events"):
        await _end(service, things.job_id)
    got = await _ask(service, route, ALICE, things)
    head = await _ask(service, route, ALICE, things, "HEAD")
    assert head.status_code == got.status_code
    assert head.headers.get("content-type") == got.headers.get("content-type")
    assert head.headers.get("etag") == got.headers.get("etag")


@pytest.mark.parametrize("route", ROUTE_NAMES)
async def test_every_answer_keeps_browsers_careful(service: Service, route: str) -> None:
    for who in ({}, *SESSIONS, {"authorization": "Bearer x"}):
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
