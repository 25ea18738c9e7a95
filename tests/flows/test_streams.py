"""Streams over a real connection: joined at any time, resumed anywhere, each event once, in order, to its final."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.flows.person import Person
from tests.flows.process import Server, hosting
from tests.flows.soundness import assert_sound
from tests.flows.sse import is_step, seqs

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx

    from tests.flows.sse import Message

pytestmark = pytest.mark.timeout(60)

ENDLESS: Final = (1000, 0.02)
"""The steps of a walk, and their seconds, that is under way until it is cancelled."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with hosting(tmp_path_factory.mktemp("streams"), job_max_concurrency=1, retry_base_seconds=0.3) as host:
        yield host.start()
        assert_sound(host.data_dir)


@pytest.fixture
def alice(http: httpx.AsyncClient, server: Server) -> Person:
    return Person(http, server)


async def ended_walk(alice: Person, **more: Any) -> tuple[str, int]:
    """A walk that has ended, and the seq of its final."""
    job_id = await alice.walk(3, 0, **more)
    return job_id, (await alice.told(job_id))[-1]["seq"]


async def test_joined_before_it_begins(alice: Person) -> None:
    in_the_way = await alice.walk(*ENDLESS)
    job_id = await alice.walk(2, 0)
    async with alice.follow(job_id) as stream:
        connected = await stream.next()
        await alice.act(in_the_way, "cancel", 202)
        told = await stream.rest()
    assert (connected.type, connected.body["status"], connected.last_event_id) == ("connected", "waiting", "1")
    expected = {"jobId": job_id, "kind": "walk", "seq": 1, "attempt": 0, "result": None}
    assert {name: connected.body[name] for name in expected} == expected
    assert seqs(told) == [2, 3, 4, 5, 6, 7]
    assert [m.body["status"] for m in told if m.seq and "state" not in m.body] == ["active", "completed"]
    assert stream.parser.retry is not None


async def test_joined_in_the_middle(alice: Person) -> None:
    job_id = await alice.walk(*ENDLESS)
    async with alice.follow(job_id) as first:
        await first.until(is_step("walk:2", "started"))
        async with alice.follow(job_id) as stream:
            connected = await stream.next()
            await alice.act(job_id, "cancel", 202)
            told = await stream.rest()
    seq = connected.body["seq"]
    assert (connected.type, connected.body["status"], connected.last_event_id) == ("connected", "active", str(seq))
    assert seq > 3
    assert seqs(told) == list(range(seq + 1, told[-1].seq + 1))
    assert (told[-1].type, told[-1].body["status"]) == ("final", "cancelled")


async def test_joined_after_the_end(alice: Person) -> None:
    job_id, last = await ended_walk(alice)
    async with alice.follow(job_id) as stream:
        connected, final = await stream.rest()
    assert (connected.body["status"], connected.last_event_id) == ("completed", "")
    assert (final.type, final.last_event_id) == ("final", str(last))
    assert final.body["result"] == connected.body["result"]


async def test_resumed_in_the_middle_of_a_running_job(alice: Person) -> None:
    job_id = await alice.walk(*ENDLESS)
    async with alice.follow(job_id, query="?after=0") as stream:
        await stream.until(is_step("walk:2", "done"))
        left_off = stream.last_event_id
    async with alice.follow(job_id, last=left_off) as stream:
        connected = await stream.next()
        await stream.until(is_step("walk:4", "done"))
        await alice.act(job_id, "cancel", 202)
        await stream.rest()
    assert connected.body == {"type": "connected", "jobId": job_id, "resumedAfter": int(left_off)}
    assert connected.last_event_id == ""
    assert seqs(stream.messages) == list(range(int(left_off) + 1, stream.messages[-1].seq + 1))


async def test_resumed_anywhere_in_an_ended_job(alice: Person) -> None:
    job_id, last = await ended_walk(alice)
    timeline = await alice.timeline(job_id)
    for after in range(last):
        for way in ({"last": str(after)}, {"query": f"?after={after}"}):
            async with alice.follow(job_id, **way) as stream:
                connected, *told = await stream.rest()
            assert connected.body["resumedAfter"] == after
            assert [message.body for message in told] == timeline[after:]
            assert [message.last_event_id for message in told] == [str(seq) for seq in range(after + 1, last + 1)]


async def test_resumed_at_the_end_it_is_told_to_stop(alice: Person) -> None:
    job_id, last = await ended_walk(alice)
    for way in ({"last": str(last)}, {"query": f"?after={last}"}, {"last": str(last + 1)}):
        async with alice.follow(job_id, **way) as stream:
            assert (stream.status, await stream.rest()) == (204, [])


async def test_the_header_goes_before_the_query(alice: Person) -> None:
    """A browser sends the address it was given, and its last id, for as long as it lives."""
    job_id, last = await ended_walk(alice)
    async with alice.follow(job_id, query="?after=0", last=str(last - 1)) as stream:
        assert seqs(await stream.rest()) == [last]


