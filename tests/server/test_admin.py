"""ADMIN_TOKEN: whoever sends it as a bearer token is an admin; whoever sends another is refused, and none is ever told."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from tests.fakes.supabase import KEY, running_supabase
from tests.fakes.supabase_auth import ANN, BEN
from tests.server.breakable import Breakable
from tests.server.service import ADMIN, ADMIN_TOKEN, ALICE, GOOD, Service, opened, settings_for

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

OVERVIEW = "/api/jobs/stats/overview"
WRONG = [
    "another token that is as long as the one",
    ADMIN_TOKEN[:-1],
    ADMIN_TOKEN[1:],
    f"{ADMIN_TOKEN}x",
    ADMIN_TOKEN.upper(),
    f'"{ADMIN_TOKEN}"',
    "x",
    "",
    "x" * 4_000,
]


async def _scope(service: Service, authorization: str) -> str:
    answer = await service.http.get(OVERVIEW, headers={"authorization": authorization})
    assert answer.status_code == 200, answer.text
    return answer.json()["scope"]


def _refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_user")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "set-cookie" not in answer.headers
    assert ADMIN_TOKEN not in answer.text


async def test_the_token_makes_an_admin_however_its_scheme_is_spelt(service: Service) -> None:
    for scheme in ("Bearer", "bearer", "BEARER", "Bearer "):
        assert await _scope(service, f"{scheme} {ADMIN_TOKEN}") == "all"


@pytest.mark.parametrize("token", WRONG, ids=lambda token: token[:20] or "empty")
async def test_another_token_is_refused_everywhere_even_beside_a_good_session(service: Service, token: str) -> None:
    wrong = {"authorization": f"Bearer {token}"}
    for who in (wrong, {**ALICE, **wrong}):
        _refused(await service.http.post("/api/jobs/image-generation", json=GOOD, headers=who))
        for path in (OVERVIEW, "/api/jobs", "/api/jobs/x", "/api/generations", "/api/files/x"):
            _refused(await service.http.get(path, headers=who))
    assert (await service.get("/api/jobs"))["jobs"] == []


async def test_a_token_beyond_ascii_is_refused_like_any_other(service: Service) -> None:
    headers = {b"authorization": "Bearer schl\xfcssel".encode("latin-1")}
    _refused(await service.http.get(OVERVIEW, headers=headers))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "authorization", [f"Basic {ADMIN_TOKEN}", "Basic YTpi", ADMIN_TOKEN, "Digest x", "Bearerx y", ""]
)
async def test_another_scheme_is_meant_for_somebody_else(service: Service, authorization: str) -> None:
    assert await _scope(service, authorization) == "own"
    job_id = await service.submit(who={**ALICE, "authorization": authorization})
    assert (await service.job(job_id))["status"] == "waiting"


async def test_without_the_setting_there_is_no_admin(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, admin_token=None)) as service:
        for token in (ADMIN_TOKEN, "", "None", "x"):
            _refused(await service.http.get(OVERVIEW, headers={"authorization": f"Bearer {token}"}))


async def test_the_token_counts_more_than_a_session_beside_it(service: Service) -> None:
    both = {**ALICE, **ADMIN}
    job_id = await service.submit(who=both)
    assert (await service.job(job_id, ADMIN))["jobId"] == job_id
    assert (await service.http.get(f"/api/jobs/{job_id}", headers=ALICE)).status_code == 404


async def test_an_admin_is_an_owner_like_others(service: Service) -> None:
    mine, admins = await service.submit(), await service.submit(who=ADMIN)
    assert (await service.http.get(f"/api/jobs/{mine}", headers=ADMIN)).status_code == 404
    assert [job["jobId"] for job in (await service.get("/api/jobs", ADMIN))["jobs"]] == [admins]


async def test_an_admin_may_ask_for_more(service: Service) -> None:
    refused = await service.http.post("/api/jobs/guarded", json={}, headers=ALICE)
    _refused(refused)
    await service.submit("guarded", {}, ADMIN)
    urgent = await service.submit(body={**GOOD, "options": {"priority": "critical"}}, who=ADMIN)
    assert (await service.job(urgent, ADMIN))["priority"] == 10


async def test_an_admin_needs_no_cookie_and_no_origin(service: Service) -> None:
    answer = await service.http.post(
        "/api/jobs/image-generation", json=GOOD, headers={**ADMIN, "sec-fetch-site": "cross-site"}
    )
    assert answer.status_code == 202
    assert "set-cookie" not in answer.headers


RESUME = "/api/queues/walk/resume"
CREDITS = "/api/usage/credits"
GIFT = {"owner": f"session:{64 * 'a'}", "credits": 2, "name": "order-17"}


async def test_every_act_of_an_admin_is_logged_with_who_he_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with running_supabase() as project:
        auth, role = project.auth, {"role": "admin"}
        settings = settings_for(tmp_path, supabase_url=project.url, supabase_service_key=KEY)
        async with opened(settings) as service:
            admins = {"ADMIN_TOKEN": ADMIN, f"user:{ANN}": auth.bearer(ANN, app_metadata=role)}
            for who in (*admins.values(), auth.bearer(BEN), ALICE, {}):
                await service.http.post(RESUME, headers=who)
                await service.http.post(CREDITS, json=GIFT, headers=who)
    acts = [vars(record) for record in caplog.records if record.message == "an admin acts"]
    assert [(act["admin"], act["method"], act["path"]) for act in acts] == [
        (admin, "POST", path) for admin in admins for path in (RESUME, CREDITS)
    ]
    told = json.dumps([vars(record) for record in caplog.records], default=repr)
    for headers in admins.values():
        assert headers["authorization"].partition(" ")[2] not in told


async def test_no_token_is_ever_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "a wrong token that is nobody's business"
    async with opened(settings_for(tmp_path), wrap=Breakable) as service:
        database = service.state["database"]
        assert isinstance(database, Breakable)
        for token in (ADMIN_TOKEN, wrong):
            headers = {"authorization": f"Bearer {token}"}
            await service.http.post("/api/jobs/image-generation", json=GOOD, headers=headers)
            await service.http.get(OVERVIEW, headers=headers)
        database.error = RuntimeError("nobody foresaw this")
        assert (await service.http.get(OVERVIEW, headers=ADMIN)).status_code == 500
        assert ADMIN_TOKEN not in repr(service.state["settings"])
    assert any(record.message == "a request failed" for record in caplog.records)
    told = json.dumps([vars(record) for record in caplog.records], default=repr) + caplog.text
    assert ADMIN_TOKEN not in told
    assert wrong not in told
