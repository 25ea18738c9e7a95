"""Pictures in a folder that goes while one is being paid for: it is in the record then, for readers and for another try."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.openai import KEY, FakeOpenAI, made
from tests.flows.person import Person
from tests.flows.soundness import assert_sound
from tests.flows.waiting import PATIENCE, awaited

if TYPE_CHECKING:
    import httpx

    from tests.fakes.openai import Call
    from tests.flows.process import Host

pytestmark = pytest.mark.timeout(90)

WANTED = {"prompt": "a quiet sea at dawn", "platforms": ["linkedin-cover"]}


async def test_a_folder_that_goes_after_the_payment_loses_nothing_and_a_kill_neither(
    host: Host, http: httpx.AsyncClient
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def waits(call: Call) -> None:
        asked.set()
        await go_on.wait()
        await made(call)

    files = host.data_dir / "files"
    async with FakeOpenAI(waits) as provider:
        settings: dict[str, Any] = {
            "openai_api_key": KEY,
            "openai_base_url": provider.url,
            "openai_backend": "openai",
            "retry_base_seconds": 0.1,
        }
        server = await asyncio.to_thread(host.start, **settings)
        alice = Person(http, server)
        job_id = await alice.submit("image-generation", WANTED)
        await asyncio.wait_for(asked.wait(), PATIENCE)
        shutil.move(files, host.data_dir / "elsewhere")
        go_on.set()
        job = await alice.has(job_id, "failed")
        assert (job["error"]["code"], provider.bills) == ("storage_unavailable", 1)
        await asyncio.to_thread(server.kill)

        shutil.move(host.data_dir / "elsewhere", files)
        alice.server = await asyncio.to_thread(host.start, **settings)
        await alice.act(job_id, "retry", 202)
        master = (await alice.has(job_id, "completed"))["result"]["master"]
        assert provider.bills == 1

        async def is_there() -> bool:
            return any(files.rglob(f"{master['fileId']}*.png"))

        await awaited(is_there, "the master is in the folder", patience=PATIENCE + 30)
        shown = await alice.ask("GET", master["url"])
        assert (shown.status_code, len(shown.content)) == (200, master["size"])
    assert_sound(host.data_dir)