@pytest.mark.parametrize(
    "word", ["", "-1", "1.5", "x", "1e3", "9" * 5000, "99999999999999999999", "\xb2", "0x1", "1;2"]
)
async def test_an_id_that_cannot_be_ours_is_like_none(alice: Person, word: str) -> None:
    job_id, last = await ended_walk(alice)
    answer = await alice.ask("GET", f"/api/jobs/{job_id}/events", headers={b"last-event-id": word.encode("latin-1")})
    assert answer.status_code == 200
    assert '"type":"connected"' in answer.text
    assert '"resumedAfter"' not in answer.text
    assert f"id: {last}\n" in answer.text


async def test_an_id_beyond_a_live_job_gets_a_fresh_snapshot(alice: Person) -> None:
    job_id = await alice.walk(1, 0, options={"delay": 60})
    async with alice.follow(job_id, last="77") as stream:
        connected = await stream.next()
    assert (connected.body["status"], connected.last_event_id) == ("delayed", "1")
    await alice.act(job_id, "cancel", 200)


async def test_who_listens_by_name_gets_names(alice: Person) -> None:
    job_id = await alice.walk(1, 0, mishap="fail", options={"attempts": 2})
    async with alice.follow(job_id, query="?named=1&after=0") as stream:
        messages = await stream.rest()
    assert [message.event for message in messages] == [message.type for message in messages]
    assert {message.event for message in messages} == {"connected", "update", "error", "final"}


async def test_two_readers_are_told_the_same(alice: Person) -> None:
    job_id = await alice.walk(4, 0.05)
    one, other = await asyncio.gather(alice.told(job_id), alice.told(job_id))
    assert one == other == await alice.timeline(job_id)


async def test_a_stream_stays_open_over_a_failed_attempt(alice: Person) -> None:
    job_id = await alice.walk(2, 0.02, mishap="fail", mishapAt=2)
    async with alice.follow(job_id, query="?after=0") as stream:
        messages = await stream.rest()
    assert seqs(messages) == list(range(1, messages[-1].seq + 1))
    failed = next(message.body for message in messages if message.type == "error")
    assert (failed["code"], failed["retryable"], failed["status"]) == ("provider_timeout", True, "delayed")
    began = next(m.body for m in messages if m.body.get("attempt") == 2 and m.body["status"] == "active")
    assert began["at"] >= failed["nextAttemptAt"] > failed["at"]
    footprints = messages[-1].body["result"]["footprints"]
    assert [footprint["attempt"] for footprint in footprints] == [1, 2]
    assert all(message.event == "message" for message in messages)


async def test_a_new_run_is_told_to_who_resumes_after_the_first_ones_final(alice: Person) -> None:
    job_id, first_final = await ended_walk(alice, mishap="refuse", mishapAt=2)
    await alice.act(job_id, "retry", 202)
    async with alice.follow(job_id, last=str(first_final)) as stream:
        told = await stream.rest()
    assert seqs(told) == list(range(first_final + 1, told[-1].seq + 1))
    assert {message.body["run"] for message in told if message.seq} == {2}
    assert [message.type for message in told].count("final") == 1


async def test_who_missed_the_first_final_gets_it_then_the_new_run_by_resuming(alice: Person) -> None:
    job_id, first_final = await ended_walk(alice, mishap="refuse", mishapAt=2)
    await alice.act(job_id, "retry", 202)
    await alice.has(job_id, "failed")
    told: list[Message] = []
    async with alice.follow(job_id, last=str(first_final - 1)) as stream:
        told += await stream.rest()
    async with alice.follow(job_id, last=stream.last_event_id) as stream:
        told += await stream.rest()
    assert seqs(told) == list(range(first_final, (await alice.job(job_id))["seq"] + 1))
    assert [message.body["run"] for message in told if message.type == "final"] == [1, 2]


async def test_ticks_have_no_id_and_never_go_back(alice: Person) -> None:
    job_id = await alice.walk(2, 0.4)
    async with alice.follow(job_id, query="?after=0") as stream:
        messages = await stream.rest()
    ticks = [message for message in messages if message.body.get("tick")]
    assert ticks
    for index, message in enumerate(messages):
        if message in ticks:
            assert message.last_event_id == messages[index - 1].last_event_id
    progress = [message.body["progress"] for message in messages if "progress" in message.body]
    assert progress == sorted(progress)


async def test_its_head_can_be_asked_for(alice: Person) -> None:
    job_id = await alice.walk(1, 0, options={"delay": 60})
    answer = await alice.ask("HEAD", f"/api/jobs/{job_id}/events")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["x-accel-buffering"] == "no"
    await alice.act(job_id, "cancel", 200)


async def test_another_ones_stream_is_like_none(alice: Person, http: httpx.AsyncClient, server: Server) -> None:
    job_id, _ = await ended_walk(alice)
    mallory = Person(http, server)
    theirs = await mallory.ask("GET", f"/api/jobs/{job_id}/events")
    nobodys = await mallory.ask("GET", "/api/jobs/00000000-0000-7000-8000-000000000000/events")
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.headers["content-type"] == "application/problem+json"
    assert {**theirs.json(), "requestId": ""} == {**nobodys.json(), "requestId": ""}
