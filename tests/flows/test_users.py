"""Users of a Supabase project at a real server that others can reach: signed in they work, and nobody else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.supabase import KEY, running_supabase
from tests.fakes.supabase_auth import ANN, BEN
from tests.flows.person import Person
from tests.flows.process import hosting
from tests.flows.sse import streaming
from tests.flows.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx

    from tests.fakes.supabase import FakeSupabase
    from tests.flows.process import Host, Server

pytestmark = pytest.mark.timeout(60)

PROMPT = {"prompt": "a quiet sea at dawn", "platforms": ["linkedin-cover"]}


@pytest.fixture
def fake() -> Generator[FakeSupabase]:
    with running_supabase() as fake:
        yield fake


@pytest.fixture
def host(tmp_path: Path, fake: FakeSupabase) -> Generator[Host]:
    with hosting(tmp_path, supabase_url=fake.url, supabase_service_key=KEY, host="0.0.0.0") as host:
        yield host


def user(http: httpx.AsyncClient, server: Server, headers: dict[str, str]) -> Person:
    person = Person(http, server)
    person.headers = headers
    return person


async def test_who_has_signed_in_works_and_nobody_else(host: Host, fake: FakeSupabase, http: httpx.AsyncClient) -> None:
    server = host.start()
    ann, ben = user(http, server, fake.auth.bearer(ANN)), user(http, server, fake.auth.bearer(BEN))
    nobody, anonymous = user(http, server, {}), Person(http, server)
    job_id = await ann.submit("image-generation", PROMPT)
    token = (await ann.ask("POST", "/api/events/token")).json()["token"]
    async with streaming(http, f"{server.url}/api/events?token={token}", {}) as news:
        assert (await news.next()).type == "connected"
        second = await ann.submit("image-generation", PROMPT)
        assert (await news.next()).body["jobId"] in {job_id, second}
    job = await ann.has(job_id, "completed")
    picture = job["result"]["images"][0]
    assert (await nobody.ask("GET", picture["url"])).status_code == 200, "its address opens it"
    for other in (ben, nobody):
        assert (await other.ask("GET", f"/api/jobs/{job_id}")).status_code == 404
        assert (await other.ask("GET", f"/api/files/{picture['fileId']}")).status_code == 404
    for other in (nobody, anonymous):
        assert (await other.ask("POST", "/api/jobs/image-generation", json=PROMPT)).status_code == 401
        assert (await other.ask("POST", "/api/events/token")).status_code == 401
    assert token not in str(server.log())
    assert ann.headers["authorization"].partition(" ")[2] not in str(server.log())


async def test_an_outage_of_the_sign_in(host: Host, fake: FakeSupabase, http: httpx.AsyncClient) -> None:
    server = host.start()
    ann = user(http, server, fake.auth.bearer())
    job_id = await ann.submit("image-generation", PROMPT)
    fake.auth.mood = "down"
    await ann.has(job_id, "completed")

    server.kill()
    server = host.start()
    ann.server = server
    assert (await ann.ask("GET", f"/api/jobs/{job_id}")).status_code == 503
    health = await ann.get("/health")
    assert (health["status"], health["services"]["users"]["status"]) == ("degraded", "down")
    assert server.logged("the keys of users' tokens cannot be fetched")["why"] == health["services"]["users"]["why"]
    fake.auth.mood = "well"

    async def is_back() -> bool:
        return (await ann.get("/health"))["services"]["users"] == {"status": "ok"}

    await awaited(is_back, "users are known again")
    assert (await ann.job(job_id))["status"] == "completed"
