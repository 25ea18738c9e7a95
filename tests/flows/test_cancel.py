"""Cancelling and trying again, in every state a job can be in, on a server that runs one job at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.flows.person import Person
from tests.flows.process import Server, hosting
from tests.flows.soundness import assert_sound
from tests.flows.sse import is_step, seqs

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx

pytestmark = pytest.mark.timeout(60)

ENDLESS: Final = (1000, 0.02)
"""The steps of a walk, and their seconds, that is under way until it is cancelled."""

PLATFORMS: Final = [
    "instagram-post", "instagram-portrait", "reel-cover", "facebook-cover", "twitter-post", "twitter-header",
    "linkedin-post", "linkedin-cover", "pinterest-pin", "youtube-banner", "tiktok-cover", "threads-post",
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with hosting(tmp_path_factory.mktemp("cancel"), job_max_concurrency=1, retry_base_seconds=60) as host:
        yield host.start()
        assert_sound(host.data_dir)


@pytest.fixture
def alice(http: httpx.AsyncClient, server: Server) -> Person:
    return Person(http, server)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_while_it_waits(alice: Person, method: str) -> None:
    in_the_way = await alice.walk(*ENDLESS)
    job_id = await alice.walk(1, 0)
    async with alice.follow(job_id) as stream:
        assert (await stream.next()).body["status"] == "waiting"
        answer = await alice.ask(method, f"/api/jobs/{job_id}{'/cancel' if method == 'POST' else ''}")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        (final,) = await stream.rest()
    assert (final.type, final.body["status"], final.seq) == ("final", "cancelled", 2)
    await alice.act(in_the_way, "cancel", 202)
    await alice.all_end()
    assert (await alice.job(job_id))["attempt"] == 0


async def test_while_it_is_put_off(alice: Person) -> None:
    job_id = await alice.walk(1, 0, options={"delay": 3600})
    cancelled = await alice.act(job_id, "cancel", 200)
    assert (cancelled["status"], cancelled["runAt"]) == ("cancelled", None)
    assert [event["type"] for event in await alice.timeline(job_id)] == ["update", "final"]


async def test_while_it_waits_for_its_next_attempt(alice: Person) -> None:
    job_id = await alice.walk(1, 0, mishap="fail")
    async with alice.follow(job_id, query="?after=0") as stream:
        await stream.until(lambda message: message.type == "error")
        assert (await alice.job(job_id))["status"] == "delayed"
        await alice.act(job_id, "cancel", 200)
        (final,) = await stream.rest()
    assert (final.type, final.body["status"], final.body["attempt"]) == ("final", "cancelled", 1)


async def test_while_it_runs_it_stops_at_the_next_step(alice: Person) -> None:
    job_id = await alice.walk(1000, 0.2)
    async with alice.follow(job_id, query="?after=0") as stream:
        await stream.until(is_step("walk:2", "started"))
        asked = await alice.act(job_id, "cancel", 202)
        again = await alice.act(job_id, "cancel", 202)
        told = [message.body for message in await stream.rest() if message.seq]
    assert (asked["status"], asked["cancelRequested"]) == ("active", True)
    assert again["seq"] in (asked["seq"], asked["seq"] + 1)
    wish = next(event for event in told if event.get("cancelRequested"))
    assert (wish["type"], wish["status"]) == ("update", "active")
    assert (told[-1]["type"], told[-1]["status"]) == ("final", "cancelled")
    # The step that was under way may come to its end, and what it made is kept; no other is done.
    done_since = [event for event in told if event.get("state") == "done" and event["seq"] > wish["seq"]]
    assert len(done_since) <= 1
    assert all(event["output"] for event in done_since)
    assert (await alice.job(job_id))["progress"] < 100


async def test_when_it_has_ended(alice: Person) -> None:
    completed, failed = await alice.walk(1, 0), await alice.walk(1, 0, mishap="refuse")
    cancelled = await alice.walk(1, 0, options={"delay": 3600})
    await alice.act(cancelled, "cancel", 200)
    await alice.all_end()
    for job_id in (completed, failed, cancelled):
        before = await alice.job(job_id)
        assert (await alice.act(job_id, "cancel", 409))["code"] == "conflict"
        answer = await alice.ask("DELETE", f"/api/jobs/{job_id}")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert await alice.job(job_id) == before
    assert (await alice.act(completed, "retry", 409))["code"] == "conflict"


async def test_pictures_that_were_ready_are_kept_and_not_made_again(alice: Person) -> None:
    job_id = await alice.submit("image-generation", {"prompt": "a harbour in fog", "platforms": PLATFORMS})
    async with alice.follow(job_id, query="?after=0") as stream:
        await stream.until(lambda m: m.body.get("state") == "done" and m.body["step"].startswith("render:"))
        await alice.act(job_id, "cancel", 202)
        await stream.rest()
    ready = {m.body["step"]: m.body["output"] for m in stream.messages if m.body.get("state") == "done"}
    assert {"generate", "decode"} < ready.keys()
    assert stream.messages[-1].body["status"] == "cancelled"
    for step, output in ready.items():
        if step != "decode":
            picture = output.get("image") or output.get("thumbnail") or output["master"]
            answer = await alice.ask("GET", picture["url"])
            assert (answer.status_code, len(answer.content)) == (200, picture["size"])

    await alice.act(job_id, "retry", 202)
    told = await alice.told(job_id, after=stream.messages[-1].seq)
    result = told[-1]["result"]
    assert result["master"] == ready["generate"]["master"]
    images = {f"render:{image['platform']}": {"image": image} for image in result["images"]}
    assert [*images] == [f"render:{name}" for name in PLATFORMS]
    assert {step: images[step] for step in images.keys() & ready.keys()} == {
        step: output for step, output in ready.items() if step in images
    }
    assert not {event["step"] for event in told if "state" in event} & ready.keys()


async def test_a_cancelled_walk_tried_again_goes_on_where_it_was(alice: Person) -> None:
    job_id = await alice.walk(40, 0.02)
    async with alice.follow(job_id, query="?after=0") as stream:
        await stream.until(is_step("walk:3", "done"))
        await alice.act(job_id, "cancel", 202)
        first = (await stream.rest())[-1].body
    assert (first["type"], first["status"], first["run"]) == ("final", "cancelled", 1)

    again = await alice.act(job_id, "retry", 202)
    assert (again["status"], again["run"], again["attempt"], again["cancelRequested"]) == ("waiting", 2, 0, False)
    assert (again["error"], again["result"], again["finishedAt"]) == (None, None, None)
    told = await alice.told(job_id, after=first["seq"])
    assert [event["seq"] for event in told] == list(range(first["seq"] + 1, told[-1]["seq"] + 1))
    assert (told[-1]["type"], told[-1]["status"], told[-1]["run"]) == ("final", "completed", 2)
    runs = [footprint["run"] for footprint in told[-1]["result"]["footprints"]]
    assert runs == sorted(runs)
    assert set(runs[:3]) == {1}
    assert runs[-1] == 2


async def test_a_failed_walk_tried_again_does_not_repeat_what_is_done(alice: Person) -> None:
    job_id = await alice.walk(3, 0, mishap="refuse", mishapAt=3)
    first = (await alice.told(job_id))[-1]
    assert (first["status"], first["error"]["code"], first["attempt"]) == ("failed", "invalid_input", 1)
    await alice.act(job_id, "retry", 202)
    told = await alice.told(job_id, after=first["seq"])
    assert [event["step"] for event in told if event.get("state") == "started"] == ["walk:3"]
    assert (told[-1]["type"], told[-1]["status"], told[-1]["run"]) == ("final", "failed", 2)
    async with alice.follow(job_id, query="?after=0") as stream:
        assert seqs(await stream.rest()) == list(range(1, first["seq"] + 1))


async def test_a_strangers_job_cannot_be_touched(alice: Person, http: httpx.AsyncClient, server: Server) -> None:
    mallory = Person(http, server)
    job_id = await alice.walk(1, 0, options={"delay": 3600})
    before = await alice.job(job_id)
    for verb in ("cancel", "retry"):
        assert (await mallory.act(job_id, verb, 404))["code"] == "not_found"
    assert (await mallory.ask("DELETE", f"/api/jobs/{job_id}")).status_code == 404
    assert await alice.job(job_id) == before
    await alice.act(job_id, "cancel", 200)
