"""Users at work: their jobs are theirs, their token counts before anything else, and no secret of anybody's is ever told."""

from __future__ import annotations

import logging
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from snapasset.records.jobs import GetJob
from tests.fakes.supabase import FakeSupabase, running_supabase
from tests.fakes.supabase_auth import ANN, BEN, LEGACY_SECRET, ec_key
from tests.server.service import ADMIN, ADMIN_TOKEN, ALICE, GOOD, Service, opened, settings_for, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    import httpx

    from tests.fakes.supabase_auth import FakeAuth

JOB: Final = "/api/jobs/image-generation"
COOKIE: Final = {"cookie": f"snapasset_session={'s' * 32}"}


@pytest.fixture
def project() -> Generator[FakeSupabase]:
    with running_supabase() as project:
        yield project


@pytest.fixture
def auth(project: FakeSupabase) -> FakeAuth:
    return project.auth


@pytest.fixture
async def service(project: FakeSupabase, tmp_path: Path) -> AsyncGenerator[Service]:
    """As the fixture of all, and users can sign in."""
    async with opened(settings_for(tmp_path, supabase_url=project.url)) as service:
        yield service


def refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_user"), answer.text
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "set-cookie" not in answer.headers


async def listed(service: Service, who: dict[str, str]) -> list[str]:
    return [job["jobId"] for job in (await service.get("/api/jobs", who))["jobs"]]


async def test_a_users_jobs_are_his_alone(service: Service, auth: FakeAuth) -> None:
    job_id = await service.submit(who=auth.bearer(ANN))
    assert await listed(service, auth.bearer(ANN)) == [job_id]
    for other in (auth.bearer(BEN), ALICE, ADMIN, COOKIE, {}):
        assert await listed(service, other) == []
        assert (await service.http.get(f"/api/jobs/{job_id}", headers=other)).status_code == 404
    job = await service.state["database"].read(GetJob(job_id))
    assert job is not None
    assert job.owner == f"user:{ANN}"


async def test_another_token_of_the_same_user_is_the_same_user(service: Service, auth: FakeAuth) -> None:
    job_id = await service.submit(who=auth.bearer(ANN))
    auth.keys.append(ec_key("second"))
    # The keys were looked at just now, so this one is not known yet; nobody but the issuer can hasten that.
    refused(await service.http.get(f"/api/jobs/{job_id}", headers=auth.bearer(ANN)))
    again = auth.bearer(ANN, auth.keys[0], session_id="another", exp=auth.claims()["exp"] + 60)
    assert (await service.job(job_id, again))["jobId"] == job_id


async def test_a_user_gets_no_session_and_his_token_counts_before_one(service: Service, auth: FakeAuth) -> None:
    for beside in ({}, ALICE, COOKIE, {"x-session-id": "!"}):
        answer = await service.http.post(JOB, json=GOOD, headers={**auth.bearer(), **beside})
        assert answer.status_code == 202
        assert "set-cookie" not in answer.headers
    assert len(await listed(service, auth.bearer())) == 4
    assert await listed(service, ALICE) == []
    for beside in (ALICE, COOKIE):
        refused(await service.http.post(JOB, json=GOOD, headers={**auth.bearer(exp=1), **beside}))


async def test_a_users_token_needs_no_origin(service: Service, auth: FakeAuth) -> None:
    headers = {**auth.bearer(), "origin": "https://app.example.com", "sec-fetch-site": "cross-site"}
    assert (await service.http.post(JOB, json=GOOD, headers=headers)).status_code == 202


async def test_of_two_tokens_none_counts(service: Service, auth: FakeAuth) -> None:
    good, other = auth.bearer()["authorization"], "Basic eDp5"
    for pair in ((good, good), (good, ADMIN["authorization"]), (good, other), (other, good), (good, "Bearer x")):
        answer = await service.http.get("/api/jobs", headers=[("authorization", one) for one in pair])
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    answer = await service.http.get("/api/jobs", headers={"authorization": other})  # it is meant for a proxy
    assert answer.status_code == 200


async def test_what_a_user_may_ask_for(service: Service, auth: FakeAuth) -> None:
    admin = auth.bearer(app_metadata={"role": "admin"})
    for who, guarded, priority in (
        (ALICE, 401, 0),
        (auth.bearer(BEN, is_anonymous=True), 401, 0),
        (auth.bearer(), 401, 5),
        (admin, 202, 10),
        (ADMIN, 202, 10),
    ):
        assert (await service.http.post("/api/jobs/guarded", json={}, headers=who)).status_code == guarded
        job_id = await service.submit(body={**GOOD, "options": {"priority": "critical"}}, who=who)
        assert (await service.job(job_id, who))["priority"] == priority
        detailed = await service.http.get("/health/detailed", headers=who)
        assert detailed.status_code == (200 if guarded == 202 else 401)
    assert (await service.get("/api/jobs/stats/overview", admin))["scope"] == "all"
    assert (await service.get("/api/jobs/stats/overview", auth.bearer()))["scope"] == "own"


async def test_a_key_of_a_users_makes_one_job(service: Service, auth: FakeAuth) -> None:
    key = {"idempotency-key": "order-17"}
    first = await service.http.post(JOB, json=GOOD, headers={**auth.bearer(ANN), **key})
    again = await service.http.post(JOB, json=GOOD, headers={**auth.bearer(ANN, aal="aal2"), **key})
    other = await service.http.post(JOB, json=GOOD, headers={**auth.bearer(BEN), **key})
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["jobId"] == first.json()["jobId"]) == (202, False)


