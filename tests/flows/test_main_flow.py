"""The five-minute visit: words in, pictures of the right sizes out, each shown the moment it is ready."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import pytest
from PIL import Image

from tests.flows.person import Person
from tests.flows.soundness import assert_sound

if TYPE_CHECKING:
    import httpx

    from tests.flows.process import Host

pytestmark = pytest.mark.timeout(60)

SIZES: Final = {"instagram-post": (1080, 1080), "youtube-thumbnail": (1280, 720), "linkedin-cover": (1128, 191)}


async def test_from_words_to_pictures(host: Host, http: httpx.AsyncClient) -> None:
    server = host.start()
    alice, mallory = Person(http, server), Person(http, server)
    job_id = await alice.submit("image-generation", {"prompt": "mountains above a lake at dusk", "platforms": [*SIZES]})

    async with alice.follow(job_id, query="?after=0") as stream:
        await stream.rest()
    told = [message.body for message in stream.messages if message.seq]
    shown = {event["output"]["image"]["platform"]: event["output"]["image"] for event in told if _is_picture(event)}
    final = told[-1]
    assert (final["type"], final["status"], final["progress"]) == ("final", "completed", 100)
    assert final["result"]["simulated"] is True
    assert [image["platform"] for image in final["result"]["images"]] == [*SIZES]
    assert {image["platform"]: image for image in final["result"]["images"]} == shown
    progress = [message.body["progress"] for message in stream.messages if "progress" in message.body]
    assert progress == sorted(progress)

    assert await alice.timeline(job_id) == told
    job = await alice.job(job_id)
    assert (job["status"], job["attempt"], job["result"]) == ("completed", 1, final["result"])
    assert [listed["jobId"] for listed in await alice.jobs("status=completed")] == [job_id]
    assert await mallory.jobs() == []

    for platform, size in SIZES.items():
        await _shows(alice, shown[platform], size, "JPEG")
        await _hidden(mallory, f"/api/files/{shown[platform]['fileId']}")
    master = final["result"]["master"]
    await _shows(alice, master, (master["width"], master["height"]), "PNG")
    await _hidden(mallory, f"/api/files/{master['fileId']}")
    await _shows(mallory, master, (master["width"], master["height"]), "PNG")  # who has the signed address may look
    for path in ("", "/events", "/timeline"):
        await _hidden(mallory, f"/api/jobs/{job_id}{path}")
    assert_sound(server.data_dir)


def _is_picture(event: dict[str, Any]) -> bool:
    return event.get("state") == "done" and event["step"].startswith("render:")


async def _shows(person: Person, picture: dict[str, Any], size: tuple[int, int], form: str) -> None:
    answer = await person.ask("GET", picture["url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == picture["contentType"]
    assert len(answer.content) == picture["size"] == int(answer.headers["content-length"])
    with Image.open(io.BytesIO(answer.content)) as image:
        image.load()
        assert (image.format, image.size) == (form, size)


async def _hidden(person: Person, path: str) -> None:
    answer = await person.ask("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
