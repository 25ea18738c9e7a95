"""Pictures in Supabase Storage: the same run as with a folder, from words to pictures, and what a start is told that cannot have them."""

from __future__ import annotations

import asyncio
import io
import math
import subprocess
import time
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.openai import KEY as OPENAI_KEY
from tests.fakes.openai import FakeOpenAI
from tests.fakes.supabase import ANON, KEY, Bucket, Fault, StoredObject, running_supabase
from tests.flows.person import Person
from tests.flows.process import ROOT, Server, command, environment, hosting
from tests.flows.waiting import PATIENCE, awaited

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx

    from tests.fakes.supabase import FakeSupabase
    from tests.flows.process import Host

pytestmark = pytest.mark.timeout(60)

PROMPT = {"prompt": "a quiet sea at dawn", "platforms": ["linkedin-cover", "open-graph"]}
REFUSED = Fault("refused", times=math.inf, status=401, message="Invalid API key")
SILENT = Fault("hang", times=math.inf)
AWAY = Fault("refused", times=math.inf, status=503, message="Service Unavailable")


@pytest.fixture
def fake() -> Generator[FakeSupabase]:
    with running_supabase() as fake:
        yield fake


@pytest.fixture
def host(tmp_path: Path, fake: FakeSupabase) -> Generator[Host]:
    with hosting(tmp_path, supabase_url=fake.url, supabase_service_key=KEY) as host:
        yield host


async def health(person: Person) -> Any:
    return await person.get("/health")


async def test_the_same_run_keeps_its_pictures_there(host: Host, fake: FakeSupabase, http: httpx.AsyncClient) -> None:
    server = host.start()
    assert server.announced["storage"] == "Supabase bucket snapasset"
    alice = Person(http, server)
    assert (await health(alice))["services"]["storage"] == {"status": "ok", "name": "Supabase bucket snapasset"}
    job_id = await alice.submit("image-generation", PROMPT)
    job = await alice.has(job_id, "completed")
    stored = fake.buckets["snapasset"]
    assert not stored.public
    assert not (host.data_dir / "files").exists()

    pictures = [job["result"]["master"], *job["result"]["images"]]
    bytes_of = {name.rpartition("/")[2][:36]: found.data for name, found in stored.objects.items()}
    for picture in pictures:
        assert picture["urlExpiresAt"]
        shown = await http.get(f"{server.url}{picture['url']}")
        assert (shown.status_code, shown.content) == (200, bytes_of[picture["fileId"]])
        assert shown.headers["content-type"] == picture["contentType"]
        asked = len(fake.requests)
        again = await http.get(f"{server.url}{picture['url']}", headers={"if-none-match": shown.headers["etag"]})
        head = await http.head(f"{server.url}{picture['url']}")
        assert (again.status_code, head.status_code, len(fake.requests)) == (304, 200, asked)
    zipped = await alice.ask("GET", f"/api/generations/{job['generationId']}/zip?master=true")
    with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(pictures)

    server.kill()
    alice.server = host.start()
    shown = await alice.ask("GET", f"/api/files/{pictures[0]['fileId']}")
    assert shown.status_code == 200
    for process in host.processes:
        assert KEY not in str(process.log())


async def test_an_outage_is_told_and_ends_by_itself(host: Host, fake: FakeSupabase, http: httpx.AsyncClient) -> None:
    alice = Person(http, host.start())
    job_id = await alice.submit("image-generation", PROMPT)
    picture = (await alice.has(job_id, "completed"))["result"]["images"][0]

    async def is_said(status: str) -> bool:
        body = await health(alice)
        storage = body["services"]["storage"]
        assert body["status"] == ("ok" if storage["status"] == "ok" else "degraded")
        return storage["status"] == status

    fake.break_down(Fault("refused", times=math.inf, status=401, message="Invalid API key"))
    await awaited(lambda: is_said("down"), "the storage is said to be down")
    assert "SUPABASE_SERVICE_KEY" in (await health(alice))["services"]["storage"]["why"]
    refused = await alice.ask("GET", picture["url"])
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    fake.heal()
    await awaited(lambda: is_said("ok"), "the storage is said to be back")
    assert (await alice.ask("GET", picture["url"])).status_code == 200


@pytest.mark.timeout(120)
async def test_begun_in_an_outage_paid_for_in_it_and_killed_in_it_the_picture_is_there_afterwards(
    host: Host, fake: FakeSupabase, http: httpx.AsyncClient
) -> None:
    async with FakeOpenAI() as provider:
        settings = {"openai_api_key": OPENAI_KEY, "openai_base_url": provider.url, "openai_backend": "openai"}
        fake.break_down(replace(AWAY))
        server = await asyncio.to_thread(host.start, **settings, retry_base_seconds=0.1)
        assert server.announced["storage"] == "down"
        alice = Person(http, server)
        job_id = await alice.submit("image-generation", PROMPT)
        job = await alice.has(job_id, "failed")
        assert (job["error"]["code"], provider.bills) == ("storage_unavailable", 1)
        await asyncio.to_thread(server.kill)

        fake.heal()
        alice.server = await asyncio.to_thread(host.start, **settings)
        await alice.act(job_id, "retry", 202)
        done = await alice.has(job_id, "completed")
        assert provider.bills == 1

        async def is_there() -> bool:
            stored = fake.buckets["snapasset"].objects
            return any(done["result"]["master"]["fileId"] in name for name in stored)

        # Killed while it was about to bring it there: nobody else tries before its time for that is over.
        await awaited(is_there, "the master is in the bucket", patience=PATIENCE + 30)
        master = await alice.ask("GET", done["result"]["master"]["url"])
        assert (master.status_code, len(master.content)) == (200, done["result"]["master"]["size"])


