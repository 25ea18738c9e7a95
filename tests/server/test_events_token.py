"""The token of all of an owner's news: an hour, his news, and nothing else."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest

from server.stream_tokens import OWNER_SECONDS, StreamTokens
from snapasset.errors import MissingUser
from snapasset.records.jobs import GetJob
from tests.server.described import Described
from tests.server.service import ADMIN, ALICE, BOB, GOOD, Service

NOW = 1_800_000_000_000
OWNERS = ("user:0f8fad5b-d9cb-469f-a165-70867728950e", f"session:{'0' * 64}", "admin")


def changed(token: str, position: int) -> str:
    other = "A" if token[position] != "A" else "B"
    return token[:position] + other + token[position + 1 :]


@pytest.mark.parametrize("owner", OWNERS)
def test_a_token_names_its_owner_until_its_hour_is_over(owner: str) -> None:
    tokens = StreamTokens(b"one")
    token, until = tokens.make_for_owner(owner, NOW)
    assert until == NOW + 1000 * OWNER_SECONDS
    assert tokens.owner_of(token, NOW) == tokens.owner_of(token, until - 1) == owner
    for later in (until, until + 1, until * 2):
        with pytest.raises(MissingUser):
            tokens.owner_of(token, later)


def opens(tokens: StreamTokens, token: str) -> bool:
    try:
        tokens.owner_of(token, NOW)
    except MissingUser:
        return False
    return True


@pytest.mark.parametrize("owner", OWNERS)
def test_no_other_token_is_one(owner: str) -> None:
    tokens = StreamTokens(b"one")
    token, _ = tokens.make_for_owner(owner, NOW)
    until, name, signature = token.split(".")
    other = base64.urlsafe_b64encode(b"user:another").decode()
    wrong = [
        "", "..", "x", "0..", f"{int(until) + 1}.{name}.{signature}", f"{until}.{other}.{signature}", f"{until}.{name}.",
        f"{until}.{name}=.{signature}", f"{token} ", f"{token}\n", f" {token}", f"{until}\0.{name}.{signature}",
        f"{'9' * 5_000}.{name}.{signature}", f"{until}.{'A' * 5_000}.{signature}", f"é{token}",
        StreamTokens(b"two").make_for_owner(owner, NOW)[0], tokens.make("job", owner), tokens.make("", ""),
    ]  # fmt: skip
    for bad in (*wrong, *(changed(token, position) for position in range(len(token) - 1))):
        assert not opens(tokens, bad), bad[:80]


async def news(service: Service, token: str, who: dict[str, str] | None = None) -> int:
    """What is answered to who asks for the news with a token; a HEAD does not stay."""
    answer = await service.http.head("/api/events", params={"token": token}, headers=who)
    assert "set-cookie" not in answer.headers
    return answer.status_code


async def test_whoever_brings_an_identity_gets_one_for_his_own_news(service: Service) -> None:
    described = Described((await service.http.get("/openapi.json")).json())
    owners: set[str] = set()
    for who in (ALICE, BOB, ADMIN):
        answer = await service.http.post("/api/events/token", headers=who)
        body = described.body("/api/events/token", "post", 200, answer.text)
        assert answer.headers["cache-control"] == "no-store"
        left = datetime.fromisoformat(body["expiresAt"]) - datetime.now(UTC)
        assert OWNER_SECONDS - 60 < left.total_seconds() <= OWNER_SECONDS
        assert await news(service, body["token"]) == 200
        owners.add(service.state["stream_tokens"].owner_of(body["token"], time.time_ns() // 1_000_000))
    job_id = await service.submit()
    job = await service.state["database"].read(GetJob(job_id))
    assert job is not None
    assert (len(owners), job.owner in owners, "admin" in owners) == (3, True, True)


async def test_nobody_gets_none_and_no_session(service: Service) -> None:
    answer = await service.http.post("/api/events/token")
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_user")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("token", ["", "x", "0.dXNlcg.x"])
async def test_a_bad_token_is_not_mended_by_a_good_session(service: Service, token: str) -> None:
    assert await news(service, token, ALICE) == 401


async def test_it_opens_nothing_else(service: Service) -> None:
    token = (await service.http.post("/api/events/token", headers=ALICE)).json()["token"]
    job_id = await service.submit()
    assert (await service.http.get(f"/api/jobs/{job_id}/events", params={"token": token})).status_code == 404
    bearer = {"authorization": f"Bearer {token}"}
    assert (await service.http.get(f"/api/jobs/{job_id}", headers=bearer)).status_code == 401
    assert (await service.http.post("/api/events/token", params={"token": token})).status_code == 401


async def test_a_jobs_token_does_not_open_all_news(service: Service) -> None:
    made = (await service.http.post("/api/jobs/image-generation", json=GOOD, headers=ALICE)).json()
    assert await news(service, made["streamToken"]) == 401