async def test_a_users_stream_opens_by_his_token_and_by_the_jobs(service: Service, auth: FakeAuth) -> None:
    made = (await service.http.post(JOB, json=GOOD, headers=auth.bearer())).json()
    await service.run(made["jobId"], {"images": []})
    events = made["links"]["events"]
    for headers, params in ((auth.bearer(), {}), ({}, {"token": made["streamToken"]})):
        answer = await service.http.get(events, headers=headers, params=params)
        assert answer.status_code == 200
        assert '"type":"final"' in answer.text
    token = auth.token()
    assert (await service.http.get(events, params={"token": token})).status_code == 404, "it has no place in an address"
    refused(await service.http.get(events, headers=auth.bearer(exp=1)))


@asynccontextmanager
async def reachable(project: FakeSupabase, folder: Path, **changes: Any) -> AsyncGenerator[Service]:
    """A service that others can reach."""
    async with opened(settings_for(folder, supabase_url=project.url, host="0.0.0.0", **changes)) as service:
        yield service


async def test_from_elsewhere_who_has_not_signed_in_may_do_nothing(project: FakeSupabase, tmp_path: Path) -> None:
    async with reachable(project, tmp_path) as service:
        for who in ({}, COOKIE, ALICE):
            answer = await service.http.post(JOB, json=GOOD, headers=who)
            refused(answer)
            assert "sign in" in answer.json()["detail"]
            refused(await service.http.post("/api/jobs/batch", json={"jobs": []}, headers=who))
        refused(await service.http.get("/api/jobs", headers=ALICE))
        job_id = await service.submit(who=project.auth.bearer())
        for who in ({}, COOKIE):
            assert (await service.http.get(f"/api/jobs/{job_id}", headers=who)).status_code == 404
        assert (await service.http.post(f"/api/jobs/{job_id}/cancel", headers=COOKIE)).status_code == 404
        await service.submit(who=ADMIN)


async def test_unless_that_is_said(project: FakeSupabase, tmp_path: Path) -> None:
    async with reachable(project, tmp_path, allow_anonymous=True) as service:
        for who in (ALICE, {}, project.auth.bearer()):
            await service.submit(who=who)


async def test_without_keys_nobody_is_let_in_by_a_token_and_sessions_go_on(
    project: FakeSupabase, tmp_path: Path
) -> None:
    project.auth.mood = "down"
    async with opened(settings_for(tmp_path, supabase_url=project.url)) as service:
        users = service.state["users"]
        assert users is not None
        await wait_until(lambda: users.standing().status == "down")
        answer = await service.http.post(JOB, json=GOOD, headers=project.auth.bearer())
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert (answer.json()["retryable"], answer.headers["retry-after"]) == (True, "2")
        stream = await service.http.get("/api/jobs/x/events", headers=project.auth.bearer())
        assert stream.status_code == 200, "any other status ends an EventSource"
        assert re.fullmatch("retry: [0-9]+\n\n", stream.text)
        for who in (ALICE, ADMIN):
            await service.submit(who=who)
        await service.beat()
        health = await service.get("/health")
        why = "SUPABASE_URL answered 503 when it was asked for the keys of its users' tokens."
        assert (health["status"], health["services"]["users"]) == ("degraded", {"status": "down", "why": why})


async def test_with_keys_an_outage_is_not_noticed(service: Service, auth: FakeAuth) -> None:
    await service.submit(who=auth.bearer())
    auth.mood = "down"
    await service.submit(who=auth.bearer(BEN))
    await service.beat()
    health = await service.get("/health")
    assert (health["status"], health["services"]["users"]) == ("ok", {"status": "ok"})


async def test_where_nobody_can_sign_in_health_does_not_speak_of_users(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path)) as service:
        assert "users" not in (await service.get("/health"))["services"]
        refused(await service.http.get("/api/jobs", headers={"authorization": "Bearer a.b.c"}))


async def test_no_secret_is_ever_told(
    project: FakeSupabase, auth: FakeAuth, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything is heard, from every logger, and nothing of what a caller keeps to himself is in it."""
    caplog.set_level(logging.DEBUG)
    unknown = auth.token(key=ec_key("canary-of-a-kid"))
    tokens = [
        auth.token(),
        auth.token(exp=1),
        unknown,
        auth.token(sub="canary"),
        f"{auth.token()}x",
        auth.legacy_token(),
    ]
    session = "canary-of-a-session-0000"
    told: list[str] = []
    settings = settings_for(tmp_path, supabase_url=project.url, supabase_jwt_secret=LEGACY_SECRET)
    whos = [{"authorization": f"Bearer {token}"} for token in (*tokens, ADMIN_TOKEN, f"{ADMIN_TOKEN}x")]
    for mood in ("well", "down", "broken"):
        auth.mood = mood
        async with opened(settings) as service:
            for who in (*whos, {"x-session-id": session}, {"cookie": f"snapasset_session={session}"}):
                for method, path in (("POST", JOB), ("GET", "/api/jobs/x/events"), ("GET", "/health"), ("POST", "/x")):
                    answer = await service.http.request(method, path, json=GOOD, headers=who)
                    told.append(f"{answer.text} {answer.headers}")
    heard = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert len(told) == 120
    assert any("cannot be fetched" in line for line in heard)
    parts = {part for token in tokens for part in token.split(".")[1:]}
    secrets = [*parts, ADMIN_TOKEN, LEGACY_SECRET, session, "canary-of-a-kid", auth.claims()["email"]]
    for line in (*told, *heard):
        assert not any(secret in line for secret in secrets), line