async def storage_of(person: Person) -> Any:
    return (await health(person))["services"]["storage"]


@pytest.mark.parametrize("role", ["server", "worker"])
@pytest.mark.parametrize("key", [ANON, "sb_secret_hunter2-hunter2-hunter2"])
async def test_a_wrong_key_is_named_by_banner_and_health_and_not_shown(
    host: Host, fake: FakeSupabase, http: httpx.AsyncClient, role: str, key: str
) -> None:
    start = host.work if role == "worker" else host.start
    process = await asyncio.to_thread(start, supabase_service_key=key)
    assert process.announced["storage"] == "down"
    why = process.announced["storageWhy"]
    assert "SUPABASE_SERVICE_KEY is refused" in why
    assert process.logged("cannot be used")["error"] == why
    assert key not in str(process.log())
    assert fake.buckets == {}
    if isinstance(process, Server):
        person = Person(http, process)
        told = await health(person)
        assert told["services"]["storage"] == {"status": "down", "name": "Supabase bucket snapasset", "why": why}
        assert told["status"] == "degraded"
        assert (await person.ask("POST", "/api/jobs/image-generation", json=PROMPT)).status_code == 202


@pytest.mark.parametrize(
    ("fault", "named"), [(REFUSED, "SUPABASE_SERVICE_KEY"), (SILENT, "did not answer in time (SUPABASE_URL)")]
)
async def test_what_is_mended_on_the_other_side_is_used_without_a_start(
    host: Host, fake: FakeSupabase, http: httpx.AsyncClient, fault: Fault, named: str
) -> None:
    fake.break_down(replace(fault))
    server = await asyncio.to_thread(host.start, retry_max_seconds=1)
    assert named in server.announced["storageWhy"]
    alice = Person(http, server)
    assert named in (await storage_of(alice))["why"]
    fake.heal()

    async def is_well() -> bool:
        return (await storage_of(alice))["status"] == "ok"

    await awaited(is_well, "the storage is found")
    assert server.logged("is found and used")
    job_id = await alice.submit("image-generation", PROMPT)
    await alice.has(job_id, "completed")


async def test_nothing_is_paid_for_while_the_key_is_refused(
    host: Host, fake: FakeSupabase, http: httpx.AsyncClient
) -> None:
    async with FakeOpenAI() as provider:
        fake.break_down(replace(REFUSED))
        settings = {"openai_api_key": OPENAI_KEY, "openai_base_url": provider.url, "openai_backend": "openai"}
        server = await asyncio.to_thread(host.start, **settings, retry_base_seconds=0.05, retry_max_seconds=0.1)
        alice = Person(http, server)
        job_id = await alice.submit("image-generation", PROMPT)

        async def is_put_off() -> bool:
            return sum("an attempt failed" in line["message"] for line in server.log()) > 4

        await awaited(is_put_off, "it is put off more often than it has attempts")
        assert provider.bills == 0
        fake.heal()
        await alice.has(job_id, "completed")
        assert provider.bills == 1


async def test_a_bucket_of_another_record_that_is_reached_later_is_left_alone(
    host: Host, fake: FakeSupabase, http: httpx.AsyncClient
) -> None:
    now = time.time()
    theirs = {".snapasset-record": b"another", "generations/1/a.png": b"a picture"}
    stored = {key: StoredObject(key, data, "image/png", "max-age=0", now, now) for key, data in theirs.items()}
    fake.buckets["snapasset"] = Bucket(public=False, created_at=now, objects=dict(stored))
    fake.break_down(replace(AWAY))
    alice = Person(http, await asyncio.to_thread(host.start))
    fake.heal()

    async def is_told() -> bool:
        return "names none" in (await storage_of(alice))["why"]

    await awaited(is_told, "the bucket is seen to be another's")
    await alice.submit("image-generation", PROMPT)
    job_id = await alice.submit("file-cleanup", {"type": "all"})

    async def is_put_off() -> bool:
        return "names none" in str((await alice.get(f"/api/jobs/{job_id}")).get("error"))

    await awaited(is_put_off, "the clean-up is put off")
    assert fake.buckets["snapasset"].objects == stored


def test_a_bucket_of_another_record_is_refused(host: Host, fake: FakeSupabase, tmp_path: Path) -> None:
    server = host.start()
    server.terminate()
    assert server.wait() == 0
    bucket = fake.buckets["snapasset"].objects
    bucket["generations/1/a.png"] = bucket[".snapasset-record"]
    settings = environment(data_dir=tmp_path / "new", supabase_url=fake.url, supabase_service_key=KEY)
    done = subprocess.run(
        command(), cwd=ROOT, env=settings, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 2
    assert "Supabase bucket snapasset" in done.stderr
