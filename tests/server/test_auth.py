"""Who asks: sessions by cookie and by header, and requests that other sites send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from server.auth import COOKIE, HEADER
from snapasset.records.jobs import GetJob
from tests.server.service import ALICE, GOOD, stateful

if TYPE_CHECKING:
    from tests.server.service import Service

JOB = "/api/jobs/image-generation"
SESSION = "s" * 32


async def test_a_first_job_makes_a_session_and_hands_out_its_cookie(service: Service) -> None:
    answer = await service.http.post(JOB, json=GOOD)
    name, _, rest = answer.headers["set-cookie"].partition("=")
    session, *marks = rest.split("; ")
    assert name == COOKIE == "snapasset_session"
    assert len(session) == 32  # 192 bits, six to a character
    assert {mark.lower() for mark in marks} == {"httponly", "samesite=lax", "path=/", "max-age=31536000"}
    assert len((await service.http.get("/api/jobs")).json()["jobs"]) == 1
    again = await service.http.post(JOB, json=GOOD)
    assert "set-cookie" not in again.headers
    assert len((await service.http.get("/api/jobs")).json()["jobs"]) == 2


async def test_two_visitors_get_two_sessions(service: Service) -> None:
    first = await service.http.post(JOB, json=GOOD)
    service.http.cookies.clear()
    second = await service.http.post(JOB, json=GOOD)
    assert first.headers["set-cookie"] != second.headers["set-cookie"]
    assert len((await service.http.get("/api/jobs")).json()["jobs"]) == 1


async def test_over_https_the_cookie_stays_there(service: Service) -> None:
    transport = httpx.ASGITransport(stateful(service.app, service.state))
    async with httpx.AsyncClient(transport=transport, base_url="https://test") as http:
        answer = await http.post(JOB, json=GOOD)
    assert "secure" in answer.headers["set-cookie"].lower()


async def test_cookie_and_header_name_the_same_session(service: Service) -> None:
    job_id = await service.submit(who={HEADER: SESSION})
    answer = await service.http.get(f"/api/jobs/{job_id}", headers={"cookie": f"a=b; {COOKIE}={SESSION}"})
    assert answer.status_code == 200


async def test_the_record_does_not_hold_the_secret(service: Service) -> None:
    job_id = await service.submit(who={HEADER: SESSION})
    job = await service.state["database"].read(GetJob(job_id))
    assert job is not None
    assert job.owner.startswith("session:")
    assert len(job.owner) == len("session:") + 64
    assert SESSION not in str(job)


@pytest.mark.parametrize("name", [HEADER, "authorization", "idempotency-key"])
@pytest.mark.parametrize("second", ["another-another-another", None])
async def test_what_says_who_asks_or_for_what_is_sent_once(service: Service, name: str, second: str | None) -> None:
    value = {HEADER: SESSION, "authorization": "Basic YTpi", "idempotency-key": "order-1"}[name]
    headers = [(HEADER, SESSION), (name, value), (name, second or value)][name == HEADER :]
    answer = await service.http.post(JOB, json=GOOD, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert name in answer.json()["detail"]
    assert (await service.http.get("/api/jobs", headers={HEADER: SESSION})).json()["jobs"] == []


@pytest.mark.parametrize("session", ["", "short", "a" * 21, "a" * 129, "a" * 22 + "!", "ä" * 22, "a" * 22 + " b"])
async def test_a_malformed_session_id_is_named(service: Service, session: str) -> None:
    for method, path in (("POST", JOB), ("GET", "/api/jobs"), ("GET", "/api/jobs/x")):
        body = GOOD if method == "POST" else None
        answer = await service.http.request(method, path, headers={HEADER.encode(): session.encode()}, json=body)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [HEADER]


async def test_a_malformed_cookie_is_like_none(service: Service) -> None:
    answer = await service.http.post(JOB, json=GOOD, headers={"cookie": f"{COOKIE}=x"})
    assert answer.status_code == 202
    assert "set-cookie" in answer.headers


FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "http://test.evil.example"},
    {"origin": "http://test:8001"},
    {"origin": "null"},
    {"origin": "nonsense"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": "http://test"},
]
OWN = [{}, {"origin": "http://test"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}]
COOKIE_OF_ALICE = {"cookie": f"{COOKIE}={ALICE[HEADER]}"}


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_another_site_cannot_act_with_a_visitors_cookie(service: Service, headers: dict[str, str]) -> None:
    job_id = await service.submit()
    acts = [("POST", JOB), ("POST", f"/api/jobs/{job_id}/cancel"), ("POST", f"/api/jobs/{job_id}/retry")]
    for method, path in (*acts, ("DELETE", f"/api/jobs/{job_id}")):
        answer = await service.http.request(method, path, json=GOOD, headers={**COOKIE_OF_ALICE, **headers})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
    jobs = (await service.http.get("/api/jobs", headers=ALICE)).json()["jobs"]
    assert [job["status"] for job in jobs] == ["waiting"]


@pytest.mark.parametrize("headers", OWN, ids=str)
async def test_the_own_site_can(service: Service, headers: dict[str, str]) -> None:
    job_id = await service.submit()
    answer = await service.http.post(f"/api/jobs/{job_id}/cancel", headers={**COOKIE_OF_ALICE, **headers})
    assert answer.status_code == 200


async def test_who_sends_the_header_needs_no_origin(service: Service) -> None:
    # A page of another site cannot set it without our consent, and other programs have no site.
    job_id = await service.submit()
    headers = {**ALICE, "origin": "https://elsewhere.example"}
    assert (await service.http.post(f"/api/jobs/{job_id}/cancel", headers=headers)).status_code == 200


async def test_reading_from_elsewhere_is_the_browsers_matter(service: Service) -> None:
    job_id = await service.submit()
    headers = {**COOKIE_OF_ALICE, "sec-fetch-site": "cross-site"}
    assert (await service.http.get(f"/api/jobs/{job_id}", headers=headers)).status_code == 200
