"""Real processes in front of a provider: pictures that are paid for once, a key that is named and never shown."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.openai import KEY, FakeOpenAI, file_of, hangs, refuses
from tests.flows.person import Person
from tests.flows.process import ROOT, command, environment
from tests.flows.soundness import assert_sound
from tests.flows.waiting import PATIENCE, awaited

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.flows.process import Host, Server

pytestmark = pytest.mark.timeout(60)

WANTED = {"prompt": "mountains above a lake at dusk", "platforms": ["linkedin-cover"]}
CANARY = "sk-canary-of-this-test"
ADMIN_TOKEN = "a token of an admin of this test alone"


def settings(fake: FakeOpenAI, **others: Any) -> dict[str, Any]:
    return {"openai_api_key": KEY, "openai_base_url": fake.url, "openai_backend": "openai", **others}


async def health(http: httpx.AsyncClient, server: Server) -> dict[str, Any]:
    return (await http.get(f"{server.url}/health")).json()


async def test_a_picture_by_a_model_is_paid_for_once_and_kept_as_it_came(host: Host, http: httpx.AsyncClient) -> None:
    async with FakeOpenAI() as fake:
        server = await asyncio.to_thread(host.start, **settings(fake))
        told = server.logged("is ready at")
        assert (told["provider"], "providerWhy" in told) == ("openai", False)
        assert (await health(http, server))["services"]["provider"] == {
            "status": "ok", "name": "openai", "model": "gpt-image-2.6-flare",
        }  # fmt: skip
        alice = Person(http, server)
        job_id = await alice.submit("image-generation", WANTED)
        async with alice.follow(job_id, query="?after=0") as stream:
            await stream.rest()
        result = (await alice.job(job_id))["result"]
        assert (result["simulated"], result["model"]) == (False, "gpt-image-2.6-flare")
        size = f"{result['master']['width']}x{result['master']['height']}"
        assert fake.requests[0].fields["size"] == size
        assert len(file_of(size)) == result["master"]["size"]
        assert fake.bills == 1
        assert KEY not in str(server.log())
        assert "HTTP Request" not in str(server.log())
    assert_sound(server.data_dir)


async def test_killed_while_a_call_is_under_way_it_is_paid_for_once_more_at_most(
    host: Host, http: httpx.AsyncClient
) -> None:
    async with FakeOpenAI(hangs) as fake:
        server = await asyncio.to_thread(host.start, **settings(fake))
        alice = Person(http, server)
        job_id = await alice.submit("image-generation", WANTED)
        await asyncio.wait_for(fake.hung.wait(), PATIENCE)
        await asyncio.to_thread(server.kill)
        server = await asyncio.to_thread(host.start, **settings(fake))
        again = alice.at(server)
        async with again.follow(job_id, query="?after=0") as stream:
            await stream.rest()
        assert (await again.job(job_id))["status"] == "completed"
        assert fake.bills == 2


async def test_a_wrong_key_is_named_by_the_banner_and_by_health_and_printed_nowhere(
    host: Host, http: httpx.AsyncClient
) -> None:
    async with FakeOpenAI() as fake:
        server = await asyncio.to_thread(host.start, **settings(fake, openai_api_key=CANARY))
        worker = await asyncio.to_thread(host.work, **settings(fake, openai_api_key=CANARY))
        for process in (server, worker):
            assert process.announced["provider"] == "openai"
            assert "OPENAI_API_KEY" in process.announced["providerWhy"]
        answer = await http.get(f"{server.url}/health")
        body = answer.json()
        assert body["status"] == "degraded"
        assert body["services"]["provider"]["status"] == "down"
        assert "OPENAI_API_KEY" in body["services"]["provider"]["why"]
        alice = Person(http, server)
        job_id = await alice.submit("image-generation", WANTED)
        async with alice.follow(job_id, query="?after=0") as stream:
            await stream.rest()
        job = await alice.job(job_id)
        assert (job["status"], job["error"]["code"], job["attempt"]) == ("failed", "provider_refused", 1)
        assert fake.bills == 0
        assert all("canary" not in text for text in (answer.text, str(job), str(server.log()), str(worker.log())))


async def test_an_empty_account_is_told_by_every_process_until_an_admin_has_the_queue_go_on(
    host: Host, http: httpx.AsyncClient
) -> None:
    async with FakeOpenAI(refuses(429, "insufficient_quota")) as fake:
        worker = await asyncio.to_thread(host.work, **settings(fake))
        host.expected.add("the provider's quota is used up")
        server = await asyncio.to_thread(host.start, **settings(fake, admin_token=ADMIN_TOKEN, fallback_worker="off"))
        alice = Person(http, server)
        job_id = await alice.submit("image-generation", WANTED)

        async def is_said(status: str) -> dict[str, Any]:
            services = (await health(http, server))["services"]
            return services if services["provider"]["status"] == status else {}

        services = await awaited(lambda: is_said("down"), "the quota is said to be used up")
        assert worker.logged("the provider's quota is used up")
        assert "quota" in services["provider"]["why"]
        resume = "/api/queues/image-generation/resume"
        assert f"POST {resume} with ADMIN_TOKEN as bearer token." in services["queues"]["imageGeneration"]["why"]
        admin = {"authorization": f"Bearer {ADMIN_TOKEN}"}
        assert (await http.post(f"{server.url}{resume}", headers=admin)).status_code == 200
        services = await awaited(lambda: is_said("ok"), "nothing is wrong any more")
        assert "why" not in services["queues"]["imageGeneration"]
        assert (await alice.has(job_id, "completed"))["cost"]["calls"] == 1
        assert (server.logged("an admin acts")["admin"], fake.bills) == ("ADMIN_TOKEN", 1)
        assert ADMIN_TOKEN not in str(server.log())


@pytest.mark.parametrize("module", ["server", "worker"])
async def test_a_model_that_is_no_more_ends_the_start_and_names_another(tmp_path: Path, module: str) -> None:
    async with FakeOpenAI() as fake:
        env = environment(data_dir=tmp_path, **settings(fake, openai_image_model="gpt-image-1", openai_api_key=CANARY))
        fake.keys = None
        done = await asyncio.to_thread(
            subprocess.run,
            command(module),
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 2, done.stderr
    assert "OPENAI_IMAGE_MODEL" in done.stderr
    assert "gpt-image-2.6-flare" in done.stderr
    assert "canary" not in done.stdout + done.stderr
